//! What a host may say: command lines, taken apart. What is done about them is `app`'s affair.

use super::Rate;
use super::url::{Limits, Url};
use super::voice::{CmeError, FIXED_RATES};

/// One command of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `AT` and nothing more.
    Attention,
    /// `ATE0`, `ATE1`.
    Echo(bool),
    /// `ATI`.
    Identify,
    /// `AT&W`.
    SaveProfile,
    /// A command whose answer is information that is asked of the module's state.
    Ask(Question),
    /// A command whose answer is always the same line.
    Say(&'static str),
    /// A command that only answers `OK`.
    Accept,
    /// `AT+CMEE=<n>`.
    SetCmee(u8),
    /// `AT+CEREG=<n>`.
    ReportRegistration(u8),
    /// `AT+CFUN=<fun>`.
    SetCfun(u8),
    /// `AT+IPR=<rate>`.
    SetRate(Rate),
    /// `AT+CGDCONT=1,"IP","<apn>"` or `AT+QCGDEFCONT="IP","<apn>"`.
    SetApn(String),
    /// `AT+QRST=1`.
    Reset,
    /// `AT+QPOWD=0`.
    PowerDown,
    /// `AT+QFOTADL=?`.
    TestDownload,
    /// `AT+QFOTADL=<httpURL>`.
    Download(Url),
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Revision,
    SignalQuality,
    Registration,
    Attachment,
    Address,
    Sim,
    Operator,
    Imei,
    /// `AT+CGSN` without a type: the bare number.
    ImeiAlone,
    Functionality,
    ErrorFormat,
    Rate,
    Apn,
    DefaultApn,
    Connection,
}

/// Takes a command line apart, from its `AT` on and without its CR. Each part is a command or
/// the reason for which it is refused; nothing after a refusal is looked at.
pub(super) fn read(line: &[u8], limits: &Limits) -> Vec<Result<Command, CmeError>> {
    let mut rest = line.get(2..).unwrap_or_default().trim_ascii();
    if rest.is_empty() {
        return vec![Ok(Command::Attention)];
    }
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let (command, after) = next(rest, limits);
        let refused = command.is_err();
        commands.push(command);
        if refused {
            break;
        }
        rest = after.strip_prefix(b";").unwrap_or(after).trim_ascii_start();
    }
    commands
}

/// The first command of `rest`, and what follows it. Extended commands end at a `;` outside of
/// quotes; basic ones follow each other without.
fn next<'a>(rest: &'a [u8], limits: &Limits) -> (Result<Command, CmeError>, &'a [u8]) {
    if rest.starts_with(b"+") {
        let mut quoted = false;
        let end = rest.iter().position(|&byte| {
            quoted ^= byte == b'"';
            byte == b';' && !quoted
        });
        let (command, after) = rest.split_at(end.unwrap_or(rest.len()));
        return (extended(command.trim_ascii_end(), limits), after);
    }
    match rest {
        [b'E' | b'e', b'0', after @ ..] => (Ok(Command::Echo(false)), after),
        [b'E' | b'e', b'1', after @ ..] => (Ok(Command::Echo(true)), after),
        [b'E' | b'e', after @ ..] => (Ok(Command::Echo(false)), after),
        [b'I' | b'i', b'0', after @ ..] | [b'I' | b'i', after @ ..] => {
            (Ok(Command::Identify), after)
        }
        [b'&', b'W' | b'w', b'0', after @ ..] | [b'&', b'W' | b'w', after @ ..] => {
            (Ok(Command::SaveProfile), after)
        }
        [b'V' | b'v', b'1', after @ ..] => (Ok(Command::Accept), after),
        _ => (Err(CmeError::NotSupported), b""),
    }
}

fn extended(command: &[u8], limits: &Limits) -> Result<Command, CmeError> {
    use Command::{Accept, Ask, Say};
    use Question as Q;

    let name_len = command
        .iter()
        .position(|byte| matches!(byte, b'=' | b'?'))
        .unwrap_or(command.len());
    let (name, form) = command.split_at(name_len);
    let name = name.to_ascii_uppercase();
    match (name.as_slice(), form) {
        (b"+CGMI", b"") => Ok(Say("Quectel_Ltd")),
        (b"+CGMM", b"") => Ok(Say("Quectel_BC26")),
        (b"+CGMR", b"") => Ok(Ask(Q::Revision)),
        (b"+CGSN", b"") => Ok(Ask(Q::ImeiAlone)),
        (b"+CGSN", b"=1") => Ok(Ask(Q::Imei)),
        (b"+CESQ", b"") => Ok(Ask(Q::SignalQuality)),
        (b"+CEREG", b"?") => Ok(Ask(Q::Registration)),
        (b"+CEREG", [b'=', digit @ b'0'..=b'5']) => Ok(Command::ReportRegistration(digit - b'0')),
        // The example of §4.1 asks without `?` and is answered all the same.
        (b"+CGATT", b"?" | b"") => Ok(Ask(Q::Attachment)),
        (b"+CGPADDR", b"=1" | b"") => Ok(Ask(Q::Address)),
        (b"+CPIN", b"?") => Ok(Ask(Q::Sim)),
        (b"+COPS", b"?") => Ok(Ask(Q::Operator)),
        (b"+CSCON", b"?") => Ok(Ask(Q::Connection)),
        (b"+CMEE", b"=?") => Ok(Say("+CMEE: (0-2)")),
        (b"+CMEE", b"?") => Ok(Ask(Q::ErrorFormat)),
        (b"+CMEE", [b'=', digit @ b'0'..=b'2']) => Ok(Command::SetCmee(digit - b'0')),
        (b"+CFUN", b"=?") => Ok(Say("+CFUN: (0,1,4,7),(0-2)")),
        (b"+CFUN", b"?") => Ok(Ask(Q::Functionality)),
        (b"+CFUN", b"=1,1") => Ok(Command::Reset),
        (b"+CFUN", [b'=', digit @ (b'0' | b'1' | b'4' | b'7')]) => {
            Ok(Command::SetCfun(digit - b'0'))
        }
        (b"+IPR", b"=?") => Ok(Say(super::voice::IPR_TEST)),
        (b"+IPR", b"?") => Ok(Ask(Q::Rate)),
        (b"+IPR", [b'=', digits @ ..]) => rate(digits).map(Command::SetRate),
        (b"+CGDCONT", b"?") => Ok(Ask(Q::Apn)),
        (b"+CGDCONT", [b'=', values @ ..]) => {
            let values = values
                .strip_prefix(b"1,")
                .ok_or(CmeError::IncorrectParameters)?;
            apn(values).map(Command::SetApn)
        }
        (b"+QCGDEFCONT", b"?") => Ok(Ask(Q::DefaultApn)),
        (b"+QCGDEFCONT", [b'=', values @ ..]) => apn(values).map(Command::SetApn),
        (b"+QSCLK" | b"+CPSMS", [b'=', b'0'..=b'2']) => Ok(Accept),
        (b"+QRST", b"=1") => Ok(Command::Reset),
        (b"+QPOWD", b"=0") => Ok(Command::PowerDown),
        (b"+QFOTADL", b"=?") => Ok(Command::TestDownload),
        (b"+QFOTADL", [b'=', argument @ ..]) => Url::read(argument, limits)
            .map(Command::Download)
            .ok_or(CmeError::IncorrectParameters),
        (
            b"+CMEE" | b"+CFUN" | b"+CGSN" | b"+CEREG" | b"+CGPADDR" | b"+QRST" | b"+QPOWD"
            | b"+QSCLK",
            [b'=', ..],
        ) => Err(CmeError::IncorrectParameters),
        _ => Err(CmeError::NotSupported),
    }
}

fn rate(digits: &[u8]) -> Result<Rate, CmeError> {
    let rate = str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    match rate {
        Some(0) => Ok(Rate::Auto),
        Some(rate) if FIXED_RATES.contains(&rate) => Ok(Rate::Fixed(rate)),
        _ => Err(CmeError::IncorrectParameters),
    }
}

/// `"IP","<apn>"`, with whatever follows it.
fn apn(values: &[u8]) -> Result<String, CmeError> {
    let wrong = CmeError::IncorrectParameters;
    let values = str::from_utf8(values).map_err(|_| wrong)?;
    let mut values = values.split(',');
    let kind = values.next().ok_or(wrong)?;
    if !["\"IP\"", "\"IPV6\"", "\"IPV4V6\"", "\"Non-IP\""].contains(&kind) {
        return Err(wrong);
    }
    values
        .next()
        .and_then(|apn| apn.strip_prefix('"')?.strip_suffix('"'))
        .filter(|apn| apn.len() <= 100 && apn.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned)
        .ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("AT", &[Ok(Command::Attention)])]
    #[case("ate0", &[Ok(Command::Echo(false))])]
    #[case("ATE1I&W", &[Ok(Command::Echo(true)), Ok(Command::Identify), Ok(Command::SaveProfile)])]
    #[case("AT+CMEE=1;+CFUN?", &[Ok(Command::SetCmee(1)), Ok(Command::Ask(Question::Functionality))])]
    #[case("AT+CMEE=3;+CFUN?", &[Err(CmeError::IncorrectParameters)])]
    #[case("AT+QGMR", &[Err(CmeError::NotSupported)])]
    #[case("AT+IPR=9600", &[Ok(Command::SetRate(Rate::Fixed(9600)))])]
    #[case("AT+IPR=0", &[Ok(Command::SetRate(Rate::Auto))])]
    #[case("AT+IPR=9601", &[Err(CmeError::IncorrectParameters)])]
    #[case("AT+CGDCONT=1,\"IP\",\"iot\"", &[Ok(Command::SetApn(String::from("iot")))])]
    fn a_line_is_taken_apart(#[case] line: &str, #[case] commands: &[Result<Command, CmeError>]) {
        assert_eq!(read(line.as_bytes(), &Limits::default()), commands);
    }

    #[test]
    fn a_semicolon_in_quotes_is_part_of_a_url() {
        let line = b"AT+QFOTADL=\"http://h/a-b&;|.zip\";+CFUN?";
        assert!(matches!(
            &read(line, &Limits::default())[..],
            [Ok(Command::Download(url)), Ok(Command::Ask(Question::Functionality))]
                if url.text == "http://h/a-b&;|.zip"
        ));
    }

    proptest! {
        #[test]
        fn any_line_can_be_read(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&[b"AT", &line[..]].concat(), &Limits::default());
            let _ = read(&[b"AT+QFOTADL=", &line[..]].concat(), &Limits::default());
            let _ = read(&[b"AT+CGDCONT=1,", &line[..]].concat(), &Limits::default());
        }
    }
}
