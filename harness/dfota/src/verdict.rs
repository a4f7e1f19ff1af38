//! Findings to a verdict; the order is the meaning.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::timeline::{ReadBack, Transmit};

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

impl Verdict {
    /// As reports spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Skipped => "skipped",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Invalid => "invalid",
            Verdict::Error => "error",
            Verdict::Fail => "fail",
        }
    }
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
    /// The entry of the timeline that broke the rule; `None` where something was missing
    /// until the end.
    pub entry: Option<usize>,
    /// The phase of the update before that entry.
    pub phase: &'static str,
    /// What was seen.
    pub what: String,
    /// What was allowed instead.
    pub allowed: String,
    /// What this finding makes of the case.
    pub verdict: Verdict,
}

/// All that the judge has to say on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The last word: the strongest of the findings, `pass` without any.
    pub verdict: Verdict,
    /// One sentence.
    pub reason: String,
    /// What was wrong, in the order of the timeline.
    pub findings: Vec<Finding>,
    /// How many findings more there were than are kept.
    pub findings_left_off: usize,
    /// What would have been a finding, had the experiment happened: the first entry at which
    /// it was known not to have, and all that came after, says nothing about the module.
    pub void: Vec<Finding>,
    /// The module's dialect, and what else was lawful but worth knowing.
    pub notes: Vec<String>,
    /// Every fault, planned or seen.
    pub faults: Vec<FaultReport>,
    /// What the module ran.
    pub firmware: Firmware,
    /// How often each rule was relevant, by its id; each rule is there, with 0 if never.
    pub exercised: BTreeMap<&'static str, u64>,
    /// The outcomes of the guide that were observed: ids of [`crate::outcomes::ALL`].
    pub outcomes: Vec<&'static str>,
}

/// A fault and what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// Its name, unique in the case.
    pub name: String,
    /// Whether the scenario planned it.
    pub planned: bool,
    /// Whether it is proved to have happened.
    pub fired: bool,
    /// What proves it, or what is missing.
    pub proof: String,
    /// The measurements of a cut; `None` where the supply was not switched off for it.
    pub cut: Option<CutReport>,
}

/// What was measured of a cut. All times are since the run began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutReport {
    /// When the supply was commanded off.
    pub commanded: Duration,
    /// The phase of the update then.
    pub phase: &'static str,
    /// What the supply's line said when it was read back.
    pub read_back: ReadBack,
    /// What was sensed of the rail; `None` where it is not wired.
    pub rail: Option<RailReport>,
    /// What our transmit line did while the power was off; `None` where the rig does not say.
    pub transmit: Option<Transmit>,
    /// The last whole message before: where the interval begins in which the cut landed.
    pub last_message: Option<(Duration, String)>,
    /// The last byte after the command, if one came: where that interval ends; else it ends with
    /// the command.
    pub last_byte: Option<Duration>,
    /// The first byte with the power back, if one came.
    pub silent_until: Option<Duration>,
    /// When the power came back.
    pub on_again: Option<Duration>,
    /// What came first then.
    pub afterwards: Afterwards,
    /// From the deciding byte to the supply's edge.
    pub reaction: Option<Duration>,
}

/// What was sensed of the rail while the supply was off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RailReport {
    /// What it was at the end.
    pub is: Rail,
    /// The longest time for which it was up again after it had been down.
    pub up_again: Option<Duration>,
}

/// What a rail is, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rail {
    /// Up.
    Up,
    /// Down at this look and from then on; it fell at some time before.
    SeenDown(Duration),
    /// Down since it fell at this moment, by the line's own edge.
    Fell(Duration),
}

impl Rail {
    /// Since when it is down, at the latest.
    #[must_use]
    pub fn down_at(self) -> Option<Duration> {
        match self {
            Self::Up => None,
            Self::SeenDown(at) | Self::Fell(at) => Some(at),
        }
    }
}

/// What came first when the power was back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// Nothing that says anything of a boot.
    Nothing,
    /// A boot, and the line that tells of it.
    Boot(String),
    /// No boot was seen; the module answered.
    Answer,
    /// The update went on as though nothing had happened.
    Continuation(String),
}

/// The versions that the module reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Before the scenario's steps.
    pub before: Option<String>,
    /// After them.
    pub after: Option<String>,
}
