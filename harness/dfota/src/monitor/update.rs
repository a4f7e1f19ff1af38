//! The order of an update: which FOTA URC may come when.

mod checks;
mod interrupted;
mod urcs;

use std::time::Duration;

use crate::brief::{Brief, Console, EndState, Fitness};
use crate::command::UrlStanding;
use crate::monitor::context::Context;
use crate::monitor::ledger::Moment;
use crate::monitor::phase::{End, Phase};
use crate::monitor::server::Course;
use crate::outcomes;
use crate::rules::{self, Rule};
use crate::timeline::Stage;
use crate::urc::FotaErr;
use crate::verdict::Verdict;

/// One `AT+QFOTADL` and all that came of it, across cuts.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) stage: Stage,
    pub(crate) phase: Phase,
    standing: UrlStanding,
    /// No planned fault of the server is in play.
    served_honestly: bool,
    /// The version it began with, where that is known.
    pub(crate) version_before: Option<String>,
    accepted: bool,
    reached_100: bool,
    downloaded: bool,
    /// When the command was refused, or the download ended.
    over: Option<Duration>,
    /// The server was asked once more: the percentage may fall, once.
    fall_allowed: bool,
    /// Where it fell; the end of the connection tells whether that was right.
    fell: Option<Moment>,
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
    /// The version was read, and is another than it began with.
    version_changed: bool,
    /// The scenario's steps were over before the update was.
    abandoned: bool,
    /// The scenario waited for it in vain.
    in_vain: bool,
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
    /// `faults`: whether planned faults of the server are in play.
    pub(crate) fn new(
        stage: Stage,
        standing: UrlStanding,
        version_before: Option<String>,
        faults: bool,
    ) -> Self {
        Attempt {
            served_honestly: stage != Stage::Steps || !faults,
            stage,
            phase: Phase::Commanded,
            standing,
            version_before,
            accepted: false,
            reached_100: false,
            downloaded: false,
            over: None,
            fall_allowed: false,
            fell: None,
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
            version_changed: false,
            abandoned: false,
            in_vain: false,
            disturbed: false,
            no_restart_before_updating: None,
            no_restart_before_end: None,
        }
    }

    pub(crate) fn accepted(&mut self) {
        self.accepted = true;
    }

    pub(crate) fn refused(&mut self, at: Duration) {
        self.over = Some(at);
        self.phase = Phase::Ended(End::Refused);
    }

    /// The server saw the download begin anew, or go on.
    pub(crate) fn download_takes(&mut self, course: Course, context: &mut Context<'_>) {
        match course {
            Course::Unchanged => {}
            Course::MayBeginAnew => self.fall_allowed = true,
            Course::BeganAnew => self.fell = None,
            Course::WentOn => {
                if let Some(moment) = self.fell.take() {
                    context.ledger.found(
                        &rules::PERCENT_RISES,
                        Verdict::Fail,
                        moment,
                        "`DOWNLOADING` fell, though the download went on where it had broken",
                        "a percentage that rises",
                    );
                }
            }
        }
    }

    /// The scenario expected something while this went on, and it did not come.
    pub(crate) fn waited_for_in_vain(&mut self) {
        self.in_vain |= self.phase.is_under_way();
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

    /// Since when nothing more is to be downloaded: `HTTPEND` came, or the command was refused.
    pub(crate) fn download_over(&self) -> Option<Duration> {
        self.over
    }

    /// Whether `HTTPEND,0` came.
    pub(crate) fn downloaded(&self) -> bool {
        self.downloaded
    }

    /// Whether a cut fell where no `END` comes any more, and none has come.
    pub(crate) fn end_may_be_lost(&self) -> bool {
        self.end_may_be_lost && !matches!(self.phase, Phase::Ended(End::End(_)))
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
    pub(crate) fn version_confirmed(&mut self, version: &str, context: &mut Context<'_>) {
        self.version_changed = self
            .version_before
            .as_deref()
            .is_some_and(|it| it != version);
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

    /// A planned fault of the server comes into play.
    pub(crate) fn server_will_fault(&mut self) {
        self.served_honestly &= self.stage != Stage::Steps;
    }

    /// Whether no planned fault of the server is in play.
    pub(crate) fn is_served_honestly(&self) -> bool {
        self.served_honestly
    }

    /// Whether the package is the right one for the module, and undamaged.
    pub(crate) fn package_fits(&self, brief: &Brief) -> bool {
        self.fitness(brief) == Some(Fitness::Fits)
    }

    /// Whether this update has everything it needs to succeed.
    fn must_succeed(&self, context: &Context<'_>) -> bool {
        // What an earlier command had brought while the server lied may be part of it.
        let mixed = context.goes_on && context.brief.plans_server_fault();
        // What the scenario says of its end is what the module is known to be hindered in.
        let is_hindered = self.stage == Stage::Steps && context.brief.end == EndState::Base;
        self.served_honestly
            && !mixed
            && !is_hindered
            && !self.disturbed
            && self.standing == UrlStanding::Lawful
            && self.package_fits(context.brief)
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
}
