//! What the module is and runs: version, identity, settings, network.

use std::collections::{BTreeMap, BTreeSet};

use crate::brief::EndState;
use crate::command::{CommandLine, Form};
use crate::monitor::context::Context;
use crate::monitor::update::{Allowed, Expected};
use crate::rules;
use crate::timeline::{Purpose, Stage};
use crate::verdict::Verdict;

/// More settings than these are not compared; the names are ours.
const SETTINGS: [&str; 4] = ["+CFUN", "+CMEE", "+IPR", "+CGDCONT"];

/// Readings of the module's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// By `ATI` and by `AT+CGMR` since the last boot.
    by_ati: Told,
    by_cgmr: Told,
    /// Lines that asked for the version, in this run.
    asked: BTreeSet<Vec<u8>>,
    /// The last reading, if nothing has happened since that may have changed it.
    pub(crate) version: Option<String>,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    aftercare: BTreeSet<String>,
    imei: Option<String>,
    /// As `ATI` names it, where it does.
    model: Option<String>,
    settings: BTreeMap<&'static str, String>,
    /// As told since the last boot, and since we set them.
    told: BTreeMap<&'static str, String>,
    /// Settings that the scenario changes itself.
    changed_by_us: BTreeSet<&'static str>,
    pub(crate) registered: Option<bool>,
    /// The same, when the steps began.
    registered_before: Option<bool>,
}

/// What one command told of the version since the last boot.
#[derive(Clone, Debug, Default)]
struct Told {
    /// In a line that had not been sent before: nothing but the module can have the answer.
    fresh: Option<String>,
    /// In a line that had been sent before, so that what answers may only repeat itself.
    again: Option<String>,
}

impl Told {
    /// The last word of either.
    fn any(&self) -> Option<&String> {
        self.again.as_ref().or(self.fresh.as_ref())
    }
}

/// More lines than this are not told apart.
const ASKED_MAX: usize = 64;

/// An IMEI has 15 digits.
const IMEI_LEN: usize = 15;

impl Identity {
    /// The module boots or an update goes on: what was read may be so no more.
    pub(crate) fn forget_reading(&mut self) {
        self.by_ati = Told::default();
        self.by_cgmr = Told::default();
        self.told.clear();
    }

    /// The update may have changed the version.
    pub(crate) fn version_may_change(&mut self) {
        self.forget_reading();
        self.version = None;
    }

    /// A command was sent: which settings does it change?
    pub(crate) fn sent(&mut self, line: &CommandLine, purpose: Purpose) {
        for command in &line.commands {
            let ours = SETTINGS.iter().find(|name| **name == command.name);
            if let (Some(name), Form::Set(_)) = (ours, &command.form) {
                self.told.remove(name);
                if purpose == Purpose::Step {
                    self.changed_by_us.insert(*name);
                }
            }
        }
    }

    /// An information response; gives the version, where it tells one.
    pub(crate) fn information(
        &mut self,
        text: &str,
        asked: &CommandLine,
        purpose: Purpose,
        expected: &Expected,
        context: &mut Context<'_>,
    ) -> Option<String> {
        // `AT+CGMR` may tell the version bare.
        let by_cgmr = !asked.has("I") && asked.has("+CGMR");
        // No version is what another command tells, or the name of maker and model.
        let other = ["+", "Quectel"].iter().any(|name| text.starts_with(name));
        let bare = (by_cgmr && (!other || text.starts_with("+CGMR:"))).then_some(text);
        if let Some(version) = text.strip_prefix("Revision:").or(bare) {
            let version = version.trim_start_matches("+CGMR:").trim().to_owned();
            self.fresh(&version, asked, context);
            self.version_read(&version, asked.has("I"), expected, context);
            return Some(version);
        }
        if asked.has("+CGSN") {
            let digits = text.trim_start_matches("+CGSN:").trim().trim_matches('"');
            let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
            // A number of another length is none, where there has been one before.
            if is_number && (digits.len() == IMEI_LEN || self.imei.is_some()) {
                self.imei_read(digits, context);
            }
            return None;
        }
        if let Some(model) = text.strip_prefix("Quectel_")
            && model != "Ltd"
            && asked.has("I")
        {
            self.model_read(model, context);
            return None;
        }
        let (name, value) = text.split_once(':')?;
        if name == "+CEREG" {
            self.registration(value, true);
        }
        if let Some(name) = SETTINGS.iter().find(|known| **known == name)
            && purpose == Purpose::Probe
        {
            self.setting_read(name, value.trim(), context);
        }
        None
    }

    /// `+CEREG: <n>,<stat>` as an answer, `+CEREG: <stat>` as a URC; 1 and 5 mean registered.
    pub(crate) fn registration(&mut self, value: &str, is_answer: bool) {
        let fields: Vec<&str> = value.split(',').map(str::trim).collect();
        let stat = match (is_answer, fields.as_slice()) {
            (true, [_, stat, ..]) => stat,
            (false, [stat, ..]) => stat,
            _ => return,
        };
        if let Ok(stat) = stat.parse::<u8>() {
            self.registered = Some(matches!(stat, 1 | 5));
        }
    }

    /// A probe for the saved contexts was answered, and there are none.
    pub(crate) fn no_context(&mut self, context: &mut Context<'_>) {
        self.setting_read("+CGDCONT", "", context);
    }

    /// `+CFUN: <fun>` as a URC: the level that the application starts with (§4.1).
    pub(crate) fn started_with(&self, level: u8, context: &mut Context<'_>) {
        if self.changed_by_us.contains("+CFUN") {
            return;
        }
        let usual = match self.settings.get("+CFUN") {
            Some(told) => told.clone(),
            None => "1".to_owned(),
        };
        context.check(
            &rules::SETTINGS_KEPT,
            level.to_string() == usual,
            || format!("the module starts with `+CFUN: {level}`"),
            format!("`+CFUN: {usual}`"),
        );
    }

    /// Is this the answer of the module? A cache, a proxy or a harness that repeats what it has
    /// heard is found out by a line that it has never seen.
    fn fresh(&mut self, version: &str, asked: &CommandLine, context: &mut Context<'_>) {
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

    fn version_read(
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

    fn imei_read(&mut self, imei: &str, context: &mut Context<'_>) {
        match &self.imei {
            None => {
                context.ledger.relevant(&rules::PRECONDITION);
                if let Some(expected) = &context.brief.imei
                    && expected != imei
                {
                    let (what, allowed) = (
                        format!("the module's IMEI is {imei}"),
                        format!("{expected}, as the rig file says"),
                    );
                    context.invalid(&rules::PRECONDITION, what, allowed);
                }
                self.imei = Some(imei.to_owned());
            }
            Some(before) => {
                let before = before.clone();
                context.check(
                    &rules::SETTINGS_KEPT,
                    before == imei,
                    || format!("the IMEI is {imei}"),
                    format!("{before}, as before"),
                );
            }
        }
    }

    fn model_read(&mut self, model: &str, context: &mut Context<'_>) {
        let before = self.model.get_or_insert_with(|| model.to_owned()).clone();
        context.check(
            &rules::SETTINGS_KEPT,
            before == model,
            || format!("`ATI` says that the module is a {model}"),
            format!("{before}, as before"),
        );
    }

    fn setting_read(&mut self, name: &'static str, value: &str, context: &mut Context<'_>) {
        // An address of the context in use changes with each attach; cid, type and APN do not.
        let value: String = match name {
            "+CGDCONT" => value.split(',').take(3).collect::<Vec<_>>().join(","),
            _ => value.to_owned(),
        };
        let told = self.told.insert(name, value.clone());
        if let Some(told) = told.filter(|told| *told != value) {
            context.fail(
                &rules::SETTINGS_KEPT,
                format!("`AT{name}?` tells {value}, and nothing was set since it told otherwise"),
                told,
            );
        }
        if context.stage == Stage::Prepare {
            self.settings.insert(name, value);
            return;
        }
        if self.changed_by_us.contains(name) {
            return;
        }
        let before = self
            .settings
            .entry(name)
            .or_insert_with(|| value.clone())
            .clone();
        context.check(
            &rules::SETTINGS_KEPT,
            before == value,
            || format!("`AT{name}?` tells {value}"),
            format!("{before}, as before"),
        );
    }

    /// The scenario's own steps begin: is the module the right one, and on the base version?
    pub(crate) fn steps_begin(&mut self, context: &mut Context<'_>) {
        self.registered_before = self.registered;
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
        if self.registered_before == Some(true) && self.registered == Some(false) {
            context
                .ledger
                .note("the module was in a network before the steps, and is in none at the end");
        }
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
