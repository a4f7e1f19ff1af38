//! Cuts of the supply, and what proves them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::brief::{Brief, is_server_fault};
use crate::line::Ending;
use crate::message::{FinalResult, Message};
use crate::timeline::{FaultLife, Power, ReadBack, Stage};
use crate::urc::{FotaUrc, Urc};
use crate::verdict::FaultReport;

/// More cuts than this are not remembered one by one. The longest storm of the plan is 20.
const CUTS_MAX: usize = 64;

/// More faults than this are not remembered.
const FAULTS_MAX: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Supply {
    /// `None` until it was switched for the first time.
    on: Option<bool>,
    off_at: Duration,
    cuts: Vec<Cut>,
    /// Names of cuts that are armed and have not happened.
    armed: Vec<String>,
    faults: BTreeMap<String, Option<String>>,
    reaction: Option<Duration>,
    last_message: Option<(Duration, String)>,
    /// The last percentage of an update.
    last_percent: Option<u32>,
}

/// One cut in the scenario's steps, and the evidence for it.
#[derive(Clone, Debug)]
struct Cut {
    name: Option<String>,
    at: Duration,
    entry: usize,
    phase: &'static str,
    read_back: ReadBack,
    rail_up: Option<bool>,
    before: Option<(Duration, String)>,
    last_byte: Option<Duration>,
    late_byte: Option<Duration>,
    on_again: Option<Duration>,
    afterwards: Afterwards,
    reaction: Option<Duration>,
    /// It was done too late to be the cut that was planned, and what had happened by then.
    missed: Option<String>,
}

/// What came first when the power was back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Afterwards {
    Nothing,
    Boot(String),
    /// No boot was seen; the module answered.
    Answer,
    /// The update went on as though nothing had happened.
    Continuation(String),
}

/// A cut that is not proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unproved {
    /// Where it was commanded.
    pub(crate) entry: usize,
    pub(crate) at: Duration,
    pub(crate) what: String,
}

impl Supply {
    pub(crate) fn is_off(&self) -> bool {
        self.on == Some(false)
    }

    /// The supply was switched.
    pub(crate) fn switched(
        &mut self,
        to: Power,
        read_back: ReadBack,
        at: Duration,
        entry: usize,
        stage: Stage,
        phase: &'static str,
    ) {
        match to {
            Power::Off if self.on != Some(false) => {
                self.on = Some(false);
                self.off_at = at;
                if stage == Stage::Steps && self.cuts.len() < CUTS_MAX {
                    let name = (!self.armed.is_empty()).then(|| self.armed.remove(0));
                    self.cuts.push(Cut {
                        name,
                        at,
                        entry,
                        phase,
                        read_back,
                        rail_up: None,
                        before: self.last_message.clone(),
                        last_byte: None,
                        late_byte: None,
                        on_again: None,
                        afterwards: Afterwards::Nothing,
                        reaction: self.reaction.take(),
                        missed: None,
                    });
                }
            }
            Power::Off => {}
            Power::On => {
                if self.on == Some(false)
                    && let Some(cut) = self.open_cut()
                {
                    cut.on_again = Some(at);
                }
                self.on = Some(true);
            }
        }
    }

    pub(crate) fn rail(&mut self, up: bool) {
        if self.is_off()
            && let Some(cut) = self.open_cut()
        {
            cut.rail_up = Some(up);
        }
    }

    pub(crate) fn reacted(&mut self, latency: Duration) {
        match self.cuts.last_mut() {
            Some(cut) if self.on == Some(false) && cut.reaction.is_none() => {
                cut.reaction = Some(latency);
            }
            _ => self.reaction = Some(latency),
        }
    }

    pub(crate) fn fault(&mut self, name: &str, life: &FaultLife) {
        if self.faults.len() >= FAULTS_MAX && !self.faults.contains_key(name) {
            return;
        }
        let fired = self.faults.entry(name.to_owned()).or_default();
        match life {
            FaultLife::Armed if is_cut(name) => {
                if !self.armed.iter().any(|armed| armed == name) {
                    self.armed.push(name.to_owned());
                }
            }
            FaultLife::Fired(how) => {
                *fired = Some(how.clone());
                let known = self
                    .cuts
                    .iter()
                    .any(|cut| cut.name.as_deref() == Some(name));
                if is_cut(name) && !known {
                    self.armed.retain(|armed| armed != name);
                    if let Some(cut) = self.cuts.iter_mut().rfind(|cut| cut.name.is_none()) {
                        cut.name = Some(name.to_owned());
                    }
                }
            }
            FaultLife::Missed(how) => {
                if let Some(cut) = self
                    .cuts
                    .iter_mut()
                    .rev()
                    .find(|cut| cut.name.as_deref() == Some(name))
                {
                    cut.missed = Some(how.clone());
                }
            }
            FaultLife::Armed | FaultLife::Cleared => {}
        }
    }

    /// A line arrived, with its last byte at `at`.
    pub(crate) fn line(
        &mut self,
        at: Duration,
        bytes: &[u8],
        ending: Ending,
        message: &Message,
        settle: Duration,
    ) {
        let off = self.is_off();
        let late = off && at > self.off_at + settle;
        let percent_before = self.last_percent;
        if let Some(cut) = self.open_cut() {
            if off {
                cut.last_byte = Some(at);
                if late {
                    cut.late_byte.get_or_insert(at);
                }
            } else if cut.afterwards == Afterwards::Nothing {
                cut.afterwards = afterwards(bytes, message, percent_before);
            }
        }
        if let Some(FotaUrc::Updating { percent, .. }) = message.fota() {
            self.last_percent = Some(*percent);
        }
        if ending == Ending::Whole && !matches!(message, Message::Unrecognised) {
            self.last_message = Some((at, crate::transcript::escape(bytes)));
        }
    }

    fn open_cut(&mut self) -> Option<&mut Cut> {
        self.cuts.last_mut()
    }

    /// Cuts that something speaks against, or that lack what would prove them.
    pub(crate) fn unproved(&self, boots_are_seen: bool, settle: Duration) -> Vec<Unproved> {
        self.cuts
            .iter()
            .filter_map(|cut| {
                let what = cut.doubt(boots_are_seen, settle)?;
                Some(Unproved {
                    entry: cut.entry,
                    at: cut.at,
                    what: format!("the cut at {} ms is not proved: {what}", cut.at.as_millis()),
                })
            })
            .collect()
    }

    /// Whether a planned fault of the server did not fire.
    pub(crate) fn server_fault_is_missing(&self, brief: &Brief) -> bool {
        brief
            .faults_planned
            .iter()
            .any(|name| is_server_fault(name) && !matches!(self.faults.get(name), Some(Some(_))))
    }

    /// Every fault, planned or seen.
    pub(crate) fn reports(&self, brief: &Brief, boots_are_seen: bool) -> Vec<FaultReport> {
        let mut names: Vec<&String> = brief.faults_planned.iter().collect();
        names.extend(self.faults.keys());
        names.extend(self.cuts.iter().filter_map(|cut| cut.name.as_ref()));
        let mut reports: Vec<FaultReport> = Vec::new();
        for name in names {
            if reports.iter().any(|report| report.name == *name) {
                continue;
            }
            let (fired, proof) = self.proof(name, boots_are_seen, brief.settle);
            reports.push(FaultReport {
                name: name.clone(),
                planned: brief.faults_planned.contains(name),
                fired,
                proof,
            });
        }
        reports
    }

    fn proof(&self, name: &str, boots_are_seen: bool, settle: Duration) -> (bool, String) {
        let cut = self
            .cuts
            .iter()
            .find(|cut| cut.name.as_deref() == Some(name));
        if let Some(cut) = cut {
            return match cut.doubt(boots_are_seen, settle) {
                None => (true, cut.describe(settle)),
                Some(doubt) => (false, format!("{}; {doubt}", cut.describe(settle))),
            };
        }
        match self.faults.get(name) {
            Some(Some(_)) if is_cut(name) => (
                false,
                "said to have fired, but the supply was not switched off".to_owned(),
            ),
            Some(Some(how)) => (true, how.clone()),
            Some(None) => (false, "armed, and never fired".to_owned()),
            None => (false, "never armed".to_owned()),
        }
    }
}

impl Cut {
    /// What speaks against this cut, or what is missing for its proof.
    fn doubt(&self, boots_are_seen: bool, settle: Duration) -> Option<String> {
        if let Some(missed) = &self.missed {
            return Some(format!("it came too late: {missed}"));
        }
        if self.read_back == ReadBack::Differs {
            return Some("the supply's line reads back as on".to_owned());
        }
        if self.rail_up == Some(true) {
            return Some("the rail was sensed to be up".to_owned());
        }
        if let Some(late) = self.late_byte {
            return Some(format!(
                "a byte arrived {} ms after the supply was switched off (at most {} ms are lawful)",
                late.saturating_sub(self.at).as_millis(),
                settle.as_millis()
            ));
        }
        if self.on_again.is_none() {
            return Some("the power never came back, so no boot was seen".to_owned());
        }
        match &self.afterwards {
            Afterwards::Continuation(line) => Some(format!(
                "the first line with the power back is `{line}`, which is no boot"
            )),
            Afterwards::Answer if boots_are_seen && self.name.is_some() => Some(
                "the module answered with the power back, and no boot was seen as at others"
                    .to_owned(),
            ),
            Afterwards::Answer | Afterwards::Nothing | Afterwards::Boot(_) => None,
        }
    }

    /// Where it landed, and what is known of it.
    fn describe(&self, settle: Duration) -> String {
        let mut text = format!(
            "commanded at {} ms while {}",
            self.at.as_millis(),
            self.phase
        );
        if let Some((at, line)) = &self.before {
            text += &format!(", after `{line}` at {} ms", at.as_millis());
        }
        if let Some(reaction) = self.reaction {
            text += &format!(", {} µs after its last deciding byte", reaction.as_micros());
        }
        text += match self.read_back {
            ReadBack::Agrees => "; reads back as off",
            ReadBack::Differs => "; reads back as on",
            ReadBack::Unavailable => "; cannot be read back",
        };
        match self.rail_up {
            Some(true) => text += "; rail up",
            Some(false) => text += "; rail down",
            None => {}
        }
        text += &match self.last_byte {
            Some(last) => format!(
                "; last byte {} ms after (settle {} ms)",
                last.saturating_sub(self.at).as_millis(),
                settle.as_millis()
            ),
            None => "; silent from then on".to_owned(),
        };
        if let Some(on) = self.on_again {
            text += &format!("; off for {} ms", on.saturating_sub(self.at).as_millis());
        }
        text += &match &self.afterwards {
            Afterwards::Nothing => "; nothing came afterwards".to_owned(),
            Afterwards::Boot(line) => format!("; then a boot (`{line}`)"),
            Afterwards::Answer => "; then silence until it answered".to_owned(),
            Afterwards::Continuation(line) => format!("; then `{line}`"),
        };
        text
    }
}

fn is_cut(name: &str) -> bool {
    name.starts_with("cut")
}

/// What a line with the power back says of the boot before it.
fn afterwards(bytes: &[u8], message: &Message, percent_before: Option<u32>) -> Afterwards {
    let text = || crate::transcript::escape(bytes);
    match message {
        Message::BootText(_)
        | Message::Urc(Urc::Rdy | Urc::Cfun(_) | Urc::Fota(FotaUrc::Start | FotaUrc::End(_))) => {
            Afterwards::Boot(text())
        }
        // A module without a banner resumes with its first percentage, which is low again.
        Message::Urc(Urc::Fota(FotaUrc::Updating { percent, .. }))
            if percent_before.is_some_and(|before| *percent < before) =>
        {
            Afterwards::Boot(text())
        }
        Message::Urc(Urc::Fota(_)) => Afterwards::Continuation(text()),
        Message::FinalResult(FinalResult::Ok) => Afterwards::Answer,
        _ => Afterwards::Nothing,
    }
}
