//! The table of the guide's outcomes: what the scenarios ask for comes, and the rest has a reason.

use dfota::outcomes;
use harness::coverage::{self, NOT_ON_A_BENCH};
use harness::evidence::RunFolder;
use harness::interrupt::Interrupt;
use harness::packages::Packages;
use harness::runner::Run;
use harness::scenario::Case;
use rig::config::RigFile;

use crate::suite::{Quiet, all, project};
use crate::tables;

/// For each outcome the case that asks for the least beside it, and another: some ask for one
/// of two, and get the other.
fn few(cases: &[Case]) -> Vec<Case> {
    let mut ids: Vec<&str> = Vec::new();
    for outcome in outcomes::ALL {
        let asking = || {
            cases
                .iter()
                .filter(|case| coverage::asked_for(case).contains(outcome.id))
        };
        let asks = |case: &&Case| coverage::asked_for(case).len();
        ids.extend(asking().min_by_key(asks).map(|case| case.id.as_str()));
        ids.extend(asking().next_back().map(|case| case.id.as_str()));
    }
    cases
        .iter()
        .filter(|case| ids.contains(&case.id.as_str()))
        .cloned()
        .collect()
}

#[test]
fn every_outcome_is_observed_on_the_virtual_module() {
    let cases = few(&all());
    let run = Run {
        rig: RigFile::virtual_default(),
        packages: Packages::load(&project("fixtures/packages")).unwrap_or_else(|e| panic!("{e}")),
        seed: 1,
        snapshots: false,
        jobs: 2,
        defects: Vec::new(),
        guard: harness::guardian::Guard::default(),
    };
    let evidence = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(evidence.path(), "run").unwrap();
    let _tables = tables::alone_where_needed(&cases);
    let finished = run.all(&cases, &folder, &Interrupt::new(), &Quiet).unwrap();
    let table = coverage::table(&cases, &finished);
    assert_eq!(table.len(), outcomes::ALL.len());
    let unmatched: Vec<&str> = outcomes::ALL
        .iter()
        .map(|outcome| outcome.id)
        .filter(|id| !table[*id].matched)
        .collect();
    assert_eq!(unmatched, [""; 0], "{table:#?}");
}

#[test]
fn without_a_run_every_outcome_has_cases_that_ask_for_it_and_is_unmatched_for_a_reason() {
    for (id, row) in coverage::table(&all(), &[]) {
        assert!(!row.provoked.is_empty(), "{id}: {row:?}");
        assert!(row.observed.is_empty() && !row.matched, "{id}");
        assert!(row.reason.is_some(), "{id}");
    }
}

/// No excuse outlives the means to have an outcome on a bench.
#[test]
fn what_only_a_virtual_module_can_be_made_to_have_is_asked_for_by_virtual_cases_alone() {
    let asked_on_a_bench = |id: &str| {
        all()
            .iter()
            .filter(|case| case.virtual_module.circumstances.is_empty())
            .any(|case| coverage::asked_for(case).contains(id))
    };
    let only_virtual: Vec<&str> = outcomes::ALL
        .iter()
        .map(|outcome| outcome.id)
        .filter(|id| !asked_on_a_bench(id))
        .collect();
    let mut said: Vec<&str> = NOT_ON_A_BENCH
        .iter()
        .map(|(outcome, _)| outcome.id)
        .collect();
    said.sort_by_key(|id| outcomes::ALL.iter().position(|outcome| outcome.id == *id));
    assert_eq!(only_virtual, said);
}

#[test]
fn a_run_that_asked_for_little_says_so() {
    let cases: Vec<Case> = all()
        .into_iter()
        .filter(|case| case.id == "test-command")
        .collect();
    let table = coverage::table(&cases, &[]);
    assert_eq!(
        table["err-254"].reason.as_deref(),
        Some("none of the cases that were selected asks for it")
    );
    assert_eq!(
        table["test-ok"].reason.as_deref(),
        Some("no case that asks for it has observed it")
    );
}
