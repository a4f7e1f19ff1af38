//! What is sent, and which answer belongs to it.

use super::Monitor;
use super::answers::{Answer, Asked, Circumstances, Habit, Request};
use super::ledger::Moment;
use super::update::{Attempt, Expected};
use crate::brief::Console;
use crate::command::CommandLine;
use crate::line::Line;
use crate::message::FinalResult;
use crate::rules;
use crate::timeline::Purpose;

/// More kinds of queries than these the harness does not have.
const HABITS_MAX: usize = 32;

/// The longest command line that is remembered before its CR.
const UNSENT_MAX: usize = 4096;

impl Monitor {
    pub(super) fn sent(&mut self, bytes: &[u8], purpose: Purpose, moment: Moment) {
        for &byte in bytes {
            if byte == b'\r' {
                let line = CommandLine::parse(&std::mem::take(&mut self.unsent));
                self.command(line, purpose, moment);
            } else if self.unsent.len() < UNSENT_MAX {
                self.unsent.push(byte);
            }
        }
    }

    fn command(&mut self, line: CommandLine, purpose: Purpose, moment: Moment) {
        if let Some(before) = self.asked.take() {
            let last_answer = self.last_answer;
            let (mut context, _) = self.context(moment);
            before.unanswered(last_answer, &mut context);
            self.superseded = self.superseded.saturating_add(1);
            self.habit(&before, None, moment);
        }
        self.anything_sent = true;
        if self.supply.is_off() {
            return;
        }
        if line.restarts() || line.powers_down() {
            self.restart_commanded = true;
        }
        self.may_be_off |= line.powers_down();
        self.identity.sent(&line, purpose);
        if let Some(attempt) = &mut self.attempt {
            attempt.disturbed |= line.restarts() || line.sets("+CFUN") || line.sets("+CGATT");
        }
        let deaf = matches!(self.brief.console, Console::Fixed(rate) if rate != self.rate);
        let phase = self.phase();
        let circumstances = Circumstances {
            under_way: phase.is_under_way(),
            rate: self.rate,
            // The bootloader does not listen.
            answerable: self.alive && !deaf && !phase.is_at_its_flash(),
            purpose,
        };
        let asked = Asked::new(line, moment, circumstances);
        if let Request::Download(standing) = asked.what {
            if self.attempt.is_none() {
                self.ledger.relevant(&rules::CLEAN_START);
            }
            self.close_attempt(moment);
            let before = self.identity.version.clone();
            let faults = self.supply.server_faults_in_play(&self.brief);
            self.attempt = Some(Attempt::new(self.stage, standing, before, faults));
            self.dialect.update_begins();
        }
        self.asked = Some(asked);
    }

    pub(super) fn final_result(&mut self, result: FinalResult, line: &Line, moment: Moment) {
        self.last_answer = Some(line.at);
        let owed = self.superseded > 0 && result == FinalResult::Ok;
        let is_for_older = |asked: &Asked| owed && asked.owes_information();
        let Some(asked) = self.asked.take_if(|asked| !is_for_older(asked)) else {
            self.unasked(moment);
            return self.answers();
        };
        if asked.has_told() {
            // Answers come in order: nothing older is owed any more.
            self.superseded = 0;
        }
        self.habit(&asked, Some(result), moment);
        let no_context = result == FinalResult::Ok
            && asked.line.has("+CGDCONT")
            && !asked.told("+CGDCONT")
            && asked.purpose == Purpose::Probe;
        let (mut context, parts) = self.context(moment);
        let answer = asked.answered(result, line.at, &mut context);
        if no_context {
            parts.identity.no_context(&mut context);
        }
        match (answer, parts.attempt) {
            (Answer::Accepted, Some(attempt)) => attempt.accepted(),
            (Answer::Refused, Some(attempt)) => attempt.refused(line.at),
            _ => {}
        }
        self.answers();
    }

    /// Holds how the module took a query against how it took it before.
    fn habit(&mut self, asked: &Asked, result: Option<FinalResult>, moment: Moment) {
        let Some((what, habit)) = asked.habit(result) else {
            return;
        };
        if let Some(&before) = self.habits.get(&what) {
            let (mut context, _) = self.context(moment);
            habit.check(&what, before, &mut context);
        } else if self.habits.len() < HABITS_MAX {
            if habit != Habit::Tells {
                self.ledger
                    .note(format!("the module tells nothing by {what}"));
            }
            self.habits.insert(what, habit);
        }
    }

    /// A final result code came, and no command waits for one.
    fn unasked(&mut self, moment: Moment) {
        if self.superseded > 0 {
            self.superseded -= 1;
        } else if self.anything_sent {
            let (mut context, _) = self.context(moment);
            context.fail(
                &rules::ONE_ANSWER,
                "a final result code came, and no command waits for one",
                "one final result code a command",
            );
        }
    }

    pub(super) fn information(&mut self, text: &str, moment: Moment) {
        let Some(mut asked) = self.asked.take() else {
            return;
        };
        let expected = match &self.attempt {
            Some(attempt) => attempt.expected_version(&self.brief),
            None => Expected::default(),
        };
        let (mut context, parts) = self.context(moment);
        asked.information(text, &mut context);
        let version =
            parts
                .identity
                .information(text, &asked.line, asked.purpose, &expected, &mut context);
        if let (Some(version), Some(attempt)) = (version, parts.attempt) {
            attempt.version_confirmed(&version, &mut context);
        }
        self.asked = Some(asked);
    }
}
