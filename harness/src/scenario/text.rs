//! What a step sends, with places that are filled in when the case runs.

use std::fmt;

use rig::written::Source;
use toml::Spanned;

use super::error::{ScenarioError, ScenarioErrorKind as Kind};

/// The places that are filled in when a case runs; parameters are filled in before.
pub(super) const PLACES: [&str; 6] = ["url", "host", "port", "path", "base", "target"];

/// The longest line that may be asked for, in bytes: four times the guide's longest URL.
const URL_LEN_MAX: usize = 1024;

/// What to send: text with places for the package's URL and the versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendText {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bytes(Vec<u8>),
    Url,
    /// The URL, made exactly so many bytes long.
    UrlOfLength(usize),
    Host,
    Port,
    Path,
    Base,
    Target,
}

/// Where the package is for the module, in the pieces that scenarios may want apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageUrl {
    /// `lab.example.net`, an IPv6 address in its brackets.
    pub host: String,
    /// `8080`
    pub port: u16,
    /// With its leading slash: `/t/3q…/a-to-b`.
    pub path: String,
}

impl fmt::Display for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// The URL cannot be what the step asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the package's URL is {is} bytes long already, so it cannot be made {wanted}: give `[server] url` a shorter name, or an address"
)]
pub struct UrlError {
    /// How long it is, in bytes.
    pub is: usize,
    /// How long it should be.
    pub wanted: usize,
}

/// What fills the places of a text.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// Where the package is.
    pub url: &'a PackageUrl,
    /// The version that the module has.
    pub base: &'a str,
    /// The version that the package makes.
    pub target: &'a str,
}

impl SendText {
    /// A line of a scenario, with the CR that ends every command line.
    pub(super) fn line(source: &Source, text: &Spanned<String>) -> Result<Self, ScenarioError> {
        let mut parts = parts(text.get_ref()).map_err(|kind| source.mistake(text.span(), kind))?;
        parts.push(Part::Bytes(b"\r".to_vec()));
        Ok(SendText { parts })
    }

    /// Bytes of a scenario, as they are.
    pub(super) fn raw(source: &Source, text: &Spanned<String>) -> Result<Self, ScenarioError> {
        let parts = parts(text.get_ref())
            .and_then(|parts| parts.into_iter().map(unescaped).collect())
            .map_err(|kind| source.mistake(text.span(), kind))?;
        Ok(SendText { parts })
    }

    /// The first place that only a package on offer can fill.
    pub(super) fn place_of_package(&self) -> Option<&'static str> {
        self.parts.iter().find_map(|part| match part {
            Part::Bytes(_) | Part::Base => None,
            Part::Url | Part::UrlOfLength(_) => Some("url"),
            Part::Host => Some("host"),
            Part::Port => Some("port"),
            Part::Path => Some("path"),
            Part::Target => Some("target"),
        })
    }

    /// The literal bytes before the first place, in capitals and without white space: what
    /// says which commands these are.
    fn beginning(&self) -> String {
        match self.parts.first() {
            Some(Part::Bytes(bytes)) => String::from_utf8_lossy(bytes)
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
                .to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    /// Whether it may start an update: `AT+QFOTADL=` with something behind it.
    pub(super) fn commands_an_update(&self) -> bool {
        let beginning = self.beginning();
        beginning.contains("+QFOTADL=") && !beginning.ends_with("+QFOTADL=?")
    }

    /// A command that triggers or applies what an earlier run left in the module: firmware of
    /// the field has `AT+QFOTA`, `AT+QFOTA=…` and `AT+QFOTADL=1` beside the guide's command.
    pub(super) fn dangerous_command(&self) -> Option<String> {
        let beginning = self.beginning();
        beginning
            .trim_start_matches("AT")
            .split(';')
            .find(|command| {
                let is_read = *command == "+QFOTA?" || *command == "+QFOTA=?";
                let stored = command
                    .strip_prefix("+QFOTADL=")
                    .is_some_and(|url| url.starts_with(|c: char| c.is_ascii_digit()));
                let applies = command
                    .strip_prefix("+QFOTA")
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()));
                stored || (applies && !is_read)
            })
            .map(|command| format!("AT{command}"))
    }

    /// The bytes to send.
    pub fn fill(&self, with: Filling<'_>) -> Result<Vec<u8>, UrlError> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            match part {
                Part::Bytes(literal) => bytes.extend_from_slice(literal),
                Part::Url => bytes.extend_from_slice(with.url.to_string().as_bytes()),
                Part::UrlOfLength(wanted) => {
                    bytes.extend_from_slice(of_length(with.url.to_string(), *wanted)?.as_bytes());
                }
                Part::Host => bytes.extend_from_slice(with.url.host.as_bytes()),
                Part::Port => bytes.extend_from_slice(with.url.port.to_string().as_bytes()),
                Part::Path => bytes.extend_from_slice(with.url.path.as_bytes()),
                Part::Base => bytes.extend_from_slice(with.base.as_bytes()),
                Part::Target => bytes.extend_from_slice(with.target.as_bytes()),
            }
        }
        Ok(bytes)
    }
}

/// Makes a URL longer by a query, which names the same resource to a server that, like ours,
/// does not heed queries: `…/a-to-b?0000`.
fn of_length(url: String, wanted: usize) -> Result<String, UrlError> {
    let is = url.len();
    match wanted.checked_sub(is) {
        None => Err(UrlError { is, wanted }),
        Some(0) => Ok(url),
        Some(more) => Ok(format!("{url}?{}", "0".repeat(more - 1))),
    }
}

/// Literal text and places; `{{` and `}}` are the characters themselves.
fn parts(text: &str) -> Result<Vec<Part>, Kind> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else {
            let place = from
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = place else {
                let found = if from.starts_with('{') { '{' } else { '}' };
                return Err(Kind::LoneBrace { found });
            };
            if !literal.is_empty() {
                parts.push(Part::Bytes(std::mem::take(&mut literal).into_bytes()));
            }
            parts.push(place_of(name)?);
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Bytes(literal.into_bytes()));
    }
    Ok(parts)
}

fn place_of(name: &str) -> Result<Part, Kind> {
    let length = name.strip_prefix("url:").map(str::parse::<usize>);
    match (name, length) {
        (_, Some(Ok(length))) if (1..=URL_LEN_MAX).contains(&length) => {
            Ok(Part::UrlOfLength(length))
        }
        ("url", None) => Ok(Part::Url),
        ("host", None) => Ok(Part::Host),
        ("port", None) => Ok(Part::Port),
        ("path", None) => Ok(Part::Path),
        ("base", None) => Ok(Part::Base),
        ("target", None) => Ok(Part::Target),
        _ => Err(Kind::UnknownPlace {
            found: name.to_owned(),
            meant: None,
            parameters: Vec::new(),
        }),
    }
}

/// Reads the escapes of literal bytes.
fn unescaped(part: Part) -> Result<Part, Kind> {
    let Part::Bytes(bytes) = part else {
        return Ok(part);
    };
    let mut read = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            read.push(byte);
            continue;
        }
        let (meant, length) = match rest {
            [b'r', ..] => (Some(b'\r'), 1),
            [b'n', ..] => (Some(b'\n'), 1),
            [b't', ..] => (Some(b'\t'), 1),
            [b'0', ..] => (Some(0), 1),
            [b'\\', ..] => (Some(b'\\'), 1),
            [b'x', digits @ ..] => {
                let digits = digits
                    .get(..2)
                    .and_then(|two| std::str::from_utf8(two).ok());
                (digits.and_then(hexadecimal), 3)
            }
            _ => (None, 1),
        };
        let Some(meant) = meant else {
            let found = String::from_utf8_lossy(rest.get(..length).unwrap_or(rest)).into_owned();
            return Err(Kind::Escape { found });
        };
        read.push(meant);
        rest = rest.get(length..).unwrap_or(&[]);
    }
    Ok(Part::Bytes(read))
}

/// Two hexadecimal digits; the standard library would take a sign for one of them.
fn hexadecimal(two: &str) -> Option<u8> {
    let are_digits = two.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(two, 16).ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn url() -> PackageUrl {
        PackageUrl {
            host: "lab.example.net".to_owned(),
            port: 8080,
            path: "/t/0123456789abcdefghijkl/a-to-b".to_owned(),
        }
    }

    fn filled(text: &SendText) -> Result<String, UrlError> {
        let bytes = text.fill(Filling {
            url: &url(),
            base: "A01",
            target: "A02",
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn written(text: &str) -> (Source, Spanned<String>) {
        let source = Source::new(Path::new("a.toml"), text);
        (source, Spanned::new(0..text.len(), text.to_owned()))
    }

    fn line(text: &str) -> SendText {
        let (source, text) = written(text);
        SendText::line(&source, &text).unwrap()
    }

    #[rstest]
    #[case("AT", "AT\r")]
    #[case(
        r#"AT+QFOTADL="{url}""#,
        "AT+QFOTADL=\"http://lab.example.net:8080/t/0123456789abcdefghijkl/a-to-b\"\r"
    )]
    #[case(
        "ftp://{host}:{port}{path}",
        "ftp://lab.example.net:8080/t/0123456789abcdefghijkl/a-to-b\r"
    )]
    #[case("{base}>{target}", "A01>A02\r")]
    #[case("{{url}}", "{url}\r")]
    fn places_are_filled_in(#[case] text: &str, #[case] sent: &str) {
        assert_eq!(filled(&line(text)).unwrap(), sent);
    }

    #[rstest]
    #[case(r"AT\r", "AT\r")]
    #[case(r"\x41\x1a\\\0", "A\x1a\\\0")]
    fn raw_bytes_have_escapes_and_no_cr_of_ours(#[case] text: &str, #[case] sent: &str) {
        let (source, text) = written(text);
        assert_eq!(
            filled(&SendText::raw(&source, &text).unwrap()).unwrap(),
            sent
        );
    }

    #[test]
    fn a_url_that_is_longer_already_cannot_be_made_shorter() {
        let error = filled(&line("{url:20}")).unwrap_err();
        assert_eq!(
            error,
            UrlError {
                is: url().to_string().len(),
                wanted: 20
            }
        );
    }

    #[rstest]
    #[case("AT+QFOTADL={url}", true)]
    #[case("at+qfotadl=\"x\"", true)]
    #[case("AT+CESQ;+QFOTADL=\"x\"", true)]
    #[case("AT+QFOTADL=?", false)]
    #[case("AT+QFOTADL?", false)]
    #[case("ATI", false)]
    fn an_update_begins_with_its_set_command(#[case] text: &str, #[case] begins: bool) {
        assert_eq!(line(text).commands_an_update(), begins);
    }

    #[rstest]
    #[case("AT+QFOTADL=1", true)]
    #[case("AT+QFOTADL= 1", true)]
    #[case("at+qfota", true)]
    #[case("AT+QFOTA=\"reboot\"", true)]
    #[case("AT+CESQ;+QFOTA=1", true)]
    #[case("AT+QFOTA?", false)]
    #[case("AT+QFOTADL=?", false)]
    #[case("AT+QFOTADL=\"1\"", false)]
    fn what_applies_a_stored_package_is_dangerous(#[case] text: &str, #[case] dangerous: bool) {
        assert_eq!(line(text).dangerous_command().is_some(), dangerous);
    }

    proptest! {
        #[test]
        fn a_url_is_exactly_as_long_as_asked(length in 62_usize..=1024) {
            let sent = filled(&line(&format!("{{url:{length}}}"))).unwrap();
            prop_assert_eq!(sent.len(), length + 1);
            prop_assert!(sent.starts_with(&url().to_string()));
        }

        #[test]
        fn no_text_is_too_odd_to_refuse(text in ".*") {
            let (source, text) = written(&text);
            let _line = SendText::line(&source, &text);
            let _raw = SendText::raw(&source, &text);
        }
    }
}
