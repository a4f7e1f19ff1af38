//! What the module is and runs: version, identity, settings, network.

mod version;

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{CommandLine, Form};
use crate::monitor::context::Context;
use crate::monitor::update::Expected;
use crate::rules;
use crate::timeline::{Purpose, Stage};

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
}
