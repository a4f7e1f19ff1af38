//! The judge: what may come next, and what was wrong.
//!
//! It watches a case one entry at a time, live or afterwards, and keeps a bounded memory of
//! it. Reading is lenient and judging is strict: a lawful deviation is noted as the module's
//! dialect, and what is not lawful is a finding by one rule. The rules are grouped by what
//! they need to remember:
//!
//! - `answers`: commands and their final result codes
//! - `update`: the order of an update's URCs
//! - `boots`: which boots are explained
//! - `power`: cuts, and what proves them
//! - `firmware`: versions, identity, settings
//! - `server`: what was served
//! - `callers`: who asked for it
//! - `dialect`: spellings

mod answers;
mod boots;
mod callers;
mod commands;
mod conclusion;
mod context;
mod dialect;
mod firmware;
mod ledger;
mod phase;
mod power;
mod server;
mod update;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::brief::{Brief, Console, is_server_fault};
use crate::line::{Ending, Line};
use crate::message::Message;
use crate::rules;
use crate::timeline::{Entry, Event, FaultLife, Pin, Power, Purpose, ServerEvent, Stage};
use crate::urc::{self, FotaUrc, Urc};
use crate::verdict::{Judgement, Verdict};

use answers::{Asked, Habit, Request};
use context::Context;
use ledger::{Ledger, Moment};
use update::Attempt;

pub use phase::{End, Phase};

/// Judges a whole timeline at once.
#[must_use]
pub fn judge(brief: &Brief, timeline: &[Entry]) -> Judgement {
    let mut monitor = Monitor::new(brief);
    for entry in timeline {
        monitor.observe(entry);
    }
    monitor.conclude()
}

/// The judge of one case.
#[derive(Debug)]
pub struct Monitor {
    brief: Brief,
    ledger: Ledger,
    entries: usize,
    now: Duration,
    stage: Stage,
    stages: Stages,
    /// The rate of our end of the console.
    rate: u32,
    /// The module answers commands, as far as is known.
    alive: bool,
    /// Nothing the module says need be understood yet: it was switched or it boots.
    settling: bool,
    /// Its supply was switched, or it was told to power down, and it has not booted since: now
    /// PWRKEY starts it.
    may_be_off: bool,
    pwrkey_asserted: bool,
    /// The next boot follows from `AT+QRST` or its like.
    restart_commanded: bool,
    unsent: Vec<u8>,
    asked: Option<Asked>,
    /// Commands that were followed by another before their answer came, which may still come.
    superseded: u32,
    last_answer: Option<Duration>,
    anything_sent: bool,
    habits: BTreeMap<String, Habit>,
    attempt: Option<Attempt>,
    boots: boots::Boots,
    supply: power::Supply,
    identity: firmware::Identity,
    delivery: server::Delivery,
    requests_in_steps: u32,
    /// The module has reached the package server.
    reached: bool,
    dialect: dialect::Dialect,
    version_left_open: bool,
    abandoned: bool,
    unmet: Vec<Unmet>,
    lines: u64,
}

/// Which stages the case has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Stages {
    prepare: bool,
    steps: bool,
    aftercare: bool,
}

/// An expectation that was not met; what it means is known when the run is over.
#[derive(Clone, Debug)]
struct Unmet {
    moment: Moment,
    stage: Stage,
    registered: Option<bool>,
    /// A cut had fallen where `END` may lawfully be lost, and it is `END` that was waited for.
    may_be_lost: bool,
    what: String,
    allowed: String,
}

/// More unmet expectations than this are one too many to tell apart.
const UNMET_MAX: usize = 16;

impl Monitor {
    /// A judge who has seen nothing yet.
    #[must_use]
    pub fn new(brief: &Brief) -> Monitor {
        Monitor {
            brief: brief.clone(),
            ledger: Ledger::default(),
            entries: 0,
            now: Duration::ZERO,
            stage: Stage::Steps,
            stages: Stages::default(),
            rate: match brief.console {
                Console::Fixed(rate) => rate,
                Console::Auto => crate::guide::BOOT_RATE,
            },
            alive: true,
            settling: true,
            may_be_off: true,
            pwrkey_asserted: false,
            restart_commanded: false,
            unsent: Vec::new(),
            asked: None,
            superseded: 0,
            last_answer: None,
            anything_sent: false,
            habits: BTreeMap::new(),
            attempt: None,
            boots: boots::Boots::default(),
            supply: power::Supply::default(),
            identity: firmware::Identity::default(),
            delivery: server::Delivery::default(),
            requests_in_steps: 0,
            reached: false,
            dialect: dialect::Dialect::default(),
            version_left_open: false,
            abandoned: false,
            unmet: Vec::new(),
            lines: 0,
        }
    }

    /// Where the update stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.attempt
            .as_ref()
            .map_or(Phase::Idle, |attempt| attempt.phase)
    }

    /// Takes the next entry.
    pub fn observe(&mut self, entry: &Entry) {
        self.now = self.now.max(entry.at);
        let index = self.entries;
        self.entries += 1;
        let moment = Moment {
            at: entry.at,
            entry: Some(index),
            phase: self.phase().word(),
        };
        match &entry.event {
            Event::Stage(stage) => self.stage_begins(*stage, moment),
            Event::Supply { to, read_back } => {
                self.may_be_off = true;
                self.supply
                    .switched(*to, *read_back, entry.at, index, self.stage, moment.phase);
                match to {
                    Power::On => self.interrupted(moment),
                    Power::Off => self.quiet(moment),
                }
            }
            Event::Rail { up } => self.rail(*up, moment),
            Event::Transmit(transmit) => self.supply.transmit(transmit),
            Event::Pin { pin, asserted } => self.pin(*pin, *asserted, moment),
            Event::Rate(rate) => {
                self.rate = *rate;
                self.settling = true;
            }
            Event::Sent { bytes, purpose } => self.sent(bytes, *purpose, moment),
            Event::Received { line, message } => self.received(line, message, moment),
            Event::Ready => self.answers(),
            Event::Reaction { seen, acted } => self.supply.reacted(acted.saturating_sub(*seen)),
            // The module's own connection, that went with its power before it asked.
            Event::Server(ServerEvent::Stranger { .. }) if self.supply.is_off() => {
                self.ledger
                    .note("a connection to the package server ended while the power was off");
            }
            Event::Server(event) => {
                let requests = self.delivery.requests;
                let (mut context, parts) = self.context(moment);
                let course = parts
                    .delivery
                    .server(event, parts.attempt.as_deref(), &mut context);
                if let Some(attempt) = parts.attempt {
                    attempt.download_takes(course, &mut context);
                }
                self.reached |= self.delivery.requests > 0;
                if self.stage == Stage::Steps {
                    let more = self.delivery.requests.saturating_sub(requests);
                    self.requests_in_steps = self.requests_in_steps.saturating_add(more);
                }
            }
            Event::Fault { name, life } => {
                self.supply.fault(name, life);
                if let (FaultLife::Armed, Some(attempt)) = (life, &mut self.attempt)
                    && is_server_fault(name)
                {
                    attempt.server_will_fault();
                }
            }
            Event::Unmet { expectation, why } => self.unmet(expectation, why, moment),
            Event::Interrupted => self.disrupted(
                &rules::UNINTERRUPTED,
                Verdict::Inconclusive,
                "the run was asked to end",
                moment,
            ),
            Event::Trouble(what) => {
                self.disrupted(&rules::RIG_WORKS, Verdict::Error, what, moment);
            }
            // Each step that expects has its deadline; those that are missed are `Unmet`.
            Event::Step(..) => self.ledger.relevant(&rules::EXPECTATION),
        }
    }

    fn stage_begins(&mut self, stage: Stage, moment: Moment) {
        let prepared = self.stage == Stage::Prepare && self.stages.prepare;
        self.stage = stage;
        match stage {
            Stage::Prepare => self.stages.prepare = true,
            Stage::Steps => {
                self.stages.steps = true;
                if prepared {
                    let (mut context, parts) = self.context(moment);
                    parts.identity.steps_begin(&mut context);
                }
            }
            Stage::Aftercare => self.stages.aftercare = true,
            Stage::Retry => {}
        }
    }

    /// The power came on, or the module is reset: what was under way is interrupted.
    fn interrupted(&mut self, moment: Moment) {
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
    fn quiet(&mut self, moment: Moment) {
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

    fn pin(&mut self, pin: Pin, asserted: bool, moment: Moment) {
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
    fn rail(&mut self, up: bool, moment: Moment) {
        self.supply.rail(up, moment.at);
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
    fn answers(&mut self) {
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

    fn received(&mut self, line: &Line, message: &Message, moment: Moment) {
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

    fn unmet(&mut self, expectation: &str, why: &str, moment: Moment) {
        let mut may_be_lost = false;
        if let Some(attempt) = &mut self.attempt {
            attempt.waited_for_in_vain();
            may_be_lost = attempt.end_may_be_lost() && expectation.contains("FOTA END");
        }
        if self.unmet.len() < UNMET_MAX {
            self.unmet.push(Unmet {
                moment,
                stage: self.stage,
                registered: self.identity.registered,
                may_be_lost,
                what: why.to_owned(),
                allowed: expectation.to_owned(),
            });
        }
    }

    fn disrupted(
        &mut self,
        rule: &'static rules::Rule,
        verdict: Verdict,
        what: &str,
        moment: Moment,
    ) {
        self.ledger
            .found(rule, verdict, moment, what, "a run that comes to its end");
        self.ledger.void_from(self.entries - 1);
    }

    fn close_attempt(&mut self, moment: Moment) {
        let banners_are_seen = self.boots.banner_seen;
        let (mut context, parts) = self.context(moment);
        let Some(attempt) = parts.attempt else {
            *parts.delivery = server::Delivery::default();
            return;
        };
        attempt.close(banners_are_seen, &mut context);
        parts.delivery.close(attempt, &mut context);
        if attempt.stage == Stage::Steps {
            let (open, abandoned) = (attempt.leaves_version_open(), attempt.is_abandoned());
            self.version_left_open |= open;
            self.abandoned |= abandoned;
        }
    }

    fn context(&mut self, moment: Moment) -> (Context<'_>, Parts<'_>) {
        let context = Context {
            brief: &self.brief,
            ledger: &mut self.ledger,
            moment,
            stage: self.stage,
            registered: self.identity.registered,
            requests: self.delivery.requests,
            goes_on: self.delivery.goes_on(),
            reached: self.reached,
            alive: self.alive,
            off_since: self.supply.off_since(),
        };
        let parts = Parts {
            attempt: self.attempt.as_mut(),
            boots: &mut self.boots,
            identity: &mut self.identity,
            delivery: &mut self.delivery,
            dialect: &mut self.dialect,
        };
        (context, parts)
    }
}

/// What a rule may look at and change while the ledger is borrowed.
struct Parts<'a> {
    attempt: Option<&'a mut Attempt>,
    boots: &'a mut boots::Boots,
    identity: &'a mut firmware::Identity,
    delivery: &'a mut server::Delivery,
    dialect: &'a mut dialect::Dialect,
}
