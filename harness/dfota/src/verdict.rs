//! Findings to a verdict; the order is the meaning.

use std::time::Duration;

/// The last word on a case. A run ends with the strongest of its cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Every expectation met, every planned fault proved, nothing cited against the module.
    Pass,
    /// Not attempted, with the reason.
    Skipped,
    /// The evidence does not decide.
    Inconclusive,
    /// The experiment did not happen.
    Invalid,
    /// The harness or the rig broke.
    Error,
    /// The module broke a cited rule or an expectation.
    Fail,
}

/// What was wrong, by which rule, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's stable id.
    pub rule: &'static str,
    /// Where the guide says so (`§3.1 note 1`), or `house`.
    pub cite: &'static str,
    /// When, since the run began.
    pub at: Duration,
    /// The entry of the timeline that broke the rule.
    pub entry: Option<usize>,
    /// What was seen, and what was allowed instead.
    pub what: String,
    /// What this finding makes of the case.
    pub verdict: Verdict,
}
