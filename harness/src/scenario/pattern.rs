//! What a step may wait for, as scenarios spell it, and which messages are that.

mod spelling;

use std::fmt;
use std::ops::RangeInclusive;

use dfota::message::{BootText, FinalResult, Message};
use dfota::urc::{FotaUrc, Urc};

use super::{Awaited, Expectation};

/// Describes messages of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `OK`
    Ok,
    /// `ERROR`
    Error,
    /// `CME ERROR` with any number, or with the one given.
    CmeError(Option<u32>),
    /// `refusal`: `ERROR` or `+CME ERROR`, as `AT+CMEE` has it (§3.1).
    Refusal,
    /// `boot`: a line of the boot banner, or `RDY`.
    Boot,
    /// `RDY`
    Rdy,
    /// `FOTA HTTPSTART`
    HttpStart,
    /// `FOTA DOWNLOADING`, its percentage.
    Downloading(Number),
    /// `FOTA HTTPEND`, its `<http_err>`.
    HttpEnd(Number),
    /// `FOTA START`
    Start,
    /// `FOTA UPDATING`, its percentage.
    Updating(Number),
    /// `FOTA END`, its `<err>`.
    End(Number),
    /// `line "…"`: a whole line with exactly these bytes, whatever it means.
    Line(String),
    /// `information "…"`: an information response that begins so.
    Information(String),
}

/// A condition on a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// No condition.
    Any,
    /// `>= 40`, `252..=255`, `0`.
    Within(RangeInclusive<u32>),
    /// `!= 0`
    Not(u32),
}

/// The phases of an update as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the house glossary's words")]
pub enum PhaseName {
    Idle,
    Commanded,
    Downloading,
    Downloaded,
    Updating,
    Restarting,
    Ended,
}

impl Number {
    /// Whether a number meets the condition.
    pub fn holds(&self, number: u32) -> bool {
        match self {
            Number::Any => true,
            Number::Within(range) => range.contains(&number),
            Number::Not(other) => number != *other,
        }
    }
}

impl Pattern {
    /// Whether a message is what the pattern describes. `whole_line` is the line that it was
    /// read from, without its ending; `None` while the line is not over, when a message has
    /// been recognised on the stream: then no `line` pattern matches.
    pub fn matches(&self, message: &Message, whole_line: Option<&[u8]>) -> bool {
        match (self, message) {
            (Pattern::Line(text), _) => whole_line == Some(text.as_bytes()),
            (Pattern::Information(start), Message::Information(text)) => text.starts_with(start),
            (Pattern::Boot, Message::BootText(text)) => {
                matches!(text, BootText::First | BootText::LeavingTheBrom)
            }
            (Pattern::Boot | Pattern::Rdy, Message::Urc(Urc::Rdy)) => true,
            (_, Message::FinalResult(result)) => self.matches_result(*result),
            (_, Message::Urc(Urc::Fota(urc))) => self.matches_fota(urc),
            _ => false,
        }
    }

    fn matches_result(&self, result: FinalResult) -> bool {
        match self {
            Pattern::Ok => result == FinalResult::Ok,
            Pattern::Error => result == FinalResult::Error,
            Pattern::CmeError(None) => matches!(result, FinalResult::CmeError(_)),
            Pattern::CmeError(code) => result == FinalResult::CmeError(*code),
            Pattern::Refusal => result != FinalResult::Ok,
            _ => false,
        }
    }

    fn matches_fota(&self, urc: &FotaUrc) -> bool {
        match (self, urc) {
            (Pattern::HttpStart, FotaUrc::HttpStart) | (Pattern::Start, FotaUrc::Start) => true,
            (Pattern::Downloading(number), FotaUrc::Downloading(percent))
            | (Pattern::Updating(number), FotaUrc::Updating { percent, .. }) => {
                number.holds(*percent)
            }
            (Pattern::HttpEnd(number), FotaUrc::HttpEnd(code)) => number.holds(code.0),
            (Pattern::End(number), FotaUrc::End(code)) => number.holds(code.0),
            _ => false,
        }
    }

    fn is_final_result(&self) -> bool {
        matches!(
            self,
            Pattern::Ok | Pattern::Error | Pattern::CmeError(_) | Pattern::Refusal
        )
    }

    /// Whether it is said by an update, and by nothing else.
    pub(super) fn is_fota(&self) -> bool {
        matches!(
            self,
            Pattern::HttpStart
                | Pattern::Downloading(_)
                | Pattern::HttpEnd(_)
                | Pattern::Start
                | Pattern::Updating(_)
                | Pattern::End(_)
        )
    }
}

impl Expectation {
    /// Whether the module has said what was awaited. `Ready` and phases are the runner's to
    /// see, so no message is one.
    pub fn met_by(&self, message: &Message, whole_line: Option<&[u8]>) -> bool {
        match &self.awaited {
            Awaited::Message(patterns) => patterns
                .iter()
                .any(|pattern| pattern.matches(message, whole_line)),
            Awaited::Ready | Awaited::Phase(_) => false,
        }
    }

    /// Whether what was awaited can no longer come after this message, so that waiting on is
    /// vain: another final result than any of those awaited; a failed download (no END
    /// follows it); an END.
    pub fn ruled_out_by(&self, message: &Message) -> bool {
        if self.met_by(message, None) {
            return false;
        }
        let Awaited::Message(patterns) = &self.awaited else {
            return false;
        };
        match message {
            Message::FinalResult(_) => patterns.iter().all(Pattern::is_final_result),
            Message::Urc(Urc::Fota(FotaUrc::HttpEnd(code))) if code.0 != 0 => {
                patterns.iter().all(Pattern::is_fota)
            }
            Message::Urc(Urc::Fota(FotaUrc::End(_))) => patterns.iter().all(Pattern::is_fota),
            _ => false,
        }
    }

    /// Whether the flash may be at work once this has been met.
    pub(super) fn shows_an_update_under_way(&self) -> bool {
        match &self.awaited {
            Awaited::Ready => false,
            Awaited::Phase(phase) => {
                matches!(phase, PhaseName::Updating | PhaseName::Restarting)
            }
            Awaited::Message(patterns) => patterns
                .iter()
                .any(|pattern| matches!(pattern, Pattern::Start | Pattern::Updating(_))),
        }
    }
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PhaseName::Idle => "idle",
            PhaseName::Commanded => "commanded",
            PhaseName::Downloading => "downloading",
            PhaseName::Downloaded => "downloaded",
            PhaseName::Updating => "updating",
            PhaseName::Restarting => "restarting",
            PhaseName::Ended => "ended",
        })
    }
}
