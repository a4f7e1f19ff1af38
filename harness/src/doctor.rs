//! What an examination of a rig came to: `hil doctor`.
//!
//! The steps and what each of them needs (`what`), what came of one, and how that is told: to a
//! person (`text`), to a program (JSON, by serde), to a CI server (`junit`), and to later runs on
//! the same rig (`kept`). What is done at the bench is `runner::examine`'s affair.

mod junit;
pub mod kept;
mod text;
mod what;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::junit::junit;
pub use self::text::Page;
pub use self::what::What;
use crate::exit_code::ExitCode;

/// What was found out about a rig; the one document of `hil doctor --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Examination {
    /// What it comes to.
    pub verdict: Verdict,
    /// The rig file's path; `built-in` where none was given.
    pub rig: String,
    /// SHA-256 of the rig file, in hexadecimal: a file that was changed since is another rig.
    pub rig_sha256: String,
    /// Whether the module is a virtual one.
    pub r#virtual: bool,
    /// When it began: RFC 3339, UTC.
    pub began: String,
    /// The version of `hil`.
    pub hil: String,
    /// The steps, in the order in which they were taken.
    pub steps: Vec<Step>,
}

/// What an examination comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every step that applies to this rig passed.
    Passed,
    /// A step failed: the bench is not what its file claims.
    Failed,
    /// No step failed, and not all of them were taken.
    NotProved,
    /// It was interrupted, and no step had failed.
    Interrupted,
}

impl Verdict {
    /// What steps come to that are all there will be.
    #[must_use]
    pub fn of(steps: &[Step], interrupted: bool) -> Self {
        let any = |is: fn(&Outcome) -> bool| steps.iter().any(|step| is(&step.outcome));
        if any(|outcome| matches!(outcome, Outcome::Failed { .. })) {
            Self::Failed
        } else if interrupted {
            Self::Interrupted
        } else if any(|outcome| matches!(outcome, Outcome::NotRun { .. }))
            || !any(|outcome| matches!(outcome, Outcome::Passed { .. }))
        {
            Self::NotProved
        } else {
            Self::Passed
        }
    }

    /// What `hil doctor` ends with. A rig that fails is the same trouble as one that breaks in a
    /// run.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Passed => ExitCode::Passed,
            Self::Failed => ExitCode::Broken,
            Self::NotProved => ExitCode::NotProved,
            Self::Interrupted => ExitCode::Interrupted,
        }
    }

    /// As a person reads it, and as `run.json` has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotProved => "not-proved",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One step of an examination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Which.
    pub step: What,
    /// What it proves.
    pub title: String,
    /// How long it took.
    pub seconds: f64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is as the rig file says.
    Passed {
        /// What was looked at.
        #[serde(flatten)]
        look: Look,
    },
    /// It is not.
    Failed {
        /// What was looked at.
        #[serde(flatten)]
        look: Look,
        /// What to check at the bench, likeliest first.
        check: Vec<String>,
    },
    /// This rig does not claim it.
    Skipped {
        /// Why not.
        because: String,
    },
    /// It would have proved nothing, or could not be done.
    NotRun {
        /// Why not.
        because: String,
    },
}

/// What was done in a step, and how it went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// What was done.
    pub did: String,
    /// What was seen.
    pub saw: String,
    /// What should have been seen.
    pub expected: String,
    /// Figures, by name; the unit is the name's last word. Times are the module's own, which a
    /// virtual one lives faster than ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured: BTreeMap<String, f64>,
}

impl Step {
    /// A step that was taken, or was not.
    #[must_use]
    pub fn new(step: What, seconds: f64, outcome: Outcome) -> Self {
        Self {
            step,
            title: step.title().to_owned(),
            // Whole milliseconds: nobody wants to read more.
            seconds: (seconds * 1e3).round() / 1e3,
            outcome,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn passed() -> Outcome {
        Outcome::Passed {
            look: Look::default(),
        }
    }

    pub(crate) fn failed() -> Outcome {
        Outcome::Failed {
            look: Look::default(),
            check: Vec::new(),
        }
    }

    fn skipped() -> Outcome {
        Outcome::Skipped {
            because: String::new(),
        }
    }

    pub(crate) fn not_run() -> Outcome {
        Outcome::NotRun {
            because: String::new(),
        }
    }

    fn verdict(outcomes: Vec<Outcome>, interrupted: bool) -> Verdict {
        let steps: Vec<Step> = What::ALL
            .into_iter()
            .zip(outcomes)
            .map(|(what, outcome)| Step::new(what, 0.0, outcome))
            .collect();
        Verdict::of(&steps, interrupted)
    }

    #[test]
    fn it_passes_only_when_all_that_applies_passed() {
        assert_eq!(verdict(vec![passed(), skipped()], false), Verdict::Passed);
        assert_eq!(
            verdict(vec![passed(), not_run()], false),
            Verdict::NotProved
        );
        assert_eq!(verdict(vec![skipped()], false), Verdict::NotProved);
        assert_eq!(verdict(vec![], false), Verdict::NotProved);
    }

    #[test]
    fn what_failed_is_hidden_by_nothing() {
        let steps = vec![passed(), failed(), not_run()];
        assert_eq!(verdict(steps.clone(), false), Verdict::Failed);
        assert_eq!(verdict(steps, true), Verdict::Failed);
        let steps = vec![passed(), not_run()];
        assert_eq!(verdict(steps, true), Verdict::Interrupted);
    }
}
