//! Everything that happened, in one order; its stable rendering.

mod render;

use std::net::IpAddr;
use std::time::Duration;

use crate::line::Line;
use crate::message::Message;

pub use render::render;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Since the run began; never goes back from one entry to the next.
    pub at: Duration,
    /// What it was.
    pub event: Event,
}

/// What happened: to the module, from the module, at the server, in the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A part of the case begins.
    Stage(Stage),
    /// A step of the scenario begins: its number, from 1, and its text.
    Step(usize, String),
    /// The supply was switched.
    Supply {
        /// To what.
        to: Power,
        /// What the line said when it was read back.
        read_back: ReadBack,
    },
    /// The rail was sensed (`power_good`): up or down.
    Rail {
        /// Whether it is up.
        up: bool,
        /// Since when, by the line's own edge; it may be told of long after it was. `None`: the
        /// line was looked at.
        since: Option<Duration>,
    },
    /// A line of the rig was asserted or released.
    Pin {
        /// Which.
        pin: Pin,
        /// Asserted or released.
        asserted: bool,
    },
    /// What our transmit line does to a module whose power is taken.
    Transmit(Transmit),
    /// The console's rate was changed, in baud.
    Rate(u32),
    /// Bytes were sent to the module.
    Sent {
        /// All of them, the CR included.
        bytes: Vec<u8>,
        /// What for.
        purpose: Purpose,
    },
    /// A line came from the module.
    Received {
        /// Its bytes.
        line: Line,
        /// Its meaning.
        message: Message,
    },
    /// The module answers commands: the wait for `ready` is over.
    Ready,
    /// An expected message was recognised on the stream and the next step taken at once.
    Reaction {
        /// When its last deciding byte was read.
        seen: Duration,
        /// When the action had been done.
        acted: Duration,
    },
    /// The package server saw something.
    Server(ServerEvent),
    /// A planned fault's life.
    Fault {
        /// Its name, unique in the case: `cut-1`, `server-2`.
        name: String,
        /// Where in its life it is.
        life: FaultLife,
    },
    /// An expectation was not met.
    Unmet {
        /// As the scenario spells it.
        expectation: String,
        /// Why: its deadline passed, or what came instead.
        why: String,
    },
    /// The person at the terminal, or the system, asked the run to end.
    Interrupted,
    /// The harness or the rig broke.
    Trouble(String),
}

/// The parts of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Power up, identify, go back to the base version; its last act is to power off.
    Prepare,
    /// The scenario's own steps.
    Steps,
    /// Version and settings read, a clean power cycle, and read again.
    Aftercare,
    /// After a cut: an honest update that must succeed.
    Retry,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Power {
    On,
    Off,
}

/// What a line said when it was read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// What was commanded.
    Agrees,
    /// The opposite.
    Differs,
    /// This driver cannot read its line.
    Unavailable,
}

/// A line of the rig beside the supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the hardware manual")]
pub enum Pin {
    Pwrkey,
    ResetN,
    ConsoleEnable,
}

/// Our transmit line around a cut. An idle UART line is high: as long as it is driven, current
/// flows through the module's input into a module that has no supply, and may keep it alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Let go: nothing flows from it into the module.
    Released {
        /// By which means.
        by: ReleasedBy,
        /// The module cannot be heard either until the line is given back, so that silence
        /// proves nothing meanwhile: a level shifter whose output enable gates both directions.
        deaf: bool,
    },
    /// Still driven high while the power is off, and why this rig cannot let go of it.
    Driven(String),
    /// Ours again, with the power back.
    Restored,
}

/// How a transmit line was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleasedBy {
    /// The level shifter was disabled.
    ConsoleEnable,
    /// A break holds the line low.
    Break,
}

/// What bytes were sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The scenario says so.
    Step,
    /// To learn whether the module answers (and, on autobaud, to teach it the rate).
    Sync,
    /// To learn version, identity and settings.
    Probe,
}

/// Where a planned fault is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultLife {
    /// It will fire when its trigger is seen.
    Armed,
    /// It fired; the text says how that is known, in the words of who did it.
    Fired(String),
    /// Its trigger was seen, and it was done too late to be the fault that was planned: the
    /// text says what had happened by then.
    Missed(String),
    /// It is over.
    Cleared,
}

/// What the package server saw. `connection` counts from 1 within a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// The module's request for the offered package.
    Request {
        /// Which connection.
        connection: u64,
        /// `GET` or `HEAD`.
        method: String,
        /// First byte asked for, where `Range` was sent.
        range_from: Option<u64>,
        /// Where it came from; `None` where the server does not say.
        peer: Option<IpAddr>,
    },
    /// Bytes of the body that the peer's TCP has acknowledged so far.
    Acked {
        /// Which connection.
        connection: u64,
        /// First byte of the package that this answer carries.
        from: u64,
        /// Body bytes acknowledged.
        bytes: u64,
        /// Body bytes that had left for it: the peer can have more than it has acknowledged, and
        /// no more than this. `None` where the server does not say.
        sent: Option<u64>,
        /// Size of the whole package.
        of: u64,
    },
    /// The connection is over.
    Closed {
        /// Which connection.
        connection: u64,
        /// The status that was sent, if any.
        status: Option<u16>,
        /// Body bytes acknowledged.
        acked: u64,
        /// Body bytes that were written for it: where the connection broke, it may have more than
        /// it had acknowledged, and no more than this. `None` where the server does not say.
        sent: Option<u64>,
        /// Body bytes that the answer's Content-Length promised.
        declared: Option<u64>,
        /// Whether the bytes are exactly those of the package in the manifest.
        honest: bool,
        /// Who ended it and how, in a few words.
        how: String,
    },
    /// A connection that did not ask for the package, refused.
    Stranger {
        /// Which connection.
        connection: u64,
        /// Why it was refused.
        why: String,
        /// Whether it was turned away for want of room, before it could ask for anything: then
        /// it may have been the module's.
        turned_away: bool,
    },
    /// More of them, which the server does not tell one by one.
    MoreStrangers {
        /// How many.
        count: u64,
        /// How many of these were turned away for want of room.
        turned_away: u64,
    },
}
