//! An attempt is over: do the module's words agree with what was delivered?

use super::Delivery;
use crate::monitor::context::Context;
use crate::monitor::phase::{End, Phase};
use crate::monitor::update::Attempt;
use crate::rules;
use crate::timeline::Stage;
use crate::urc::FotaErr;
use crate::verdict::Verdict;

impl Delivery {
    /// No more comes of this attempt: do its words agree with what was delivered?
    pub(crate) fn close(&mut self, attempt: &Attempt, context: &mut Context<'_>) {
        let served = std::mem::take(self);
        served.check_words(attempt, context);
        served.callers.close(attempt, context);
    }

    fn check_words(&self, attempt: &Attempt, context: &mut Context<'_>) {
        if !self.is_idle() && self.delivers_the_package(context.brief) {
            let ahead = self.ahead;
            context.check(
                &rules::REAL_PROGRESS,
                ahead.is_none(),
                || {
                    let (percent, share) = ahead.unwrap_or_default();
                    format!("`DOWNLOADING` told {percent}% when at most {share}% had arrived")
                },
                "at most the share that was sent",
            );
        }
        if attempt.downloaded() && self.is_idle() {
            return self.check_unasked(attempt, context);
        }
        let Some(assembly) = self.assembly else {
            if attempt.downloaded() && self.open.is_empty() {
                context.fail(
                    &rules::SHORT_DOWNLOAD,
                    "`HTTPEND,0` came, and no answer carried a package",
                    "an `<http_err>` that is not 0",
                );
            }
            return;
        };
        if let Some(as_declared) = assembly.as_declared.filter(|_| attempt.downloaded()) {
            context.check(
                &rules::SHORT_DOWNLOAD,
                as_declared,
                || "`HTTPEND,0` came after an answer that was cut short".to_owned(),
                "an `<http_err>` that is not 0",
            );
        }
        if attempt.downloaded() && assembly.skipped {
            context.fail(
                &rules::SHORT_DOWNLOAD,
                "`HTTPEND,0` came, and the module had left out a part of the package",
                "a request that goes on where the answer before it ended",
            );
        }
        let exact = assembly.honest && self.reaches_end(assembly);
        let installed = attempt.updated || attempt.phase == Phase::Ended(End::End(FotaErr(0)));
        if installed {
            context.check(
                &rules::EXACT_PACKAGE,
                exact,
                || "a package was installed of which not every byte was right".to_owned(),
                "`END` with an error, and no `UPDATING` before it",
            );
        }
        // Where no fault was in play, `update-succeeds` says so.
        if exact
            && assembly.from_start
            && assembly.as_declared == Some(true)
            && attempt.downloaded()
            && !attempt.is_served_honestly()
            && attempt.package_fits(context.brief)
        {
            let called_damaged = match attempt.phase {
                Phase::Ended(End::End(code)) => crate::guide::DAMAGED.contains(&code.0),
                _ => false,
            };
            context.check(
                &rules::WHOLE_PACKAGE,
                !called_damaged,
                || {
                    "every byte of the package came, and the module says that it is damaged"
                        .to_owned()
                },
                "`END,0`",
            );
        }
    }

    /// The module has a package, it says, and had not asked the server for it.
    fn check_unasked(&self, attempt: &Attempt, context: &mut Context<'_>) {
        let package = context.brief.package.as_ref();
        // A transcript that is not ours has no server in it.
        if attempt.stage != Stage::Steps || package.is_none_or(|package| package.size == 0) {
            return;
        }
        let what = "`HTTPEND,0` came, and no request had reached the package server";
        if context.reached {
            let allowed = "an `<http_err>` that is not 0";
            context.fail(&rules::SHORT_DOWNLOAD, what, allowed);
        } else {
            let (rule, moment) = (&rules::SERVER_REACHED, context.moment);
            let allowed = "a request for the package: see who answers in the server's place";
            context
                .ledger
                .found(rule, Verdict::Inconclusive, moment, what, allowed);
        }
    }
}
