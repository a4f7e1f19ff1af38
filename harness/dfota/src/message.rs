//! What a line means, given the command that it may answer.

mod understanding;

pub use self::understanding::Understanding;
use crate::command::CommandLine;
use crate::line::{Ending, Line};
use crate::urc::{self, FotaUrc, Urc};

/// The meaning of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Our own command line coming back.
    Echo,
    /// A line that answers the pending command, before its final result code.
    Information(String),
    /// Ends a command.
    FinalResult(FinalResult),
    /// Not an answer.
    Urc(Urc),
    /// What the boot ROM and the bootloader print; not AT.
    BootText(BootText),
    /// Anything else; its bytes are in the line.
    Unrecognised,
}

impl Message {
    /// The FOTA URC in it, if it is one.
    #[must_use]
    pub fn fota(&self) -> Option<&FotaUrc> {
        match self {
            Message::Urc(Urc::Fota(urc)) => Some(urc),
            _ => None,
        }
    }
}

/// A final result code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalResult {
    /// `OK`
    Ok,
    /// `ERROR`
    Error,
    /// `+CME ERROR: n`; `None` where it is spelled in words.
    CmeError(Option<u32>),
}

/// A line of the boot banner, matched by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootText {
    /// `F1: 0000 0000`: the first line of a boot.
    First,
    /// `V0: …` to `T0: …`, and what bootloaders add.
    Register,
    /// `Leaving the BROM`: the last line of the banner.
    LeavingTheBrom,
}

/// What a line means while `pending` waits for its final result code. Never fails: what is
/// not understood is [`Message::Unrecognised`], and a line that is not whole means what its
/// bytes decide and nothing more.
#[must_use]
pub fn understand(line: &Line, pending: Option<&CommandLine>) -> Message {
    if line.ending != Ending::Whole {
        return urc::decided(&line.bytes).unwrap_or(Message::Unrecognised);
    }
    if let Some(reading) = urc::read_fota(&line.bytes) {
        return Message::Urc(Urc::Fota(reading.urc));
    }
    let bytes = urc::trim(&line.bytes);
    if let Some(boot) = boot_text(bytes) {
        return Message::BootText(boot);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Message::Unrecognised;
    };
    if text.is_empty() {
        return Message::Unrecognised;
    }
    if let Some(result) = final_result(text) {
        return Message::FinalResult(result);
    }
    if text == "RDY" {
        return Message::Urc(Urc::Rdy);
    }
    if pending.is_some_and(|line| begins_with_at(bytes) && urc::trim(&line.bytes) == bytes) {
        return Message::Echo;
    }
    if let Some((name, rest)) = plus_name(text) {
        if pending.is_some_and(|line| line.may_answer_with(name)) {
            return Message::Information(text.to_owned());
        }
        return Message::Urc(other_urc(name, rest.trim(), text));
    }
    if pending.is_some_and(CommandLine::may_answer_with_text) && is_plain_text(bytes) {
        return Message::Information(text.to_owned());
    }
    Message::Unrecognised
}

fn begins_with_at(text: &[u8]) -> bool {
    text.get(..2)
        .is_some_and(|at| at.eq_ignore_ascii_case(b"AT"))
}

fn is_plain_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

fn final_result(text: &str) -> Option<FinalResult> {
    match text {
        "OK" => return Some(FinalResult::Ok),
        "ERROR" => return Some(FinalResult::Error),
        _ => {}
    }
    let code = text.strip_prefix("+CME ERROR:")?.trim();
    Some(FinalResult::CmeError(code.parse().ok()))
}

/// `+NAME: rest` to `+NAME` and `rest`.
fn plus_name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(':')?;
    let letters = name.strip_prefix('+')?;
    let named = !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    named.then_some((name, rest))
}

fn other_urc(name: &str, rest: &str, text: &str) -> Urc {
    match (name, rest.parse::<u8>()) {
        ("+CFUN", Ok(level)) => Urc::Cfun(level),
        ("+CPIN", _) => Urc::Cpin(rest.to_owned()),
        ("+IP", _) => Urc::Ip(rest.to_owned()),
        _ => Urc::Other(text.to_owned()),
    }
}

/// The banner by its shape, for the values differ from module to module:
/// `F1: 0000 0000`, `V0: 0000 0000 [0001]`, `T0: 0000 00B4`, `Leaving the BROM`, `BL_V01`.
fn boot_text(bytes: &[u8]) -> Option<BootText> {
    if bytes == b"Leaving the BROM" {
        return Some(BootText::LeavingTheBrom);
    }
    if bytes.starts_with(b"BL_V") && bytes.len() <= 16 {
        return Some(BootText::Register);
    }
    let [first, second, b':', b' ', values @ ..] = bytes else {
        return None;
    };
    let labelled = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    if !(labelled(first) && labelled(second)) {
        return None;
    }
    let mut groups = values.split(|&byte| byte == b' ');
    let shaped = groups.clone().count() <= 4
        && groups.all(|group| {
            let digits = match group {
                [b'[', inner @ .., b']'] => inner,
                _ => group,
            };
            digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit)
        });
    match (shaped, first, second) {
        (false, ..) => None,
        (true, b'F', b'1') => Some(BootText::First),
        _ => Some(BootText::Register),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::time::Duration;

    pub(super) fn line(bytes: &[u8]) -> Line {
        Line {
            at: Duration::ZERO,
            bytes: bytes.to_vec(),
            ending: Ending::Whole,
        }
    }

    fn while_pending(command: &str, text: &str) -> Message {
        let command = CommandLine::parse(command.as_bytes());
        understand(&line(text.as_bytes()), Some(&command))
    }

    pub(super) fn information(text: &str) -> Message {
        Message::Information(text.to_owned())
    }

    #[rstest]
    #[case("AT+CEREG?", "+CEREG: 0,1", information("+CEREG: 0,1"))]
    #[case("AT+CEREG?", "+CEREG:0,1", information("+CEREG:0,1"))]
    #[case("AT", "+CEREG: 5", Message::Urc(Urc::Other("+CEREG: 5".into())))]
    #[case("AT+CFUN?", "+CFUN: 1", information("+CFUN: 1"))]
    #[case("AT", "+CFUN: 1", Message::Urc(Urc::Cfun(1)))]
    #[case("AT+CESQ;+CPIN?", "+CPIN: READY", information("+CPIN: READY"))]
    #[case("ATI", "+CPIN: READY", Message::Urc(Urc::Cpin("READY".into())))]
    #[case("ATI", "Revision: BC26NBR01A01", information("Revision: BC26NBR01A01"))]
    #[case("ATI", "RDY", Message::Urc(Urc::Rdy))]
    #[case("AT+CGSN", "860000000000000", information("860000000000000"))]
    #[case("AT", "860000000000000", Message::Unrecognised)]
    #[case("ATI", "+IP: 10.0.0.1", Message::Urc(Urc::Ip("10.0.0.1".into())))]
    #[case("ATI", "ATI", Message::Echo)]
    #[case("ATI", "OK", Message::FinalResult(FinalResult::Ok))]
    #[case(
        "ATI",
        "+CME ERROR: 30",
        Message::FinalResult(FinalResult::CmeError(Some(30)))
    )]
    #[case(
        "ATI",
        "+CME ERROR: SIM busy",
        Message::FinalResult(FinalResult::CmeError(None))
    )]
    #[case(
        "AT+QIND?",
        r#"+QIND: "FOTA","START""#,
        Message::Urc(Urc::Fota(FotaUrc::Start))
    )]
    fn a_line_is_understood_by_the_command_it_may_answer(
        #[case] command: &str,
        #[case] text: &str,
        #[case] message: Message,
    ) {
        assert_eq!(while_pending(command, text), message);
    }

    #[rstest]
    #[case("F1: 0000 0000", Some(BootText::First))]
    #[case("V0: 0000 0000 [0001]", Some(BootText::Register))]
    #[case("00: 0006 000C", Some(BootText::Register))]
    #[case("T0: 0000 001B", Some(BootText::Register))]
    #[case("Leaving the BROM", Some(BootText::LeavingTheBrom))]
    #[case("BL_V01", Some(BootText::Register))]
    #[case("T0: 0000 00B", None)]
    #[case("T0:", None)]
    fn the_banner_is_known_by_its_shape(#[case] text: &str, #[case] boot: Option<BootText>) {
        assert_eq!(boot_text(text.as_bytes()), boot);
    }

    #[test]
    fn a_line_cut_short_means_no_more_than_its_bytes_decide() {
        let mut cut = line(br#"+QIND: "FOTA","UPDATING",4"#);
        cut.ending = Ending::CutShort;
        assert_eq!(understand(&cut, None), Message::Unrecognised);
        cut.bytes.push(b'%');
        assert!(matches!(
            understand(&cut, None).fota(),
            Some(FotaUrc::Updating { percent: 4, .. })
        ));
    }

    proptest! {
        #[test]
        fn a_command_never_makes_another_event_of_a_fota_line(command in "AT[ -~]{0,20}") {
            let pending = CommandLine::parse(command.as_bytes());
            let fota = line(br#"+QIND: "FOTA","END",0"#);
            prop_assert_eq!(understand(&fota, Some(&pending)), understand(&fota, None));
        }
    }
}
