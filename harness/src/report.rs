//! What a finished case and a finished run say: `verdict.json`, `run.json`, and text for people.

pub mod cuts;
pub mod document;
pub mod progress;
pub mod text;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dfota::brief::Brief;
use dfota::timeline::Entry;
use dfota::verdict::{Finding, Judgement, Verdict};
use rig::config::RigFile;
pub use rig::written::chain;

use crate::runner::identity::Met;
use crate::runner::{Run, accepted_dir};
use crate::scenario::{Case, RightVerdict};
use crate::snapshot::{self, About, Comparison};

/// One case that is over.
#[derive(Debug)]
pub struct Finished {
    /// Its id.
    pub id: String,
    /// Its scenario's name.
    pub scenario: String,
    /// Its scenario's title.
    pub title: String,
    /// The last word.
    pub verdict: Verdict,
    /// One sentence.
    pub reason: String,
    /// What the judge was told.
    pub brief: Brief,
    /// What the judge said; `None` where nothing was run.
    pub judgement: Option<Judgement>,
    /// How the sequence compares with the accepted one; `None` where it was not compared.
    pub snapshot: Option<Comparison>,
    /// Everything that happened.
    pub timeline: Vec<Entry>,
    /// Its folder.
    pub folder: PathBuf,
    /// How long it took.
    pub took: Duration,
    /// Whether the module was a virtual one.
    pub is_virtual: bool,
    /// Who the module is; `None` where it was not asked, or did not answer.
    pub module: Option<Met>,
    /// The run's seed.
    pub seed: u64,
    /// What a right judge says.
    pub right_verdict: RightVerdict,
}

impl Finished {
    fn new(case: &Case, brief: Brief, folder: PathBuf) -> Self {
        Self {
            id: case.id.clone(),
            scenario: case.scenario.name.clone(),
            title: case.scenario.title.clone(),
            verdict: Verdict::Error,
            reason: String::new(),
            brief,
            judgement: None,
            snapshot: None,
            timeline: Vec::new(),
            folder,
            took: Duration::ZERO,
            is_virtual: false,
            module: None,
            seed: 0,
            right_verdict: case.scenario.right_verdict,
        }
    }

    /// A case that was not attempted.
    #[must_use]
    pub fn skipped(case: &Case, brief: Brief, why: String, folder: PathBuf) -> Self {
        Self {
            verdict: Verdict::Skipped,
            reason: why,
            ..Self::new(case, brief, folder)
        }
    }

    /// A case that the harness could not finish.
    #[must_use]
    pub fn broken(case: &Case, brief: Brief, why: &dyn std::error::Error, folder: PathBuf) -> Self {
        Self {
            verdict: Verdict::Error,
            reason: chain(why),
            ..Self::new(case, brief, folder)
        }
    }

    /// A case that was run and judged.
    #[must_use]
    pub fn judged(
        case: &Case,
        brief: Brief,
        judgement: Judgement,
        snapshot: Option<Comparison>,
        timeline: Vec<Entry>,
        folder: PathBuf,
    ) -> Self {
        let right = case.scenario.right_verdict;
        let (verdict, reason) = conclusion(right, &judgement, snapshot.as_ref());
        Self {
            verdict,
            reason,
            judgement: Some(judgement),
            snapshot,
            timeline,
            ..Self::new(case, brief, folder)
        }
    }

    pub(crate) fn with(self, run: &Run, module: Option<Met>, took: Duration) -> Self {
        Self {
            module,
            took,
            is_virtual: run.rig.is_virtual(),
            seed: run.seed,
            ..self
        }
    }

    /// Writes `verdict.json`, and `brief.json` for whoever judges again.
    pub fn write(&self) -> io::Result<()> {
        document::write_case(self)
    }

    /// The findings, none where nothing was judged.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        self.judgement.as_ref().map_or(&[], |j| &j.findings)
    }
}

/// What a judgement comes to, given what a right judge says.
#[must_use]
pub fn judged_alone(right: RightVerdict, judgement: &Judgement) -> (Verdict, String) {
    match (right, judgement.verdict) {
        (RightVerdict::Fail, Verdict::Fail) => (
            Verdict::Pass,
            format!("the planted defect was caught: {}", judgement.reason),
        ),
        (RightVerdict::Fail, Verdict::Pass) => (
            Verdict::Error,
            "the planted defect was not caught: the judge is at fault".to_owned(),
        ),
        (RightVerdict::Invalid, Verdict::Invalid) => (
            Verdict::Pass,
            format!(
                "the planted lie of the rig was caught: {}",
                judgement.reason
            ),
        ),
        (RightVerdict::Invalid, verdict @ (Verdict::Pass | Verdict::Fail)) => (
            Verdict::Error,
            format!(
                "the planted lie of the rig came out as `{}`, a verdict about the module: the judge is at fault",
                verdict.word()
            ),
        ),
        (_, verdict) => (verdict, judgement.reason.clone()),
    }
}

/// The last word on a case.
///
/// A sequence that differs from the accepted one turns a pass into `fail`: the scenario asserts
/// it. It turns nothing else into anything, for what the judge found is stronger.
fn conclusion(
    right: RightVerdict,
    judgement: &Judgement,
    snapshot: Option<&Comparison>,
) -> (Verdict, String) {
    let (verdict, reason) = judged_alone(right, judgement);
    let last = with_sequence(verdict, snapshot.map(Comparison::word));
    let reason = match snapshot {
        Some(Comparison::Differs { pending, .. }) if last != verdict => format!(
            "the sequence differs from the accepted one; see `cargo insta review`, or `{}`",
            pending.display()
        ),
        Some(Comparison::Missing { pending }) if last != verdict => format!(
            "no sequence was accepted yet; see `cargo insta review`, or `{}`",
            pending.display()
        ),
        _ => reason,
    };
    (last, reason)
}

/// What a verdict becomes by the comparison with the accepted sequence, in the word that stands for
/// it in `verdict.json`.
#[must_use]
pub fn with_sequence(verdict: Verdict, compared: Option<&str>) -> Verdict {
    match (verdict, compared) {
        (Verdict::Pass, Some(Comparison::DIFFERS)) => Verdict::Fail,
        (Verdict::Pass, Some(Comparison::MISSING)) => Verdict::Inconclusive,
        _ => verdict,
    }
}

/// Compares what a case said with what was accepted for it.
pub fn compare_snapshot(case: &Case, text: &str, rig: &RigFile) -> io::Result<Comparison> {
    let path = &case.scenario.path;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = accepted_dir(path);
    std::fs::create_dir_all(&dir)?;
    snapshot::compare(
        &dir,
        &case.id,
        text,
        About {
            title: &case.scenario.title,
            scenario: &format!("scenarios/{file}"),
            rig: if rig.is_virtual() {
                "virtual"
            } else {
                "hardware"
            },
        },
    )
}

/// The command that runs one case again.
#[must_use]
pub fn reproduce(id: &str, seed: u64, rig: Option<&Path>) -> String {
    let rig = rig.map_or_else(String::new, |path| format!(" --rig {}", path.display()));
    format!("hil run {id} --seed {seed}{rig}")
}
