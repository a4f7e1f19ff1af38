//! The supply line and `power_good`: whether they give power, take it, and see it.

use std::time::{Duration, Instant};

use dfota::timeline::{Pin, ReadBack};

use super::super::session::Stop;
use super::life::LONG_PULSE;
use super::{Examiner, failed, human, measured, ms, passed, skipped};
use crate::doctor::{Look, Outcome};

/// How often a rail is looked at that has yet to move.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// And how long, in the module's time: it rises 42 ms after PWRKEY (hardware manual), and falls
/// with what the capacitors hold.
const RAIL_MOVES_WITHIN: Duration = Duration::from_secs(5);
/// And in ours, at least.
const RAIL_MOVES_FLOOR: Duration = Duration::from_millis(500);

/// What one state of the supply line was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    life: bool,
    rail: Option<bool>,
    read_back: ReadBack,
}

impl Examiner<'_, '_> {
    /// Whether `assert` gives power and `release` takes it.
    pub(super) fn supply(&mut self) -> Result<Outcome, Stop> {
        let mut life_asserted = self.first_life()?;
        if !life_asserted.is_there() && self.session.rig.pwrkey.is_some() {
            let declared = self.session.rig.timing.pwrkey_pulse;
            let long = LONG_PULSE.max(declared * 3);
            self.session.rig.timing.pwrkey_pulse = long;
            life_asserted = self.first_life()?;
            if life_asserted.is_there() {
                self.facts.long_pulse = Some(long);
            } else {
                self.session.rig.timing.pwrkey_pulse = declared;
            }
        }
        self.facts.answered = life_asserted.answered;
        let asserted = State {
            life: life_asserted.is_there(),
            rail: self.rail()?,
            read_back: self.supply_read_back(),
        };

        self.session.power_off()?;
        self.settle()?;
        // Dead means dead even where somebody presses its key: where the line is inverted, the
        // module has power now and waits for that.
        if self.session.rig.pwrkey.is_some() {
            self.session.pulse(Pin::Pwrkey, None)?;
        }
        self.session.take_transmit()?;
        let within = self.dead_for();
        let life_released = self.last_life(within)?;
        let released = State {
            life: life_released.is_there(),
            rail: self.rail()?,
            read_back: self.supply_read_back(),
        };
        let pressed = match self.session.rig.pwrkey {
            Some(_) => ", pressed PWRKEY",
            None => "",
        };
        let look = Look {
            did: format!(
                "asserted the supply{pressed} and asked `AT`; then released it{pressed} and asked for {}",
                human(self.module_time(within)),
            ),
            saw: format!(
                "asserted: {life_asserted}{}; released: {life_released}{}",
                rail_words(asserted),
                rail_words(released)
            ),
            expected: "asserted: life; released: not a byte".to_owned(),
            ..Look::default()
        };
        let pwrkey = self.session.rig.pwrkey.is_some();
        Ok(match wrong_supply(released, asserted, pwrkey) {
            None => passed(look),
            Some(check) => failed(look, check.iter().copied()),
        })
    }

    /// Whether `power_good` is the module's rail.
    pub(super) fn power_good(&mut self) -> Result<Outcome, Stop> {
        if self.session.rig.power_good.is_none() {
            return Ok(skipped(
                "the rig file has no [power_good]: that a rail is down cannot be seen",
            ));
        }
        self.alive()?;
        let (up_when_on, _) = self.rail_becomes(true)?;
        self.session.supply_off()?;
        let (down_when_off, after) = self.rail_becomes(false)?;
        let fell = self.session.rail_fell()?;
        let look = Look {
            did: "read power_good with the module running, and with its power taken".to_owned(),
            saw: format!(
                "{} while it runs, {} without power{}",
                if up_when_on { "up" } else { "down" },
                if down_when_off {
                    "down"
                } else {
                    "up for as long as was waited"
                },
                match (up_when_on && down_when_off, fell) {
                    (true, Some(_)) => "; its edge was told of",
                    (true, None) => "; no edge was told of, so that a fall is dated by looking",
                    (false, _) => "",
                }
            ),
            expected: "up while it runs, down without power".to_owned(),
            measured: measured([("down_after_ms", ms(after))]),
        };
        Ok(match (up_when_on, down_when_off) {
            (true, true) => passed(look),
            (false, false) => failed(
                look,
                ["`active` of [power_good] in the rig file: it reads the wrong way round"],
            ),
            (false, true) => failed(
                look,
                [
                    "the wire from VDD_EXT (1.8 V while the module runs) or from the divider on VBAT to the input: measure both ends while it runs",
                    "whether 1.8 V is a high level for this input: a 3.3 V input wants a transistor or a comparator",
                    "`bias` of [power_good] in the rig file: a pull-down must not be stronger than what drives the wire",
                ],
            ),
            (true, false) => failed(
                look,
                [
                    "VDD_EXT at the module with the supply released: what holds it up? The UART's TX is likeliest, a shifter's pull-up is next",
                    "whether the input is connected at all: one that floats reads as it likes, so give it `bias = \"pull-down\"`",
                    "VBAT at the module with the supply released: a bulk capacitor without a bleeder holds it for minutes",
                ],
            ),
        })
    }

    /// Waits until the rail is so, bounded; whether it came to be, and after how long in the
    /// module's time.
    fn rail_becomes(&mut self, up: bool) -> Result<(bool, Duration), Stop> {
        let start = Instant::now();
        let limit = self
            .session
            .pace(RAIL_MOVES_WITHIN.max(self.session.rig.timing.off_for * 5))
            .max(RAIL_MOVES_FLOOR);
        loop {
            let is = self.rail()? == Some(up);
            let took = start.elapsed();
            if is || took >= limit {
                return Ok((is, self.module_time(took)));
            }
            self.session.pass(LOOK_EVERY)?;
        }
    }
}

fn rail_words(state: State) -> String {
    let rail = match state.rail {
        Some(true) => ", rail up",
        Some(false) => ", rail down",
        None => "",
    };
    let read_back = match state.read_back {
        ReadBack::Differs => ", the line reads back as the opposite",
        ReadBack::Agrees | ReadBack::Unavailable => "",
    };
    format!("{rail}{read_back}")
}

/// What is wrong with a supply line that was released and asserted, and so what to check;
/// `None`: nothing is.
fn wrong_supply(released: State, asserted: State, pwrkey: bool) -> Option<&'static [&'static str]> {
    if released.read_back == ReadBack::Differs || asserted.read_back == ReadBack::Differs {
        return Some(&[
            "what drives the line against us: its level at the pin, asserted and released, with the wire to the switch taken off",
            "whether the rig file names the right line",
        ]);
    }
    match (released.life, asserted.life) {
        (false, true) => None,
        (true, false) => Some(&[
            "`active` of [supply] in the rig file: the line works the wrong way round. VBAT at the module: 3.3 V while it is released?",
            "whether the switch is open without a signal: with the Pi off, VBAT at the module must be 0 V",
        ]),
        (true, true) => Some(&[
            "VBAT at the module with the supply released. At 3.3 V the switch does not open: a relay that sticks, a MOSFET that is through, or the wrong line",
            "at 1 V to 2.5 V it is fed through another pin: with the console's TX taken off, does it die? Then wire [console_enable]",
            "whether the module has a second supply: a USB cable, a battery, a debugger",
        ]),
        (false, false) if asserted.rail == Some(true) && released.rail != Some(true) => Some(&[
            "whether the console is this module's UART: its rail rises, so it runs and is not heard. Its TXD at our RXD?",
            "the level shifter: is its output enable asserted, has it both supplies?",
            "whether the module was set to a rate that was not tried",
        ]),
        (false, false) if released.rail == Some(true) => Some(&[
            "`active` of [supply] in the rig file: the rail is up while the line is released",
        ]),
        (false, false) if pwrkey => Some(&[
            "VBAT at the module with the supply asserted: 3.3 V, and not below 2.1 V when PWRKEY is pulsed (0.7 A for 200 µs)",
            "PWRKEY at the module during the pulse: below 0.3 × VBAT. `active` of [pwrkey] in the rig file",
            "whether the console is this module's UART: TXD and RXD crossed, the shifter enabled, the adapter the right one (see the step `console`)",
        ]),
        (false, false) => Some(&[
            "VBAT at the module with the supply asserted: 3.3 V, and not below 2.1 V when it starts (0.7 A for 200 µs)",
            "PWRKEY at the module: tied low, as a rig file without [pwrkey] says? Otherwise wire it and add [pwrkey]",
            "whether the console is this module's UART: TXD and RXD crossed, the shifter enabled, the adapter the right one (see the step `console`)",
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn state(life: bool, rail: Option<bool>) -> State {
        State {
            life,
            rail,
            read_back: ReadBack::Agrees,
        }
    }

    #[rstest]
    #[case(false, None, true, None, "")]
    #[case(false, Some(true), true, Some(true), "")] // a bad power_good has its own step
    #[case(true, None, false, None, "wrong way round")]
    #[case(true, None, true, None, "does not open")]
    #[case(false, Some(false), false, Some(true), "is not heard")]
    #[case(false, Some(true), false, Some(false), "while the line is released")]
    #[case(false, None, false, None, "PWRKEY at the module during")]
    fn what_the_two_states_say(
        #[case] released: bool,
        #[case] rail_released: Option<bool>,
        #[case] asserted: bool,
        #[case] rail_asserted: Option<bool>,
        #[case] hint: &str,
    ) {
        let wrong = wrong_supply(
            state(released, rail_released),
            state(asserted, rail_asserted),
            true,
        );
        match wrong {
            None => assert_eq!(hint, ""),
            Some(check) => {
                let check = check.join("\n");
                assert!(!hint.is_empty() && check.contains(hint), "{check}");
            }
        }
    }

    #[test]
    fn a_line_that_reads_back_as_the_opposite_is_wrong_whatever_the_module_does() {
        let released = State {
            read_back: ReadBack::Differs,
            ..state(false, None)
        };
        assert!(wrong_supply(released, state(true, None), true).is_some());
    }
}
