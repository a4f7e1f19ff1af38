//! What the server saw: as it happens, for the timeline, and whole, for the evidence.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Something that the server saw, as it happens.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerReport {
    /// When.
    pub at: Instant,
    /// What.
    pub seen: Seen,
}

/// Where reports go: they are handed over by the thread that made them, so that a report is
/// there before anything that the server does next.
#[derive(Clone)]
pub struct Reports(Arc<dyn Fn(ServerReport) + Send + Sync>);

impl Reports {
    /// Hands each report to `take`, which must not wait.
    pub fn new(take: impl Fn(ServerReport) + Send + Sync + 'static) -> Reports {
        Reports(Arc::new(take))
    }

    pub(super) fn send(&self, report: ServerReport) {
        (self.0)(report);
    }
}

impl From<Sender<ServerReport>> for Reports {
    fn from(sender: Sender<ServerReport>) -> Reports {
        // A receiver that is gone is not interested any more.
        Reports::new(move |report| drop(sender.send(report)))
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reports")
    }
}

/// What the server saw. `connection` counts from 1 since the server was started. Whatever a peer
/// said is escaped already.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The module's request for the offered package.
    Request {
        /// Which connection.
        connection: u64,
        /// `GET` or `HEAD`.
        method: String,
        /// First byte asked for, where `Range` was sent.
        range_from: Option<u64>,
        /// Where it came from.
        peer: IpAddr,
    },
    /// Bytes of the body that the peer's TCP has acknowledged so far.
    Acked {
        /// Which connection.
        connection: u64,
        /// First byte of the package that this answer carries.
        from: u64,
        /// Body bytes acknowledged.
        bytes: u64,
        /// Body bytes that have left for the peer, acknowledged or not.
        sent: u64,
        /// Size of the whole package.
        of: u64,
    },
    /// A plan has done all that it says, and it is proved.
    FaultFired {
        /// The plan's name.
        name: String,
        /// The connection it was done to; `None` where it was done to the port.
        connection: Option<u64>,
        /// The byte of the body at which the last operation was done.
        at_byte: u64,
        /// Body bytes acknowledged then.
        acked: u64,
        /// How it is known, in a few words.
        text: String,
    },
    /// The connection is over. The record of it, for `http.jsonl`, comes with it.
    Closed {
        /// Which connection.
        connection: u64,
        /// The status that was sent, if any.
        status: Option<u16>,
        /// Body bytes acknowledged.
        acked: u64,
        /// Body bytes written: the peer can have more than it has acknowledged, and no more than
        /// this.
        sent: u64,
        /// Body bytes that the answer's Content-Length promised.
        declared: Option<u64>,
        /// Whether the bytes acknowledged are exactly those of the package, from the byte asked
        /// for on.
        honest: bool,
        /// Who ended it and how, in a few words.
        how: String,
        /// The whole of it.
        record: Box<ConnectionRecord>,
    },
    /// Somebody else's connection, refused.
    Stranger {
        /// Which connection.
        connection: u64,
        /// Why it was refused.
        why: String,
        /// The whole of it.
        record: Box<ConnectionRecord>,
    },
    /// So many more strangers were refused than are told one by one.
    MoreStrangers {
        /// Since the last report.
        count: u64,
        /// How many of these were turned away for want of room.
        turned_away: u64,
    },
    /// Something that makes what was served untrustworthy: the server itself is at fault.
    Trouble(String),
}

/// One connection, from beginning to end: a line of `http.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// Counted from 1 since the server was started.
    pub connection: u64,
    /// Whether it did not ask for anything on offer.
    pub stranger: bool,
    /// Whether it was turned away for want of room, before it could ask: who it was is not known.
    #[serde(default)]
    pub turned_away: bool,
    /// The peer's address and port.
    pub peer: String,
    /// When it was accepted, in milliseconds since the server was started.
    pub accepted_ms: f64,
    /// How long it lasted, in milliseconds.
    pub lasted_ms: f64,
    /// What it sent, escaped, cut off at the limit of heads.
    pub head: String,
    /// The request's number, from 1 since the plans were set; `None` where it got none.
    pub request: Option<u64>,
    /// The plan that was played: its name.
    pub plan: Option<String>,
    /// The status that was sent.
    pub status: Option<u16>,
    /// The head that was sent, escaped.
    pub answer_head: Option<String>,
    /// First byte of the package that the answer carried.
    pub from: u64,
    /// Body bytes that the head promised.
    pub declared: Option<u64>,
    /// Bytes written to the socket: head and body.
    pub written: u64,
    /// Bytes acknowledged: head and body.
    pub acked: u64,
    /// Body bytes acknowledged.
    pub body_acked: u64,
    /// Body bytes written.
    pub body_written: u64,
    /// Whether these are exactly the package's.
    pub honest: bool,
    /// Bytes written and acknowledged over time.
    pub samples: Vec<Sample>,
    /// What the plan did, in order.
    pub fired: Vec<Fired>,
    /// Bytes that the peer sent after its head; they were not heeded.
    pub more_received: u64,
    /// Who ended it and how.
    pub how: String,
}

/// How far a reply was at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Milliseconds since the connection was accepted.
    pub ms: f64,
    /// Bytes written by then: head and body.
    pub written: u64,
    /// Bytes acknowledged by then: head and body.
    pub acked: u64,
}

/// An operation of a plan that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// What was done, in a few words.
    pub what: String,
    /// At which byte of the reply, head and body counted.
    pub at_byte: u64,
    /// Milliseconds since the connection was accepted.
    pub ms: f64,
    /// Bytes of the reply that were acknowledged when it was known to be done.
    pub acked: u64,
}

/// As evidence has it.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
