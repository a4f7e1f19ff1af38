//! The rail while the supply is off: whether it fell, when, and whether it stayed down.
//!
//! What was looked at says what the rail was then, and no more; an edge says when it changed, and
//! may be told of after a later look.

use std::time::Duration;

use crate::verdict::{Rail, RailReport};

/// The rail since the supply's edge.
#[derive(Clone, Debug, Default)]
pub(super) struct SensedRail {
    /// `None`: nobody has looked.
    is: Option<Rail>,
    /// It was down, and is up again since then.
    up_since: Option<Duration>,
    /// The longest time for which it was up again.
    up_again: Option<Duration>,
}

impl SensedRail {
    /// It was up or down when it was looked at, at `at`, or became so, at `since`.
    pub(super) fn sensed(&mut self, up: bool, since: Option<Duration>, at: Duration) {
        let moment = since.unwrap_or(at);
        if up {
            let was_down = self.is.is_some_and(|is| is != Rail::Up);
            if was_down {
                self.up_since = Some(moment);
            }
            self.is = Some(Rail::Up);
            return;
        }
        if let Some(from) = self.up_since.take() {
            self.up_again = self.up_again.max(Some(moment.saturating_sub(from)));
        }
        self.is = Some(match (since, self.is) {
            (Some(since), _) => Rail::Fell(since),
            (None, Some(down @ (Rail::SeenDown(_) | Rail::Fell(_)))) => down,
            (None, Some(Rail::Up) | None) => Rail::SeenDown(at),
        });
    }

    pub(super) fn report(&self) -> Option<RailReport> {
        let up_again = self.up_again;
        self.is.map(|is| RailReport { is, up_again })
    }

    /// What speaks against a cut. A rail that passes slowly through the level at which it counts as
    /// up may waver there; one that is up for longer than `settle` is fed.
    pub(super) fn doubt(&self, settle: Duration) -> Option<String> {
        if self.is == Some(Rail::Up) {
            return Some("the rail was sensed to be up".to_owned());
        }
        let up_again = self.up_again.filter(|up_again| *up_again > settle)?;
        Some(format!(
            "the rail was up again for {} ms with the supply off (at most {} ms are lawful)",
            up_again.as_millis(),
            settle.as_millis()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// What was sensed: up or down, since when by an edge, looked at when; all in milliseconds.
    fn rail(sensed: &[(bool, Option<u64>, u64)]) -> SensedRail {
        let mut rail = SensedRail::default();
        for (up, since, at) in sensed {
            rail.sensed(*up, since.map(ms), ms(*at));
        }
        rail
    }

    fn is(sensed: &[(bool, Option<u64>, u64)]) -> Option<Rail> {
        rail(sensed).report().map(|report| report.is)
    }

    #[test]
    fn looks_bound_the_fall_and_an_edge_dates_it() {
        assert_eq!(is(&[]), None);
        assert_eq!(is(&[(true, None, 50)]), Some(Rail::Up));
        let looked = [(true, None, 50), (false, None, 70), (false, None, 500)];
        assert_eq!(is(&looked), Some(Rail::SeenDown(ms(70))));
        let edge = [(false, Some(12), 50), (false, None, 500)];
        assert_eq!(is(&edge), Some(Rail::Fell(ms(12))));
    }

    /// A busy kernel tells of an edge after the level was read.
    #[test]
    fn an_edge_that_is_told_late_is_as_early_as_it_was() {
        let late = [(false, None, 50), (false, Some(12), 500)];
        assert_eq!(is(&late), Some(Rail::Fell(ms(12))));
        assert_eq!(rail(&late).doubt(ms(100)), None);
    }

    #[test]
    fn a_rail_that_wavers_is_down_since_it_fell_last() {
        let wavers = rail(&[
            (false, Some(800), 900),
            (true, Some(801), 900),
            (false, Some(803), 900),
        ]);
        let report = wavers.report().unwrap();
        assert_eq!(report.is, Rail::Fell(ms(803)));
        assert_eq!(report.up_again, Some(ms(2)));
        assert_eq!(wavers.doubt(ms(100)), None);
    }

    #[test]
    fn a_rail_that_comes_back_is_no_cut() {
        for sensed in [
            [
                (false, Some(12), 50),
                (true, Some(700), 3000),
                (false, Some(900), 3000),
            ],
            [(false, None, 50), (true, None, 700), (false, None, 900)],
        ] {
            let doubt = rail(&sensed).doubt(ms(100)).unwrap();
            assert!(
                doubt.starts_with("the rail was up again for 200 ms"),
                "{doubt}"
            );
        }
        let up = rail(&[(false, Some(12), 50), (true, Some(700), 3000)]);
        assert_eq!(up.doubt(ms(100)).unwrap(), "the rail was sensed to be up");
    }
}
