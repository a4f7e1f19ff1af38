//! Which module it is, at which rate it answers, and how long it takes to.

use dfota::message::Message;
use dfota::timeline::{Event, Power};
use rig::config::{Baud, Bench};

use super::super::identity::{Identity, Memory, refusal};
use super::super::session::Stop;
use super::{Examiner, failed, human, measured, ms, passed};
use crate::doctor::{Look, Outcome};

impl Examiner<'_, '_> {
    /// Whether it answers at the rate of the rig file, and keeps or learns it as that says.
    pub(super) fn rate(&mut self) -> Result<Outcome, Stop> {
        let declared = self.file.baud;
        let rate = declared.rate();
        let mut look = Look {
            did: format!("asked `AT` at {rate} baud, then `AT+IPR?`"),
            expected: match declared {
                Baud::Auto => "a module that learns the rate from us (`+IPR: 0`)".to_owned(),
                Baud::Fixed(rate) => format!("a module that is fixed to {rate} baud"),
            },
            ..Look::default()
        };
        if !self.facts.answered {
            self.first_life()?;
            return self.no_answer_at(look);
        }
        self.alive()?;
        let answer = self.session.ask("AT+IPR?")?.unwrap_or_default();
        let kept = answer
            .iter()
            .find_map(|line| line.strip_prefix("+IPR:")?.trim().parse::<u32>().ok());
        let Some(kept) = kept else {
            look.saw =
                format!("it answers at {rate} baud, and does not tell whether it is fixed to it");
            return Ok(passed(look));
        };
        look.saw = match kept {
            0 => format!("it answers at {rate} baud, and learns the rate from us"),
            fixed => format!("it answers at {rate} baud, and is fixed to {fixed}"),
        };
        let (agrees, set) = match declared {
            Baud::Auto => (kept == 0, 0),
            Baud::Fixed(rate) => (kept == rate, rate),
        };
        if agrees {
            if let Some(advice) = declared.advice() {
                look.saw.push_str(&format!("; {advice}"));
            }
            return Ok(passed(look));
        }
        let says = match kept {
            0 => "\"auto\"".to_owned(),
            fixed => fixed.to_string(),
        };
        Ok(failed(
            look,
            [
                format!(
                    "the module: `AT+IPR={set}`, then `AT&W`; every case of `hil run` does that first"
                ),
                format!("or the rig file: `baud = {says}` in [console]"),
            ],
        ))
    }

    fn no_answer_at(&mut self, look: Look) -> Result<Outcome, Stop> {
        let rate = self.file.baud.rate();
        Ok(match self.answers_at_another_rate()? {
            Some(found) => failed(
                Look {
                    saw: format!("no answer at {rate} baud; it answers at {found}"),
                    ..look
                },
                [
                    format!("the rig file: `baud = {found}` in [console]"),
                    format!("or the module: at {found} baud `AT+IPR={rate}`, then `AT&W`"),
                ],
            ),
            None => failed(
                Look {
                    saw: format!(
                        "it is heard, and answers `AT` neither at {rate} baud nor at any other"
                    ),
                    ..look
                },
                [
                    "our TX at the module's RXD: does it move when `AT` is sent? Levels: 1.8 V at the module",
                    "the level shifter's direction and its output enable",
                    "whether the firmware boots to its end: what does it say (`wire.log`)?",
                ],
            ),
        })
    }

    /// Whether it is the module of the rig file. Nothing is changed in it before that is known.
    pub(super) fn module(&mut self) -> Result<Outcome, Stop> {
        let found = self.session.identify()?;
        self.facts.version = self.version()?;
        let wanted = &self.file.module;
        let known = |what: Option<&str>| what.unwrap_or("unknown").to_owned();
        let mut look = Look {
            did: "asked `ATI` and `AT+CGSN=1`".to_owned(),
            saw: format!(
                "{}, IMEI {}, firmware {}",
                known(found.model.as_deref()),
                known(found.imei.as_deref()),
                known(self.facts.version.as_deref())
            ),
            expected: "the module of the rig file".to_owned(),
            ..Look::default()
        };
        if let Some((expected, _)) = refusal(wanted, &found) {
            look.expected = expected;
            return Ok(failed(
                look,
                [
                    "the module's label, and `model` and `imei` of [module] in the rig file: was it changed for another?",
                    "whether two consoles are swapped: their wires, or names that moved from one adapter to the other (see the step `console`)",
                ],
            ));
        }
        if wanted.imei.is_none() {
            look.saw
                .push_str("; the rig file names no `imei`, so that any other module would do");
            if let Some(before) = self.another_before(&found) {
                look.saw.push_str(&format!(
                    "; at the last run it was {before}: are two modules or two consoles swapped?"
                ));
            }
        }
        Ok(passed(look))
    }

    /// The IMEI of the module that was on this bench at the last run, if that was another. A memory that
    /// cannot be read is the next run's trouble.
    fn another_before(&self, found: &Identity) -> Option<String> {
        let Bench::Real(bench) = &self.file.bench else {
            return None;
        };
        Memory::of(&bench.console).another(found).ok()??.imei
    }

    /// What its firmware calls itself.
    pub(super) fn version(&mut self) -> Result<Option<String>, Stop> {
        let about = self.session.ask("ATI")?.unwrap_or_default();
        Ok(about
            .iter()
            .find_map(|line| line.trim().strip_prefix("Revision:"))
            .map(|revision| revision.trim().to_owned()))
    }

    /// How long from the power to the first byte, and to the first answer.
    pub(super) fn boot(&mut self) -> Result<Outcome, Stop> {
        let from = self.session.timeline().len();
        let life = self.power_cycle()?;
        let on = self.supply_went(Power::On).unwrap_or_default();
        let took = self.session.now().saturating_sub(on);
        if life.answered {
            self.facts.ready_after = self.facts.ready_after.max(Some(took));
        }
        let ready = self.module_time(took);
        let first = self.session.timeline()[from..]
            .iter()
            .find(|entry| {
                entry.at >= on
                    && matches!(&entry.event, Event::Received { message, .. }
                        if !matches!(message, Message::Echo | Message::FinalResult(_)))
            })
            .map(|entry| self.module_time(entry.at - on));
        let within = self.module_time(self.alive_within());
        let look = Look {
            did: "took the power, gave it again, asked `AT` until it was answered".to_owned(),
            saw: match (first, life.answered) {
                (Some(first), true) => format!(
                    "first words after {}, answers after {}: `{}`",
                    human(first),
                    human(ready),
                    life.sample
                ),
                (None, true) => format!("says nothing by itself, answers after {}", human(ready)),
                (_, false) => format!("{life}, within {}", human(within)),
            },
            expected: format!("an answer to `AT` within {}", human(within)),
            measured: match (first, life.answered) {
                (Some(first), true) => {
                    measured([("first_words_ms", ms(first)), ("ready_ms", ms(ready))])
                }
                (None, true) => measured([("ready_ms", ms(ready))]),
                (_, false) => Default::default(),
            },
        };
        Ok(match life.answered {
            true => passed(look),
            false => failed(
                look,
                [
                    "VBAT at the module while it boots: a source that sags starts it again and again",
                    "what it says while it boots (`wire.log`)",
                ],
            ),
        })
    }
}
