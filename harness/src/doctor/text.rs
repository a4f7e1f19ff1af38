//! An examination for a person at a bench: a line for each step, and where one failed all that
//! helps to mend it.

use std::fmt::Write as _;
use std::path::Path;

use super::{Examination, Look, Outcome, Step, Verdict, What};
use crate::home::as_seen_from_here;

/// Where the second and later lines of a step begin.
const INDENT: &str = "         ";
/// The longest line that a step is given.
const WIDTH: usize = 100;

/// What stands above the steps.
#[must_use]
pub fn heading(rig: &str) -> String {
    format!("examining the rig of `{rig}`\n")
}

/// One step.
#[must_use]
pub fn step(step: &Step, colors: bool) -> String {
    let number = What::ALL.iter().position(|what| *what == step.step);
    let (word, color) = match step.outcome {
        Outcome::Passed { .. } => ("ok", "32"),
        Outcome::Failed { .. } => ("FAILED", "31"),
        Outcome::Skipped { .. } => ("skipped", "33"),
        Outcome::NotRun { .. } => ("not run", "33"),
    };
    let padded = format!("{word:<7}");
    let word = if colors {
        format!("\x1b[1;{color}m{padded}\x1b[0m")
    } else {
        padded
    };
    let mut text = format!(
        "{:>4}  {word}  {:<10} {}\n",
        number.map_or(0, |index| index + 1),
        step.step.name(),
        step.title
    );
    match &step.outcome {
        Outcome::Passed { look } => said(&mut text, "", &look.saw),
        Outcome::Failed { look, check } => failed(&mut text, look, check),
        Outcome::Skipped { because } | Outcome::NotRun { because } => {
            said(&mut text, "", &format!("because {because}"));
        }
    }
    text
}

fn failed(text: &mut String, look: &Look, check: &[String]) {
    said(text, "did:      ", &look.did);
    said(text, "saw:      ", &look.saw);
    said(text, "expected: ", &look.expected);
    for (index, what) in check.iter().enumerate() {
        let label = if index == 0 {
            "check:    "
        } else {
            "          "
        };
        said(text, label, &format!("{}. {what}", index + 1));
    }
}

/// A paragraph behind a label, in lines that are not too long.
fn said(text: &mut String, label: &str, paragraph: &str) {
    let room = WIDTH - INDENT.len() - label.len();
    let mut line = String::new();
    let mut before = label.to_owned();
    for word in paragraph.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            let _ = writeln!(text, "{INDENT}{before}{line}");
            before = " ".repeat(label.len());
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "{INDENT}{before}{line}");
    }
}

/// What stands below the steps.
#[must_use]
pub fn end(examination: &Examination, evidence: &Path) -> String {
    let count = |is: fn(&Outcome) -> bool| {
        examination
            .steps
            .iter()
            .filter(|step| is(&step.outcome))
            .count()
    };
    let counted: Vec<String> = [
        (count(|o| matches!(o, Outcome::Passed { .. })), "ok"),
        (count(|o| matches!(o, Outcome::Failed { .. })), "failed"),
        (count(|o| matches!(o, Outcome::NotRun { .. })), "not run"),
        (count(|o| matches!(o, Outcome::Skipped { .. })), "skipped"),
    ]
    .into_iter()
    .filter(|(steps, _)| *steps > 0)
    .map(|(steps, word)| format!("{steps} {word}"))
    .collect();
    let conclusion = match examination.verdict {
        Verdict::Passed => "the rig is what its file claims",
        Verdict::Failed => "the rig is not what its file claims: mend it, or the file",
        Verdict::NotProved => "not all that the file claims is proved",
        Verdict::Interrupted => "interrupted; the power is off",
    };
    format!(
        "{} steps: {}\n{conclusion}\nevidence: {}\n",
        examination.steps.len(),
        counted.join(", "),
        as_seen_from_here(evidence).display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_failed_says_what_was_done_seen_and_expected_and_what_to_check() {
        let failed = Step::new(
            What::Discharge,
            4.2,
            Outcome::Failed {
                look: Look {
                    did: "released the supply, watched power_good".to_owned(),
                    saw: "the rail was down after 3.1 s".to_owned(),
                    expected: "down within `off_for`, 2 s".to_owned(),
                    ..Look::default()
                },
                check: vec![
                    "set `off_for` to 6.2 s or more".to_owned(),
                    "or put a bleeder of 1 kΩ across VBAT at the module, so that its 100 µF are empty in time, and measure again".to_owned(),
                ],
            },
        );
        insta::assert_snapshot!(step(&failed, false));
    }

    #[test]
    fn a_step_that_was_not_run_says_why() {
        let skipped = Step::new(
            What::Reset,
            0.0,
            Outcome::Skipped {
                because: "the rig file has no [reset]".to_owned(),
            },
        );
        assert_eq!(
            step(&skipped, true),
            "  13  \x1b[1;33mskipped\x1b[0m  reset      RESET_N restarts the module\n         because the rig file has no [reset]\n"
        );
    }
}
