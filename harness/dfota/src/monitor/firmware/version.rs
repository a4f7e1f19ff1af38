//! Which version runs: whether the module itself says so, and whether it is the right one.

use super::{ASKED_MAX, Identity};
use crate::brief::EndState;
use crate::command::CommandLine;
use crate::monitor::context::Context;
use crate::monitor::update::{Allowed, Expected};
use crate::rules;
use crate::timeline::Stage;
use crate::verdict::Verdict;

impl Identity {
    /// Is this the answer of the module? A cache, a proxy or a harness that repeats what it has
    /// heard is found out by a line that it has never seen.
    pub(super) fn fresh(&mut self, version: &str, asked: &CommandLine, context: &mut Context<'_>) {
        let told = if asked.has("I") {
            &mut self.by_ati
        } else {
            &mut self.by_cgmr
        };
        let is_new = self.asked.len() < ASKED_MAX && self.asked.insert(asked.bytes.clone());
        let (this, other) = if is_new {
            (&mut told.fresh, &told.again)
        } else {
            (&mut told.again, &told.fresh)
        };
        *this = Some(version.to_owned());
        let Some(other) = other else { return };
        context.ledger.relevant(&rules::FRESH_ANSWERS);
        if other != version {
            let (old, new) = if is_new {
                (other.as_str(), version)
            } else {
                (version, other.as_str())
            };
            let what = format!(
                "a line that was sent before tells {old}, and one that never was tells {new}"
            );
            context.invalid(
                &rules::FRESH_ANSWERS,
                what,
                "one answer: see what stands between us and the module",
            );
            context.ledger.void_from(0);
        }
    }

    pub(super) fn version_read(
        &mut self,
        version: &str,
        by_ati: bool,
        expected: &Expected,
        context: &mut Context<'_>,
    ) {
        let other = if by_ati {
            self.by_cgmr.any()
        } else {
            self.by_ati.any()
        };
        if let Some(other) = other {
            context.check(
                &rules::ONE_VERSION,
                other == version,
                || format!("one command tells {version}, the other {other}"),
                "the same version by `ATI` and `AT+CGMR`",
            );
        }
        self.version = Some(version.to_owned());
        match context.stage {
            Stage::Prepare => self.before = Some(version.to_owned()),
            Stage::Steps => {
                self.before.get_or_insert_with(|| version.to_owned());
                self.after = Some(version.to_owned());
                check_expected(version, expected, context);
            }
            Stage::Aftercare => {
                context.ledger.relevant(&rules::VERSION_READABLE);
                self.after = Some(version.to_owned());
                if self.aftercare.len() < 2 {
                    self.aftercare.insert(version.to_owned());
                }
                context.check(
                    &rules::VERSION_STABLE,
                    self.aftercare.len() == 1,
                    || format!("{version} was read, and before it another version"),
                    "the same version at every reading",
                );
                check_expected(version, expected, context);
            }
            Stage::Retry => check_expected(version, expected, context),
        }
    }

    /// The scenario's own steps begin: is the module the right one, and on the base version?
    pub(crate) fn steps_begin(&self, context: &mut Context<'_>) {
        let base = context.brief.base.clone();
        if base.is_empty() {
            return;
        }
        context.ledger.relevant(&rules::PRECONDITION);
        match &self.before {
            Some(version) if *version == base => {}
            Some(version) => {
                let what = format!("the module runs {version}");
                context.invalid(&rules::PRECONDITION, what, base);
            }
            None => context.invalid(
                &rules::PRECONDITION,
                "the module's version is not known",
                base,
            ),
        }
    }

    /// The run is over: does the module run what the scenario states? `window_open`: a cut
    /// fell where both versions are lawful. `aftercare`: that stage was reached.
    pub(crate) fn conclude(&self, window_open: bool, aftercare: bool, context: &mut Context<'_>) {
        let brief = context.brief;
        let Some(after) = &self.after else {
            if aftercare {
                context.fail(
                    &rules::VERSION_READABLE,
                    "after the scenario the module does not tell its version",
                    "an answer to `ATI`",
                );
            } else if brief.end != EndState::Unchecked {
                context.ledger.found(
                    &rules::OBSERVED,
                    Verdict::Inconclusive,
                    context.moment,
                    "the version was not read after the scenario's steps",
                    "an answer to `ATI`",
                );
            }
            return;
        };
        if aftercare && self.aftercare.is_empty() {
            context.fail(
                &rules::VERSION_READABLE,
                "after the scenario the module does not tell its version any more",
                "an answer to `ATI`",
            );
        }
        let (holds, allowed) = match brief.end {
            EndState::Unchecked => return,
            EndState::Target if window_open => (true, String::new()),
            EndState::Target => (*after == brief.target, brief.target.clone()),
            EndState::Base => (*after == brief.base, brief.base.clone()),
            EndState::Either => (
                *after == brief.target || *after == brief.base,
                format!("{} or {}", brief.base, brief.target),
            ),
        };
        if !holds {
            let what = format!("the module ends with {after}");
            if context.way_is_in_doubt() {
                let (rule, moment) = (&rules::END_STATE, context.moment);
                context
                    .ledger
                    .found(rule, Verdict::Inconclusive, moment, what, allowed);
                return;
            }
            return context.fail_if_registered(&rules::END_STATE, what, allowed);
        }
        context.ledger.relevant(&rules::END_STATE);
        if brief.end == EndState::Target && *after != brief.target {
            context.ledger.note(
                "the cut fell between START and the first UPDATING, where the old version is lawful",
            );
        }
    }
}

fn check_expected(version: &str, expected: &Expected, context: &mut Context<'_>) {
    let brief = context.brief;
    if brief.base.is_empty() {
        return;
    }
    let either = format!("{} or {}", brief.base, brief.target);
    let known = version == brief.base || version == brief.target;
    let what = || format!("the module runs {version}");
    context.check(&rules::OLD_OR_NEW, known, what, either.clone());
    let (holds, allowed) = match &expected.allowed {
        Allowed::Is(expected) => (version == expected, expected.clone()),
        Allowed::IsNot(excluded) => (version != excluded, either),
        Allowed::Any => return,
    };
    if known {
        context.check(expected.rule, holds, what, allowed);
    }
}
