//! VDD_EXT as the bench sees it: its level, and the moments at which it changed.

use std::collections::VecDeque;
use std::time::Instant;

use crate::line::{EDGES_KEPT, Edge};

/// The rail, and its last edges, as many as the kernel keeps of a line.
#[derive(Debug, Default)]
pub(super) struct Rail {
    up: bool,
    edges: VecDeque<Edge>,
    /// How many there have been, those that are not kept included.
    count: u64,
}

impl Rail {
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// It goes up or down, at a moment of the module's life.
    pub(super) fn change(&mut self, up: bool, at: Instant) {
        if self.edges.len() == EDGES_KEPT {
            self.edges.pop_front();
        }
        self.edges.push_back(Edge { asserted: up, at });
        self.up = up;
        self.count += 1;
    }

    /// How many edges there have been: where somebody begins who wants those yet to come.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What of the edges beyond the first `seen` is still kept, the oldest first.
    pub(super) fn since(&self, seen: u64) -> Vec<Edge> {
        let new = usize::try_from(self.count.saturating_sub(seen)).unwrap_or(usize::MAX);
        let past = self.edges.len().saturating_sub(new);
        self.edges.range(past..).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn swing(rail: &mut Rail, start: Instant, numbers: std::ops::Range<u64>) -> Vec<Edge> {
        numbers
            .map(|number| {
                let asserted = number.is_multiple_of(2);
                let at = start + Duration::from_millis(number);
                rail.change(asserted, at);
                Edge { asserted, at }
            })
            .collect()
    }

    #[test]
    fn what_changed_since_a_look_is_told_in_order_and_told_once() {
        let (mut rail, start) = (Rail::default(), Instant::now());
        swing(&mut rail, start, 0..3);
        let seen = rail.count();
        assert_eq!(rail.since(seen), []);
        let new = swing(&mut rail, start, 3..5);
        assert_eq!(rail.since(seen), new);
        assert!(rail.is_up());
        assert_eq!(rail.since(rail.count()), []);
    }

    #[test]
    fn of_more_than_the_kernel_keeps_the_oldest_are_gone() {
        let (mut rail, start) = (Rail::default(), Instant::now());
        let all = swing(&mut rail, start, 0..40);
        assert_eq!(rail.since(0), all[40 - EDGES_KEPT..]);
        assert_eq!(rail.since(38), all[38..]);
    }
}
