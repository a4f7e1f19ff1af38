//! What an examination of a rig came to: `hil doctor`.
//!
//! The steps with what each of them needs, and how they are told: to a person (`text`), to a
//! program (JSON, by serde), to a CI server (`junit`), and to later runs on the same rig
//! (`kept`). What is done at the bench is `runner::examine`'s affair.

mod junit;
pub mod kept;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::junit::junit;
pub use self::text::{end, heading, step};
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

/// The steps, in the order in which they are taken.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Nobody else has the rig.
    Lock,
    /// The console opens, and is the one that the file names.
    Console,
    /// Every line can be claimed.
    Lines,
    /// `assert` gives power and `release` takes it.
    Supply,
    /// The module answers at the rate of the file, which is fixed or learnt as it says.
    Rate,
    /// It is the module of the file.
    Module,
    /// `power_good` follows the module's rail.
    PowerGood,
    /// Off is off: silent, its rail down, also while our TX is driven.
    Off,
    /// `off_for` is long enough.
    Discharge,
    /// How long it takes from the power to an answer.
    Boot,
    /// VBAT alone boots nothing.
    Pwrkey,
    /// The PWRKEY pulse is long enough, with room to spare.
    Pulse,
    /// RESET_N restarts the module.
    Reset,
    /// SIM and network.
    Network,
    /// The module reaches the package server.
    Server,
    /// A killed runner leaves the lines as they are declared to be left.
    Killed,
}

impl What {
    /// Every step, in order.
    pub const ALL: [Self; 16] = [
        Self::Lock,
        Self::Console,
        Self::Lines,
        Self::Supply,
        Self::Rate,
        Self::Module,
        Self::PowerGood,
        Self::Off,
        Self::Discharge,
        Self::Boot,
        Self::Pwrkey,
        Self::Pulse,
        Self::Reset,
        Self::Network,
        Self::Server,
        Self::Killed,
    ];

    /// Its name, as it is in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Console => "console",
            Self::Lines => "lines",
            Self::Supply => "supply",
            Self::Rate => "rate",
            Self::Module => "module",
            Self::Boot => "boot",
            Self::PowerGood => "power-good",
            Self::Pwrkey => "pwrkey",
            Self::Pulse => "pulse",
            Self::Reset => "reset",
            Self::Off => "off",
            Self::Discharge => "discharge",
            Self::Network => "network",
            Self::Server => "server",
            Self::Killed => "killed",
        }
    }

    /// What it proves.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Lock => "nobody else has the rig",
            Self::Console => "the console opens, and is the one that is named",
            Self::Lines => "every line can be claimed",
            Self::Supply => "asserting the supply gives power, releasing it takes it",
            Self::Rate => "the module answers at its rate, fixed or learnt as declared",
            Self::Module => "it is the module that is declared",
            Self::Boot => "it boots, and answers",
            Self::PowerGood => "power_good follows the module's rail",
            Self::Pwrkey => "VBAT alone boots nothing",
            Self::Pulse => "the PWRKEY pulse is long enough, with room to spare",
            Self::Reset => "RESET_N restarts the module",
            Self::Off => "off is off, also while our TX is driven",
            Self::Discharge => "off_for is long enough",
            Self::Network => "the SIM is ready and the network has the module",
            Self::Server => "the module reaches the package server",
            Self::Killed => "a killed runner leaves the power as declared",
        }
    }

    /// The steps without which this one would prove nothing. Nothing but power and the console
    /// is tried before it is known that it is the right module, and nothing that rests on a
    /// power cycle before it is known that there is one.
    #[must_use]
    pub fn needs(self) -> &'static [Self] {
        match self {
            Self::Lock => &[],
            Self::Console => &[Self::Lock],
            Self::Lines => &[Self::Console],
            Self::Supply => &[Self::Lines],
            Self::Rate => &[Self::Supply],
            Self::Module => &[Self::Rate],
            Self::PowerGood | Self::Off => &[Self::Module],
            Self::Discharge => &[Self::Off, Self::PowerGood],
            Self::Boot | Self::Pwrkey | Self::Reset => &[Self::Discharge],
            Self::Pulse => &[Self::Pwrkey],
            Self::Network => &[Self::Module],
            Self::Server => &[Self::Network],
            // Runs have nothing but the declared pulse to start it with.
            Self::Killed => &[Self::Discharge, Self::Pulse],
        }
    }

    /// Why this step would prove nothing after those `taken`: one that it needs did not pass.
    #[must_use]
    pub fn blocked(self, taken: &[Step]) -> Option<String> {
        let needed = |what: &Self| taken.iter().find(|step| step.step == *what);
        self.needs()
            .iter()
            .filter_map(needed)
            .find_map(|step| match step.outcome {
                Outcome::Failed { .. } => Some(format!("`{}` failed", step.step)),
                Outcome::NotRun { .. } => Some(format!("`{}` was not run", step.step)),
                Outcome::Passed { .. } | Outcome::Skipped { .. } => None,
            })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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
mod tests {
    use super::*;

    fn passed() -> Outcome {
        Outcome::Passed {
            look: Look::default(),
        }
    }

    fn failed() -> Outcome {
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

    fn not_run() -> Outcome {
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

    #[test]
    fn a_step_needs_only_what_comes_before_it() {
        for (index, what) in What::ALL.into_iter().enumerate() {
            for needed in what.needs() {
                let at = What::ALL.iter().position(|other| other == needed);
                assert!(at < Some(index), "`{what}` needs `{needed}`");
            }
        }
    }

    #[test]
    fn a_step_after_one_that_failed_says_which() {
        let taken = [
            Step::new(What::Module, 0.0, passed()),
            Step::new(What::Pwrkey, 0.0, failed()),
        ];
        assert_eq!(
            What::Pulse.blocked(&taken).as_deref(),
            Some("`pwrkey` failed")
        );
        assert_eq!(What::Reset.blocked(&taken), None);
        let interrupted = [Step::new(What::Off, 0.0, not_run())];
        assert_eq!(
            What::Discharge.blocked(&interrupted).as_deref(),
            Some("`off` was not run")
        );
    }

    #[test]
    fn a_name_is_that_of_the_document() {
        for what in What::ALL {
            assert_eq!(serde_json::to_value(what).unwrap(), what.name());
        }
    }
}
