//! The books of one reply: what was written, what of it is acknowledged, what has fired.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::package_server::record::{Fired, Sample, milliseconds};
use crate::package_server::tcp_info::Delivery;

/// The least time between two samples, unless a hundredth of the reply has gone in between.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// The most samples of a connection.
const SAMPLES_MAX: usize = 4_000;

/// What a playout tells while it goes on.
pub(in crate::package_server) trait Watcher {
    /// So many bytes were written; whether more may be.
    fn wrote(&mut self, bytes: u64) -> bool;
    /// Bytes of the reply were acknowledged: so many, head and body; and so many have left.
    fn acked(&mut self, bytes: u64, sent: u64);
    /// An operation has fired.
    fn fired(&mut self, fired: &Fired);
}

/// What was played so far.
#[derive(Debug, Default)]
pub(in crate::package_server) struct Played {
    pub(in crate::package_server) written: u64,
    pub(in crate::package_server) acked: u64,
    pub(in crate::package_server) samples: Vec<Sample>,
    pub(in crate::package_server) fired: Vec<Fired>,
    pub(in crate::package_server) more_received: u64,
}

/// The books, and who is told of each entry.
pub(super) struct Books<W> {
    watcher: W,
    accepted: Instant,
    /// How many bytes the reply has, where it has an end.
    of: u64,
    /// Operations that fire once so many bytes are acknowledged.
    pending: VecDeque<(u64, String)>,
    last_sample: Instant,
    pub(super) played: Played,
}

impl<W: Watcher> Books<W> {
    /// Empty books of a connection that was accepted then.
    pub(super) fn new(accepted: Instant, watcher: W) -> Books<W> {
        Books {
            watcher,
            accepted,
            of: 0,
            pending: VecDeque::new(),
            last_sample: accepted,
            played: Played::default(),
        }
    }

    /// So many bytes are going to be written.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.of = bytes;
    }

    /// So many bytes were written; whether more may be.
    pub(super) fn wrote(&mut self, bytes: usize) -> bool {
        self.played.written += bytes as u64;
        self.watcher.wrote(bytes as u64)
    }

    /// Whether something was written that is not acknowledged yet.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.played.acked < self.played.written
    }

    /// Enters what the kernel says of the delivery, and lets fire what is due. Whether there was
    /// anything new.
    pub(super) fn delivered(&mut self, delivery: Delivery) -> bool {
        let written = self.played.written;
        // Our FIN counts as a byte that was acknowledged.
        let acked = delivery.acked.min(written);
        let is_news = acked > self.played.acked;
        if is_news {
            self.played.acked = acked;
            let left = written.saturating_sub(delivery.unsent).max(acked);
            self.watcher.acked(acked, left);
            self.sample_if_worth_it();
        }
        let acked_so_far = self.played.acked;
        let is_due = |(at, _): &(u64, String)| *at <= acked_so_far;
        while self.pending.front().is_some_and(is_due) {
            if let Some((at, what)) = self.pending.pop_front() {
                self.fire_at(at, what);
            }
        }
        is_news
    }

    /// An operation is complete, and fires once all that was written before it is acknowledged.
    pub(super) fn fire_when_acknowledged(&mut self, what: String) {
        self.pending.push_back((self.played.written, what));
    }

    /// An operation has fired.
    pub(super) fn fire(&mut self, what: String) {
        self.fire_at(self.played.written, what);
    }

    fn fire_at(&mut self, at_byte: u64, what: String) {
        let fired = Fired {
            what,
            at_byte,
            ms: milliseconds(self.accepted.elapsed()),
            acked: self.played.acked,
        };
        self.watcher.fired(&fired);
        self.played.fired.push(fired);
    }

    fn sample_if_worth_it(&mut self) {
        let before = self.played.samples.last().map_or(0, |sample| sample.acked);
        let step = self.played.acked - before.min(self.played.acked);
        if step * 100 >= self.of.max(1) || self.last_sample.elapsed() >= SAMPLE_EVERY {
            self.sample();
        }
    }

    /// Takes a sample, while there are not too many.
    pub(super) fn sample(&mut self) {
        if self.played.samples.len() < SAMPLES_MAX {
            self.last_sample = Instant::now();
            self.played.samples.push(Sample {
                ms: milliseconds(self.accepted.elapsed()),
                written: self.played.written,
                acked: self.played.acked,
            });
        }
    }
}
