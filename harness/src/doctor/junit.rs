//! An examination as JUnit XML, in which a step is a test case.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Examination, Look, Outcome, Step};

/// The document. A step that was not run is an error: what it was to prove is not proved.
pub fn junit(examination: &Examination) -> Result<String, impl std::error::Error + use<>> {
    let mut suite = TestSuite::new(format!("rig {}", examination.rig));
    suite.add_property(("rig_sha256", examination.rig_sha256.as_str()));
    suite.add_property(("began", examination.began.as_str()));
    suite.add_property(("hil", examination.hil.as_str()));
    suite.add_test_cases(examination.steps.iter().map(case));
    let mut report = Report::new("hil doctor");
    report.add_test_suite(suite);
    report.to_string()
}

fn case(step: &Step) -> TestCase {
    let status = match &step.outcome {
        Outcome::Passed { .. } => TestCaseStatus::success(),
        Outcome::Failed { look, check } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(look.saw.as_str());
            status.set_type(step.step.name());
            status.set_description(description(look, check));
            status
        }
        Outcome::NotRun { because } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(format!("not run: because {because}"));
            status.set_type("not-run");
            status
        }
        Outcome::Skipped { because } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(because.as_str());
            status
        }
    };
    let mut case = TestCase::new(format!("{}: {}", step.step, step.title), status);
    case.set_classname("doctor");
    case.set_time(Duration::from_secs_f64(step.seconds.max(0.0)));
    if let Outcome::Passed { look } | Outcome::Failed { look, .. } = &step.outcome {
        case.set_system_out(format!(
            "did: {}\nsaw: {}\nexpected: {}\n",
            look.did, look.saw, look.expected
        ));
        for (name, value) in &look.measured {
            case.add_property((name.as_str(), value.to_string().as_str()));
        }
    }
    case
}

fn description(look: &Look, check: &[String]) -> String {
    let mut text = format!(
        "did: {}\nsaw: {}\nexpected: {}\n",
        look.did, look.saw, look.expected
    );
    for what in check {
        text.push_str(&format!("check: {what}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, What};

    #[test]
    fn each_result_has_its_form() {
        let look = Look {
            did: "released the supply".to_owned(),
            saw: "`AT` was answered with \u{1b}[31m<OK>".to_owned(),
            expected: "silence".to_owned(),
            measured: [("discharge_ms".to_owned(), 12.5)].into(),
        };
        let outcomes = [
            Outcome::Passed { look: look.clone() },
            Outcome::Failed {
                look,
                check: vec!["the wiring".to_owned()],
            },
            Outcome::NotRun {
                because: "`console` failed".to_owned(),
            },
            Outcome::Skipped {
                because: "no [reset]".to_owned(),
            },
        ];
        let steps = What::ALL.into_iter().zip(outcomes);
        let examination = Examination {
            verdict: Verdict::Failed,
            rig: "rig.toml".to_owned(),
            rig_sha256: "00".to_owned(),
            r#virtual: false,
            began: "2020-01-01T00:00:00Z".to_owned(),
            hil: "0.1.0".to_owned(),
            steps: steps
                .map(|(what, outcome)| Step::new(what, 0.5, outcome))
                .collect(),
        };
        insta::assert_snapshot!(junit(&examination).unwrap());
    }
}
