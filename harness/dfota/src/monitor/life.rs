//! Whether the module lives and listens: its power, its lines, its answers.

use std::time::Duration;

use super::Monitor;
use super::ledger::Moment;
use super::phase::{End, Phase};
use crate::rules;
use crate::timeline::{Pin, Stage};

impl Monitor {
    /// The power came on, or the module is reset: what was under way is interrupted.
    pub(super) fn interrupted(&mut self, moment: Moment) {
        self.quiet(moment);
        self.restart_commanded = false;
        self.boots.expect_one();
        if let Some(attempt) = &mut self.attempt {
            attempt.interrupted(self.stage == Stage::Steps);
            if attempt.phase.is_under_way() {
                self.boots.update_interrupted();
                self.identity.version_may_change();
            } else if !matches!(attempt.phase, Phase::Ended(End::Unreported)) {
                self.boots.update_ended();
            }
        }
    }

    /// The module cannot be expected to answer or to be understood.
    pub(super) fn quiet(&mut self, moment: Moment) {
        self.alive = false;
        self.settling = true;
        if let Some(asked) = self.asked.take() {
            // Its answer may still come: a host that waits for a module to start asks again
            // and again, and the module may have kept what it heard.
            self.superseded = self.superseded.saturating_add(1);
            // What it carried out it has heard, and it answers no more.
            let carried_out = asked.is_download()
                && self.attempt.as_ref().is_some_and(|attempt| {
                    !matches!(attempt.phase, Phase::Idle | Phase::Commanded)
                });
            if asked.is_overdue(moment.at) || carried_out {
                let last_answer = self.last_answer;
                let (mut context, _) = self.context(moment);
                asked.unanswered(last_answer, &mut context);
            }
        }
        self.last_answer = None;
        self.identity.forget_reading();
    }

    pub(super) fn pin(&mut self, pin: Pin, asserted: bool, moment: Moment) {
        match (pin, asserted) {
            (Pin::ResetN, true) => {
                let entry = self.entries - 1;
                self.supply.reset(true, moment.at, entry, moment.phase);
                self.quiet(moment);
                self.boots.expect_one();
            }
            (Pin::ResetN, false) => {
                let entry = self.entries - 1;
                self.supply.reset(false, moment.at, entry, moment.phase);
                self.interrupted(moment);
            }
            (Pin::Pwrkey, asserted) => {
                self.pwrkey_asserted = asserted;
                // It switches on what is off; a module that runs takes no notice of it.
                if asserted && self.may_be_off {
                    self.settling = true;
                    self.boots.expect_one();
                }
            }
            (Pin::ConsoleEnable, _) => {}
        }
    }

    /// The rail was sensed.
    pub(super) fn rail(&mut self, up: bool, since: Option<Duration>, moment: Moment) {
        self.supply.rail(up, since, moment.at);
        if !up && self.pwrkey_asserted && !self.may_be_off {
            let (mut context, _) = self.context(moment);
            context.invalid(
                &rules::FAULT_PROVED,
                "the rail fell when PWRKEY was asserted",
                "a supply that PWRKEY does not switch: see whether lines of the rig are swapped",
            );
        }
    }

    /// The module answers commands.
    pub(super) fn answers(&mut self) {
        self.alive = true;
        self.may_be_off = false;
        self.settling = false;
        self.boots.answers();
        if let Some(attempt) = &mut self.attempt {
            attempt.application_runs();
            if !attempt.phase.is_under_way() {
                self.boots.update_ended();
            }
        }
    }
}
