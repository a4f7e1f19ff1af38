//! What is done with a module again and again: switch it on, get it to answer, ask what it is,
//! give it an honest package. Each move is a few acts and waits of a session.

mod power;
mod update;

use std::time::Duration;

use dfota::message::Message;
use dfota::timeline::{Event, Power, Purpose};

pub(super) use self::update::Honest;
use super::session::{Awaited, Session, Stop};
use crate::scenario::{self, Expectation, Pattern};

/// A generic module is asked `AT` twice a second until it answers.
const SYNC_EVERY: Duration = Duration::from_millis(500);
/// On a fast virtual module it is asked no more often than this: a busy machine is slower.
const SYNC_EVERY_FLOOR: Duration = Duration::from_millis(100);
/// How long a module is silent when it has answered all that it was sent.
const QUIET: Duration = Duration::from_millis(300);
/// And on a fast virtual module, at least.
const QUIET_FLOOR: Duration = Duration::from_millis(40);
/// No wait is made shorter than this by a virtual module's speed: threads need time, too.
const PACE_FLOOR: Duration = Duration::from_millis(2);
/// A deadline of a fast virtual module is shortened down to this, and not further: a busy
/// machine must not look like a silent module.
const DEADLINE_FLOOR: Duration = Duration::from_secs(3);
/// How long a module may be busy with a forced update before it answers.
pub(super) const FORCED_UPDATE_WITHIN: Duration = Duration::from_secs(20 * 60);
/// How long a module may say nothing at all while it is busy with an update: longer than from one
/// percentage to the next, also of bootloaders that begin at 20 % of an update of 20 minutes. One
/// that has been silent for longer is dead.
const SILENT_AT_MOST: Duration = Duration::from_secs(5 * 60);
/// How long a command other than `AT+QFOTADL` may take to answer: the longest that the AT manual
/// gives one that is asked here (`AT+CFUN`). The next must not be sent into an answer that is still
/// to come, or it is taken for its own.
const PROBE_WITHIN: Duration = Duration::from_secs(15);
/// How many questions in a row may bring not one byte before no more are asked. The first may be
/// lost to a module that slept.
const MUTE_AT_MOST: u8 = 2;
/// How long a module may look for a network after it has started.
pub(super) const REGISTERED_WITHIN: Duration = Duration::from_secs(180);

/// What is asked before and after, and compared. `AT+CGSN=1` is the IMEI where plain `AT+CGSN`
/// is the serial number; both are asked by their plain form, which every revision has.
const PROBES: [&str; 7] = [
    "ATI",
    "AT+CGMR",
    "AT+CGSN",
    "AT+CFUN?",
    "AT+CMEE?",
    "AT+IPR?",
    "AT+CGDCONT?",
];

impl Session<'_> {
    /// A duration of module time, as long as it takes on this rig.
    pub(super) fn pace(&self, time: Duration) -> Duration {
        match self.rig.speed {
            1 => time,
            speed => (time / speed).max(PACE_FLOOR.min(time)),
        }
    }

    /// A deadline of module time, as long as it is on this rig.
    pub(super) fn deadline(&self, within: Duration) -> Duration {
        match self.rig.speed {
            1 => within,
            speed => (within / speed).max(DEADLINE_FLOOR.min(within)),
        }
    }

    /// Asks `AT` until the module answers; that is also how it learns the rate. What a module
    /// says at its start is not relied on, for some say nothing; but where it says something,
    /// that is the moment to ask.
    pub(super) fn ready(&mut self, within: Duration) -> Result<Awaited, Stop> {
        let until = self.now() + within;
        let ok = answer(vec![Pattern::Ok], "OK");
        let boot = answer(vec![Pattern::Boot], "boot");
        let every = self.pace(SYNC_EVERY).max(SYNC_EVERY_FLOOR);
        if self.just_switched_on() {
            self.await_message(&boot, every.min(within), None)?;
        }
        let mut asked = 0;
        while self.now() < until {
            self.forget_the_past();
            self.send(b"AT\r", Purpose::Sync)?;
            asked += 1;
            if self.await_message(&ok, every, None)? == Awaited::Came {
                if asked > 1 {
                    // A module that starts keeps some of the commands that it gets meanwhile,
                    // and answers them one after the other.
                    self.until_quiet(self.pace(QUIET).max(QUIET_FLOOR))?;
                }
                self.forget_the_past();
                self.happened(Event::Ready)?;
                return Ok(Awaited::Came);
            }
        }
        Ok(Awaited::Overdue)
    }

    /// Asks `AT` until the module answers, at most `within` of its time, and no longer than it can
    /// be lawfully silent.
    pub(super) fn ready_unless_silent(&mut self, within: Duration) -> Result<Awaited, Stop> {
        let until = self.now() + self.deadline(within);
        loop {
            let heard = self.bytes_heard();
            let left = until.saturating_sub(self.now());
            let came = self.ready(left.min(self.deadline(SILENT_AT_MOST)))?;
            if came == Awaited::Came || self.bytes_heard() == heard || self.now() >= until {
                return Ok(came);
            }
        }
    }

    /// Whether the module has said nothing since its supply was switched on.
    fn just_switched_on(&self) -> bool {
        let last = self.timeline().iter().rev().find(|entry| {
            matches!(
                entry.event,
                Event::Received { .. } | Event::Sent { .. } | Event::Supply { .. }
            )
        });
        let to = Power::On;
        last.is_some_and(|entry| matches!(entry.event, Event::Supply { to: now, .. } if now == to))
    }

    /// Waits until nothing has come for so long; a module that never stops has its own rule.
    fn until_quiet(&mut self, quiet: Duration) -> Result<(), Stop> {
        let until = self.now() + quiet * 20;
        loop {
            let entries = self.timeline().len();
            self.hear_out(quiet)?;
            if self.timeline().len() == entries || self.now() >= until {
                return Ok(());
            }
        }
    }

    /// Sends a command and returns its information responses, or `None` when it is refused or
    /// not answered.
    pub(super) fn ask(&mut self, command: &str) -> Result<Option<Vec<String>>, Stop> {
        self.forget_the_past();
        let from = self.timeline().len();
        self.send(format!("{command}\r").as_bytes(), Purpose::Probe)?;
        let result = answer(vec![Pattern::Ok], "OK");
        match self.await_message(&result, self.deadline(PROBE_WITHIN), None)? {
            Awaited::Came => {}
            Awaited::RuledOut(_) | Awaited::Overdue => return Ok(None),
        }
        Ok(Some(
            self.timeline()[from..]
                .iter()
                .filter_map(|entry| match &entry.event {
                    Event::Received {
                        message: Message::Information(text),
                        ..
                    } => Some(text.clone()),
                    _ => None,
                })
                .collect(),
        ))
    }

    /// Asks everything that is compared before and after; the judge reads the answers. Returns
    /// the firmware version.
    pub(super) fn probe(&mut self) -> Result<Option<String>, Stop> {
        let mut version = None;
        let mut mute = 0;
        for command in PROBES {
            let heard = self.bytes_heard();
            let answer = self.ask(command)?.unwrap_or_default();
            mute = if self.bytes_heard() == heard {
                mute + 1
            } else {
                0
            };
            if mute == MUTE_AT_MOST {
                return Ok(version);
            }
            if command == "ATI" {
                version = answer.iter().find_map(|line| {
                    let revision = line.trim().strip_prefix("Revision:")?;
                    Some(revision.trim().to_owned())
                });
            }
        }
        for command in ["I", "+CGMR"] {
            self.ask_anew(command)?;
        }
        Ok(version)
    }

    /// Asks in a line that was never sent, so that nothing but the module can have the answer. A
    /// module that takes one command at a time is not asked so again.
    fn ask_anew(&mut self, command: &str) -> Result<(), Stop> {
        let Some(line) = self.fresh.as_mut().map(|fresh| fresh.line(command)) else {
            return Ok(());
        };
        if self.ask(&line)?.is_none() {
            self.fresh = None;
        }
        Ok(())
    }

    /// Waits until the network has the module.
    pub(super) fn registered(&mut self) -> Result<bool, Stop> {
        let until = self.now() + self.deadline(REGISTERED_WITHIN);
        loop {
            let answer = self.ask("AT+CEREG?")?.unwrap_or_default();
            if answer.iter().any(|line| is_registered(line)) {
                return Ok(true);
            }
            if self.now() >= until {
                return Ok(false);
            }
            self.pass(self.pace(Duration::from_secs(2)))?;
        }
    }
}

fn is_registered(line: &str) -> bool {
    let status = line
        .strip_prefix("+CEREG:")
        .and_then(|fields| fields.split(',').nth(1));
    matches!(status.map(str::trim), Some("1" | "5"))
}

fn answer(patterns: Vec<Pattern>, text: &str) -> Expectation {
    Expectation {
        awaited: scenario::Awaited::Message(patterns),
        within: PROBE_WITHIN,
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("+CEREG: 0,1", true)]
    #[case("+CEREG:0,1", true)]
    #[case("+CEREG: 2,5,\"1A2B\",\"0000\",9", true)]
    #[case("+CEREG: 0,2", false)]
    #[case("+CEREG: 0,11", false)]
    #[case("+CEREG:", false)]
    #[case("+CGATT: 1", false)]
    fn registered_at_home_or_roaming_and_nothing_else(#[case] line: &str, #[case] is: bool) {
        assert_eq!(is_registered(line), is);
    }
}
