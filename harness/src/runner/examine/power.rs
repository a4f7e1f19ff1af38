//! Supply, power_good, PWRKEY and RESET_N: what each of them does to the module.

use std::time::{Duration, Instant};

use dfota::timeline::{Pin, ReadBack};
use rig::config::Bench;
use rig::timing::figures;

use super::super::session::{Awaited, Stop};
use super::life::{LONG_PULSE, Pulsed};
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
        let look = Look {
            did: "read power_good with the module running, and with its power taken".to_owned(),
            saw: format!(
                "{} while it runs, {} without power",
                if up_when_on { "up" } else { "down" },
                if down_when_off {
                    "down"
                } else {
                    "up for as long as was waited"
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

    /// Whether PWRKEY is needed: VBAT alone must boot nothing.
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
        let look = Look {
            did: format!(
                "asserted the supply alone, asked `AT` for {}; then pulsed PWRKEY",
                human(self.module_time(within))
            ),
            saw: format!("without PWRKEY: {without}; with it: {with}"),
            expected: "without PWRKEY: not a byte; with it: life".to_owned(),
            ..Look::default()
        };
        Ok(match (without.is_there(), with.is_there()) {
            (false, true) => passed(look),
            (true, _) => failed(
                look,
                [
                    "PWRKEY at the module with the supply asserted: about VBAT while it is released. At 0 V it is tied low: cut the tie, or take [pwrkey] out of the rig file",
                    "`active` of [pwrkey] in the rig file: the wrong way round, released is pressed (a BC26-TE-B inverts: its header is active high)",
                    "whether the module lost its power at all: see the step `off`",
                ],
            ),
            (false, false) => failed(
                look,
                [
                    "PWRKEY at the module during the pulse: below 0.3 × VBAT",
                    "the transistor on PWRKEY and its base resistor (hardware manual: 4.7 kΩ and 47 kΩ)",
                ],
            ),
        })
    }

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

    #[test]
    fn a_line_that_reads_back_as_the_opposite_is_wrong_whatever_the_module_does() {
        let released = State {
            read_back: ReadBack::Differs,
            ..state(false, None)
        };
        assert!(wrong_supply(released, state(true, None), true).is_some());
    }
}
