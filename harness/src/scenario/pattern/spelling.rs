//! How patterns are spelled in a scenario.

use std::str::FromStr;

use rig::written::nearest;

use super::super::error::ScenarioErrorKind as Kind;
use super::{Number, Pattern, PhaseName};

/// The largest `<err>` (§5): it is a byte.
const CODE_MAX: u32 = 255;

const PERCENT_MAX: u32 = 100;

/// Messages without a number.
const PLAIN: [(&str, Pattern); 7] = [
    ("OK", Pattern::Ok),
    ("ERROR", Pattern::Error),
    ("CME ERROR", Pattern::CmeError(None)),
    ("refusal", Pattern::Refusal),
    ("boot", Pattern::Boot),
    ("RDY", Pattern::Rdy),
    // Not a message, but what somebody may mean who misspells one.
    ("ready", Pattern::Boot),
];

/// The words of `+QIND: "FOTA",…` (§3.1).
const FOTA: [&str; 6] = [
    "HTTPSTART",
    "DOWNLOADING",
    "HTTPEND",
    "START",
    "UPDATING",
    "END",
];

impl FromStr for Pattern {
    type Err = Kind;

    fn from_str(text: &str) -> Result<Self, Kind> {
        let text = text.trim();
        if let Some((_, pattern)) = PLAIN
            .iter()
            .find(|(name, _)| *name == text && *name != "ready")
        {
            return Ok(pattern.clone());
        }
        if let Some(rest) = text.strip_prefix("FOTA ") {
            return fota(text, rest.trim());
        }
        if let Some(code) = text.strip_prefix("CME ERROR ") {
            return match code.trim().parse() {
                Ok(code) => Ok(Pattern::CmeError(Some(code))),
                Err(_) => Err(condition(code, "a code")),
            };
        }
        if let Some(line) = quoted(text, "line") {
            return Ok(Pattern::Line(line));
        }
        if let Some(start) = quoted(text, "information") {
            return Ok(Pattern::Information(start));
        }
        Err(unknown(text))
    }
}

fn condition(found: &str, of: &'static str) -> Kind {
    Kind::Condition {
        found: found.trim().to_owned(),
        of,
    }
}

/// `line "…"`; the quotes only bound the text, so that it may hold quotes too.
fn quoted(text: &str, word: &str) -> Option<String> {
    let inside = text
        .strip_prefix(word)?
        .trim_start()
        .strip_prefix('"')?
        .strip_suffix('"')?;
    (!inside.is_empty()).then(|| inside.to_owned())
}

fn unknown(text: &str) -> Kind {
    let names: Vec<String> = PLAIN
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(FOTA.iter().map(|word| format!("FOTA {word}")))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // A URC's word alone is a common slip; so are small letters.
    let meant = FOTA
        .iter()
        .find(|word| text.split_whitespace().next() == Some(word))
        .map(|word| format!("FOTA {word}"))
        .or_else(|| {
            names
                .iter()
                .find(|name| name.eq_ignore_ascii_case(text))
                .map(|&name| name.to_owned())
        })
        .or_else(|| nearest(text, &names));
    Kind::UnknownMessage {
        found: text.to_owned(),
        meant,
    }
}

fn fota(text: &str, rest: &str) -> Result<Pattern, Kind> {
    let (word, number) = rest
        .split_once(|c: char| !c.is_ascii_alphabetic())
        .map_or((rest, ""), |(word, _)| {
            (word, rest.get(word.len()..).unwrap_or("").trim())
        });
    match word {
        "HTTPSTART" | "START" if !number.is_empty() => Err(Kind::NoNumber {
            found: number.to_owned(),
        }),
        "HTTPSTART" => Ok(Pattern::HttpStart),
        "START" => Ok(Pattern::Start),
        "DOWNLOADING" => percentage(number).map(Pattern::Downloading),
        "UPDATING" => percentage(number).map(Pattern::Updating),
        "HTTPEND" => self::number(number, 0..=CODE_MAX, "a code").map(Pattern::HttpEnd),
        "END" => self::number(number, 0..=CODE_MAX, "a code").map(Pattern::End),
        _ => {
            let meant = nearest(word, &FOTA).map(|word| format!("FOTA {word}"));
            Err(Kind::UnknownMessage {
                found: text.to_owned(),
                meant,
            })
        }
    }
}

fn percentage(text: &str) -> Result<Number, Kind> {
    number(text, 0..=PERCENT_MAX, "a percentage")
}

/// A condition that a number within `all` can meet.
fn number(
    text: &str,
    all: std::ops::RangeInclusive<u32>,
    of: &'static str,
) -> Result<Number, Kind> {
    if text.is_empty() {
        return Ok(Number::Any);
    }
    let wrong = || condition(text, of);
    let read = |digits: &str| {
        let digits = digits.trim();
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .parse::<u32>()
            .ok()
            .filter(|number| is_plain && all.contains(number))
            .ok_or_else(wrong)
    };
    let range = if let Some(least) = text.strip_prefix(">=") {
        read(least)?..=*all.end()
    } else if let Some(most) = text.strip_prefix("<=") {
        *all.start()..=read(most)?
    } else if let Some(other) = text.strip_prefix("!=") {
        return Ok(Number::Not(read(other)?));
    } else if let Some((least, most)) = text.split_once("..=") {
        read(least)?..=read(most)?
    } else {
        let exactly = read(text)?;
        exactly..=exactly
    };
    if range.is_empty() {
        return Err(wrong());
    }
    Ok(Number::Within(range))
}

impl FromStr for PhaseName {
    type Err = Kind;

    fn from_str(text: &str) -> Result<Self, Kind> {
        const NAMES: [&str; 7] = [
            "idle",
            "commanded",
            "downloading",
            "downloaded",
            "updating",
            "restarting",
            "ended",
        ];
        Ok(match text {
            "idle" => PhaseName::Idle,
            "commanded" => PhaseName::Commanded,
            "downloading" => PhaseName::Downloading,
            "downloaded" => PhaseName::Downloaded,
            "updating" => PhaseName::Updating,
            "restarting" => PhaseName::Restarting,
            "ended" => PhaseName::Ended,
            _ => {
                return Err(Kind::Word {
                    found: text.to_owned(),
                    known: &NAMES,
                });
            }
        })
    }
}
