//! How many bytes may be sent within a day, to whomever: a module that never has enough, or many
//! strangers, must not cost a lab its line. Pure: time is an argument.

use std::time::Duration;

/// What a budget is for.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The bytes of a day.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_per_day: u64,
    /// When the day began.
    began: Duration,
    sent: u64,
}

impl Budget {
    /// A day that begins with the server.
    pub(super) fn new(bytes_per_day: u64) -> Budget {
        Budget {
            bytes_per_day,
            began: Duration::ZERO,
            sent: 0,
        }
    }

    /// Whether there is room for so many bytes, at a time since the server was started.
    pub(super) fn has_room(&mut self, bytes: u64, now: Duration) -> bool {
        if now.saturating_sub(self.began) >= DAY {
            self.began = now;
            self.sent = 0;
        }
        self.sent.saturating_add(bytes) <= self.bytes_per_day
    }

    /// So many bytes were sent; whether more may be.
    pub(super) fn spend(&mut self, bytes: u64, now: Duration) -> bool {
        let within = self.has_room(bytes, now);
        self.sent = self.sent.saturating_add(bytes);
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_missing_until_the_next_day() {
        let mut budget = Budget::new(100);
        let now = Duration::from_secs(10);
        assert!(budget.spend(60, now));
        assert!(budget.has_room(40, now));
        assert!(!budget.has_room(41, now));
        // What was sent was sent, allowed or not.
        assert!(!budget.spend(60, now));
        assert!(!budget.has_room(1, DAY - Duration::from_secs(1)));
        assert!(budget.has_room(100, DAY));
    }
}
