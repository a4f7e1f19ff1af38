//! The exit codes, each with its sentence. They follow cargo-nextest: its users script against them.

use dfota::verdict::Verdict;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Every selected case passed.
    Passed,
    /// The command line is wrong.
    Usage,
    /// Nothing was selected.
    NothingSelected,
    /// A scenario, rig or package file is wrong; nothing was run.
    BadFile,
    /// A module broke a rule or an expectation.
    Failed,
    /// The harness or the rig broke.
    Broken,
    /// Nothing was proved: `invalid`, `inconclusive` or `skipped`.
    NotProved,
    /// Interrupted, and left in the state that the phase demands.
    Interrupted,
}

impl ExitCode {
    /// Every code, for the help text.
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::Usage,
        Self::NothingSelected,
        Self::BadFile,
        Self::Failed,
        Self::Broken,
        Self::NotProved,
        Self::Interrupted,
    ];

    /// What a run with this strongest verdict ends with.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Passed,
            Verdict::Skipped | Verdict::Inconclusive | Verdict::Invalid => Self::NotProved,
            Verdict::Error => Self::Broken,
            Verdict::Fail => Self::Failed,
        }
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Usage => 2,
            Self::NothingSelected => 4,
            Self::BadFile => 96,
            Self::Failed => 100,
            Self::Broken => 105,
            Self::NotProved => 106,
            Self::Interrupted => 130,
        }
    }

    /// The sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Passed => "every selected case passed",
            Self::Usage => "the command line is wrong",
            Self::NothingSelected => "nothing was selected",
            Self::BadFile => "a scenario, rig or package file is wrong; nothing was run",
            Self::Failed => "a case failed: the module broke a rule or an expectation",
            Self::Broken => "the harness or the rig broke",
            Self::NotProved => "nothing was proved: a case is invalid, inconclusive or skipped",
            Self::Interrupted => "interrupted, and left in the state that the phase demands",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
