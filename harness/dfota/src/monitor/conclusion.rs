//! The last word on a case: what was missing to the end, what is void, and the verdict.

use super::Monitor;
use super::ledger::Moment;
use super::power::Usual;
use crate::rules;
use crate::timeline::Stage;
use crate::verdict::{Firmware, Judgement, Verdict};

impl Monitor {
    /// The run is over: the last word.
    #[must_use]
    pub fn conclude(mut self) -> Judgement {
        let end = Moment {
            at: self.now,
            entry: None,
            phase: self.phase().word(),
        };
        if let Some(asked) = self.asked.take() {
            let last_answer = self.last_answer;
            let (mut context, _) = self.context(end);
            asked.unanswered(last_answer, &mut context);
        }
        for always in [&rules::OBSERVED, &rules::UNINTERRUPTED, &rules::RIG_WORKS] {
            self.ledger.relevant(always);
        }
        self.close_attempt(end);
        self.prove_cuts();
        self.judge_unmet(end);
        self.judge_end(end);
        let void = self.ledger.take_void();
        let faults = self.supply.reports(&self.brief, self.usual());
        let failed = self
            .ledger
            .findings
            .iter()
            .any(|finding| finding.verdict == Verdict::Fail);
        for fault in faults.iter().filter(|fault| fault.planned) {
            if fault.fired || failed {
                self.ledger.relevant(&rules::FAULT_PROVED);
                continue;
            }
            self.ledger.found(
                &rules::FAULT_PROVED,
                Verdict::Invalid,
                end,
                format!("the fault `{}` did not happen: {}", fault.name, fault.proof),
                "proof of every planned fault",
            );
        }
        let mut findings = std::mem::take(&mut self.ledger.findings);
        findings.sort_by_key(|finding| finding.entry.unwrap_or(usize::MAX));
        let worst = findings.iter().max_by_key(|finding| {
            // Of equals the first decides: what came later may follow from it.
            let later = finding.entry.unwrap_or(usize::MAX);
            (finding.verdict, std::cmp::Reverse(later))
        });
        let firmware = Firmware {
            before: self.identity.before.clone(),
            after: self.identity.after.clone(),
        };
        let reason = match worst {
            Some(finding) => format!(
                "{} ({}, {}): allowed was {}",
                finding.what, finding.rule, finding.cite, finding.allowed
            ),
            None => passed(&firmware, faults.iter().filter(|fault| fault.fired).count()),
        };
        let verdict = worst.map_or(Verdict::Pass, |finding| finding.verdict);
        let notes = self
            .ledger
            .notes
            .into_iter()
            .map(|(note, times)| match times {
                1 => note,
                _ => format!("{note} ({times} times)"),
            });
        Judgement {
            verdict,
            reason,
            findings,
            findings_left_off: self.ledger.left_off,
            void,
            notes: notes.collect(),
            faults,
            firmware,
            exercised: self.ledger.exercised,
            outcomes: self.ledger.outcomes.into_iter().collect(),
        }
    }

    fn usual(&self) -> Usual {
        Usual {
            settle: self.brief.settle,
            boots_are_seen: self.boots.seen,
            banners_are_seen: self.boots.banner_seen && self.brief.boot_is_readable(),
        }
    }

    fn prove_cuts(&mut self) {
        for unproved in self.supply.unproved(self.usual()) {
            // The power that is taken at the end of a run that was given up is no experiment.
            if self.disrupted_at.is_some_and(|at| unproved.entry > at) {
                continue;
            }
            let moment = Moment {
                at: unproved.at,
                entry: Some(unproved.entry),
                phase: "",
            };
            self.ledger.found(
                &rules::FAULT_PROVED,
                Verdict::Invalid,
                moment,
                unproved.what,
                "silence from the cut on, and a boot with the power back",
            );
            self.ledger.void_from(unproved.entry);
        }
    }

    /// A fault of the server that did not fire, though it could have: what the scenario
    /// expected of it says nothing about the module.
    fn fault_was_withheld(&self) -> bool {
        self.requests_in_steps > 0 && self.supply.server_fault_is_missing(&self.brief)
    }

    fn judge_unmet(&mut self, end: Moment) {
        let withheld = self.fault_was_withheld();
        let way_is_in_doubt = self.context(end).0.way_is_in_doubt();
        for unmet in std::mem::take(&mut self.unmet) {
            if unmet.stage == Stage::Steps && withheld {
                self.ledger.note(
                    "an expectation was not met, and the fault that it was to follow did not fire",
                );
                continue;
            }
            if unmet.stage == Stage::Steps && unmet.may_be_lost {
                self.ledger
                    .note("`END` did not come after a cut at the very end, where it may be lost; the version decides");
                continue;
            }
            let (rule, verdict) = match (unmet.stage, unmet.registered) {
                (Stage::Prepare, _) => (&rules::PRECONDITION, Verdict::Invalid),
                (_, Some(false)) => (&rules::EXPECTATION, Verdict::Inconclusive),
                (Stage::Steps, _) if way_is_in_doubt => {
                    (&rules::EXPECTATION, Verdict::Inconclusive)
                }
                _ => (&rules::EXPECTATION, Verdict::Fail),
            };
            let what = format!("`{}` did not come: {}", unmet.allowed, unmet.what);
            let allowed = unmet.allowed;
            self.ledger
                .found(rule, verdict, unmet.moment, what, allowed);
        }
    }

    fn judge_end(&mut self, end: Moment) {
        if self.lines == 0 || (self.stages.prepare && !self.stages.steps) {
            let what = match self.lines {
                0 => "the module said nothing at all",
                _ => "the scenario's steps were not reached",
            };
            self.ledger.found(
                &rules::OBSERVED,
                Verdict::Inconclusive,
                end,
                what,
                "a run of the scenario's steps",
            );
            return;
        }
        if self.fault_was_withheld() || self.abandoned {
            return;
        }
        let (left_open, aftercare) = (self.version_left_open, self.stages.aftercare);
        let (mut context, parts) = self.context(end);
        parts.identity.conclude(left_open, aftercare, &mut context);
    }
}

fn passed(firmware: &Firmware, faults: usize) -> String {
    let versions = match (&firmware.before, &firmware.after) {
        (Some(before), Some(after)) if before == after => format!("the module still runs {after}"),
        (Some(before), Some(after)) => format!("the module went from {before} to {after}"),
        (_, Some(after)) => format!("the module runs {after}"),
        (_, None) => "its version was not asked for".to_owned(),
    };
    match faults {
        0 => format!("every rule was kept; {versions}"),
        1 => format!("every rule was kept and the fault is proved; {versions}"),
        _ => format!("every rule was kept and {faults} faults are proved; {versions}"),
    }
}
