//! One time without power, and the evidence for it.

use std::time::Duration;

use super::rail::SensedRail;
use crate::line::Ending;
use crate::message::{FinalResult, Message};
use crate::timeline::{ReadBack, Stage, Transmit};
use crate::urc::{FotaUrc, Urc};
use crate::verdict::{Afterwards, CutReport, Rail};

/// From the supply's edge to the next line with the power back.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The fault that it is; `None` where no fault was planned.
    pub(super) name: Option<String>,
    pub(super) entry: usize,
    stage: Stage,
    /// It was done too late to be the cut that was planned, and what had happened by then.
    pub(super) missed: Option<String>,
    /// A byte that came when a module without power is long silent.
    late_byte: Option<Duration>,
    /// What came with the power back is no boot text: a module that prints a banner says that
    /// first.
    without_banner: bool,
    /// A banner came with the power back.
    banner: bool,
    /// A line that came with the power back and before the banner: one of the life before, that
    /// something on the way had kept.
    stale: Option<String>,
    rail: SensedRail,
    report: CutReport,
}

/// What a cut is held against: how the rig and this module usually are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usual {
    /// How long after the edge bytes may still arrive.
    pub(crate) settle: Duration,
    /// This module says something at a boot.
    pub(crate) boots_are_seen: bool,
    /// It prints a banner, which we can read.
    pub(crate) banners_are_seen: bool,
}

/// What is known when the supply is switched off.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) at: Duration,
    pub(super) entry: usize,
    pub(super) stage: Stage,
    pub(super) phase: &'static str,
    pub(super) read_back: ReadBack,
    pub(super) last_message: Option<(Duration, String)>,
    pub(super) reaction: Option<Duration>,
}

impl Cut {
    pub(super) fn new(begun: Begun, name: Option<String>) -> Cut {
        Cut {
            name,
            entry: begun.entry,
            stage: begun.stage,
            missed: None,
            late_byte: None,
            without_banner: false,
            banner: false,
            stale: None,
            rail: SensedRail::default(),
            report: CutReport {
                commanded: begun.at,
                phase: begun.phase,
                read_back: begun.read_back,
                rail: None,
                transmit: None,
                last_message: begun.last_message,
                last_byte: None,
                silent_until: None,
                on_again: None,
                afterwards: Afterwards::Nothing,
                reaction: begun.reaction,
            },
        }
    }

    pub(super) fn at(&self) -> Duration {
        self.report.commanded
    }

    pub(super) fn report(&self) -> CutReport {
        CutReport {
            rail: self.rail.report(),
            ..self.report.clone()
        }
    }

    pub(super) fn rail(&mut self, up: bool, since: Option<Duration>, at: Duration) {
        self.rail.sensed(up, since, at);
    }

    pub(super) fn transmit(&mut self, transmit: &Transmit) {
        self.report.transmit = Some(transmit.clone());
    }

    pub(super) fn reacted(&mut self, latency: Duration) {
        self.report.reaction.get_or_insert(latency);
    }

    pub(super) fn ends(&mut self, at: Duration) {
        self.report.on_again = Some(at);
    }

    /// A line came while the power was off, with its last byte at `at`.
    pub(super) fn line_while_off(&mut self, at: Duration, settle: Duration) {
        self.report.last_byte = Some(at);
        if at > self.report.commanded + settle {
            self.late_byte.get_or_insert(at);
        }
    }

    /// A line came with the power back; `percent`: the last one of an update before.
    pub(super) fn line_afterwards(
        &mut self,
        at: Duration,
        bytes: &[u8],
        ending: Ending,
        message: &Message,
        percent: Option<u32>,
    ) {
        self.report.silent_until.get_or_insert(at);
        if self.banner {
            return;
        }
        let text = || crate::transcript::escape(bytes);
        match message {
            Message::BootText(_) => self.banner = true,
            Message::Unrecognised => {}
            _ if ending == Ending::Whole => {
                self.stale.get_or_insert_with(text);
            }
            _ => {}
        }
        if self.report.afterwards != Afterwards::Nothing {
            return;
        }
        let (afterwards, without_banner) = match message {
            Message::BootText(_) | Message::Urc(Urc::Rdy) => (Afterwards::Boot(text()), false),
            Message::Urc(Urc::Cfun(_) | Urc::Fota(FotaUrc::Start | FotaUrc::End(_))) => {
                (Afterwards::Boot(text()), true)
            }
            // A module without a banner resumes with its first percentage, which is low again.
            Message::Urc(Urc::Fota(FotaUrc::Updating { percent: now, .. }))
                if percent.is_some_and(|before| *now < before) =>
            {
                (Afterwards::Boot(text()), true)
            }
            Message::Urc(Urc::Fota(_)) => (Afterwards::Continuation(text()), false),
            Message::FinalResult(FinalResult::Ok) => (Afterwards::Answer, false),
            _ => return,
        };
        self.report.afterwards = afterwards;
        self.without_banner = without_banner;
    }

    /// What speaks against this cut, or what is missing for its proof.
    pub(super) fn doubt(&self, usual: Usual) -> Option<String> {
        if let Some(missed) = &self.missed {
            return Some(format!("it came too late: {missed}"));
        }
        let doubt = self
            .doubt_that_it_was_off(usual.settle)
            .or_else(|| self.doubt_of_what_came_first(usual));
        if doubt.is_some() || self.stage != Stage::Steps {
            return doubt;
        }
        if self.report.on_again.is_none() {
            return Some("the power never came back, so no boot was seen".to_owned());
        }
        self.doubt_that_it_began_anew(usual)
    }

    fn doubt_that_it_was_off(&self, settle: Duration) -> Option<String> {
        if self.report.read_back == ReadBack::Differs {
            return Some("the supply's line reads back as on".to_owned());
        }
        if let Some(doubt) = self.rail.doubt(settle) {
            return Some(doubt);
        }
        let late = self.late_byte?;
        Some(format!(
            "a byte arrived {} ms after the supply was switched off (at most {} ms are lawful)",
            late.saturating_sub(self.report.commanded).as_millis(),
            settle.as_millis()
        ))
    }

    fn doubt_of_what_came_first(&self, usual: Usual) -> Option<String> {
        let line = self.stale.as_ref()?;
        (self.banner && usual.banners_are_seen).then(|| {
            format!("`{line}` came with the power back before the boot: it is of the life before")
        })
    }

    fn doubt_that_it_began_anew(&self, usual: Usual) -> Option<String> {
        match &self.report.afterwards {
            Afterwards::Continuation(line) => Some(format!(
                "the first line with the power back is `{line}`, which is no boot"
            )),
            Afterwards::Boot(line) if self.without_banner && usual.banners_are_seen => Some(
                format!("`{line}` came with the power back before any boot banner: it may be of the life before"),
            ),
            Afterwards::Answer if self.name.is_some() && usual.boots_are_seen => Some(
                "the module answered with the power back, and no boot was seen as at others"
                    .to_owned(),
            ),
            Afterwards::Answer if self.is_deaf() && self.rail.report().is_none() => Some(
                "the module could not be heard while the power was off, its rail is not sensed, and no boot was seen"
                    .to_owned(),
            ),
            Afterwards::Answer | Afterwards::Nothing | Afterwards::Boot(_) => None,
        }
    }

    fn is_deaf(&self) -> bool {
        matches!(
            self.report.transmit,
            Some(Transmit::Released { deaf: true, .. })
        )
    }

    /// Where it landed, and what is known of it.
    pub(super) fn describe(&self, settle: Duration) -> String {
        let report = &self.report;
        let since = |at: Duration| at.saturating_sub(report.commanded).as_millis();
        let mut text = format!(
            "commanded at {} ms while {}",
            report.commanded.as_millis(),
            report.phase
        );
        if let Some((at, line)) = &report.last_message {
            text += &format!(", after `{line}` at {} ms", at.as_millis());
        }
        if let Some(reaction) = report.reaction {
            text += &format!(", {} µs after its last deciding byte", reaction.as_micros());
        }
        text += match report.read_back {
            ReadBack::Agrees => "; reads back as off",
            ReadBack::Differs => "; reads back as on",
            ReadBack::Unavailable => "; cannot be read back",
        };
        let rail = self.rail.report();
        match rail.map(|rail| rail.is) {
            Some(Rail::Up) => text += "; rail up",
            Some(Rail::SeenDown(at)) => text += &format!("; rail down within {} ms", since(at)),
            Some(Rail::Fell(at)) => {
                text += &format!(
                    "; rail down after {}",
                    short(at.saturating_sub(report.commanded))
                )
            }
            None => {}
        }
        if let Some(up_again) = rail.and_then(|rail| rail.up_again) {
            text += &format!(", once up again for {} ms", up_again.as_millis());
        }
        match &report.transmit {
            Some(Transmit::Released { .. }) => text += "; our transmit line let go",
            Some(Transmit::Driven(why)) => {
                text += &format!("; our transmit line stayed driven ({why})");
            }
            Some(Transmit::Restored) | None => {}
        }
        text += &match report.last_byte {
            Some(last) => format!(
                "; last byte {} ms after (settle {} ms)",
                since(last),
                settle.as_millis()
            ),
            None if self.is_deaf() => "; not heard, the level shifter being off".to_owned(),
            None => "; silent from then on".to_owned(),
        };
        if let Some(on) = report.on_again {
            text += &format!("; off for {} ms", since(on));
        }
        text += &match &report.afterwards {
            Afterwards::Nothing => "; nothing came afterwards".to_owned(),
            Afterwards::Boot(line) => format!("; then a boot (`{line}`)"),
            Afterwards::Answer => "; then silence until it answered".to_owned(),
            Afterwards::Continuation(line) => format!("; then `{line}`"),
        };
        text
    }
}

/// A time that may be much shorter than a millisecond.
fn short(time: Duration) -> String {
    match time.as_micros() {
        micros @ ..10_000 => format!("{micros} µs"),
        micros => format!("{} ms", micros / 1000),
    }
}
