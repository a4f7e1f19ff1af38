//! What the module says, line by line.

use super::Monitor;
use super::answers::{Asked, Request};
use super::ledger::Moment;
use super::phase::Phase;
use crate::brief::Console;
use crate::line::{Ending, Line};
use crate::message::Message;
use crate::rules;
use crate::timeline::{Purpose, Stage};
use crate::urc::{self, FotaUrc, Urc};
use crate::verdict::Verdict;

impl Monitor {
    pub(super) fn received(&mut self, line: &Line, message: &Message, moment: Moment) {
        self.lines = self.lines.saturating_add(1);
        let settle = self.brief.settle;
        self.supply
            .line(line.at, &line.bytes, line.ending, message, settle);
        if line.ending == Ending::Whole {
            self.echo(&line.bytes, message, moment);
        }
        let (mut context, parts) = self.context(moment);
        let booted = parts.boots.line(&line.bytes, message, &mut context);
        if booted {
            self.booted(moment);
        }
        match message {
            Message::FinalResult(result) => self.final_result(*result, line, moment),
            Message::Information(text) => self.information(text, moment),
            Message::Urc(Urc::Fota(urc)) => self.fota(urc, line, moment),
            Message::Urc(Urc::Rdy) => self.ready_text(),
            Message::Urc(Urc::Cfun(level)) => {
                let (mut context, parts) = self.context(moment);
                parts.identity.started_with(*level, &mut context);
            }
            Message::Urc(Urc::Other(text)) => self.other_urc(text),
            Message::Unrecognised => self.unrecognised(line, moment),
            Message::Echo | Message::BootText(_) | Message::Urc(_) => {}
        }
    }

    /// Our own bytes come back: are they all there?
    fn echo(&mut self, bytes: &[u8], message: &Message, moment: Moment) {
        if *message == Message::Echo {
            // A module hears in order: what was sent while it started was answered by now, or
            // was never heard.
            if self.asked.as_ref().is_some_and(Asked::is_download) {
                self.superseded = 0;
            }
            return self.ledger.relevant(&rules::CONSOLE_WHOLE);
        }
        let damaged = self
            .asked
            .as_ref()
            .is_some_and(|asked| asked.is_damaged_echo(urc::trim(bytes)));
        if damaged {
            let what = format!(
                "an echo came back as `{}`",
                crate::transcript::escape(urc::trim(bytes))
            );
            self.ledger.found(
                &rules::CONSOLE_WHOLE,
                Verdict::Invalid,
                moment,
                what,
                "every byte that was sent: see to the console's wiring, rate and driver",
            );
            self.ledger.void_from(0);
        }
    }

    fn booted(&mut self, moment: Moment) {
        self.may_be_off = false;
        // A command that was sent while the module started may wait in its UART, and be
        // answered once it listens; or it is lost.
        let may_be_answered = self.superseded + u32::from(self.asked.is_some());
        self.quiet(moment);
        self.superseded = may_be_answered;
        if std::mem::take(&mut self.restart_commanded)
            && let Some(attempt) = &mut self.attempt
        {
            attempt.interrupted(self.stage == Stage::Steps);
        }
        let (mut context, parts) = self.context(moment);
        if let Some(attempt) = parts.attempt {
            attempt.boot(&mut context);
            if attempt.phase == Phase::Restarting {
                self.dialect.application_may_change();
            }
        }
    }

    fn ready_text(&mut self) {
        self.settling = false;
        // In autobaud it cannot answer before it has seen an `AT` (§3.1 note 3).
        self.alive |= matches!(self.brief.console, Console::Fixed(_));
    }

    fn fota(&mut self, urc: &FotaUrc, line: &Line, moment: Moment) {
        self.settling = false;
        if self.attempt.is_none() {
            let (mut context, _) = self.context(moment);
            return context.invalid(
                &rules::CLEAN_START,
                format!(
                    "`{}` came before this run's first command",
                    crate::transcript::escape(&line.bytes)
                ),
                "nothing of an earlier run: let the module finish it, then start again",
            );
        }
        let (mut context, parts) = self.context(moment);
        let Some(attempt) = parts.attempt else {
            return;
        };
        if line.ending == Ending::Whole
            && let Some(reading) = urc::read_fota(&line.bytes)
        {
            let resumed = attempt.is_resumed();
            parts.dialect.heard(&reading, resumed, &mut context);
        }
        let before = attempt.phase;
        attempt.fota(urc, &mut context);
        match urc {
            FotaUrc::Downloading(percent) => parts.delivery.percent(*percent),
            FotaUrc::Start if attempt.phase != before => parts.boots.update_started(),
            FotaUrc::Updating { .. } => {
                parts.identity.version_may_change();
                if matches!(attempt.phase, Phase::Updating { .. }) {
                    parts.boots.updating();
                }
            }
            FotaUrc::End(_) => {
                parts.identity.version_may_change();
                parts.boots.end(&mut context);
            }
            _ => {}
        }
    }

    fn other_urc(&mut self, text: &str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        if name == "+CEREG" {
            self.identity.registration(value, false);
        }
        self.ledger.note(format!("other URC: {name}"));
    }

    fn unrecognised(&mut self, line: &Line, moment: Moment) {
        let why = match line.ending {
            Ending::CutShort => Some("cut short"),
            _ if self.supply.is_off() => Some("while the power is off"),
            _ if self.settling => Some("while the module starts"),
            _ if !self.brief.boot_is_readable() && self.phase().is_at_its_flash() => {
                Some("while the bootloader speaks at 115200 and we do not listen at it")
            }
            _ if matches!(self.brief.console, Console::Fixed(rate) if rate != self.rate) => {
                Some("at a rate that is not the module's")
            }
            _ if self.asked.as_ref().is_some_and(|asked| {
                asked.what == Request::Other && asked.purpose == Purpose::Step
            }) =>
            {
                Some("as an answer to a command of the scenario")
            }
            _ => None,
        };
        match why {
            Some(why) => {
                self.ledger.relevant(&rules::KNOWN_LINES);
                self.ledger
                    .note(format!("a line that is not understood, {why}"));
            }
            None => {
                let text = crate::transcript::escape(&line.bytes);
                self.ledger.found(
                    &rules::KNOWN_LINES,
                    Verdict::Inconclusive,
                    moment,
                    format!("`{}` is not understood", text.get(..80).unwrap_or(&text)),
                    "echo, information, a final result code, a URC or boot text",
                );
            }
        }
    }
}
