//! Command lines as we send them, right or deliberately wrong.

use crate::guide;

/// The most bytes of a command line that are kept; what follows is sent but not
/// remembered. Twice the longest line, so that an over-long URL is still seen to be one.
const LONGEST: usize = 4096;

/// A command line: `AT…` up to its CR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Its bytes, without the CR.
    pub bytes: Vec<u8>,
    /// Its commands, which `;` separates; empty if it does not begin with `AT`.
    pub commands: Vec<Command>,
}

/// One command of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name in capitals: `+QFOTADL`, `I`, `&W`; empty for a bare `AT`.
    pub name: String,
    /// What follows the name.
    pub form: Form,
}

/// The four forms of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// `=?`
    Test,
    /// `?`
    Read,
    /// `=…`, with what follows the sign.
    Set(String),
    /// Bare.
    Execute,
}

impl CommandLine {
    /// Reads what was sent; never fails, for we may send anything.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> CommandLine {
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        let end = bytes
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .unwrap_or(bytes.len());
        let bytes = bytes[..end].to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let begins = text
            .get(..2)
            .is_some_and(|at| at.eq_ignore_ascii_case("AT"));
        let commands = if begins {
            split_outside_quotes(&text[2..])
                .map(Command::parse)
                .collect()
        } else {
            Vec::new()
        };
        CommandLine { bytes, commands }
    }

    /// The argument of `AT+QFOTADL=…`, where this line has it.
    #[must_use]
    pub fn download(&self) -> Option<&str> {
        self.commands
            .iter()
            .find_map(|command| match &command.form {
                Form::Set(argument) if command.name == "+QFOTADL" => Some(argument.as_str()),
                _ => None,
            })
    }

    /// Whether an information response may begin with this `+NAME`.
    #[must_use]
    pub fn may_answer_with(&self, name: &str) -> bool {
        self.commands.iter().any(|command| command.name == name)
    }

    /// Whether this line has this command, in any form.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.may_answer_with(name)
    }

    /// Whether this line has this command as a set command.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.commands
            .iter()
            .any(|command| command.name == name && matches!(command.form, Form::Set(_)))
    }

    /// Whether an information response must come before its `OK`: every query tells something.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.commands.iter().any(Command::tells)
    }

    /// Whether an information response of plain text, without `+NAME:`, may come.
    #[must_use]
    pub fn may_answer_with_text(&self) -> bool {
        self.commands.iter().any(|command| {
            let known = matches!(
                command.name.as_str(),
                "I" | "+CGMI" | "+CGMM" | "+CGMR" | "+CGSN" | "+GSN" | "+GMR" | "+CIMI" | "&V"
            );
            known && matches!(command.form, Form::Execute | Form::Set(_))
        })
    }

    /// Whether this line makes the module start anew: `AT+QRST`, `AT+CFUN=…,1`.
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.commands.iter().any(|command| match &command.form {
            Form::Set(argument) if command.name == "+CFUN" => argument.ends_with(",1"),
            Form::Set(_) | Form::Execute => command.name == "+QRST",
            Form::Test | Form::Read => false,
        })
    }

    /// Whether this line is `AT+QPOWD…`: it switches the module off.
    #[must_use]
    pub fn powers_down(&self) -> bool {
        self.has("+QPOWD")
    }
}

impl Command {
    /// Whether this is a query: a read command, or one of those that tell something bare.
    #[must_use]
    pub fn tells(&self) -> bool {
        match self.form {
            // A module without a saved context has nothing to tell.
            Form::Read => self.name != "+CGDCONT",
            Form::Execute => matches!(self.name.as_str(), "I" | "+CGMR" | "+CGSN" | "+CESQ"),
            Form::Test | Form::Set(_) => false,
        }
    }

    fn parse(text: &str) -> Command {
        let (name, form) = if let Some(name) = text.strip_suffix("=?") {
            (name, Form::Test)
        } else if let Some((name, argument)) = text.split_once('=') {
            (name, Form::Set(argument.to_owned()))
        } else if let Some(name) = text.strip_suffix('?') {
            (name, Form::Read)
        } else {
            (text, Form::Execute)
        };
        Command {
            name: name.trim().to_ascii_uppercase(),
            form,
        }
    }
}

fn split_outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |letter| {
        quoted ^= letter == '"';
        letter == ';' && !quoted
    })
}

/// What the guide says of a URL given to `AT+QFOTADL` (§3.1 parameters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlStanding {
    /// Within all limits: to be accepted.
    Lawful,
    /// Outside a limit, which is named: to be refused.
    Unlawful(&'static str),
    /// The guide does not decide; the reason is named.
    Undecided(&'static str),
}

/// Holds the argument of `AT+QFOTADL=` against the limits of §3.1.
#[must_use]
pub fn url_standing(argument: &str) -> UrlStanding {
    use UrlStanding::{Lawful, Undecided, Unlawful};
    let quoted = argument
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(url) = quoted else {
        return Unlawful("it is not in double quotes");
    };
    if url.len() > guide::URL_LEN_MAX {
        return Unlawful("it is longer than 255 bytes");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Unlawful("it does not begin with `HTTP://` or `HTTPS://`");
    };
    match scheme {
        "http" | "HTTP" => {}
        "https" | "HTTPS" => return Undecided("§3.1 note 2: HTTPS is not supported yet"),
        _ if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            return Undecided("its scheme mixes capitals and small letters");
        }
        _ => return Unlawful("it does not begin with `HTTP://` or `HTTPS://`"),
    }
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = server
        .split_once(':')
        .map_or((server, None), |(host, port)| (host, Some(port)));
    match port {
        None => {}
        Some(port) if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Unlawful("its port is not a number");
        }
        Some(port) => {
            let port = port.parse::<u32>().unwrap_or(u32::MAX);
            if !(guide::PORT_MIN..=guide::PORT_MAX).contains(&port) {
                return Unlawful("its port is outside 1-65535");
            }
        }
    }
    if host.is_empty() || path.is_empty() {
        return Undecided("it has no server or no file");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('"') {
        return Undecided("it has letters that a URL cannot have");
    }
    Lawful
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_line_of_chapter_4_has_five_commands() {
        let line = CommandLine::parse(b"AT+CESQ;+CEREG?;+CGATT;+CPIN?;+COPS?\r");
        let names: Vec<&str> = line.commands.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["+CESQ", "+CEREG", "+CGATT", "+CPIN", "+COPS"]);
        assert_eq!(line.commands[1].form, Form::Read);
        assert_eq!(line.commands[2].form, Form::Execute);
    }

    #[test]
    fn a_semicolon_in_a_url_does_not_end_its_command() {
        let line = CommandLine::parse(b"AT+QFOTADL=\"http://a/b;c?d=e\"\r\n");
        assert_eq!(line.download(), Some("\"http://a/b;c?d=e\""));
        assert_eq!(line.commands.len(), 1);
    }

    #[test]
    fn the_test_command_downloads_nothing() {
        assert_eq!(CommandLine::parse(b"AT+QFOTADL=?\r").download(), None);
    }

    #[test]
    fn bytes_that_are_no_command_line_have_no_commands() {
        assert_eq!(CommandLine::parse(b"\xff\xfe\x00").commands, []);
        assert_eq!(CommandLine::parse("Äx".as_bytes()).commands, []);
    }

    fn of_length(length: usize) -> String {
        format!("\"{:a<length$}\"", "http://h/")
    }

    #[rstest]
    #[case::example("\"http://www.quectel.com:100/update.bin\"", true)]
    #[case::capitals("\"HTTP://1.2.3.4/a\"", true)]
    #[case::longest(&of_length(255), true)]
    #[case::too_long(&of_length(256), false)]
    #[case::unquoted("http://a/b", false)]
    #[case::half_quoted("\"http://a/b", false)]
    #[case::ftp("\"ftp://a/b\"", false)]
    #[case::port_0("\"http://a:0/b\"", false)]
    #[case::port_1("\"http://a:1/b\"", true)]
    #[case::port_65535("\"http://a:65535/b\"", true)]
    #[case::port_65536("\"http://a:65536/b\"", false)]
    #[case::port_word("\"http://a:x/b\"", false)]
    fn a_url_is_held_against_the_limits(#[case] argument: &str, #[case] lawful: bool) {
        match url_standing(argument) {
            UrlStanding::Lawful => assert!(lawful, "{argument} was found lawful"),
            UrlStanding::Unlawful(why) => assert!(!lawful, "{argument} was refused: {why}"),
            UrlStanding::Undecided(why) => panic!("{argument} was left open: {why}"),
        }
    }

    #[rstest]
    #[case::https("\"https://a/b\"")]
    #[case::mixed("\"Http://a/b\"")]
    #[case::no_file("\"http://a\"")]
    fn what_the_guide_leaves_open_stays_open(#[case] argument: &str) {
        assert!(matches!(url_standing(argument), UrlStanding::Undecided(_)));
    }
}
