//! The power goes, the application answers again, nothing more comes: where that leaves an update.

use super::{Attempt, CutWindow, NEARLY_DONE, SURELY_NOT_DONE};
use crate::brief::Console;
use crate::monitor::context::Context;
use crate::monitor::phase::{End, Phase};
use crate::rules;
use crate::verdict::Verdict;

impl Attempt {
    /// The power came back, or the module was reset; `by_scenario`: in the scenario's steps.
    pub(crate) fn interrupted(&mut self, by_scenario: bool) {
        self.boots = 0;
        self.floor = 0;
        self.updating_this_boot = false;
        self.abandoned |= !by_scenario && self.phase.is_under_way() && self.cut.is_none();
        match self.phase {
            Phase::Commanded | Phase::Downloading { .. } | Phase::Downloaded => {
                self.phase = Phase::Ended(End::Dropped);
            }
            Phase::Updating { percent: None } => {
                self.cut.get_or_insert(CutWindow::Started);
                self.resume_pending = true;
                self.end_may_be_lost = true;
            }
            Phase::Updating {
                percent: Some(last),
            } => {
                self.cut = Some(CutWindow::Updating(last));
                self.resume_pending = true;
                self.end_may_be_lost = last >= NEARLY_DONE;
            }
            // The clean power cycle after the steps is late enough for `END` to have come.
            Phase::Restarting | Phase::Ended(End::Unreported) if by_scenario => {
                self.cut.get_or_insert(CutWindow::Restarting);
                self.end_may_be_lost = true;
            }
            Phase::Idle | Phase::Restarting | Phase::Ended(_) => {}
        }
    }

    /// The application answers commands.
    pub(crate) fn application_runs(&mut self) {
        let through = match self.phase {
            Phase::Restarting => true,
            Phase::Updating { .. } => {
                !self.updating_this_boot && (self.boots > 0 || self.resume_pending)
            }
            _ => false,
        };
        if through {
            self.phase = Phase::Ended(End::Unreported);
        }
    }

    /// No more comes of this attempt: what should have come is missing now.
    pub(crate) fn close(&mut self, banners_are_seen: bool, context: &mut Context<'_>) {
        let boots_are_seen = banners_are_seen && context.brief.boot_is_readable();
        for (rule, missing) in [
            (
                &rules::RESTART_BEFORE_UPDATING,
                self.no_restart_before_updating.take(),
            ),
            (&rules::END_AFTER_RESTART, self.no_restart_before_end.take()),
        ] {
            if let Some(moment) = missing.filter(|_| boots_are_seen) {
                let what = "no boot was seen in between";
                context
                    .ledger
                    .found(rule, Verdict::Fail, moment, what, "a boot banner or `RDY`");
            }
        }
        if self.abandoned && self.in_vain {
            context.fail(
                &rules::UPDATE_ENDS,
                "the scenario waited for the update in vain",
                "`HTTPEND` with an error, or `END`",
            );
            return;
        }
        if self.abandoned {
            context.ledger.found(
                &rules::UPDATE_ENDS,
                Verdict::Inconclusive,
                context.moment,
                "the scenario's steps were over, and the update was not",
                "steps that see the update to its end, or cut it",
            );
            return;
        }
        let reported = matches!(self.phase, Phase::Ended(End::End(_)));
        let may_be_lost = self.end_may_be_lost || context.brief.console == Console::Auto;
        if self.started && !reported && !may_be_lost {
            context.fail(
                &rules::END_FOLLOWS_START,
                "`START` came, and no `END` after it",
                "`END` with a code of §5 table 2",
            );
        }
        let silent = self.version_changed && !self.updated && self.cut.is_none();
        if silent && context.brief.boot_is_readable() {
            context.fail(
                &rules::UPDATING_IN_PLACE,
                "the version changed, and no `UPDATING` came",
                "`UPDATING`, between `START` and `END`",
            );
        }
        if self.accepted {
            let over = self.started || !self.phase.is_under_way();
            context.check(
                &rules::UPDATE_ENDS,
                over,
                || format!("the update stays {} for ever", self.phase.word()),
                "`HTTPEND` with an error, or `END`",
            );
        }
        if let Some(CutWindow::Updating(last)) = self.cut
            && context.brief.boot_is_readable()
        {
            let silent = !self.resume_said && last <= SURELY_NOT_DONE;
            context.check(
                &rules::RESUME,
                !silent,
                || format!("after a cut at {last}% no `UPDATING` came"),
                "`UPDATING`, with or without `START` before it",
            );
        }
    }
}
