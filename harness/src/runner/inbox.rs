//! What the package server reports, where the runner's one wait can see it.

use std::sync::mpsc::{Receiver, channel};

use dfota::timeline::{Event, FaultLife, ServerEvent};

use crate::package_server::record::Seen;
use crate::package_server::{Reports, ServerReport};
use crate::waker::Waker;

/// Reports in the order in which they came.
#[derive(Debug)]
pub(super) struct Inbox {
    reports: Receiver<ServerReport>,
    waker: Waker,
}

impl Inbox {
    /// An inbox, and what to give to the server.
    pub(super) fn new() -> std::io::Result<(Self, Reports)> {
        let waker = Waker::new()?;
        let (sender, reports) = channel();
        let wakes = waker.clone();
        let to_server = Reports::new(move |report| {
            // The runner may be gone already, and then nobody is interested.
            if sender.send(report).is_ok() {
                wakes.wake();
            }
        });
        Ok((Self { reports, waker }, to_server))
    }

    /// Wakes the runner; given to whoever else has something to say.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// The next report, if there is one.
    pub(super) fn take(&self) -> Option<ServerReport> {
        self.reports.try_recv().ok()
    }
}

/// What the server saw, as the timeline has it.
pub(super) fn event(seen: Seen) -> Event {
    match seen {
        Seen::Request {
            connection,
            method,
            range_from,
            peer,
        } => Event::Server(ServerEvent::Request {
            connection,
            method,
            range_from,
            peer: Some(peer),
        }),
        Seen::Acked {
            connection,
            from,
            bytes,
            sent,
            of,
        } => Event::Server(ServerEvent::Acked {
            connection,
            from,
            bytes,
            sent: Some(sent),
            of,
        }),
        Seen::Closed {
            connection,
            status,
            acked,
            sent,
            declared,
            honest,
            how,
            record: _,
        } => Event::Server(ServerEvent::Closed {
            connection,
            status,
            acked,
            sent: Some(sent),
            declared,
            honest,
            how,
        }),
        Seen::Stranger {
            connection,
            why,
            record,
        } => Event::Server(ServerEvent::Stranger {
            connection,
            why,
            turned_away: record.turned_away,
        }),
        Seen::MoreStrangers { count, turned_away } => {
            Event::Server(ServerEvent::MoreStrangers { count, turned_away })
        }
        Seen::FaultFired {
            name,
            connection,
            at_byte,
            acked,
            text,
        } => {
            let on = connection.map_or_else(
                || "the port".to_owned(),
                |number| format!("connection {number}"),
            );
            Event::Fault {
                name,
                life: FaultLife::Fired(format!(
                    "{text}: {on}, byte {at_byte}, {acked} acknowledged"
                )),
            }
        }
        Seen::Trouble(what) => Event::Trouble(what),
    }
}
