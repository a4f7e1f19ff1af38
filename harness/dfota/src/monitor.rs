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
//!
//! `lines` and `life` hand to them what is said by the module and done to it, and `conclusion` what
//! is missing in the end.

mod answers;
mod boots;
mod callers;
mod commands;
mod conclusion;
mod context;
mod dialect;
mod firmware;
mod ledger;
mod life;
mod lines;
mod phase;
mod power;
mod server;
mod update;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::brief::{Brief, Console, is_server_fault};
use crate::rules;
use crate::timeline::{Entry, Event, FaultLife, Power, ServerEvent, Stage};
use crate::verdict::{Judgement, Verdict};

use answers::{Asked, Habit};
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
    /// Where the run was ended from outside, or broke: what is done from there on is not its plan.
    disrupted_at: Option<usize>,
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
            disrupted_at: None,
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
            Event::Rail { up, since } => self.rail(*up, *since, moment),
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
        self.disrupted_at.get_or_insert(self.entries - 1);
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
