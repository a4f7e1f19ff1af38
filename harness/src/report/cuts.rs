//! What proves the cuts of a run, as data, and how quick they were.

use std::fmt;
use std::time::Duration;

use dfota::timeline::{ReadBack, ReleasedBy, Transmit};
use dfota::verdict::{Afterwards, CutReport, Rail};
use serde::{Deserialize, Serialize};

use super::Finished;

/// A cut and its proof: `faults[].cut` of `verdict.json`. Moments are milliseconds since the case
/// began.
#[derive(Debug, Serialize, Deserialize)]
pub struct CutDocument {
    /// When the supply was commanded off, and in which phase of the update.
    pub commanded_ms: f64,
    #[expect(missing_docs, reason = "said above")]
    pub phase: String,
    /// Whether the line reads back as off; `null` where it cannot be read.
    pub reads_back_off: Option<bool>,
    /// Whether the rail was sensed; then since when it was down, `null` if it was up at the last
    /// look; whether its edge says so, or else a look before which it fell; and the longest time
    /// for which it came up again meanwhile.
    pub rail_sensed: bool,
    #[expect(missing_docs, reason = "said above")]
    pub rail_down_ms: Option<f64>,
    #[serde(default)]
    #[expect(missing_docs, reason = "said above")]
    pub rail_by_edge: bool,
    #[serde(default)]
    #[expect(missing_docs, reason = "said above")]
    pub rail_up_again_ms: Option<f64>,
    /// What our transmit line did meanwhile; `null` where the rig does not say.
    pub transmit: Option<TransmitDocument>,
    /// The interval in which the cut landed: from the last whole message before the command …
    pub last_message_ms: Option<f64>,
    #[expect(missing_docs, reason = "said above")]
    pub last_message: Option<String>,
    /// … to the first silence: the last byte that came after the command, or the command.
    pub silent_from_ms: f64,
    /// The first byte with the power back.
    pub silent_until_ms: Option<f64>,
    /// When the power came back.
    pub on_again_ms: Option<f64>,
    /// What came first then: `nothing`, `boot`, `answer` or `continuation`, …
    pub afterwards: String,
    /// … and in which line.
    pub afterwards_line: Option<String>,
    /// From the byte that decided to the edge, in microseconds; `null` where no message was
    /// answered.
    pub reaction_us: Option<f64>,
}

/// What our transmit line did while the power was off.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum TransmitDocument {
    /// Let go of.
    Released {
        /// `console-enable` or `break`.
        by: String,
        /// Whether the module could not be heard either.
        deaf: bool,
    },
    /// Driven on, and why.
    Driven {
        #[expect(missing_docs, reason = "said above")]
        why: String,
    },
    /// Ours again.
    Restored,
}

fn ms(moment: Duration) -> f64 {
    moment.as_secs_f64() * 1e3
}

impl From<&CutReport> for CutDocument {
    fn from(cut: &CutReport) -> Self {
        let (afterwards, line) = match &cut.afterwards {
            Afterwards::Nothing => ("nothing", None),
            Afterwards::Boot(line) => ("boot", Some(line)),
            Afterwards::Answer => ("answer", None),
            Afterwards::Continuation(line) => ("continuation", Some(line)),
        };
        Self {
            commanded_ms: ms(cut.commanded),
            phase: cut.phase.to_owned(),
            reads_back_off: match cut.read_back {
                ReadBack::Agrees => Some(true),
                ReadBack::Differs => Some(false),
                ReadBack::Unavailable => None,
            },
            rail_sensed: cut.rail.is_some(),
            rail_down_ms: cut.rail.and_then(|rail| rail.is.down_at()).map(ms),
            rail_by_edge: cut
                .rail
                .is_some_and(|rail| matches!(rail.is, Rail::Fell(_))),
            rail_up_again_ms: cut.rail.and_then(|rail| rail.up_again).map(ms),
            transmit: cut.transmit.as_ref().map(Into::into),
            last_message_ms: cut.last_message.as_ref().map(|(at, _)| ms(*at)),
            last_message: cut.last_message.as_ref().map(|(_, line)| line.clone()),
            silent_from_ms: ms(cut.last_byte.unwrap_or(cut.commanded)),
            silent_until_ms: cut.silent_until.map(ms),
            on_again_ms: cut.on_again.map(ms),
            afterwards: afterwards.to_owned(),
            afterwards_line: line.cloned(),
            reaction_us: cut.reaction.map(|reaction| reaction.as_secs_f64() * 1e6),
        }
    }
}

impl From<&Transmit> for TransmitDocument {
    fn from(transmit: &Transmit) -> Self {
        match transmit {
            Transmit::Released { by, deaf } => Self::Released {
                by: match by {
                    ReleasedBy::ConsoleEnable => "console-enable",
                    ReleasedBy::Break => "break",
                }
                .to_owned(),
                deaf: *deaf,
            },
            Transmit::Driven(why) => Self::Driven { why: why.clone() },
            Transmit::Restored => Self::Restored,
        }
    }
}

/// From the byte that decided to the supply's edge, over the cuts of a run, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Reactions {
    pub cuts: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

/// The reactions of a run; `None` where no cut answered to a message.
#[must_use]
pub fn reactions(finished: &[Finished]) -> Option<Reactions> {
    let mut all: Vec<Duration> = finished
        .iter()
        .filter_map(|finished| finished.judgement.as_ref())
        .flat_map(|judgement| &judgement.faults)
        .filter_map(|fault| fault.cut.as_ref()?.reaction)
        .collect();
    Reactions::of(&mut all)
}

impl Reactions {
    fn of(all: &mut [Duration]) -> Option<Self> {
        all.sort_unstable();
        let us = |duration: &Duration| duration.as_secs_f64() * 1e6;
        // The smallest that so many percent do not exceed: nearest rank.
        let percentile = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).max(1);
            all.get(rank - 1).map(us)
        };
        Some(Self {
            cuts: all.len(),
            p50_us: percentile(50)?,
            p99_us: percentile(99)?,
            max_us: all.last().map(us)?,
        })
    }
}

impl fmt::Display for Reactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cuts,
            p50_us,
            p99_us,
            max_us,
        } = self;
        let cuts = match cuts {
            1 => "1 cut".to_owned(),
            cuts => format!("{cuts} cuts"),
        };
        write!(
            f,
            "from deciding byte to edge: median {p50_us:.0} µs, 99th percentile {p99_us:.0} µs, \
             longest {max_us:.0} µs ({cuts})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reactions(micros: impl IntoIterator<Item = u64>) -> Option<Reactions> {
        let mut all: Vec<Duration> = micros.into_iter().map(Duration::from_micros).collect();
        Reactions::of(&mut all)
    }

    #[test]
    fn a_percentile_is_one_of_the_measurements() {
        let found = reactions((1..=200).rev()).unwrap();
        assert_eq!(
            (found.cuts, found.p50_us, found.p99_us, found.max_us),
            (200, 100.0, 198.0, 200.0)
        );
    }

    #[test]
    fn one_cut_is_all_there_is() {
        let found = reactions([7]).unwrap();
        assert_eq!((found.p50_us, found.p99_us, found.max_us), (7.0, 7.0, 7.0));
        assert_eq!(
            found.to_string(),
            "from deciding byte to edge: median 7 µs, 99th percentile 7 µs, longest 7 µs (1 cut)"
        );
    }

    #[test]
    fn without_a_cut_there_is_no_reaction() {
        assert_eq!(reactions([]), None);
    }
}
