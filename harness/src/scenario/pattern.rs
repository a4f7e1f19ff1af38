//! What a step may wait for, as scenarios spell it, and which messages are that.

mod spelling;

use std::fmt;
use std::ops::RangeInclusive;

use dfota::message::{BootText, FinalResult, Message};
use dfota::monitor::Phase;
use dfota::urc::{self, FotaUrc, Urc};

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

impl PhaseName {
    /// Whether an update that stands there is in this phase.
    pub fn is(self, phase: Phase) -> bool {
        match self {
            PhaseName::Idle => matches!(phase, Phase::Idle),
            PhaseName::Commanded => matches!(phase, Phase::Commanded),
            PhaseName::Downloading => matches!(phase, Phase::Downloading { .. }),
            PhaseName::Downloaded => matches!(phase, Phase::Downloaded),
            PhaseName::Updating => matches!(phase, Phase::Updating { .. }),
            PhaseName::Restarting => matches!(phase, Phase::Restarting),
            PhaseName::Ended => matches!(phase, Phase::Ended(_)),
        }
    }
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

    /// Whether bytes that begin with a new line meet this at once, by a message that is decided
    /// before its line is looked at further. Nothing is copied: all that this costs stands between
    /// the module's word and the answer to it. `false` says only that it takes a closer look.
    pub fn met_at_once(&self, bytes: &[u8]) -> bool {
        let lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
        for line in lines.filter(|line| !line.is_empty()) {
            match urc::decided(line) {
                Some(message) if self.met_by(&message, None) => return true,
                Some(message) if !self.ruled_out_by(&message) => {}
                // Another line may be a result that rules it out.
                _ => return false,
            }
        }
        false
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

    /// Whether nothing but what the bootloader says meets this.
    pub(super) fn is_said_by_the_bootloader(&self) -> bool {
        match &self.awaited {
            Awaited::Ready | Awaited::Phase(_) => false,
            Awaited::Message(patterns) => patterns
                .iter()
                .all(|pattern| matches!(pattern, Pattern::Updating(_))),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dfota::urc::{FotaErr, HttpErr};
    use rstest::rstest;

    use super::*;

    fn fota(urc: FotaUrc) -> Message {
        Message::Urc(Urc::Fota(urc))
    }

    fn updating(percent: u32) -> Message {
        fota(FotaUrc::Updating { percent, of: None })
    }

    fn http_end(code: u32) -> Message {
        fota(FotaUrc::HttpEnd(HttpErr(code)))
    }

    fn end(code: u32) -> Message {
        fota(FotaUrc::End(FotaErr(code)))
    }

    fn result(result: FinalResult) -> Message {
        Message::FinalResult(result)
    }

    #[rstest]
    #[case("OK", result(FinalResult::Ok), result(FinalResult::Error))]
    #[case(
        "ERROR",
        result(FinalResult::Error),
        result(FinalResult::CmeError(None))
    )]
    #[case(
        "refusal",
        result(FinalResult::CmeError(Some(3))),
        result(FinalResult::Ok)
    )]
    #[case("refusal", result(FinalResult::Error), Message::Echo)]
    #[case(
        "CME ERROR",
        result(FinalResult::CmeError(None)),
        result(FinalResult::Error)
    )]
    #[case(
        "CME ERROR 3",
        result(FinalResult::CmeError(Some(3))),
        result(FinalResult::CmeError(Some(4)))
    )]
    #[case("RDY", Message::Urc(Urc::Rdy), Message::BootText(BootText::First))]
    #[case(
        "boot",
        Message::BootText(BootText::First),
        Message::BootText(BootText::Register)
    )]
    #[case("boot", Message::Urc(Urc::Rdy), Message::Urc(Urc::Cfun(1)))]
    #[case("FOTA HTTPSTART", fota(FotaUrc::HttpStart), fota(FotaUrc::Start))]
    #[case("FOTA START", fota(FotaUrc::Start), fota(FotaUrc::HttpStart))]
    #[case(
        "FOTA DOWNLOADING >= 10",
        fota(FotaUrc::Downloading(10)),
        fota(FotaUrc::Downloading(9))
    )]
    #[case("FOTA DOWNLOADING", fota(FotaUrc::Downloading(1)), updating(1))]
    #[case("FOTA UPDATING >= 37", updating(100), updating(36))]
    #[case("FOTA UPDATING <= 37", updating(37), updating(38))]
    #[case("FOTA UPDATING 37", updating(37), updating(38))]
    #[case("FOTA HTTPEND != 0", http_end(12), http_end(0))]
    #[case("FOTA HTTPEND 0", http_end(0), end(0))]
    #[case("FOTA END 252..=255", end(252), end(251))]
    #[case("information \"Revision: \"", Message::Information("Revision: A".into()), Message::Information("A".into()))]
    fn a_pattern_takes_what_it_describes_and_no_more(
        #[case] pattern: &str,
        #[case] taken: Message,
        #[case] passed_over: Message,
    ) {
        let pattern: Pattern = pattern.parse().unwrap();
        assert!(pattern.matches(&taken, None));
        assert!(!pattern.matches(&passed_over, None));
    }

    #[test]
    fn a_line_is_taken_when_it_is_whole() {
        let pattern: Pattern = r#"line "+QIND: "x"""#.parse().unwrap();
        assert!(pattern.matches(&Message::Unrecognised, Some(br#"+QIND: "x""#)));
        assert!(!pattern.matches(&Message::Unrecognised, Some(br#"+QIND: "xy""#)));
        assert!(!pattern.matches(&Message::Unrecognised, None));
    }

    fn expectation(patterns: &[&str]) -> Expectation {
        Expectation {
            awaited: Awaited::Message(patterns.iter().map(|one| one.parse().unwrap()).collect()),
            within: Duration::from_secs(1),
            text: patterns.join(" or "),
        }
    }

    const AT_36: &str = "\r\n+QIND: \"FOTA\",\"UPDATING\",36%,1,1\r\n";
    const AT_37: &str = "\r\n+QIND: \"FOTA\",\"UPDATING\",37%,1,1\r\n";
    const ENDED: &str = "+QIND: \"FOTA\",\"END\",0\r\n";

    #[rstest]
    #[case::whole(&[AT_37], true)]
    #[case::after_one_that_is_not(&[AT_36, AT_37], true)]
    #[case::as_far_as_it_decides(&[AT_36, &AT_37[..30]], true)]
    #[case::one_byte_less_is_370_yet(&[AT_36, &AT_37[..29]], false)]
    #[case::not_after_what_rules_it_out(&[ENDED, AT_37], false)]
    #[case::not_after_a_line_that_takes_a_closer_look(&["OK\r\n", AT_37], false)]
    #[case::nothing(&[], false)]
    fn some_bytes_meet_it_at_once(#[case] bytes: &[&str], #[case] met: bool) {
        let expectation = expectation(&["FOTA UPDATING >= 37"]);
        assert_eq!(expectation.met_at_once(bytes.concat().as_bytes()), met);
    }

    #[rstest]
    #[case::another_result(&["OK"], result(FinalResult::Error), true)]
    #[case::the_result(&["OK"], result(FinalResult::Ok), false)]
    #[case::a_failed_download(&["FOTA END 0"], http_end(12), true)]
    #[case::a_good_download(&["FOTA END 0"], http_end(0), false)]
    #[case::another_end(&["FOTA END 0"], end(254), true)]
    #[case::an_end_before_the_percentage(&["FOTA UPDATING >= 99"], end(0), true)]
    #[case::a_percentage_too_low(&["FOTA UPDATING >= 99"], updating(98), false)]
    #[case::ok_while_a_urc_may_come(&["refusal", "FOTA HTTPEND != 0"], result(FinalResult::Ok), false)]
    #[case::a_line_may_always_come(&["FOTA END 0", "line \"x\""], end(254), false)]
    fn waiting_on_is_vain_after_some_messages(
        #[case] patterns: &[&str],
        #[case] message: Message,
        #[case] vain: bool,
    ) {
        assert_eq!(expectation(patterns).ruled_out_by(&message), vain);
    }
}
