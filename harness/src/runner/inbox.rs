//! What the package server reports, where the runner's one wait can see it.

use std::sync::mpsc::{Receiver, channel};

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
