//! What PWRKEY does: without it VBAT boots nothing, with it the module starts, and nothing to one that
//! runs.

use dfota::timeline::Pin;

use super::super::session::{Awaited, Stop};
use super::life::Life;
use super::{Examiner, failed, human, measured, ms, passed, skipped};
use crate::doctor::{Look, Outcome};

/// What pressing PWRKEY did to a module that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressed {
    /// It ran on, with what it had in its memory.
    RanOn,
    /// It answers, and is another life.
    Restarted,
    /// It does not answer.
    Gone,
    /// It takes no `ATE`, or did not run: nothing was tried.
    NotTried,
}

impl Examiner<'_, '_> {
    /// Whether PWRKEY is needed, starts the module, and is no supply or reset.
    pub(super) fn pwrkey(&mut self) -> Result<Outcome, Stop> {
        if self.session.rig.pwrkey.is_none() {
            return Ok(skipped(
                "the rig file has no [pwrkey]: it is tied, and VBAT boots the module",
            ));
        }
        self.session.power_off()?;
        let mark = self.mark();
        self.session.vbat_on()?;
        let within = self.dead_for();
        let without = self.life(mark, within)?;
        let mark = self.mark();
        self.session.pulse(Pin::Pwrkey, None)?;
        let within_alive = self.alive_within();
        let with = self.life(mark, within_alive)?;
        let pressed = match !without.is_there() && with.answered {
            true => self.pressed_while_it_runs()?,
            false => Pressed::NotTried,
        };
        let look = Look {
            did: format!(
                "asserted the supply alone, asked `AT` for {}; then pulsed PWRKEY{}",
                human(self.module_time(within)),
                match pressed {
                    Pressed::NotTried => "",
                    _ => ", and once more while it ran",
                }
            ),
            saw: format!(
                "without PWRKEY: {without}; with it: {with}{}",
                match pressed {
                    Pressed::RanOn => "; once more: it runs on",
                    Pressed::Restarted => "; once more: it restarts",
                    Pressed::Gone => "; once more: it answers no more",
                    Pressed::NotTried => "",
                }
            ),
            expected: "without PWRKEY: not a byte; with it: life; nothing while it runs".to_owned(),
            measured: measured([("without_for_ms", ms(self.module_time(within)))]),
        };
        Ok(match to_check(&without, &with, pressed) {
            None => passed(look),
            Some(check) => failed(look, check.iter().copied()),
        })
    }

    /// The manual has no use for PWRKEY while a module runs. A line that does something then is another.
    fn pressed_while_it_runs(&mut self) -> Result<Pressed, Stop> {
        let Some(trace) = self.leave_trace()? else {
            return Ok(Pressed::NotTried);
        };
        self.session.pulse(Pin::Pwrkey, None)?;
        let within = self.dead_for();
        if self.session.ready(within)? != Awaited::Came {
            return Ok(Pressed::Gone);
        }
        Ok(match self.lives_on(trace)? {
            true => Pressed::RanOn,
            false => Pressed::Restarted,
        })
    }
}

/// What to check, if anything is wrong.
fn to_check(without: &Life, with: &Life, pressed: Pressed) -> Option<&'static [&'static str]> {
    match (without.is_there(), with.is_there()) {
        (true, _) if !without.answered => Some(&[
            "whether what came is of the life before: an adapter that keeps bytes back lets go of them late (FTDI: `latency_timer`, see rig/99-hil.rules). With the adapter's RXD taken off, does it still come?",
            "PWRKEY at the module with the supply asserted: about VBAT while it is released. At 0 V it is tied low",
            "whether the module lost its power at all: see the step `off`",
        ]),
        (true, _) => Some(&[
            "PWRKEY at the module with the supply asserted: about VBAT while it is released. At 0 V it is tied low: cut the tie, or take [pwrkey] out of the rig file",
            "`active` of [pwrkey] in the rig file: the wrong way round, released is pressed (a BC26-TE-B inverts: its header is active high)",
            "whether the module lost its power at all: see the step `off`",
        ]),
        (false, false) => Some(&[
            "PWRKEY at the module during the pulse: below 0.3 × VBAT",
            "the transistor on PWRKEY and its base resistor (hardware manual: 4.7 kΩ and 47 kΩ)",
        ]),
        (false, true) => match pressed {
            Pressed::RanOn | Pressed::NotTried => None,
            Pressed::Restarted | Pressed::Gone => Some(&[
                "VBAT at the module during the pulse: it must stay. A line that takes it is the supply's, or its transistor pulls VBAT down",
                "RESET_N at the module during the pulse: it must stay high. `line` of [pwrkey] and [reset] in the rig file: swapped?",
            ]),
        },
    }
}
