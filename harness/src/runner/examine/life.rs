//! Whether there is life behind the console, and whether it is a new one.

use std::time::Duration;

use dfota::message::Message;
use dfota::timeline::{Event, Pin, Power, ReadBack};
use dfota::transcript::escape;

use super::super::moves::FORCED_UPDATE_WITHIN;
use super::super::rate::FIXED_RATES;
use super::super::session::{Awaited, Stop};
use super::Examiner;
use crate::scenario::READY_WITHIN;

/// What should be dead is asked for so many times as long as it takes to boot.
const BOOTS: u32 = 2;
/// And at least for so long, in our time: a busy machine must not look like a dead module.
const DEAD_FOR_FLOOR: Duration = Duration::from_millis(500);
/// In so many turns a module is asked that has just lost its power.
const TURNS: u32 = 3;
/// How long each other rate is tried, in the module's time.
const RATE_TURN: Duration = Duration::from_secs(2);
/// A PWRKEY pulse that switches on whatever can be switched on (hardware manual: 500 ms).
pub(super) const LONG_PULSE: Duration = Duration::from_secs(2);
/// What was said before the power went may be so late: an adapter holds it back.
pub(super) const SETTLE: Duration = Duration::from_millis(200);
/// Most characters of what was heard that are shown.
const SAMPLE_MAX: usize = 60;

/// A place in what was heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    entries: usize,
    bytes: usize,
}

/// What a module gave of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// It answered `AT`.
    pub answered: bool,
    /// Bytes that came.
    pub bytes: usize,
    /// The beginning of them, escaped.
    pub sample: String,
}

impl Life {
    pub(super) fn is_there(&self) -> bool {
        self.answered || self.bytes > 0
    }
}

impl std::fmt::Display for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.answered, self.bytes) {
            (true, _) => f.write_str("it answers `AT`"),
            (false, 0) => f.write_str("not a byte comes"),
            (false, bytes) => write!(
                f,
                "{bytes} bytes come, `{}`, and `AT` is not answered",
                self.sample
            ),
        }
    }
}

/// What switching the module on with a pulse of some width did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulsed {
    /// How long PWRKEY really was asserted, in the module's time.
    pub width: Duration,
    /// Whether that switched it on.
    pub boots: bool,
}

impl Examiner<'_, '_> {
    /// How long a module has that must answer.
    pub(super) fn alive_within(&self) -> Duration {
        self.session.deadline(READY_WITHIN)
    }

    /// How long a module is asked that must not.
    pub(super) fn dead_for(&self) -> Duration {
        let time = match self.facts.ready_after {
            Some(ready_after) => ready_after * BOOTS,
            None => self.session.pace(self.session.rig.timing.boots_within),
        };
        time.max(DEAD_FOR_FLOOR)
    }

    /// A time of ours in the module's.
    pub(super) fn module_time(&self, ours: Duration) -> Duration {
        ours * self.session.rig.speed
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            entries: self.session.timeline().len(),
            bytes: self.session.bytes_heard(),
        }
    }

    /// Asks until it answers, or for so long; what came since `mark` counts.
    pub(super) fn life(&mut self, mark: Mark, within: Duration) -> Result<Life, Stop> {
        let answered = self.session.ready(within)? == Awaited::Came;
        let bytes = self.session.bytes_heard() - mark.bytes;
        let mut sample = String::new();
        for entry in &self.session.timeline()[mark.entries..] {
            if let Event::Received { line, message } = &entry.event
                && *message != Message::Echo
            {
                if !sample.is_empty() {
                    sample.push_str(" ¶ ");
                }
                sample.push_str(&escape(&line.bytes));
            }
        }
        if sample.chars().count() > SAMPLE_MAX {
            sample = sample.chars().take(SAMPLE_MAX).chain(['…']).collect();
        }
        Ok(Life {
            answered,
            bytes,
            sample,
        })
    }

    /// Asks for so long, and says what it was like at the end, in the last of a few turns: one
    /// that answers at first, or says its last, may still die of the power that was taken.
    pub(super) fn last_life(&mut self, within: Duration) -> Result<Life, Stop> {
        let until = self.session.now() + within;
        loop {
            let mark = self.mark();
            let turn = self.session.now() + within / TURNS;
            let mut life = self.life(mark, within / TURNS)?;
            if life.answered {
                let rest = turn.min(until).saturating_sub(self.session.now());
                self.session.pass(rest)?;
                life.bytes = self.session.bytes_heard() - mark.bytes;
            }
            if self.session.now() >= until {
                return Ok(life);
            }
        }
    }

    /// On, and the first sign of life there is. One that goes on with an update it was forced to
    /// says so, and is waited for.
    pub(super) fn first_life(&mut self) -> Result<Life, Stop> {
        self.session.power_off()?;
        let mark = self.mark();
        self.session.power_on()?;
        let on = self.session.now();
        let patience = self.session.deadline(self.session.rig.timing.boots_within);
        let at_the_latest = on + self.session.deadline(FORCED_UPDATE_WITHIN);
        let mut until = on + patience;
        loop {
            let from = self.session.timeline().len();
            let slice = Duration::from_secs(1).min(patience);
            let life = self.life(mark, slice)?;
            let now = self.session.now();
            if life.answered {
                // From VBAT: where PWRKEY is tied, the module boots while its pulse still lasts.
                let powered = self.supply_went(Power::On).unwrap_or(on);
                self.facts.ready_after = Some(now.saturating_sub(powered));
                return Ok(life);
            }
            let updates = self.session.timeline()[from..].iter().any(|entry| {
                matches!(&entry.event, Event::Received { message, .. } if message.fota().is_some())
            });
            if updates {
                until = now + patience;
            }
            if now >= until.min(at_the_latest) {
                return Ok(life);
            }
        }
    }

    /// Off and on again as every case does it, and what came of it.
    pub(super) fn power_cycle(&mut self) -> Result<Life, Stop> {
        self.session.power_off()?;
        let mark = self.mark();
        self.session.power_on()?;
        let within = self.alive_within();
        self.life(mark, within)
    }

    /// A module that is on and answers, as the next step wants to find it.
    pub(super) fn alive(&mut self) -> Result<Life, Stop> {
        if self.session.powered() {
            let mark = self.mark();
            let within = self.dead_for();
            let life = self.life(mark, within)?;
            if life.answered {
                return Ok(life);
            }
        }
        self.power_cycle()
    }

    /// What is still on its way when the power goes is not life.
    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        self.session.hear_out(SETTLE)
    }

    /// The rail, where it is sensed.
    pub(super) fn rail(&mut self) -> Result<Option<bool>, Stop> {
        match &mut self.session.rig.power_good {
            Some(line) => Ok(line.read()?),
            None => Ok(None),
        }
    }

    /// What the supply read back as when it was last switched.
    pub(super) fn supply_read_back(&self) -> ReadBack {
        self.session
            .timeline()
            .iter()
            .rev()
            .find_map(|entry| match entry.event {
                Event::Supply { read_back, .. } => Some(read_back),
                _ => None,
            })
            .unwrap_or(ReadBack::Unavailable)
    }

    /// When the supply was last switched so.
    pub(super) fn supply_went(&self, wanted: Power) -> Option<Duration> {
        self.session
            .timeline()
            .iter()
            .rev()
            .find_map(|entry| match entry.event {
                Event::Supply { to, .. } if to == wanted => Some(entry.at),
                _ => None,
            })
    }

    /// Off, VBAT, and a PWRKEY pulse of this width, in the module's time.
    pub(super) fn pulse_of(&mut self, width: Duration) -> Result<Pulsed, Stop> {
        self.session.power_off()?;
        let mark = self.mark();
        self.session.supply_on()?;
        let stable = self.session.rig.timing.vbat_stable;
        self.session.pass(self.session.pace(stable))?;
        self.session.pulse(Pin::Pwrkey, Some(width))?;
        let edges: Vec<Duration> = self.session.timeline()[mark.entries..]
            .iter()
            .filter(|entry| {
                matches!(
                    entry.event,
                    Event::Pin {
                        pin: Pin::Pwrkey,
                        ..
                    }
                )
            })
            .map(|entry| entry.at)
            .collect();
        let real = match edges[..] {
            [asserted, .., released] => released - asserted,
            _ => Duration::ZERO,
        };
        let within = self.dead_for();
        let life = self.life(mark, within)?;
        Ok(Pulsed {
            width: self.module_time(real),
            boots: life.is_there(),
        })
    }

    /// Leaves something in the module's memory that a start clears: its echo is not as it was
    /// after the last one. `None`: the module does not take the command.
    pub(super) fn leave_trace(&mut self) -> Result<Option<Trace>, Stop> {
        let echo = self.echoes()?;
        let command = if echo { "ATE0" } else { "ATE1" };
        if self.session.ask(command)?.is_none() || self.echoes()? == echo {
            return Ok(None);
        }
        Ok(Some(Trace { echo: !echo }))
    }

    /// Whether a trace is still there: then the module has lived on.
    pub(super) fn lives_on(&mut self, trace: Trace) -> Result<bool, Stop> {
        Ok(self.echoes()? == trace.echo)
    }

    fn echoes(&mut self) -> Result<bool, Stop> {
        let from = self.session.timeline().len();
        self.session.ask("AT")?;
        Ok(self.session.timeline()[from..].iter().any(|entry| {
            matches!(
                entry.event,
                Event::Received {
                    message: Message::Echo,
                    ..
                }
            )
        }))
    }

    /// Looks for the module at other rates. One that answers is left as it is, and so is our
    /// own rate in the end.
    pub(super) fn answers_at_another_rate(&mut self) -> Result<Option<u32>, Stop> {
        let usual = self.session.rig.baud;
        let turn = self.session.pace(RATE_TURN).max(DEAD_FOR_FLOOR);
        let mut found = None;
        for rate in FIXED_RATES {
            if rate == usual {
                continue;
            }
            self.session.set_baud(rate)?;
            if self.session.ready(turn)? == Awaited::Came {
                found = Some(rate);
                break;
            }
        }
        self.session.set_baud(usual)?;
        Ok(found)
    }
}

/// Something in the module's memory that a start clears.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace {
    echo: bool,
}
