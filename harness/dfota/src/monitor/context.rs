//! What the parts of the monitor are told beside the event itself.

use std::time::Duration;

use crate::brief::Brief;
use crate::monitor::ledger::{Ledger, Moment};
use crate::rules::Rule;
use crate::timeline::Stage;
use crate::verdict::Verdict;

pub(crate) struct Context<'a> {
    pub(crate) brief: &'a Brief,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) moment: Moment,
    pub(crate) stage: Stage,
    /// What `+CEREG` said last: whether the module is in a network.
    pub(crate) registered: Option<bool>,
    /// How many requests for the package the server saw since the last command.
    pub(crate) requests: u32,
    /// The download goes on with what an earlier command had brought.
    pub(crate) goes_on: bool,
    /// Whether the module has reached the package server in this run.
    pub(crate) reached: bool,
    /// The module answers commands, as far as is known.
    pub(crate) alive: bool,
    /// Since when the supply is off; `None` while it is on.
    pub(crate) off_since: Option<Duration>,
}

impl Context<'_> {
    /// Whether a download failed, and nothing shows that there is a way to the package server.
    pub(crate) fn way_is_in_doubt(&self) -> bool {
        !self.reached && self.ledger.has_found(&crate::rules::SERVER_REACHED)
    }

    /// A finding against the module.
    pub(crate) fn fail(
        &mut self,
        rule: &'static Rule,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.ledger
            .found(rule, Verdict::Fail, self.moment, what, allowed);
    }

    /// A finding against the module, unless it is in no network: then nothing is decided.
    pub(crate) fn fail_if_registered(
        &mut self,
        rule: &'static Rule,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        let verdict = match self.registered {
            Some(false) => Verdict::Inconclusive,
            Some(true) | None => Verdict::Fail,
        };
        let mut what = what.into();
        if self.registered == Some(false) {
            what.push_str("; the module is not registered in a network");
        }
        self.ledger.found(rule, verdict, self.moment, what, allowed);
    }

    /// The experiment did not happen: from here on nothing is said about the module.
    pub(crate) fn invalid(
        &mut self,
        rule: &'static Rule,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.ledger
            .found(rule, Verdict::Invalid, self.moment, what, allowed);
        if let Some(entry) = self.moment.entry {
            self.ledger.void_from(entry);
        }
    }

    /// The rule was relevant; unless it held, that is a finding against the module.
    pub(crate) fn check(
        &mut self,
        rule: &'static Rule,
        holds: bool,
        what: impl FnOnce() -> String,
        allowed: impl Into<String>,
    ) {
        self.ledger
            .check(rule, holds, self.moment, || (what(), allowed.into()));
    }
}
