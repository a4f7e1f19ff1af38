//! The order of an update: which FOTA URC may come when.

use crate::brief::{Brief, Console, Fitness};
use crate::command::UrlStanding;
use crate::guide;
use crate::monitor::context::Context;
use crate::monitor::ledger::Moment;
use crate::monitor::phase::{End, Phase};
use crate::outcomes;
use crate::rules::{self, Rule};
use crate::timeline::Stage;
use crate::urc::{FotaErr, FotaUrc, HttpErr};
use crate::verdict::Verdict;

/// One `AT+QFOTADL` and all that came of it, across cuts.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) stage: Stage,
    pub(crate) phase: Phase,
    standing: UrlStanding,
    /// The version it began with, where that is known.
    pub(crate) version_before: Option<String>,
    accepted: bool,
    reached_100: bool,
    downloaded: bool,
    /// How often the server was asked to begin anew: as often may the percentage fall.
    falls_allowed: u32,
    started: bool,
    pub(crate) updated: bool,
    /// Boots since `START`, or since the power came back.
    boots: u32,
    updating_this_boot: bool,
    /// The lowest percentage that may come next in this boot and program.
    floor: u32,
    /// `<total_num>` and `<current_bin>` of the last line that had them.
    programs: Option<(u32, u32)>,
    pub(crate) cut: Option<CutWindow>,
    /// The power came back, and the module has not yet said how it goes on.
    resume_pending: bool,
    /// `START` or `UPDATING` came after a cut.
    resume_said: bool,
    end_may_be_lost: bool,
    /// The scenario's steps were over before the update was.
    abandoned: bool,
    /// The host took the network away: a failed download is its own doing.
    pub(crate) disturbed: bool,
    no_restart_before_updating: Option<Moment>,
    no_restart_before_end: Option<Moment>,
}

/// Where in an update the power went (domain facts: the order of flash operations).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutWindow {
    /// Between `START` and the first `UPDATING`: the module boots the old firmware, or goes
    /// on with the update; both are lawful.
    Started,
    /// In `UPDATING`, after this percentage: the module goes on (§3.1 note 1).
    Updating(u32),
    /// After the last `UPDATING`: the new firmware runs; `END` may be lost.
    Restarting,
}

/// From this percentage on a cut may land after the last flash operation, so that nothing
/// is left to resume and `END` never comes.
const NEARLY_DONE: u32 = 99;

/// Up to this percentage a module that resumes has something to say about it.
const SURELY_NOT_DONE: u32 = 90;

/// What a version read now may be, and the rule that says so.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) allowed: Allowed,
    pub(crate) rule: &'static Rule,
}

/// A set of versions, of the two that a case knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    Is(String),
    IsNot(String),
    Any,
}

impl Default for Expected {
    fn default() -> Expected {
        Expected {
            allowed: Allowed::Any,
            rule: &rules::OLD_OR_NEW,
        }
    }
}

impl Attempt {
    pub(crate) fn new(stage: Stage, standing: UrlStanding, version_before: Option<String>) -> Self {
        Attempt {
            stage,
            phase: Phase::Commanded,
            standing,
            version_before,
            accepted: false,
            reached_100: false,
            downloaded: false,
            falls_allowed: 0,
            started: false,
            updated: false,
            boots: 0,
            updating_this_boot: false,
            floor: 0,
            programs: None,
            cut: None,
            resume_pending: false,
            resume_said: false,
            end_may_be_lost: false,
            abandoned: false,
            disturbed: false,
            no_restart_before_updating: None,
            no_restart_before_end: None,
        }
    }

    pub(crate) fn accepted(&mut self) {
        self.accepted = true;
    }

    pub(crate) fn refused(&mut self) {
        self.phase = Phase::Ended(End::Refused);
    }

    /// The server was asked for the first byte once more.
    pub(crate) fn download_begins_anew(&mut self) {
        if matches!(self.phase, Phase::Downloading { percent: Some(_) }) {
            self.falls_allowed += 1;
        }
    }

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
        if fell && self.falls_allowed > 0 {
            self.falls_allowed -= 1;
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
        if !self.must_succeed(context.brief) {
            return;
        }
        if context.requests > 0 {
            context.fail_if_registered(
                &rules::UPDATE_SUCCEEDS,
                format!(
                    "`HTTPEND,{}` came, though the package was honestly served",
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

    fn first_updating(&mut self, context: &mut Context<'_>) {
        context.ledger.relevant(&rules::RESTART_BEFORE_UPDATING);
        if self.boots == 0 {
            self.no_restart_before_updating = Some(context.moment);
        }
        if self.stage != Stage::Steps {
            return;
        }
        if let Some(package) = &context.brief.package
            && package.fitness != Fitness::Fits
        {
            let which = match package.fitness {
                Fitness::OtherBase => "for another base version",
                _ => "that is damaged",
            };
            context.fail(
                &rules::RIGHT_REFUSAL,
                format!("`UPDATING` came for a package {which}: the flash is being changed"),
                "`END` with an error, and no `UPDATING` before it",
            );
        }
    }

    fn check_programs(&mut self, of: Option<(u32, u32)>, context: &mut Context<'_>) {
        let Some((total, current)) = of else {
            return;
        };
        let counts_up = match self.programs {
            Some((before, last)) => {
                total == before && (current == last || current == last.saturating_add(1))
            }
            None => current == 1 || self.cut.is_some(),
        };
        let holds = (1..=guide::PROGRAMS_MAX).contains(&total)
            && (1..=total).contains(&current)
            && counts_up;
        context.check(
            &rules::PROGRAMS,
            holds,
            || format!("`UPDATING` had `<total_num>` {total} and `<current_bin>` {current}"),
            "1 and 1, or a count that rises by one from 1 to the total",
        );
        if total > 1 {
            context.ledger.note(format!(
                "the update has {total} programs (§3.1: always 1 at present)"
            ));
        }
        if self.programs.is_some_and(|(_, last)| last != current) {
            self.floor = 0;
        }
        self.programs = Some((total, current));
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

    fn check_code(&self, code: FotaErr, context: &mut Context<'_>) {
        let fitness = self.fitness(context.brief);
        let damaged = fitness == Some(Fitness::Damaged)
            || (self.stage == Stage::Steps && context.brief.plans_server_fault());
        let known = guide::has_fota_err(code.0) || (damaged && guide::DAMAGED.contains(&code.0));
        context.check(
            &rules::KNOWN_CODES,
            known,
            || format!("`END,{}` came", code.0),
            "0, 1, 2, 254 or 255 (§5 table 2)",
        );
        if known && !guide::has_fota_err(code.0) {
            context.ledger.note(format!(
                "a damaged package is answered with `END,{}`, which §5 does not have",
                code.0
            ));
        }
        match fitness {
            Some(Fitness::OtherBase) => context.check(
                &rules::RIGHT_REFUSAL,
                code.0 == guide::MISMATCH,
                || format!("a package for another base ended with `END,{}`", code.0),
                "`END,254`",
            ),
            Some(Fitness::Damaged) => context.check(
                &rules::RIGHT_REFUSAL,
                guide::DAMAGED.contains(&code.0),
                || format!("a damaged package ended with `END,{}`", code.0),
                "`END,254` or `END,255` (252 and 253 are known of real firmware)",
            ),
            Some(Fitness::Fits) if self.must_succeed(context.brief) => {
                if code.0 == 0 {
                    context.ledger.relevant(&rules::UPDATE_SUCCEEDS);
                } else {
                    context.fail(
                        &rules::UPDATE_SUCCEEDS,
                        format!("the right package ended with `END,{}`", code.0),
                        "`END,0`",
                    );
                }
            }
            _ => {}
        }
    }

    /// A boot of the module, expected or not.
    pub(crate) fn boot(&mut self, context: &mut Context<'_>) {
        self.boots += 1;
        self.floor = 0;
        if matches!(self.phase, Phase::Updating { .. }) && self.updating_this_boot {
            context.ledger.outcome(outcomes::RESTART);
            self.phase = Phase::Restarting;
            if let Some((total, current)) = self.programs {
                context.check(
                    &rules::PROGRAMS,
                    total == current,
                    || format!("the update was over at program {current} of {total}"),
                    "every program updated",
                );
            }
        }
        self.updating_this_boot = false;
    }

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
    pub(crate) fn close(&mut self, boots_are_seen: bool, context: &mut Context<'_>) {
        let boots_are_seen = boots_are_seen && context.brief.boot_is_readable();
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
        if self.accepted && !self.started {
            let over = !self.phase.is_under_way();
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

    /// Whether `HTTPEND,0` came.
    pub(crate) fn downloaded(&self) -> bool {
        self.downloaded
    }

    /// Whether the scenario's steps were over before the update was.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Whether a cut left it open which of the two versions runs.
    pub(crate) fn leaves_version_open(&self) -> bool {
        self.cut == Some(CutWindow::Started) && !self.updated
    }

    /// Whether the update goes on after a cut, so that it may be spelled as in §3.1 note 1.
    pub(crate) fn is_resumed(&self) -> bool {
        self.cut.is_some()
    }

    /// Which version a reading may show now.
    pub(crate) fn expected_version(&self, brief: &Brief) -> Expected {
        let before = || {
            self.version_before
                .clone()
                .map_or(Allowed::Any, Allowed::Is)
        };
        let changed = || match (self.stage, &self.version_before) {
            (Stage::Steps, _) => Allowed::Is(brief.target.clone()),
            (_, Some(before)) if brief.base != brief.target => Allowed::IsNot(before.clone()),
            _ => Allowed::Any,
        };
        let (allowed, rule) = match self.phase {
            Phase::Ended(End::End(FotaErr(0))) => (changed(), &rules::END_TELLS_TRUTH),
            Phase::Ended(End::End(_)) => (before(), &rules::END_TELLS_TRUTH),
            Phase::Idle
            | Phase::Commanded
            | Phase::Downloading { .. }
            | Phase::Downloaded
            | Phase::Ended(End::Refused | End::Dropped | End::HttpEnd(_)) => {
                (before(), &rules::OLD_OR_NEW)
            }
            Phase::Updating { .. } | Phase::Restarting | Phase::Ended(End::Unreported) => {
                match (self.updated, self.cut) {
                    (true, Some(_)) => (changed(), &rules::RESUME),
                    (true, None) => (changed(), &rules::UPDATE_SUCCEEDS),
                    (false, _) => (Allowed::Any, &rules::OLD_OR_NEW),
                }
            }
        };
        Expected { allowed, rule }
    }

    /// The version was read, and is as expected: which of the guide's notes does that show?
    pub(crate) fn version_confirmed(&self, version: &str, context: &mut Context<'_>) {
        if matches!(self.cut, Some(CutWindow::Updating(_))) && version == context.brief.target {
            context.ledger.outcome(outcomes::NOTE_1);
        }
        match self.phase {
            Phase::Ended(End::Unreported) | Phase::Restarting
                if context.brief.console == Console::Auto && self.updated =>
            {
                context.ledger.outcome(outcomes::NOTE_3);
                context
                    .ledger
                    .note("in autobaud `END` did not come; the version decides (§3.1 note 3)");
            }
            Phase::Ended(End::Dropped) => {
                context.ledger.relevant(&rules::NOT_SAVED);
                context.ledger.outcome(outcomes::NOT_SAVED);
            }
            _ => {}
        }
    }

    /// Whether this update has everything it needs to succeed.
    fn must_succeed(&self, brief: &Brief) -> bool {
        let honest = self.stage != Stage::Steps || !brief.plans_server_fault();
        honest
            && !self.disturbed
            && self.standing == UrlStanding::Lawful
            && self.fitness(brief) == Some(Fitness::Fits)
    }

    fn fitness(&self, brief: &Brief) -> Option<Fitness> {
        match self.stage {
            Stage::Steps => brief.package.as_ref().map(|package| package.fitness),
            Stage::Prepare | Stage::Aftercare | Stage::Retry => Some(Fitness::Fits),
        }
    }

    fn is_https(&self) -> bool {
        matches!(self.standing, UrlStanding::Undecided(why) if why.contains("HTTPS"))
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
