//! One update, from the command to a module that answers again.

use std::time::Duration;

use dfota::monitor::Phase;
use dfota::timeline::{Event, Purpose};
use dfota::transcript::escape;

use super::super::session::{Awaited, Session, Stop};
use super::{DEADLINE_FLOOR, FORCED_UPDATE_WITHIN, PROBE_WITHIN, SILENT_AT_MOST, answer};
use crate::scenario::{Expectation, Number, Pattern};

/// How often it is looked whether the module has started anew meanwhile.
const BOOT_SHOWS_WITHIN: Duration = Duration::from_secs(10);
/// How long a whole download may take at the rate of deep coverage.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(30 * 60);

/// What an honest update came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::runner) enum Honest {
    /// `END,0`, or the reboot that autobaud keeps it back behind: the version decides.
    Over,
    /// It went wrong, and how.
    Failed(String),
}

impl Session<'_> {
    /// Waits for a message of a download. A module that starts anew has lost its download, so
    /// after a boot no more is waited for than it takes to see that nothing else came.
    fn await_unless_it_boots(
        &mut self,
        expectation: &Expectation,
        within: Duration,
    ) -> Result<Awaited, Stop> {
        let boot = answer(vec![Pattern::Boot], "boot");
        let until = self.now() + within;
        let from = self.timeline().len();
        loop {
            let left = until.saturating_sub(self.now());
            let turn = self.deadline(BOOT_SHOWS_WITHIN);
            let awaited = self.await_message(expectation, left.min(turn), None)?;
            if awaited != Awaited::Overdue || self.now() >= until {
                return Ok(awaited);
            }
            let heard = self.timeline()[from..]
                .iter()
                .find_map(|entry| match &entry.event {
                    Event::Received { line, message } if boot.met_by(message, None) => Some(line),
                    _ => None,
                });
            if let Some(line) = heard {
                return Ok(Awaited::RuledOut(escape(&line.bytes)));
            }
        }
    }

    /// One update from a module that is ready, with whatever the server offers at `url`.
    pub(in crate::runner) fn update_honestly(&mut self, url: &str) -> Result<Honest, Stop> {
        self.forget_the_past();
        self.send(format!("AT+QFOTADL=\"{url}\"\r").as_bytes(), Purpose::Step)?;
        let steps = [
            (answer(vec![Pattern::Ok], "OK"), PROBE_WITHIN),
            (
                answer(vec![Pattern::HttpEnd(exactly(0))], "FOTA HTTPEND 0"),
                DOWNLOAD_WITHIN,
            ),
        ];
        for (expectation, within) in steps {
            let within = self.deadline(within);
            match self.await_unless_it_boots(&expectation, within)? {
                Awaited::Came => {}
                Awaited::RuledOut(what) => {
                    return Ok(Honest::Failed(format!(
                        "wanted {}, got `{what}`",
                        expectation.text
                    )));
                }
                Awaited::Overdue => {
                    return Ok(Honest::Failed(format!(
                        "wanted {}, waited {within:?}",
                        expectation.text
                    )));
                }
            }
        }
        let within = self.deadline(FORCED_UPDATE_WITHIN);
        let until = self.now() + within;
        // On autobaud the END waits for a rate that it never sees, so the boot after the
        // update is asked for its rate once it has been silent for a while.
        let from = self.timeline().len();
        loop {
            let heard = self.bytes_heard();
            let left = until.saturating_sub(self.now());
            let patience = left.min(self.deadline(SILENT_AT_MOST));
            let awaited = self.await_phase(patience, from, |phase| {
                matches!(phase, Phase::Ended(_) | Phase::Restarting)
            })?;
            if awaited == Awaited::Came || self.bytes_heard() == heard || self.now() >= until {
                break;
            }
        }
        let left = until.saturating_sub(self.now());
        let end = answer(vec![Pattern::End(Number::Any)], "FOTA END");
        let patience = self.pace(Duration::from_secs(10)).max(DEADLINE_FLOOR);
        if !matches!(self.monitor().phase(), Phase::Ended(_)) {
            self.await_message(&end, left.min(patience), None)?;
        }
        if self.ready_unless_silent(FORCED_UPDATE_WITHIN)? == Awaited::Came {
            Ok(Honest::Over)
        } else {
            Ok(Honest::Failed("the module does not answer".to_owned()))
        }
    }
}

fn exactly(number: u32) -> Number {
    Number::Within(number..=number)
}
