//! The steps of an examination: what each of them proves, and which others it needs for that.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Step};

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
                // What failed in the first place says more than what was not run for it.
                Outcome::NotRun { .. } => (step.step.blocked(taken))
                    .or_else(|| Some(format!("`{}` was not run", step.step))),
                Outcome::Passed { .. } | Outcome::Skipped { .. } => None,
            })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{failed, not_run, passed};
    use super::*;

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
        let in_turn = [
            Step::new(What::Console, 0.0, failed()),
            Step::new(What::Lines, 0.0, not_run()),
        ];
        assert_eq!(
            What::Supply.blocked(&in_turn).as_deref(),
            Some("`console` failed")
        );
    }

    #[test]
    fn a_name_is_that_of_the_document() {
        for what in What::ALL {
            assert_eq!(serde_json::to_value(what).unwrap(), what.name());
        }
    }
}
