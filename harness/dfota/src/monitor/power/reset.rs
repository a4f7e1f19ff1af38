//! One pulse of RESET_N, and the evidence that it reset the module.

use std::time::Duration;

use super::cut::Usual;
use crate::message::{FinalResult, Message};
use crate::urc::{FotaUrc, Urc};

/// So many lines of an update may have been under way to us when the line was asserted: one that
/// a UART adapter held back.
const UNDER_WAY_MAX: u32 = 1;

/// From the line's edge to the boot that follows.
#[derive(Clone, Debug)]
pub(super) struct Reset {
    pub(super) name: String,
    pub(super) entry: usize,
    pub(super) at: Duration,
    phase: &'static str,
    released: bool,
    /// Lines of the update that came nevertheless.
    under_way: u32,
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Seen {
    Nothing,
    Boot {
        line: String,
        by_banner: bool,
    },
    /// It answered, and no boot was seen.
    Answer,
    /// What was under way went on.
    Continuation(String),
}

impl Reset {
    pub(super) fn new(name: String, entry: usize, at: Duration, phase: &'static str) -> Reset {
        Reset {
            name,
            entry,
            at,
            phase,
            released: false,
            under_way: 0,
            seen: Seen::Nothing,
        }
    }

    pub(super) fn released(&mut self) {
        self.released = true;
    }

    /// A line came; `percent`: the last one of an update before.
    pub(super) fn line(
        &mut self,
        at: Duration,
        bytes: &[u8],
        message: &Message,
        percent: Option<u32>,
        settle: Duration,
    ) {
        if !matches!(self.seen, Seen::Nothing) {
            return;
        }
        let line = crate::transcript::escape(bytes);
        let boot = |by_banner| Seen::Boot {
            line: line.clone(),
            by_banner,
        };
        self.seen = match message {
            Message::BootText(_) | Message::Urc(Urc::Rdy) => boot(true),
            Message::Urc(Urc::Fota(FotaUrc::Start)) if self.released => boot(false),
            Message::Urc(Urc::Fota(FotaUrc::Updating { percent: now, .. }))
                if percent.is_some_and(|before| *now < before) =>
            {
                boot(false)
            }
            Message::Urc(Urc::Fota(_))
                if self.under_way < UNDER_WAY_MAX && at <= self.at + settle =>
            {
                self.under_way += 1;
                return;
            }
            Message::Urc(Urc::Fota(_)) => Seen::Continuation(line),
            Message::FinalResult(FinalResult::Ok) if self.released => Seen::Answer,
            _ => return,
        };
    }

    /// What speaks against this reset, or what is missing for its proof.
    pub(super) fn doubt(&self, usual: Usual) -> Option<String> {
        if !self.released {
            return Some("the line was never released".to_owned());
        }
        match &self.seen {
            Seen::Continuation(line) => Some(format!(
                "the module went on with `{line}`, and no boot came"
            )),
            Seen::Boot {
                line,
                by_banner: false,
            } if usual.banners_are_seen => Some(format!(
                "`{line}` came, and no boot banner before it as at others"
            )),
            Seen::Answer if usual.boots_are_seen => {
                Some("the module answered, and no boot was seen as at others".to_owned())
            }
            Seen::Nothing | Seen::Answer | Seen::Boot { .. } => None,
        }
    }

    /// Where it landed, and what is known of it.
    pub(super) fn describe(&self) -> String {
        let then = match &self.seen {
            Seen::Nothing => "nothing came afterwards".to_owned(),
            Seen::Boot { line, .. } => format!("then a boot (`{line}`)"),
            Seen::Answer => "then silence until it answered".to_owned(),
            Seen::Continuation(line) => format!("then `{line}`"),
        };
        format!(
            "RESET_N asserted at {} ms while {}; {then}",
            self.at.as_millis(),
            self.phase
        )
    }
}
