//! What the rules have found so far: bounded, whatever the module does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::outcomes::Outcome;
use crate::rules::{self, Rule};
use crate::verdict::{Finding, Verdict};

/// More findings than this are counted, not kept.
const FINDINGS_MAX: usize = 64;

/// More findings of one rule than this are counted, not kept: they have one cause.
const FINDINGS_PER_RULE_MAX: usize = 4;

/// More notes than this are not kept: a module that floods with new spellings has said enough.
const NOTES_MAX: usize = 64;

/// The entry that is being judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Duration,
    /// `None` once the timeline is over.
    pub(crate) entry: Option<usize>,
    /// The phase before it.
    pub(crate) phase: &'static str,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) findings: Vec<Finding>,
    pub(crate) left_off: usize,
    pub(crate) exercised: BTreeMap<&'static str, u64>,
    pub(crate) notes: BTreeMap<String, u64>,
    pub(crate) outcomes: BTreeSet<&'static str>,
    /// From this entry on nothing says anything about the module.
    void_from: Option<usize>,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger {
            findings: Vec::new(),
            left_off: 0,
            exercised: rules::ALL.iter().map(|rule| (rule.id, 0)).collect(),
            notes: BTreeMap::new(),
            outcomes: BTreeSet::new(),
            void_from: None,
        }
    }
}

impl Ledger {
    /// The rule was relevant; unless it held, that is a finding against the module.
    pub(crate) fn check(
        &mut self,
        rule: &'static Rule,
        holds: bool,
        moment: Moment,
        what_and_allowed: impl FnOnce() -> (String, String),
    ) {
        self.relevant(rule);
        if !holds {
            self.record(rule, Verdict::Fail, moment, what_and_allowed());
        }
    }

    /// The rule was relevant, and was kept.
    pub(crate) fn relevant(&mut self, rule: &'static Rule) {
        *self.exercised.entry(rule.id).or_default() += 1;
    }

    /// The rule was broken.
    pub(crate) fn found(
        &mut self,
        rule: &'static Rule,
        verdict: Verdict,
        moment: Moment,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.relevant(rule);
        self.record(rule, verdict, moment, (what.into(), allowed.into()));
    }

    fn record(
        &mut self,
        rule: &'static Rule,
        verdict: Verdict,
        moment: Moment,
        (what, allowed): (String, String),
    ) {
        let finding = Finding {
            rule: rule.id,
            cite: rule.cite,
            at: moment.at,
            entry: moment.entry,
            phase: moment.phase,
            what,
            allowed,
            verdict,
        };
        let of_this_rule = self
            .findings
            .iter()
            .filter(|kept| kept.rule == finding.rule && kept.verdict >= finding.verdict)
            .count();
        if of_this_rule >= FINDINGS_PER_RULE_MAX {
            self.left_off += 1;
            return;
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
            return;
        }
        // A flood of lesser findings must not push out the one that decides.
        self.left_off += 1;
        let weakest = self
            .findings
            .iter_mut()
            .rev()
            .min_by_key(|kept| kept.verdict);
        if let Some(kept) = weakest.filter(|kept| kept.verdict < finding.verdict) {
            *kept = finding;
        }
    }

    /// A lawful thing that is worth knowing.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.note_times(note, 1);
    }

    /// The same, seen so many times.
    pub(crate) fn note_times(&mut self, note: impl Into<String>, times: u64) {
        let note = note.into();
        if self.notes.len() < NOTES_MAX || self.notes.contains_key(&note) {
            let seen = self.notes.entry(note).or_default();
            *seen = seen.saturating_add(times);
        }
    }

    pub(crate) fn outcome(&mut self, outcome: Outcome) {
        self.outcomes.insert(outcome.id);
    }

    /// Whether this rule was found broken.
    pub(crate) fn has_found(&self, rule: &Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule.id)
    }

    /// Whether the module is blamed for anything from this moment on.
    pub(crate) fn blames_since(&self, moment: Moment) -> bool {
        self.findings.iter().any(|finding| {
            let later = finding
                .entry
                .is_none_or(|entry| Some(entry) >= moment.entry);
            finding.verdict == Verdict::Fail && later
        })
    }

    /// What comes from this entry on says nothing about the module.
    pub(crate) fn void_from(&mut self, entry: usize) {
        self.void_from = Some(self.void_from.map_or(entry, |from| from.min(entry)));
    }

    /// Takes out the findings about the module that are void.
    pub(crate) fn take_void(&mut self) -> Vec<Finding> {
        let Some(from) = self.void_from else {
            return Vec::new();
        };
        let is_void = |finding: &Finding| {
            matches!(finding.verdict, Verdict::Fail | Verdict::Inconclusive)
                && finding.rule != rules::UNINTERRUPTED.id
                && finding.entry.is_none_or(|entry| entry >= from)
        };
        let (void, kept) = std::mem::take(&mut self.findings)
            .into_iter()
            .partition(is_void);
        self.findings = kept;
        void
    }
}
