//! The text form of what was recorded: `wire.log`, and the fixtures made of it.
//!
//! One record a line: milliseconds since the run began, a direction, and what went that way.
//!
//! ```text
//! # a comment, as are empty lines
//! 0.000     --  stage steps
//! 12.000    ->  AT+QFOTADL="http://h/p"\r
//! 14.250    <-  \r\nOK\r\n
//! 9001.000  --  supply off agrees
//! ```
//!
//! `->` is from host to module, `<-` from module to host, `--` is done to the module or
//! noted by the harness. Bytes are escaped as [`escape`] does it. `--  sending probe` says
//! what the `->` that follow are for (`step` until said otherwise).

mod deeds;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::line::Ending;
use crate::reader::{Reader, Record, What};
use crate::timeline::{Entry, Event, Purpose};

use deeds::{PURPOSES, deed, named_by, parse_deed, word};

/// Bytes as text on one line: printable ASCII as it is, `\r`, `\n`, `\\`, and `\xNN` for
/// the rest.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// The same, with a blank at either end escaped too: it would be lost among those that
/// separate.
fn escape_field(bytes: &[u8]) -> String {
    let text = escape(bytes);
    let text = match text.strip_prefix(' ') {
        Some(rest) => format!("\\x20{rest}"),
        None => text,
    };
    match text.strip_suffix(' ') {
        Some(rest) => format!("{rest}\\x20"),
        None => text,
    }
}

/// The reverse of [`escape`]; `None` where a backslash is followed by anything else.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'r' => b'\r',
            b'n' => b'\n',
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

/// Writes records, one line each.
#[derive(Clone, Debug)]
pub struct Writer {
    purpose: Purpose,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer {
            purpose: Purpose::Step,
        }
    }
}

impl Writer {
    /// A writer at the beginning of a transcript.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// The record as text, its line endings included; empty for a `Received`, whose bytes
    /// were a chunk before.
    pub fn write(&mut self, record: &Record) -> String {
        let at = milliseconds(record.at);
        match &record.what {
            What::Chunk(bytes) => format!("{at}  <-  {}\n", escape_field(bytes)),
            What::Event(Event::Received { .. }) => String::new(),
            What::Event(Event::Sent { bytes, purpose }) => {
                let mut text = String::new();
                if *purpose != self.purpose {
                    self.purpose = *purpose;
                    text = format!("{at}  --  sending {}\n", word(&PURPOSES, *purpose));
                }
                text + &format!("{at}  ->  {}\n", escape_field(bytes))
            }
            What::Event(event) => format!("{at}  --  {}\n", deed(event)),
        }
    }
}

/// Reads a transcript.
///
/// # Errors
///
/// The first line that is none, and why.
pub fn parse(text: &str) -> Result<Vec<Record>, TranscriptError> {
    let mut records = Vec::new();
    let mut purpose = Purpose::Step;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let error = |kind| TranscriptError {
            line: index + 1,
            kind,
        };
        match parse_line(line, &mut purpose).map_err(error)? {
            Some(record) => records.push(record),
            None => continue,
        }
    }
    Ok(records)
}

/// The entries of the timeline that records make.
#[must_use]
pub fn entries(records: Vec<Record>) -> Vec<Entry> {
    let mut reader = Reader::new();
    let mut entries: Vec<Entry> = records
        .into_iter()
        .flat_map(|record| reader.read(record))
        .collect();
    entries.extend(reader.finish());
    entries
}

/// A line of a transcript that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptError {
    /// Which, from 1.
    pub line: usize,
    /// Why.
    pub kind: TranscriptErrorKind,
}

/// Why a line of a transcript cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TranscriptErrorKind {
    /// It does not begin with milliseconds.
    Time(String),
    /// No `->`, `<-` or `--` follows.
    Direction(String),
    /// A backslash is followed by what no escape has.
    Escape,
    /// What follows `--` is not known.
    Deed(String),
}

impl fmt::Display for TranscriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            TranscriptErrorKind::Time(found) => {
                write!(
                    f,
                    "`{found}` is no time: begin with milliseconds, as in `12.500`"
                )
            }
            TranscriptErrorKind::Direction(found) => {
                write!(f, "unknown direction `{found}`: write `->`, `<-` or `--`")
            }
            TranscriptErrorKind::Escape => {
                f.write_str("unknown escape: write `\\r`, `\\n`, `\\\\` or `\\xNN`")
            }
            TranscriptErrorKind::Deed(found) => {
                write!(
                    f,
                    "unknown deed `{found}`: see `dfota::transcript` for those there are"
                )
            }
        }
    }
}

impl std::error::Error for TranscriptError {}

fn parse_line(line: &str, purpose: &mut Purpose) -> Result<Option<Record>, TranscriptErrorKind> {
    let (time, rest) = split_word(line);
    let at = parse_milliseconds(time).ok_or_else(|| TranscriptErrorKind::Time(time.to_owned()))?;
    let (direction, rest) = split_word(rest);
    let bytes = || unescape(rest).ok_or(TranscriptErrorKind::Escape);
    let what = match direction {
        "<-" => What::Chunk(bytes()?),
        "->" => What::Event(Event::Sent {
            bytes: bytes()?,
            purpose: *purpose,
        }),
        "--" => {
            if let Some(named) = rest.strip_prefix("sending ") {
                *purpose = named_by(&PURPOSES, named.trim())
                    .ok_or_else(|| TranscriptErrorKind::Deed(rest.to_owned()))?;
                return Ok(None);
            }
            let event = parse_deed(rest)
                .ok_or_else(|| TranscriptErrorKind::Deed(rest.chars().take(60).collect()))?;
            What::Event(event)
        }
        _ => return Err(TranscriptErrorKind::Direction(direction.to_owned())),
    };
    Ok(Some(Record { at, what }))
}

fn milliseconds(at: Duration) -> String {
    let micros = at.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

fn parse_milliseconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let micros: u64 = format!("{fraction:0<3}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    Some(Duration::from_micros(
        whole.checked_mul(1000)?.checked_add(micros)?,
    ))
}

/// The first word, and what follows the blanks after it.
fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}

/// One entry as text, for a person: as in a transcript, but with lines where a transcript
/// has the chunks that they came in.
#[must_use]
pub fn show(entry: &Entry) -> String {
    let at = milliseconds(entry.at);
    match &entry.event {
        Event::Received { line, .. } => {
            let ending = match line.ending {
                Ending::Whole => "",
                Ending::CutShort => "  (cut short)",
                Ending::TooLong => "  (too long)",
            };
            format!("{at}  <-  {}{ending}", escape(&line.bytes))
        }
        Event::Sent { bytes, .. } => format!("{at}  ->  {}", escape(bytes)),
        event => format!("{at}  --  {}", deed(event)),
    }
}
