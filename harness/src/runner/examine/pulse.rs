//! How long a pulse of PWRKEY must be, and whether one of RESET_N restarts the module.

use std::time::Duration;

use dfota::timeline::Pin;
use rig::config::Bench;
use rig::timing::figures;

use super::super::session::{Awaited, Stop};
use super::life::Pulsed;
use super::{Examiner, failed, human, measured, ms, passed, skipped};
use crate::doctor::{Look, Outcome};

/// The declared pulse must do when it comes out this much shorter, in percent: bounce, a slow
/// transistor, a colder module.
const PULSE_MARGIN: u32 = 10;
/// So much shorter is asked for, since pulses come out longer than they are asked for.
const PULSE_ASKED: u32 = 15;
/// How often, where they come out too long to prove it.
const MARGIN_TRIES: usize = 3;
/// How many pulses more look for the shortest that switches the module on.
const SHORTEST_TRIES: usize = 3;

impl Examiner<'_, '_> {
    /// How short a PWRKEY pulse may be, and whether the declared one is longer than that.
    pub(super) fn pulse(&mut self) -> Result<Outcome, Stop> {
        if self.session.rig.pwrkey.is_none() {
            return Ok(skipped("the rig file has no [pwrkey]"));
        }
        let usual = self.session.rig.timing.pwrkey_pulse;
        let declared = match self.facts.long_pulse {
            Some(_) => self.declared_pulse(),
            None => usual,
        };
        let mut tries = vec![self.pulse_of(declared)?];
        if tries[0].boots {
            for _ in 0..MARGIN_TRIES {
                tries.push(self.pulse_of(declared * (100 - PULSE_ASKED) / 100)?);
                if margin(declared, &tries) != Margin::Undecided {
                    break;
                }
            }
        }
        for _ in 0..SHORTEST_TRIES {
            let (too_short, enough) = bounds(&tries, usual);
            tries.push(self.pulse_of((too_short + enough) / 2)?);
        }
        let (too_short, enough) = bounds(&tries, usual);
        let least = figures(self.file.module.model).pwrkey_least;
        let look = Look {
            did: format!(
                "switched it on with {} pulses of {} down to {}",
                tries.len(),
                human(usual),
                human(
                    tries
                        .iter()
                        .map(|tried| tried.width)
                        .min()
                        .unwrap_or_default()
                )
            ),
            saw: match too_short {
                Duration::ZERO => format!(
                    "{} switches it on, the shortest that was tried; declared is {}",
                    human(enough),
                    human(declared),
                ),
                _ => format!(
                    "{} switches it on, {} does not; declared is {}",
                    human(enough),
                    human(too_short),
                    human(declared),
                ),
            },
            expected: format!("a pulse {PULSE_MARGIN} % shorter than declared switches it on, too"),
            measured: measured([
                ("switches_on_ms", ms(enough)),
                ("does_not_ms", ms(too_short)),
                ("declared_ms", ms(declared)),
            ]),
        };
        Ok(match margin(declared, &tries) {
            Margin::Enough => passed(look),
            Margin::Undecided => Outcome::NotRun {
                because: format!(
                    "this machine is too busy to make a pulse of {} that short: {}",
                    human(declared * (100 - PULSE_ASKED) / 100),
                    look.saw
                ),
            },
            Margin::TooLittle => failed(
                look,
                [
                    format!(
                        "`pulse` of [pwrkey] in the rig file: {} or more",
                        human(enough.max(least) * 13 / 10)
                    ),
                    "PWRKEY at the module with an oscilloscope: does it fall as soon as the line is asserted? A capacitor on it eats the beginning of each pulse".to_owned(),
                ],
            ),
        })
    }

    /// The PWRKEY pulse of the rig file.
    fn declared_pulse(&self) -> Duration {
        let declared = match &self.file.bench {
            Bench::Virtual(bench) => bench.pwrkey,
            Bench::Real(bench) => bench.pwrkey.as_ref().map(|pulsed| pulsed.pulse),
        };
        declared.unwrap_or(Duration::ZERO)
    }

    /// Whether RESET_N restarts the module: what was in its memory must be gone.
    pub(super) fn reset(&mut self) -> Result<Outcome, Stop> {
        if self.session.rig.reset.is_none() {
            return Ok(skipped("the rig file has no [reset]"));
        }
        self.alive()?;
        let Some(trace) = self.leave_trace()? else {
            return Ok(skipped(
                "the module takes no `ATE`: whether it restarted could not be told",
            ));
        };
        let mark = self.mark();
        self.session.pulse(Pin::ResetN, None)?;
        let within = self.alive_within();
        let answers = self.session.ready(within)? == Awaited::Came;
        let life = self.life(mark, Duration::ZERO)?;
        let lives_on = answers && self.lives_on(trace)?;
        let look = Look {
            did: format!(
                "changed a setting in the module's memory, pulsed RESET_N for {}, asked for the setting",
                human(self.session.rig.timing.reset_pulse)
            ),
            saw: match (answers, lives_on) {
                (false, _) => "it does not answer any more".to_owned(),
                (true, true) => "it answers, and the setting is still there".to_owned(),
                (true, false) => format!("the setting is gone; it said `{}`", life.sample),
            },
            expected: "a restart, which clears the setting".to_owned(),
            ..Look::default()
        };
        Ok(match (answers, lives_on) {
            (true, false) => passed(look),
            (true, true) => failed(
                look,
                [
                    "RESET_N at the module during the pulse: near 0 V",
                    "`active` of [reset] in the rig file (a BC26-TE-B inverts: its header is active high)",
                    "`pulse` of [reset]: 50 ms or more",
                ],
            ),
            (false, _) => failed(
                look,
                [
                    "RESET_N at the module with the line released: high. At 0 V the module is kept in reset, and `active` is the wrong way round",
                ],
            ),
        })
    }
}

/// What pulses of several widths say of a declared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Margin {
    /// One that is enough shorter does.
    Enough,
    /// It does not do, or one hardly shorter does not.
    TooLittle,
    /// None that was short enough was tried.
    Undecided,
}

/// Real widths count, not those that were asked for: a busy machine makes pulses longer.
fn margin(declared: Duration, tries: &[Pulsed]) -> Margin {
    let short = declared * (100 - PULSE_MARGIN) / 100;
    // Shorter than what was asked for tells nothing against it.
    let shorter = declared * (100 - PULSE_ASKED) / 100;
    if tries
        .iter()
        .any(|tried| !tried.boots && tried.width >= shorter)
    {
        Margin::TooLittle
    } else if tries
        .iter()
        .any(|tried| tried.boots && tried.width <= short)
    {
        Margin::Enough
    } else {
        Margin::Undecided
    }
}

/// The longest pulse that did nothing and the shortest that switched the module on, which is no
/// longer than `usual`.
fn bounds(tries: &[Pulsed], usual: Duration) -> (Duration, Duration) {
    let widths = |boots| {
        tries
            .iter()
            .filter(move |tried| tried.boots == boots)
            .map(|tried| tried.width)
    };
    let enough = widths(true).min().map_or(usual, |width| width.min(usual));
    let too_short = widths(false).max().unwrap_or(Duration::ZERO);
    (too_short.min(enough), enough)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[(700, true), (600, true), (400, false)], Margin::Enough)]
    #[case(&[(700, true), (600, false)], Margin::TooLittle)]
    #[case(&[(710, false)], Margin::TooLittle)]
    #[case(&[(700, true), (650, true)], Margin::Undecided)] // hardly shorter: proves nothing
    #[case(&[(700, true), (650, true), (620, true)], Margin::Enough)]
    fn real_widths_decide_about_a_pulse(#[case] tries: &[(u64, bool)], #[case] is: Margin) {
        let tries: Vec<Pulsed> = tries
            .iter()
            .map(|(width, boots)| Pulsed {
                width: Duration::from_millis(*width),
                boots: *boots,
            })
            .collect();
        assert_eq!(margin(Duration::from_millis(700), &tries), is);
    }
}
