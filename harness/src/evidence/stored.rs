//! A timeline entry as `timeline.jsonl` holds it.
//!
//! What a line means is stored for people and never read back: judging evidence again
//! understands the bytes anew, so that a better reader or a new rule can be put to an old run.

use std::net::IpAddr;
use std::time::Duration;

use dfota::line::Ending;
use dfota::timeline::{
    Entry, Event, FaultLife, Pin, Power, Purpose, ReadBack, ReleasedBy, ServerEvent, Stage,
    Transmit,
};
use dfota::transcript::escape;
use serde::{Deserialize, Serialize};

/// One line of `timeline.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredEntry {
    /// Microseconds since the run began.
    pub us: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: StoredEvent,
}

/// What is to be thought of a stranger of whom only the reason was told.
fn not_known() -> bool {
    true
}

/// What happened. The names are those of `dfota::timeline`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is described where dfota defines it")]
pub enum StoredEvent {
    Stage {
        stage: StoredStage,
    },
    Step {
        number: usize,
        text: String,
    },
    Supply {
        on: bool,
        /// `null` where the line cannot be read back.
        read_back: Option<bool>,
    },
    Rail {
        up: bool,
        /// By its edge, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_us: Option<u64>,
    },
    Pin {
        pin: StoredPin,
        asserted: bool,
    },
    TransmitReleased {
        by: StoredReleasedBy,
        deaf: bool,
    },
    TransmitDriven {
        why: String,
    },
    TransmitRestored,
    Rate {
        baud: u32,
    },
    Sent {
        bytes: String,
        purpose: StoredPurpose,
    },
    Received {
        /// When the last byte was read, in microseconds.
        line_us: u64,
        bytes: String,
        ending: StoredEnding,
        #[serde(default)]
        means: String,
    },
    Ready,
    Reaction {
        seen_us: u64,
        acted_us: u64,
    },
    Request {
        connection: u64,
        method: String,
        range_from: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<IpAddr>,
    },
    Acked {
        connection: u64,
        from: u64,
        bytes: u64,
        #[serde(default)]
        sent: Option<u64>,
        of: u64,
    },
    Closed {
        connection: u64,
        status: Option<u16>,
        acked: u64,
        #[serde(default)]
        sent: Option<u64>,
        declared: Option<u64>,
        honest: bool,
        how: String,
    },
    Stranger {
        connection: u64,
        why: String,
        /// Evidence of before this was told may have turned the module away.
        #[serde(default = "not_known")]
        turned_away: bool,
    },
    MoreStrangers {
        count: u64,
        turned_away: u64,
    },
    FaultArmed {
        name: String,
    },
    FaultFired {
        name: String,
        proof: String,
    },
    FaultMissed {
        name: String,
        why: String,
    },
    FaultCleared {
        name: String,
    },
    Unmet {
        expectation: String,
        why: String,
    },
    Interrupted,
    Trouble {
        what: String,
    },
}

macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $of:ident { $($variant:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "the names are dfota's")]
        pub enum $name { $($variant),+ }

        impl From<$of> for $name {
            fn from(it: $of) -> Self {
                match it { $($of::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $of {
            fn from(it: $name) -> Self {
                match it { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

mirror!(
    /// The parts of a case.
    StoredStage of Stage { Prepare, Steps, Aftercare, Retry }
);
mirror!(
    /// A line of the rig beside the supply.
    StoredPin of Pin { Pwrkey, ResetN, ConsoleEnable }
);
mirror!(
    /// How a transmit line was let go.
    StoredReleasedBy of ReleasedBy { ConsoleEnable, Break }
);
mirror!(
    /// What bytes were sent for.
    StoredPurpose of Purpose { Step, Sync, Probe }
);
mirror!(
    /// How a line ended.
    StoredEnding of Ending { Whole, CutShort, TooLong }
);

fn micros(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}

impl From<&Entry> for StoredEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            us: micros(entry.at),
            event: StoredEvent::from(&entry.event),
        }
    }
}

impl From<&Event> for StoredEvent {
    fn from(event: &Event) -> Self {
        match event {
            Event::Stage(stage) => Self::Stage {
                stage: (*stage).into(),
            },
            Event::Step(number, text) => Self::Step {
                number: *number,
                text: text.clone(),
            },
            Event::Supply { to, read_back } => {
                let on = *to == Power::On;
                Self::Supply {
                    on,
                    read_back: match read_back {
                        ReadBack::Agrees => Some(on),
                        ReadBack::Differs => Some(!on),
                        ReadBack::Unavailable => None,
                    },
                }
            }
            Event::Rail { up, since } => Self::Rail {
                up: *up,
                since_us: since.map(micros),
            },
            Event::Pin { pin, asserted } => Self::Pin {
                pin: (*pin).into(),
                asserted: *asserted,
            },
            Event::Transmit(transmit) => match transmit {
                Transmit::Released { by, deaf } => Self::TransmitReleased {
                    by: (*by).into(),
                    deaf: *deaf,
                },
                Transmit::Driven(why) => Self::TransmitDriven { why: why.clone() },
                Transmit::Restored => Self::TransmitRestored,
            },
            Event::Rate(baud) => Self::Rate { baud: *baud },
            Event::Sent { bytes, purpose } => Self::Sent {
                bytes: escape(bytes),
                purpose: (*purpose).into(),
            },
            Event::Received { line, message } => Self::Received {
                line_us: micros(line.at),
                bytes: escape(&line.bytes),
                ending: line.ending.into(),
                means: format!("{message:?}"),
            },
            Event::Ready => Self::Ready,
            Event::Reaction { seen, acted } => Self::Reaction {
                seen_us: micros(*seen),
                acted_us: micros(*acted),
            },
            Event::Server(server) => Self::from(server),
            Event::Fault { name, life } => {
                let name = name.clone();
                match life {
                    FaultLife::Armed => Self::FaultArmed { name },
                    FaultLife::Fired(proof) => Self::FaultFired {
                        name,
                        proof: proof.clone(),
                    },
                    FaultLife::Missed(why) => Self::FaultMissed {
                        name,
                        why: why.clone(),
                    },
                    FaultLife::Cleared => Self::FaultCleared { name },
                }
            }
            Event::Unmet { expectation, why } => Self::Unmet {
                expectation: expectation.clone(),
                why: why.clone(),
            },
            Event::Interrupted => Self::Interrupted,
            Event::Trouble(what) => Self::Trouble { what: what.clone() },
        }
    }
}

impl From<&ServerEvent> for StoredEvent {
    fn from(event: &ServerEvent) -> Self {
        match event.clone() {
            ServerEvent::Request {
                connection,
                method,
                range_from,
                peer,
            } => Self::Request {
                connection,
                method,
                range_from,
                peer,
            },
            ServerEvent::Acked {
                connection,
                from,
                bytes,
                sent,
                of,
            } => Self::Acked {
                connection,
                from,
                bytes,
                sent,
                of,
            },
            ServerEvent::Closed {
                connection,
                status,
                acked,
                sent,
                declared,
                honest,
                how,
            } => Self::Closed {
                connection,
                status,
                acked,
                sent,
                declared,
                honest,
                how,
            },
            ServerEvent::Stranger {
                connection,
                why,
                turned_away,
            } => Self::Stranger {
                connection,
                why,
                turned_away,
            },
            ServerEvent::MoreStrangers { count, turned_away } => {
                Self::MoreStrangers { count, turned_away }
            }
        }
    }
}
