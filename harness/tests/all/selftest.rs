//! The selftest: that what is declared is whole, that each way to be wrong is a problem, and, in
//! short, that it works. All of it is `hil selftest`, which CI runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dfota::rules;
use dfota::verdict::Verdict;
use harness::evidence::RunFolder;
use harness::interrupt::Interrupt;
use harness::packages::Packages;
use harness::selftest::expected::EXPECTED;
use harness::selftest::{self, Told};
use rig::virtual_module::Defect;
use rstest::rstest;

use crate::suite::{Quiet, all, project};

#[test]
fn every_defect_is_declared_once_and_by_cases_that_exist() {
    let declared: Vec<Defect> = EXPECTED.iter().map(|expected| expected.defect).collect();
    assert_eq!(declared, Defect::ALL);
    let trials = selftest::plan(Defect::ALL, &all()).unwrap();
    let ids: BTreeSet<&str> = trials.iter().map(|trial| trial.case.id.as_str()).collect();
    assert_eq!(ids.len(), trials.len());
}

#[test]
fn a_handful_of_defects_and_a_lie_come_to_what_is_declared() {
    let defects = [
        Defect::M02,
        Defect::M03,
        Defect::M44,
        Defect::M83,
        Defect::H01,
    ];
    let trials = selftest::plan(&defects, &all()).unwrap();
    let evidence = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(evidence.path(), "run").unwrap();
    let packages = Packages::load(&project("fixtures/packages")).unwrap_or_else(|e| panic!("{e}"));
    let interrupt = Interrupt::new();
    let told = selftest::run(&trials, packages, (1, 2), &folder, &interrupt, &Quiet).unwrap();
    let matrix = selftest::matrix(&defects, &told, false);
    assert!(matrix.problems.is_empty(), "{}", matrix.text());
    assert_eq!(told.len(), 9);
}

fn told(defect: Option<Defect>, verdict: Verdict, broken: &[&'static str]) -> Told {
    Told {
        defect,
        case: "update".to_owned(),
        verdict,
        reason: "because".to_owned(),
        broken: broken.iter().copied().collect(),
        seconds: 1.0,
        folder: PathBuf::from("run/update"),
    }
}

const TRUTH: &str = rules::END_TELLS_TRUTH.id;
const PROVED: &str = rules::FAULT_PROVED.id;

#[rstest]
#[case::caught(Defect::M44, Verdict::Fail, &[TRUTH], None)]
#[case::caught_beside_another(Defect::M44, Verdict::Fail, &["end-state", TRUTH], None)]
#[case::survives(Defect::M44, Verdict::Pass, &[], Some("it survives"))]
#[case::undecided(Defect::M44, Verdict::Inconclusive, &[TRUTH], Some("it survives"))]
#[case::called_a_broken_experiment(Defect::M44, Verdict::Invalid, &[TRUTH], Some("it survives"))]
#[case::other_rule(Defect::M44, Verdict::Fail, &["end-state"], Some("another rule than `end-tells-truth`"))]
#[case::lie_found(Defect::H01, Verdict::Invalid, &[PROVED], None)]
#[case::lie_believed(Defect::H01, Verdict::Pass, &[], Some("a verdict about the module"))]
#[case::lie_blamed_on_the_module(Defect::H01, Verdict::Fail, &[PROVED], Some("a verdict about the module"))]
#[case::lie_found_by_chance(Defect::H01, Verdict::Invalid, &["precondition"], Some("`invalid` by `fault-proved`"))]
#[case::lawful(Defect::M11, Verdict::Pass, &[], None)]
#[case::lawful_and_failed(Defect::M11, Verdict::Fail, &["end-in-place"], Some("lawful"))]
fn what_is_declared_and_what_came(
    #[case] defect: Defect,
    #[case] verdict: Verdict,
    #[case] broken: &[&'static str],
    #[case] problem: Option<&str>,
) {
    let matrix = selftest::matrix(&[defect], &[told(Some(defect), verdict, broken)], false);
    match problem {
        None => assert!(matrix.problems.is_empty(), "{:?}", matrix.problems),
        Some(problem) => {
            assert_eq!(matrix.problems.len(), 1);
            assert!(
                matrix.problems[0].contains(problem),
                "{:?}",
                matrix.problems
            );
        }
    }
}

#[test]
fn a_defect_that_was_not_tried_is_a_problem() {
    let matrix = selftest::matrix(&[Defect::M44], &[], false);
    assert_eq!(matrix.problems, ["M44: it was not tried"]);
}

#[test]
fn a_clean_module_that_does_not_pass_is_a_problem() {
    let told = [
        told(Some(Defect::M44), Verdict::Fail, &[TRUTH]),
        told(None, Verdict::Fail, &["end-state"]),
    ];
    let matrix = selftest::matrix(&[Defect::M44], &told, false);
    assert_eq!(
        matrix.problems,
        ["the clean module does not pass `update`: fail: because"]
    );
}

#[test]
fn a_rule_that_nothing_breaks_is_a_problem() {
    let matrix = selftest::matrix(
        &[Defect::M44],
        &[told(Some(Defect::M44), Verdict::Fail, &[TRUTH])],
        true,
    );
    assert!(
        matrix
            .problems
            .contains(&"no defect breaks rule `end-state`".to_owned())
    );
    // The rule that it broke is the only one that is not complained of.
    assert_eq!(matrix.problems.len(), rules::ALL.len() - 1);
}
