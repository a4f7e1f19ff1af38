//! An examination for a person at a bench: a line for each step, and where one failed all that
//! helps to mend it.

use std::fmt::Write as _;
use std::path::Path;

use super::{Examination, Look, Outcome, Step, Verdict, What};
use crate::home::as_seen_from_here;

/// Where the second and later lines of a step begin.
const INDENT: &str = "         ";
/// The longest line, where there is room for it.
const WIDTH_MAX: usize = 100;
/// And the shortest that has room for words.
const WIDTH_MIN: usize = 40;

/// What an examination is told on.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    colors: bool,
    width: usize,
}

impl Page {
    /// With colors or without, on so many columns; `None`: it is no terminal.
    #[must_use]
    pub fn new(colors: bool, columns: Option<u16>) -> Self {
        let columns = columns.map_or(WIDTH_MAX, usize::from);
        Self {
            colors,
            width: columns.clamp(WIDTH_MIN, WIDTH_MAX),
        }
    }

    /// What stands above the steps.
    #[must_use]
    pub fn heading(self, rig: &str) -> String {
        format!("examining the rig of `{rig}`\n")
    }

    /// A step that is under way, on one line without its end: the step itself is to stand there.
    #[must_use]
    pub fn under_way(self, step: What) -> String {
        let line = format!("{}{}", before(step, "…"), step.title());
        line.chars().take(self.width - 1).collect()
    }

    /// One step.
    #[must_use]
    pub fn step(self, step: &Step) -> String {
        let (word, color) = match step.outcome {
            Outcome::Passed { .. } => ("ok", "32"),
            Outcome::Failed { .. } => ("FAILED", "31"),
            Outcome::Skipped { .. } => ("skipped", "33"),
            Outcome::NotRun { .. } => ("not run", "33"),
        };
        let title = match &step.outcome {
            // Twelve of these may stand below the step that failed.
            Outcome::NotRun { because } => &format!("because {because}"),
            _ => &step.title,
        };
        let mut text = String::new();
        self.paragraph(&mut text, &before(step.step, word), title);
        match &step.outcome {
            Outcome::Passed { look } => self.looked(&mut text, look),
            Outcome::Failed { look, check } => {
                self.looked(&mut text, look);
                self.to_check(&mut text, check);
            }
            Outcome::Skipped { because } => {
                self.paragraph(&mut text, INDENT, &format!("because {because}"));
            }
            Outcome::NotRun { .. } => {}
        }
        if self.colors {
            text = text.replacen(word, &format!("\x1b[1;{color}m{word}\x1b[0m"), 1);
        }
        text
    }

    fn looked(self, text: &mut String, look: &Look) {
        for (label, said) in [
            ("did:      ", &look.did),
            ("saw:      ", &look.saw),
            ("expected: ", &look.expected),
        ] {
            self.paragraph(text, &format!("{INDENT}{label}"), said);
        }
    }

    fn to_check(self, text: &mut String, check: &[String]) {
        for (index, what) in check.iter().enumerate() {
            let label = if index == 0 {
                "check:    "
            } else {
                "          "
            };
            let number = index + 1;
            self.paragraph(text, &format!("{INDENT}{label}{number}. "), what);
        }
    }

    /// A paragraph behind a label, in lines that are not too long; those after the first begin
    /// where it does.
    fn paragraph(self, text: &mut String, label: &str, paragraph: &str) {
        let indent = label.chars().count();
        let room = self.width.saturating_sub(indent);
        let mut before = label.to_owned();
        let mut line = String::new();
        let mut end = |line: &mut String| {
            let _ = writeln!(text, "{before}{line}");
            before = " ".repeat(indent);
            line.clear();
        };
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                end(&mut line);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            end(&mut line);
        }
    }
}

/// What stands before a step's title.
fn before(step: What, word: &str) -> String {
    let number = What::ALL.iter().position(|what| *what == step);
    format!(
        "{:>4}  {word:<7}  {:<10} ",
        number.map_or(0, |index| index + 1),
        step.name()
    )
}

impl Page {
    /// What stands below the steps.
    #[must_use]
    pub fn end(self, examination: &Examination, evidence: &Path) -> String {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page = Page {
        colors: false,
        width: WIDTH_MAX,
    };

    fn discharged() -> Look {
        Look {
            did: "released the supply, watched power_good".to_owned(),
            saw: "the rail was down after 3.1 s".to_owned(),
            expected: "down within `off_for`, 2 s".to_owned(),
            ..Look::default()
        }
    }

    #[test]
    fn a_step_that_passed_says_what_was_done_seen_and_expected_within_the_terminal() {
        let passed = Step::new(
            What::Pulse,
            4.2,
            Outcome::Passed {
                look: Look {
                    did: "switched it on with 6 pulses of 700 ms down to 75 ms, each after the supply was off".to_owned(),
                    ..discharged()
                },
            },
        );
        let narrow = Page::new(false, Some(60)).step(&passed);
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 60),
            "{narrow}"
        );
        insta::assert_snapshot!(narrow);
        let under_way = Page::new(false, Some(60)).under_way(What::Pulse);
        assert_eq!(
            under_way,
            "  12  …        pulse      the PWRKEY pulse is long enough, "
        );
    }

    #[test]
    fn a_step_that_failed_says_what_was_done_seen_and_expected_and_what_to_check() {
        let failed = Step::new(
            What::Discharge,
            4.2,
            Outcome::Failed {
                look: discharged(),
                check: vec![
                    "set `off_for` to 6.2 s or more".to_owned(),
                    "or put a bleeder of 1 kΩ across VBAT at the module, so that its 100 µF are empty in time, and measure again".to_owned(),
                ],
            },
        );
        insta::assert_snapshot!(PAGE.step(&failed));
    }

    #[test]
    fn a_step_that_was_not_run_takes_one_line() {
        let because = "`console` failed".to_owned();
        let not_run = Step::new(What::Reset, 0.0, Outcome::NotRun { because });
        assert_eq!(
            PAGE.step(&not_run),
            "  13  not run  reset      because `console` failed\n"
        );
    }

    #[test]
    fn a_step_that_does_not_apply_says_why() {
        let skipped = Step::new(
            What::Reset,
            0.0,
            Outcome::Skipped {
                because: "the rig file has no [reset]".to_owned(),
            },
        );
        assert_eq!(
            Page {
                colors: true,
                ..PAGE
            }
            .step(&skipped),
            "  13  \x1b[1;33mskipped\x1b[0m  reset      RESET_N restarts the module\n         because the rig file has no [reset]\n"
        );
    }
}
