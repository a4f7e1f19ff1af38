//! When the next bytes may go: the pure half of a rate. Time is an argument.

use std::time::Duration;

use super::random::Sequence;
use super::wire_plan::{Drip, Pause, Shape};

/// How fast bytes go from here on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// As fast as the peer takes them.
    Free,
    /// As on this link.
    Link(Shape),
    /// So few at a time.
    Drip(Drip),
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes.
    Send(usize),
    /// Nothing before this time.
    At(Duration),
}

/// Pieces come this often where a link does not say how large they are: a reader then sees a
/// steady stream (no gap above 150 ms), and a piece is worth its packet at any rate.
const PIECE_EVERY: Duration = Duration::from_millis(40);

/// How much time lost (to a peer that does not read, to a busy machine) is made up for. What is
/// beyond it is lost: a link does not become faster because nothing went for a while.
const MADE_UP_FOR: Duration = Duration::from_millis(500);

/// Hands out bytes at a pace. The times are those since some fixed moment.
#[derive(Debug)]
pub(super) struct Pacer {
    pace: Pace,
    random: Sequence,
    /// When the first byte was due.
    start: Duration,
    /// Bytes handed out.
    sent: u64,
    /// When the next piece is due, once that is drawn.
    due: Option<Duration>,
}

impl Pacer {
    pub(super) fn new(pace: Pace, now: Duration, mut random: Sequence) -> Pacer {
        let start = match pace {
            Pace::Free => now,
            Pace::Drip(_) => now,
            Pace::Link(link) => now + link.delay.unwrap_or_default() + jitter(&mut random, &link),
        };
        Pacer {
            pace,
            random,
            start,
            sent: 0,
            due: None,
        }
    }

    /// What may be sent at `now`, of `left` bytes that there are.
    pub(super) fn next(&mut self, now: Duration, left: usize) -> Next {
        // A piece that jitter delayed makes those behind it late.
        let (piece, lawfully_late) = match self.pace {
            Pace::Free => return Next::Send(left),
            Pace::Drip(drip) => (drip.bytes.get() as usize, Duration::ZERO),
            Pace::Link(link) => (piece(&link), link.jitter.unwrap_or_default()),
        };
        let made_up_for = MADE_UP_FOR + lawfully_late;
        let due = match self.due {
            Some(due) => due,
            None => self.draw(),
        };
        self.due = Some(due);
        if now < due {
            return Next::At(due);
        }
        let late = now - due;
        if late > made_up_for {
            self.start += late - made_up_for;
        }
        Next::Send(piece.min(left))
    }

    /// So many bytes were taken.
    pub(super) fn took(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.due = None;
    }

    fn draw(&mut self) -> Duration {
        match self.pace {
            Pace::Free => self.start,
            Pace::Drip(drip) => {
                let pieces = self.sent.div_ceil(u64::from(drip.bytes.get()));
                self.start
                    + drip
                        .every
                        .saturating_mul(u32::try_from(pieces).unwrap_or(u32::MAX))
            }
            Pace::Link(link) => {
                let took = on_air(self.sent, &link);
                let paused = link
                    .pause
                    .map_or(Duration::ZERO, |pause| paused(took, pause));
                let jitter = if self.sent == 0 {
                    Duration::ZERO
                } else {
                    jitter(&mut self.random, &link)
                };
                self.start + took + paused + jitter
            }
        }
    }
}

/// How long so many bytes take.
fn on_air(bytes: u64, link: &Shape) -> Duration {
    let nanoseconds =
        u128::from(bytes) * 8 * 1_000_000_000 / u128::from(link.rate.bits_per_second().max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// How long the link has paused by the time it has worked for so long.
fn paused(worked: Duration, pause: Pause) -> Duration {
    let pauses = worked
        .as_nanos()
        .checked_div(pause.every.as_nanos())
        .unwrap_or(0);
    pause
        .how_long
        .saturating_mul(u32::try_from(pauses).unwrap_or(u32::MAX))
}

fn jitter(random: &mut Sequence, link: &Shape) -> Duration {
    let most = u64::try_from(link.jitter.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.below(most))
}

/// How many bytes go at a time.
fn piece(link: &Shape) -> usize {
    let of_rate = || {
        link.rate.bits_per_second() / 8 * u64::try_from(PIECE_EVERY.as_millis()).unwrap_or(1)
            / 1_000
    };
    let piece = link.burst.map_or_else(
        || of_rate().clamp(1, 64 << 10),
        |burst| u64::from(burst.get()),
    );
    usize::try_from(piece).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::package_server::wire_plan::{BitRate, Profile};

    fn link(rate: &str) -> Shape {
        Shape {
            rate: BitRate::parse(rate).unwrap(),
            delay: None,
            jitter: None,
            burst: None,
            pause: None,
        }
    }

    /// When each piece goes to a reader that takes all at once.
    fn play(shape: Shape, seed: u64, bytes: usize) -> Vec<(Duration, usize)> {
        let mut pacer = Pacer::new(Pace::Link(shape), Duration::ZERO, Sequence::new(seed, 0));
        let (mut now, mut left, mut played) = (Duration::ZERO, bytes, Vec::new());
        while left > 0 {
            match pacer.next(now, left) {
                Next::At(time) => now = time,
                Next::Send(count) => {
                    pacer.took(count);
                    left -= count;
                    played.push((now, count));
                }
            }
        }
        played
    }

    #[test]
    fn twenty_five_kilobits_a_second_take_their_time_without_gaps() {
        let played = play(link("25kbit/s"), 1, 187_500);
        let last = played.last().unwrap().0.as_secs_f64();
        assert!((last - 60.0).abs() < 0.6, "{last}");
        let gap = played
            .windows(2)
            .map(|two| two[1].0 - two[0].0)
            .max()
            .unwrap();
        assert!(gap <= Duration::from_millis(150), "{gap:?}");
    }

    #[test]
    fn jitter_delays_pieces_and_keeps_the_mean() {
        let steady = link("25kbit/s");
        let shaky = Shape {
            jitter: Some(Duration::from_secs(2)),
            ..steady
        };
        let (steady, shaky) = (play(steady, 1, 100_000), play(shaky, 1, 100_000));
        assert_ne!(steady, shaky);
        let late = shaky
            .last()
            .unwrap()
            .0
            .saturating_sub(steady.last().unwrap().0);
        assert!(late <= Duration::from_secs(4), "{late:?}");
    }

    #[test]
    fn a_burst_goes_at_once_and_the_next_when_the_link_is_free() {
        let bursts = Shape {
            burst: 512.try_into().ok(),
            ..link("8kbit/s")
        };
        let played = play(bursts, 1, 1_280);
        let milliseconds: Vec<_> = played
            .iter()
            .map(|(at, bytes)| (at.as_millis(), *bytes))
            .collect();
        assert_eq!(milliseconds, [(0, 512), (512, 512), (1_024, 256)]);
    }

    #[test]
    fn pauses_come_on_top() {
        let pause = Pause {
            every: Duration::from_secs(30),
            how_long: Duration::from_secs(5),
        };
        let paused = Shape {
            pause: Some(pause),
            ..link("8kbit/s")
        };
        let played = play(paused, 1, 70_000);
        assert_eq!(played.last().unwrap().0.as_secs(), 69 + 2 * 5);
        let gap = played
            .windows(2)
            .map(|two| two[1].0 - two[0].0)
            .max()
            .unwrap();
        assert!(gap >= Duration::from_secs(5));
    }

    #[test]
    fn a_reader_that_slept_does_not_get_the_lost_time_back() {
        let mut pacer = Pacer::new(
            Pace::Link(link("8kbit/s")),
            Duration::ZERO,
            Sequence::new(1, 0),
        );
        let (mut now, mut sent) = (Duration::from_secs(10), 0);
        while now < Duration::from_secs(12) {
            match pacer.next(now, 1_000_000) {
                Next::At(time) => now = time,
                Next::Send(count) => {
                    pacer.took(count);
                    sent += count;
                }
            }
        }
        // Two seconds' worth, and what is made up for.
        assert!((2_400..=2_600).contains(&sent), "{sent}");
    }

    #[test]
    fn a_drip_is_as_regular_as_it_says() {
        let drip = Drip {
            bytes: 2.try_into().unwrap(),
            every: Duration::from_millis(100),
        };
        let mut pacer = Pacer::new(Pace::Drip(drip), Duration::ZERO, Sequence::new(1, 0));
        assert_eq!(pacer.next(Duration::ZERO, 5), Next::Send(2));
        pacer.took(2);
        assert_eq!(
            pacer.next(Duration::ZERO, 3),
            Next::At(Duration::from_millis(100))
        );
        assert_eq!(pacer.next(Duration::from_millis(100), 3), Next::Send(2));
        pacer.took(2);
        assert_eq!(pacer.next(Duration::from_millis(200), 1), Next::Send(1));
    }

    proptest! {
        #[test]
        fn all_bytes_go_in_the_end_and_never_faster_than_the_rate(
            kilobits in 1_u64..200, bytes in 1_usize..20_000, seed: u64, jitter_ms in 0_u64..500,
        ) {
            let shape = Shape { jitter: Some(Duration::from_millis(jitter_ms)), ..link(&format!("{kilobits}kbit/s")) };
            let played = play(shape, seed, bytes);
            prop_assert_eq!(played.iter().map(|(_, count)| count).sum::<usize>(), bytes);
            let mut before = 0;
            for (at, count) in played {
                prop_assert!(at >= on_air(before, &shape));
                before += count as u64;
            }
        }

        #[test]
        fn a_profile_repeats_itself_with_its_seed(seed: u64) {
            let deep = Profile::Nb1Deep.shape();
            prop_assert_eq!(play(deep, seed, 2_000), play(deep, seed, 2_000));
        }
    }
}
