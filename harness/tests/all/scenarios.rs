//! Every scenario, on the virtual module, against the sequence that was accepted for it.

use std::path::PathBuf;
use std::sync::Arc;

use dfota::verdict::Verdict;
use harness::evidence::RunFolder;
use harness::interrupt::Interrupt;
use harness::packages::Packages;
use harness::report::text;
use harness::runner::Run;
use harness::scenario::load;
use rig::config::RigFile;
use rstest::rstest;

use crate::skipped::skipped;
use crate::suite::{Quiet, project};
use crate::tables;

#[rstest]
fn scenario(#[files("../scenarios/*.toml")] path: PathBuf) {
    let scenario: Arc<_> = load(&path).unwrap_or_else(|e| panic!("{e}"));
    let cases = scenario.cases();
    let run = Run {
        rig: RigFile::virtual_default(),
        packages: Packages::load(&project("fixtures/packages")).unwrap_or_else(|e| panic!("{e}")),
        seed: 1,
        snapshots: true,
        // The sweep has dozens of cases, and would be waited for alone.
        jobs: (cases.len() / 5).max(2),
        defects: Vec::new(),
        guard: harness::guardian::Guard::default(),
    };
    let evidence = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(evidence.path(), "run").unwrap();
    let _tables = tables::alone_where_needed(&cases);
    let finished = run.all(&cases, &folder, &Interrupt::new(), &Quiet).unwrap();
    assert_eq!(finished.len(), cases.len());
    for case in &finished {
        let needs = cases
            .iter()
            .find(|asked| asked.id == case.id)
            .map(|asked| asked.needs().network);
        if let Some(why) = needs.and_then(harness::package_server::why_not) {
            assert_eq!(
                case.verdict,
                Verdict::Skipped,
                "{}",
                text::case(case, false)
            );
            skipped(format_args!("{}: {why}", case.id));
            continue;
        }
        assert_eq!(case.verdict, Verdict::Pass, "{}", text::case(case, false));
    }
}
