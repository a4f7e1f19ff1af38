//! What the bench did, on its way to the module's thread.

use std::collections::VecDeque;
use std::time::Instant;

/// Deeds that may wait for the thread.
const DEEDS_MAX: usize = 1024;

/// What the bench drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Vbat,
    Pwrkey,
    Reset,
    /// The level shifter lets the host's bytes through.
    ToModule,
    /// And the module's.
    ToHost,
}

/// What the bench did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A line went to a level.
    Level(Line, bool),
    /// The host has sent bytes: they are in the pty.
    Sent,
}

/// Something that the bench did, at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub(super) at: Instant,
    pub(super) what: What,
}

/// Deeds in the order in which they were done. They are kept under the lock of whoever does and
/// takes them, so that the thread has not lived beyond one that it has yet to take.
#[derive(Debug, Default)]
pub(super) struct Deeds(VecDeque<Deed>);

impl Deeds {
    /// Adds one that is done now. Bytes are all in the pty: they are heard together, from the first
    /// on.
    pub(super) fn add(&mut self, what: What) {
        if what == What::Sent && self.0.back().is_some_and(|deed| deed.what == what) {
            return;
        }
        if self.0.len() == DEEDS_MAX {
            self.forget_a_pulse();
        }
        let at = Instant::now();
        self.0.push_back(Deed { at, what });
    }

    pub(super) fn take(&mut self) -> VecDeque<Deed> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first of those was done that wait.
    pub(super) fn first_at(&self) -> Option<Instant> {
        self.0.front().map(|deed| deed.at)
    }

    /// Forgets the oldest deed that is followed by another of its kind: what is lost is a pulse
    /// that nobody could have seen. Of this many deeds of so few kinds there is one.
    fn forget_a_pulse(&mut self) {
        let kind = |deed: &Deed| match deed.what {
            What::Level(line, _) => Some(line),
            What::Sent => None,
        };
        let past = (0..self.0.len()).find(|&index| {
            let mut later = self.0.range(index + 1..);
            later.any(|deed| kind(deed) == kind(&self.0[index]))
        });
        if let Some(index) = past {
            self.0.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_deeds_pulses_are_forgotten_and_no_level() {
        let mut deeds = Deeds::default();
        deeds.add(What::Level(Line::Vbat, true));
        for number in 0..2 * DEEDS_MAX {
            deeds.add(What::Level(Line::Pwrkey, number % 2 == 0));
        }
        deeds.add(What::Sent);
        deeds.add(What::Sent);
        let deeds = deeds.take();
        assert_eq!(deeds.len(), DEEDS_MAX);
        let first_and_last = [deeds.front(), deeds.back()].map(|deed| deed.unwrap().what);
        assert_eq!(first_and_last, [What::Level(Line::Vbat, true), What::Sent]);
    }
}
