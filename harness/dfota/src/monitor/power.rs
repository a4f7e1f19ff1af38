//! Supply and lines of the rig: cuts and resets, and what proves them.

mod cut;
mod rail;
mod reset;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::cut::{Begun, Cut};
use self::reset::Reset;
use crate::brief::{Brief, is_server_fault};
use crate::line::Ending;
use crate::message::Message;
use crate::timeline::{FaultLife, Power, ReadBack, Stage, Transmit};
use crate::urc::FotaUrc;
use crate::verdict::FaultReport;

pub(crate) use self::cut::Usual;

/// More cuts than this are not remembered one by one. The longest storm of the plan is 20, and a
/// case has a handful of clean power cycles around it.
const CUTS_MAX: usize = 64;

/// More resets than this are not remembered.
const RESETS_MAX: usize = 64;

/// More faults than this are not remembered.
const FAULTS_MAX: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Supply {
    /// `None` until it was switched for the first time.
    on: Option<bool>,
    /// Every time without power, planned or not.
    cuts: Vec<Cut>,
    resets: Vec<Reset>,
    /// Names of cuts and resets that are armed and have not happened.
    armed: Vec<String>,
    faults: BTreeMap<String, Option<String>>,
    /// Faults that are over.
    cleared: BTreeSet<String>,
    /// What our transmit line does, where it is not simply ours.
    transmit: Option<Transmit>,
    reaction: Option<Duration>,
    last_message: Option<(Duration, String)>,
    /// The last percentage of an update.
    last_percent: Option<u32>,
}

/// A cut or reset that is not proved.
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

    /// Since when it is off; `None` while it is on.
    pub(crate) fn off_since(&self) -> Option<Duration> {
        match self.cuts.last() {
            Some(cut) if self.is_off() => Some(cut.at()),
            _ => None,
        }
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
                let in_steps = stage == Stage::Steps;
                let reaction = self.reaction.take().filter(|_| in_steps);
                if self.cuts.len() < CUTS_MAX {
                    let name = self.next_armed(is_cut).filter(|_| in_steps);
                    let begun = Begun {
                        at,
                        entry,
                        stage,
                        phase,
                        read_back,
                        last_message: self.last_message.clone(),
                        reaction,
                    };
                    let mut cut = Cut::new(begun, name);
                    if let Some(transmit) = &self.transmit {
                        cut.transmit(transmit);
                    }
                    self.cuts.push(cut);
                }
            }
            Power::Off => {}
            Power::On => {
                if self.on == Some(false)
                    && let Some(cut) = self.cuts.last_mut()
                {
                    cut.ends(at);
                }
                self.on = Some(true);
            }
        }
    }

    fn next_armed(&mut self, is_one: fn(&str) -> bool) -> Option<String> {
        let place = self.armed.iter().position(|name| is_one(name))?;
        Some(self.armed.remove(place))
    }

    pub(crate) fn rail(&mut self, up: bool, since: Option<Duration>, at: Duration) {
        if self.is_off()
            && let Some(cut) = self.cuts.last_mut()
        {
            cut.rail(up, since, at);
        }
    }

    pub(crate) fn transmit(&mut self, transmit: &Transmit) {
        if *transmit == Transmit::Restored {
            self.transmit = None;
            return;
        }
        self.transmit = Some(transmit.clone());
        if self.is_off()
            && let Some(cut) = self.cuts.last_mut()
        {
            cut.transmit(transmit);
        }
    }

    /// RESET_N was asserted or released.
    pub(crate) fn reset(
        &mut self,
        asserted: bool,
        at: Duration,
        entry: usize,
        phase: &'static str,
    ) {
        if !asserted {
            if let Some(reset) = self.resets.last_mut() {
                reset.released();
            }
        } else if self.resets.len() < RESETS_MAX
            && let Some(name) = self.next_armed(is_reset)
        {
            self.resets.push(Reset::new(name, entry, at, phase));
        }
    }

    pub(crate) fn reacted(&mut self, latency: Duration) {
        match self.cuts.last_mut() {
            Some(cut) if self.on == Some(false) => cut.reacted(latency),
            _ => self.reaction = Some(latency),
        }
    }

    pub(crate) fn fault(&mut self, name: &str, life: &FaultLife) {
        if self.faults.len() >= FAULTS_MAX && !self.faults.contains_key(name) {
            return;
        }
        let fired = self.faults.entry(name.to_owned()).or_default();
        match life {
            FaultLife::Cleared => {
                self.cleared.insert(name.to_owned());
            }
            FaultLife::Armed => {
                self.cleared.remove(name);
            }
            FaultLife::Fired(_) | FaultLife::Missed(_) => {}
        }
        match life {
            FaultLife::Armed if is_cut(name) || is_reset(name) => {
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
        let percent = self.last_percent;
        let off = self.is_off();
        match self.cuts.last_mut() {
            Some(cut) if off => cut.line_while_off(at, settle),
            Some(cut) => cut.line_afterwards(at, bytes, ending, message, percent),
            None => {}
        }
        if let Some(reset) = self.resets.last_mut() {
            reset.line(at, bytes, message, percent, settle);
        }
        if let Some(FotaUrc::Updating { percent, .. }) = message.fota() {
            self.last_percent = Some(*percent);
        }
        if ending == Ending::Whole && !matches!(message, Message::Unrecognised) {
            self.last_message = Some((at, crate::transcript::escape(bytes)));
        }
    }

    /// Cuts and resets that something speaks against, or that lack what would prove them.
    pub(crate) fn unproved(&self, usual: Usual) -> Vec<Unproved> {
        let cuts = self.cuts.iter().filter_map(|cut| {
            let doubt = cut.doubt(usual)?;
            Some(Unproved {
                entry: cut.entry,
                at: cut.at(),
                what: format!(
                    "the cut at {} ms is not proved: {doubt}",
                    cut.at().as_millis()
                ),
            })
        });
        let resets = self.resets.iter().filter_map(|reset| {
            let doubt = reset.doubt(usual)?;
            Some(Unproved {
                entry: reset.entry,
                at: reset.at,
                what: format!(
                    "the reset at {} ms is not proved: {doubt}",
                    reset.at.as_millis()
                ),
            })
        });
        cuts.chain(resets).collect()
    }

    /// Whether the server may do what is planned: not where every plan is over.
    pub(crate) fn server_faults_in_play(&self, brief: &Brief) -> bool {
        brief
            .faults_planned
            .iter()
            .chain(self.faults.keys())
            .any(|name| is_server_fault(name) && !self.cleared.contains(name))
    }

    /// Whether a planned fault of the server did not fire.
    pub(crate) fn server_fault_is_missing(&self, brief: &Brief) -> bool {
        brief
            .faults_planned
            .iter()
            .any(|name| is_server_fault(name) && !matches!(self.faults.get(name), Some(Some(_))))
    }

    /// Every fault, planned or seen.
    pub(crate) fn reports(&self, brief: &Brief, usual: Usual) -> Vec<FaultReport> {
        let mut names: Vec<&String> = brief.faults_planned.iter().collect();
        names.extend(self.faults.keys());
        names.extend(self.cuts.iter().filter_map(|cut| cut.name.as_ref()));
        let mut reports: Vec<FaultReport> = Vec::new();
        for name in names {
            if reports.iter().any(|report| report.name == *name) {
                continue;
            }
            let (fired, proof) = self.proof(name, usual);
            reports.push(FaultReport {
                name: name.clone(),
                planned: brief.faults_planned.contains(name),
                fired,
                proof,
                cut: self.cut(name).map(Cut::report),
            });
        }
        reports
    }

    fn cut(&self, name: &str) -> Option<&Cut> {
        self.cuts
            .iter()
            .find(|cut| cut.name.as_deref() == Some(name))
    }

    fn proof(&self, name: &str, usual: Usual) -> (bool, String) {
        let with = |doubt: Option<String>, known: String| match doubt {
            None => (true, known),
            Some(doubt) => (false, format!("{known}; {doubt}")),
        };
        if let Some(cut) = self.cut(name) {
            return with(cut.doubt(usual), cut.describe(usual.settle));
        }
        if let Some(reset) = self.resets.iter().find(|reset| reset.name == name) {
            return with(reset.doubt(usual), reset.describe());
        }
        let not_done = match name {
            _ if is_cut(name) => Some("the supply was not switched off"),
            _ if is_reset(name) => Some("RESET_N was not asserted"),
            _ => None,
        };
        match (self.faults.get(name), not_done) {
            (Some(Some(_)), Some(not_done)) => {
                (false, format!("said to have fired, but {not_done}"))
            }
            (Some(Some(how)), None) => (true, how.clone()),
            (Some(None), _) => (false, "armed, and never fired".to_owned()),
            (None, _) => (false, "never armed".to_owned()),
        }
    }
}

fn is_cut(name: &str) -> bool {
    name.starts_with("cut")
}

fn is_reset(name: &str) -> bool {
    name.starts_with("reset")
}
