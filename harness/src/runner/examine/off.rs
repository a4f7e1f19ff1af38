//! Whether off is off, and for how long it has to be.

use std::time::Duration;

use dfota::timeline::Power;
use rig::transmit::LetGo;

use super::super::session::{Awaited, Stop};
use super::life::Life;
use super::{Examiner, failed, human, measured, ms, passed, skipped};
use crate::doctor::{Look, Outcome};

/// How long a module is watched without power, at least, in its own time.
const WATCHED: Duration = Duration::from_secs(5);
/// And in ours.
const WATCHED_FLOOR: Duration = Duration::from_millis(300);
/// How often a falling rail is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long a rail may take to fall before it is given up, in multiples of `off_for`.
const GIVEN_UP_AFTER: u32 = 10;

/// How often a fall is watched that nobody looked at in time.
const FALL_TRIES: usize = 3;

/// A rail after its power was taken, in the module's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fall {
    /// It fell then, by its edge.
    Edge(Duration),
    /// It fell between two looks: when it was last seen up, zero where it never was, and when it
    /// was first seen down.
    Between(Duration, Duration),
    /// It was given up, still up.
    None(Duration),
}

impl Fall {
    /// Whether it took longer than this; `None` where nobody looked at the right time.
    fn is_longer_than(self, off_for: Duration) -> Option<bool> {
        match self {
            Self::Edge(at) => Some(at > off_for),
            Self::None(up_at) | Self::Between(up_at, _) if up_at >= off_for => Some(true),
            Self::Between(_, down_at) if down_at <= off_for => Some(false),
            Self::Between(..) | Self::None(_) => None,
        }
    }

    /// When it was last known to be up, and when first known to be down.
    fn known(self) -> (Duration, Option<Duration>) {
        match self {
            Self::Edge(at) => (at, Some(at)),
            Self::Between(up_at, down_at) => (up_at, Some(down_at)),
            Self::None(up_at) => (up_at, None),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Edge(at) => format!("the rail fell after {}", human(at)),
            Self::Between(_, down_at) => format!("the rail was down within {}", human(down_at)),
            Self::None(up_at) => format!("the rail was still up after {}", human(up_at)),
        }
    }
}

/// What was seen of a module without power.
#[derive(Clone, Debug)]
struct Unpowered {
    life: Life,
    rail: Option<bool>,
}

impl Unpowered {
    fn is_off(&self) -> bool {
        !self.life.is_there() && self.rail != Some(true)
    }

    fn words(&self) -> String {
        let rail = match self.rail {
            Some(true) => ", rail up",
            Some(false) => ", rail down",
            None => "",
        };
        format!("{}{rail}", self.life)
    }
}

impl Examiner<'_, '_> {
    /// Off is off: silent though it is asked, and its rail down; also while our TX is driven,
    /// which can feed a module through its RXD.
    pub(super) fn off(&mut self) -> Result<Outcome, Stop> {
        let how = self.session.rig.let_go_of_transmit()?;
        self.session.rig.take_transmit()?;
        let by = match &how {
            LetGo::ByConsoleEnable(_) => Ok("by console_enable"),
            LetGo::ByBreak => Ok("by a break"),
            LetGo::Impossible(why) => Err(why),
        };
        let let_go = match by {
            Ok(_) => Some(self.unpowered(false)?),
            Err(_) => None,
        };
        let driven = self.unpowered(true)?;
        let look = Look {
            did: format!(
                "took the power of a running module for {}, {}, and asked it `AT`",
                human(self.watched()),
                match by {
                    Ok(by) => format!("our TX let go of {by}, and again with it driven"),
                    Err(why) => format!("our TX driven, since it cannot be let go of ({why})"),
                }
            ),
            saw: match &let_go {
                Some(let_go) => {
                    format!(
                        "TX let go of: {}; driven: {}",
                        let_go.words(),
                        driven.words()
                    )
                }
                None => driven.words(),
            },
            expected: match by {
                Ok(_) => "not a byte and the rail down, at least while our TX is let go of",
                Err(_) => "not a byte, and the rail down where it is sensed",
            }
            .to_owned(),
            ..Look::default()
        };
        Ok(match (let_go, driven.is_off()) {
            (Some(let_go), _) if !let_go.is_off() => failed(
                look,
                [
                    "VBAT at the module with the supply released. At 3.3 V the switch does not open",
                    "at 1 V to 2.5 V something else than our TX feeds it: RESET_N or PWRKEY driven high, a shifter's pull-ups, a USB cable, a debugger",
                    "`active` of [console_enable] in the rig file: the wrong way round, it connects our TX when it should cut it",
                ],
            ),
            (Some(_), false) => passed(Look {
                saw: format!(
                    "{}: our TX feeds it, and letting go of it is what helps",
                    look.saw
                ),
                ..look
            }),
            (None, false) => failed(
                look,
                [
                    "VBAT at the module with the supply released. At 3.3 V the switch does not open",
                    "at 1 V to 2.5 V it is fed through its UART: with our TX taken off, does it die? Then put a level shifter with an output enable between, and wire it as [console_enable]",
                    "whether it is fed by anything else: RESET_N or PWRKEY driven high, a USB cable, a debugger",
                ],
            ),
            (Some(_) | None, true) => passed(look),
        })
    }

    /// How long a module without power is watched, in its own time.
    fn watched(&self) -> Duration {
        let ours = self
            .session
            .pace(WATCHED.max(self.session.rig.timing.off_for))
            .max(WATCHED_FLOOR);
        self.module_time(ours)
    }

    /// Takes the power of a running module, and asks it: all the time where our TX is driven, and
    /// at the end where it is let go of, for whatever lives then has lived on.
    fn unpowered(&mut self, driven: bool) -> Result<Unpowered, Stop> {
        self.alive()?;
        self.session.supply_off()?;
        let ours = self.watched() / self.session.rig.speed;
        if driven {
            self.session.take_transmit()?;
            self.settle()?;
            let life = self.last_life(ours)?;
            let rail = self.rail()?;
            return Ok(Unpowered { life, rail });
        }
        self.settle()?;
        let mark = self.mark();
        self.session.hear_out(ours)?;
        let rail = self.rail()?;
        self.session.take_transmit()?;
        let within = self.dead_for();
        let life = self.life(mark, within)?;
        Ok(Unpowered { life, rail })
    }

    /// Whether `off_for` is long enough, and how long it has to be.
    pub(super) fn discharge(&mut self) -> Result<Outcome, Stop> {
        if self.session.rig.power_good.is_some() {
            self.rail_falls()
        } else {
            self.forgets()
        }
    }

    /// With power_good: from the edge until the rail is down.
    fn rail_falls(&mut self) -> Result<Outcome, Stop> {
        let off_for = self.session.rig.timing.off_for;
        let mut fall = self.fall()?;
        for _ in 1..FALL_TRIES {
            if fall.is_longer_than(off_for).is_some() {
                break;
            }
            fall = self.fall()?;
        }
        let (up_at, down_at) = fall.known();
        let look = Look {
            did: "took the power of a running module and watched power_good".to_owned(),
            saw: fall.words(),
            expected: format!("down within `off_for`, {}", human(off_for)),
            measured: measured([
                ("still_up_ms", ms(up_at)),
                ("down_within_ms", ms(down_at.unwrap_or(up_at))),
                ("off_for_ms", ms(off_for)),
            ]),
        };
        Ok(match (fall.is_longer_than(off_for), down_at) {
            (None, _) => Outcome::NotRun {
                because: format!("this machine is too busy to look at the rail in time: {}", look.saw),
            },
            (Some(false), _) => passed(look),
            (Some(true), Some(down)) => failed(
                look,
                [
                    format!("`off_for` of [supply] in the rig file: {} or more", human(down * 2)),
                    "or a bleeder across VBAT at the module, so that its capacitors are empty sooner".to_owned(),
                ],
            ),
            (Some(true), None) => failed(
                look,
                [
                    "VBAT and VDD_EXT at the module with the supply released: what holds them up?",
                    "a bleeder across VBAT at the module",
                ],
            ),
        })
    }

    /// Takes the power of a running module and watches its rail.
    fn fall(&mut self) -> Result<Fall, Stop> {
        self.alive()?;
        self.session.supply_off()?;
        let since = self.supply_went(Power::Off).unwrap_or_default();
        let limit = self.session.rig.timing.off_for * GIVEN_UP_AFTER;
        let mut up_at = Duration::ZERO;
        loop {
            let up = self.rail()? != Some(false);
            let after = self.module_time(self.session.now().saturating_sub(since));
            if !up {
                return Ok(match self.session.rail_fell()? {
                    Some(at) => Fall::Edge(self.module_time(at.saturating_sub(since))),
                    None => Fall::Between(up_at, after),
                });
            }
            up_at = after;
            if after >= limit {
                return Ok(Fall::None(up_at));
            }
            self.session.pass(LOOK_EVERY)?;
        }
    }

    /// Without power_good: a module whose power was gone for `off_for` has forgotten what was in
    /// its memory.
    fn forgets(&mut self) -> Result<Outcome, Stop> {
        let off_for = self.session.rig.timing.off_for;
        let Some(forgets) = self.forgets_within(off_for)? else {
            return Ok(skipped(
                "no [power_good], and the module takes no `ATE`: that its memory was lost cannot be told",
            ));
        };
        let look = Look {
            did: format!(
                "changed a setting in the module's memory, took its power for {}, asked for the setting",
                human(off_for)
            ),
            saw: match forgets {
                true => "it was gone; how soon it went is not seen without [power_good]",
                false => "it was still there: the module lived on",
            }
            .to_owned(),
            expected: "a start, which clears the setting".to_owned(),
            ..Look::default()
        };
        Ok(match forgets {
            true => passed(look),
            false => failed(
                look,
                [
                    format!("`off_for` of [supply] in the rig file: try {}", human(off_for * 4)),
                    "VBAT at the module with an oscilloscope after the supply is released: how long above 2.1 V?".to_owned(),
                    "a bleeder across VBAT at the module; [power_good], so that the rail can be seen".to_owned(),
                ],
            ),
        })
    }

    /// Whether a module without power for so long has lost its memory; `None`: cannot be told.
    fn forgets_within(&mut self, off: Duration) -> Result<Option<bool>, Stop> {
        self.alive()?;
        let Some(trace) = self.leave_trace()? else {
            return Ok(None);
        };
        self.session.supply_off()?;
        let since = self.supply_went(Power::Off).unwrap_or_default();
        let passed = self.session.now().saturating_sub(since);
        self.session
            .pass(self.session.pace(off).saturating_sub(passed))?;
        self.session.power_on()?;
        let within = self.alive_within();
        if self.session.ready(within)? != Awaited::Came {
            // Neither alive nor started: what a brown-out makes of a module.
            return Ok(Some(false));
        }
        Ok(Some(!self.lives_on(trace)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_that_was_looked_at_too_late_tells_nothing() {
        let ms = Duration::from_millis;
        let between = |up, down| Fall::Between(ms(up), ms(down));
        let off_for = ms(2_000);
        assert_eq!(between(0, 50).is_longer_than(off_for), Some(false));
        assert_eq!(between(1_900, 2_100).is_longer_than(off_for), None);
        assert_eq!(between(0, 2_500).is_longer_than(off_for), None);
        assert_eq!(between(2_400, 2_500).is_longer_than(off_for), Some(true));
        assert_eq!(Fall::None(ms(20_000)).is_longer_than(off_for), Some(true));
        assert_eq!(Fall::Edge(ms(1_999)).is_longer_than(off_for), Some(false));
        assert_eq!(Fall::Edge(ms(2_001)).is_longer_than(off_for), Some(true));
    }
}
