//! What each FOTA URC makes of an update.

use super::Attempt;
use crate::brief::Fitness;
use crate::command::UrlStanding;
use crate::guide;
use crate::monitor::context::Context;
use crate::monitor::phase::{End, Phase};
use crate::outcomes;
use crate::rules;
use crate::urc::{FotaErr, FotaUrc, HttpErr};
use crate::verdict::Verdict;

impl Attempt {
    pub(crate) fn fota(&mut self, urc: &FotaUrc, context: &mut Context<'_>) {
        match urc {
            FotaUrc::HttpStart => self.http_start(context),
            FotaUrc::Downloading(percent) => self.downloading(*percent, context),
            FotaUrc::HttpEnd(code) => self.http_end(*code, context),
            FotaUrc::Start => self.start(context),
            FotaUrc::Updating { percent, of } => self.updating(*percent, *of, context),
            FotaUrc::End(code) => self.end(*code, context),
            FotaUrc::Unknown(form) => context.fail(
                &rules::WELL_FORMED,
                format!("`+QIND: \"FOTA\",{form}` came"),
                "the forms of §3.1",
            ),
        }
    }

    fn http_start(&mut self, context: &mut Context<'_>) {
        context.ledger.outcome(outcomes::HTTPSTART);
        match self.phase {
            Phase::Commanded => {
                let accepted = self.accepted;
                context.check(
                    &rules::HTTPSTART_FIRST,
                    accepted,
                    || "`HTTPSTART` came before `OK`".to_owned(),
                    "`OK` first",
                );
                self.phase = Phase::Downloading { percent: None };
            }
            Phase::Updating { .. } | Phase::Restarting if self.cut.is_some() => context.fail(
                &rules::RESUME,
                "after the power came back the module downloaded again (`HTTPSTART`)",
                "`UPDATING`, with or without `START` before it",
            ),
            Phase::Ended(End::Dropped) => self.came_back(context, "HTTPSTART"),
            _ => context.fail(
                &rules::HTTPSTART_FIRST,
                format!("`HTTPSTART` came while {}", self.phase.word()),
                "`HTTPSTART` once, after a command",
            ),
        }
    }

    fn downloading(&mut self, percent: u32, context: &mut Context<'_>) {
        context.ledger.outcome(outcomes::DOWNLOADING);
        match self.phase {
            Phase::Commanded => self.missing_http_start(context),
            Phase::Downloading { .. } => context.ledger.relevant(&rules::DOWNLOADING_IN_PLACE),
            Phase::Ended(End::Dropped) => return self.came_back(context, "DOWNLOADING"),
            _ => {
                return context.fail(
                    &rules::DOWNLOADING_IN_PLACE,
                    format!("`DOWNLOADING` came while {}", self.phase.word()),
                    "`DOWNLOADING` only between `HTTPSTART` and `HTTPEND`",
                );
            }
        }
        let last = match self.phase {
            Phase::Downloading { percent } => percent,
            _ => None,
        };
        let fell = last.is_some_and(|last| percent < last);
        if fell && self.fall_allowed {
            self.fall_allowed = false;
            self.fell = Some(context.moment);
            context
                .ledger
                .note("the percentage of the download fell after the module asked the server anew");
        } else {
            check_percent("DOWNLOADING", percent, last.unwrap_or(0), context);
        }
        if last == Some(percent) {
            context
                .ledger
                .note("a percentage of the download is repeated");
        }
        self.reached_100 |= percent == 100;
        self.phase = Phase::Downloading {
            percent: Some(percent),
        };
    }

    fn http_end(&mut self, code: HttpErr, context: &mut Context<'_>) {
        context.ledger.outcome(outcomes::HTTPEND);
        match self.phase {
            Phase::Commanded => self.missing_http_start(context),
            Phase::Downloading { .. } => context.ledger.relevant(&rules::HTTPEND_IN_PLACE),
            Phase::Ended(End::Dropped) => return self.came_back(context, "HTTPEND"),
            _ => {
                return context.fail(
                    &rules::HTTPEND_IN_PLACE,
                    format!("`HTTPEND,{}` came while {}", code.0, self.phase.word()),
                    "`HTTPEND` once, after `HTTPSTART`",
                );
            }
        }
        if let Some(outcome) = outcomes::of_http_err(code.0) {
            context.ledger.outcome(outcome);
        }
        context.check(
            &rules::KNOWN_CODES,
            guide::has_http_err(code.0),
            || format!("`HTTPEND,{}` came", code.0),
            "0, 12, 13 or 20 (§5 table 1)",
        );
        self.over = Some(context.moment.at);
        if self.is_https() {
            context.ledger.outcome(outcomes::NOTE_2);
            context.check(
                &rules::NO_HTTPS,
                code.0 != 0,
                || "a download over HTTPS ended with `HTTPEND,0`".to_owned(),
                "a refusal, or an `<http_err>` that is not 0",
            );
        }
        if code.0 != 0 {
            self.phase = Phase::Ended(End::HttpEnd(code));
            self.download_failed(code, context);
            return;
        }
        let reached_100 = self.reached_100;
        context.check(
            &rules::DOWNLOAD_COMPLETE,
            reached_100,
            || "`HTTPEND,0` came, and `DOWNLOADING` had not reached 100".to_owned(),
            "`DOWNLOADING,100%` first, or an `<http_err>` that is not 0",
        );
        self.downloaded = true;
        self.phase = Phase::Downloaded;
    }

    fn download_failed(&mut self, code: HttpErr, context: &mut Context<'_>) {
        let is_to_be_refused = !matches!(self.fitness(context.brief), Some(Fitness::Fits) | None);
        if is_to_be_refused
            && self.served_honestly
            && !self.disturbed
            && self.standing == UrlStanding::Lawful
            && context.requests > 0
        {
            context.fail_if_registered(
                &rules::RIGHT_REFUSAL,
                format!(
                    "`HTTPEND,{}` came for a package that is only to be refused when it is there",
                    code.0
                ),
                "`HTTPEND,0`, and then `END` with an error",
            );
        }
        if !self.must_succeed(context) {
            return;
        }
        // Where the server was reached before from this bench, a failure without a request is
        // the module's; else the way to it may be closed.
        if context.requests > 0 || (context.reached && context.registered == Some(true)) {
            context.fail_if_registered(
                &rules::UPDATE_SUCCEEDS,
                format!(
                    "`HTTPEND,{}` came, though the package was there to be had",
                    code.0
                ),
                "`HTTPEND,0`",
            );
        } else if context.registered != Some(false) && code.0 == 12 {
            context.ledger.found(
                &rules::SERVER_REACHED,
                Verdict::Inconclusive,
                context.moment,
                "`HTTPEND,12` came, and no request had reached the package server",
                "a request for the package: see whether the address in the rig file can be \
                 reached from the module's network",
            );
        }
    }

    fn start(&mut self, context: &mut Context<'_>) {
        context.ledger.outcome(outcomes::START);
        match self.phase {
            Phase::Downloaded => context.ledger.relevant(&rules::START_IN_PLACE),
            Phase::Updating { .. } | Phase::Ended(End::Unreported) if self.resume_pending => {
                context.ledger.relevant(&rules::START_IN_PLACE);
                context.ledger.note("a resumed update begins with `START`");
                self.resume_said = true;
            }
            Phase::Ended(End::Dropped) => return self.came_back(context, "START"),
            _ => {
                return context.fail(
                    &rules::START_IN_PLACE,
                    format!("`START` came while {}", self.phase.word()),
                    "`START` once, after `HTTPEND,0`, or first after a power-up that resumes",
                );
            }
        }
        self.started = true;
        self.resume_pending = false;
        self.boots = 0;
        self.phase = Phase::Updating { percent: None };
    }

    fn updating(&mut self, percent: u32, of: Option<(u32, u32)>, context: &mut Context<'_>) {
        context.ledger.outcome(outcomes::UPDATING);
        match self.phase {
            Phase::Updating { .. } => context.ledger.relevant(&rules::UPDATING_IN_PLACE),
            Phase::Ended(End::Unreported) if self.resume_pending => {
                context.ledger.relevant(&rules::UPDATING_IN_PLACE);
            }
            Phase::Downloaded => context.fail(
                &rules::START_IN_PLACE,
                "`UPDATING` came without `START`",
                "`START` first",
            ),
            Phase::Ended(End::Dropped) => return self.came_back(context, "UPDATING"),
            _ => {
                return context.fail(
                    &rules::UPDATING_IN_PLACE,
                    format!("`UPDATING` came while {}", self.phase.word()),
                    "`UPDATING` only after `START`, or after a power-up that resumes",
                );
            }
        }
        if self.resume_pending && !self.resume_said {
            context
                .ledger
                .note("a resumed update begins without `START`");
        }
        if self.cut.is_some() {
            self.resume_said = true;
        } else if !self.updated {
            self.first_updating(context);
        }
        self.resume_pending = false;
        self.end_may_be_lost = false;
        self.updated = true;
        self.started = true;
        self.check_programs(of, context);
        check_percent("UPDATING", percent, self.floor, context);
        if self.floor == percent {
            context
                .ledger
                .note("a percentage of the update is repeated");
        }
        self.floor = percent;
        self.updating_this_boot = true;
        self.phase = Phase::Updating {
            percent: Some(percent),
        };
    }

    fn end(&mut self, code: FotaErr, context: &mut Context<'_>) {
        context.ledger.outcome(outcomes::END);
        match self.phase {
            Phase::Updating { .. } | Phase::Restarting | Phase::Ended(End::Unreported) => {
                context.ledger.relevant(&rules::END_IN_PLACE);
            }
            Phase::Downloaded if code.0 != 0 => {
                context.ledger.relevant(&rules::END_IN_PLACE);
                context
                    .ledger
                    .note("the package is refused before `START`, without a restart");
            }
            Phase::Ended(End::End(FotaErr(first))) => {
                return context.fail(
                    &rules::END_ONCE,
                    format!("`END,{}` came after `END,{first}`", code.0),
                    "one `END` an update",
                );
            }
            Phase::Ended(End::Dropped) => return self.came_back(context, "END"),
            _ => {
                return context.fail(
                    &rules::END_IN_PLACE,
                    format!("`END,{}` came while {}", code.0, self.phase.word()),
                    "`END` only after `HTTPEND,0`, and `END,0` only after `START`",
                );
            }
        }
        context.ledger.relevant(&rules::END_ONCE);
        context.ledger.relevant(&rules::END_FOLLOWS_START);
        if let Some(outcome) = outcomes::of_fota_err(code.0) {
            context.ledger.outcome(outcome);
        }
        if self.updated {
            context.ledger.relevant(&rules::END_AFTER_RESTART);
            if self.updating_this_boot {
                self.no_restart_before_end = Some(context.moment);
            }
        }
        self.phase = Phase::Ended(End::End(code));
        self.check_code(code, context);
    }

    fn missing_http_start(&mut self, context: &mut Context<'_>) {
        context.fail(
            &rules::HTTPSTART_FIRST,
            "another FOTA URC came before `HTTPSTART`",
            "`HTTPSTART`",
        );
        self.phase = Phase::Downloading { percent: None };
    }

    fn came_back(&self, context: &mut Context<'_>, word: &str) {
        context.fail(
            &rules::NOT_SAVED,
            format!("after a power loss before `START` the module said `{word}` by itself"),
            "nothing until the next command",
        );
    }
}

fn check_percent(word: &str, percent: u32, floor: u32, context: &mut Context<'_>) {
    let holds = guide::PERCENT.contains(&percent) && percent >= floor;
    context.check(
        &rules::PERCENT_RISES,
        holds,
        || match floor {
            0 => format!("`{word}` came with {percent}%"),
            _ => format!("`{word}` came with {percent}% after {floor}%"),
        },
        format!("{} to 100%", floor.max(1)),
    );
}
