//! Where, and for which requests.

use std::fmt;
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::spelling;

/// A place in a body: a byte (`4096`), counted from the end where negative (`-1` is the last
/// byte), or a share of its length (`"37%"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// So many bytes come before it.
    Byte(u64),
    /// So many bytes from it to the end.
    FromEnd(u64),
    /// So many hundredths of a percent of the bytes come before it.
    Share(u16),
}

impl Default for At {
    fn default() -> Self {
        At::Byte(0)
    }
}

impl At {
    /// The number of bytes before it, in a body of so many bytes; never more than these.
    pub fn in_length(self, length: u64) -> u64 {
        match self {
            At::Byte(byte) => byte.min(length),
            At::FromEnd(bytes) => length.saturating_sub(bytes),
            At::Share(share) => {
                let before = u128::from(length) * u128::from(share) / 10_000;
                u64::try_from(before).unwrap_or(length)
            }
        }
    }

    fn of_number(number: i64) -> At {
        let bytes = number.unsigned_abs();
        if number < 0 {
            At::FromEnd(bytes)
        } else {
            At::Byte(bytes)
        }
    }

    fn parse(text: &str) -> Result<At, String> {
        let way_out = || {
            format!(
                "`{text}` is no place: write a byte as a number (`4096`, or `-1` for the last one), or a share as in `\"37%\"`"
            )
        };
        // A parameter of a scenario is filled in as text, whatever it is.
        if let Ok(number) = text.parse() {
            return Ok(At::of_number(number));
        }
        let number = text.strip_suffix('%').ok_or_else(way_out)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.len() > 2 || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(way_out());
        }
        let share = format!("{whole}{fraction:0<2}")
            .parse::<u16>()
            .map_err(|_| way_out())?;
        match share {
            0..=10_000 => Ok(At::Share(share)),
            _ => Err(format!("`{text}` is behind the end: no more than `100%`")),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Byte(byte) => write!(f, "{byte}"),
            At::FromEnd(bytes) => write!(f, "-{bytes}"),
            At::Share(share) if share % 100 == 0 => write!(f, "{}%", share / 100),
            At::Share(share) => write!(f, "{}.{:02}%", share / 100, share % 100),
        }
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            At::Byte(byte) => serializer.serialize_u64(*byte),
            At::FromEnd(bytes) => {
                serializer.serialize_i64(i64::try_from(*bytes).map_or(i64::MIN, |bytes| -bytes))
            }
            At::Share(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::number_or_text(
            deserializer,
            "a byte, as in `4096`, or a share, as in `\"37%\"`",
            |number| Ok(At::of_number(number)),
            At::parse,
        )
    }
}

impl JsonSchema for At {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "At".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": r"^([0-9]+(\.[0-9]{1,2})?%|-?[0-9]+)$" }]
        })
    }
}

/// A place in a head: a byte, or one of the places that readers get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadAt {
    /// So many bytes come before it.
    Byte(u32),
    /// Behind the first digit of `Content-Length`.
    InLength,
    /// Between CR LF and CR LF.
    InEnd,
    /// Behind the last byte of the head.
    End,
}

/// Each word, and its meaning.
const HEAD_WORDS: [(&str, HeadAt); 3] = [
    ("in-length", HeadAt::InLength),
    ("in-end", HeadAt::InEnd),
    ("end", HeadAt::End),
];

impl Serialize for HeadAt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match HEAD_WORDS.iter().find(|(_, place)| place == self) {
            Some((word, _)) => serializer.serialize_str(word),
            None => serializer.serialize_u32(match self {
                HeadAt::Byte(byte) => *byte,
                HeadAt::InLength | HeadAt::InEnd | HeadAt::End => u32::MAX,
            }),
        }
    }
}

impl<'de> Deserialize<'de> for HeadAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::number_or_text(
            deserializer,
            "a byte of the head, `\"in-length\"`, `\"in-end\"` or `\"end\"`",
            |number| {
                u32::try_from(number)
                    .map(HeadAt::Byte)
                    .map_err(|_| format!("no head has a byte {number}"))
            },
            |text| {
                HEAD_WORDS.iter().find(|(word, _)| *word == text).map(|(_, place)| *place).ok_or_else(
                    || format!("`{text}` is no place in a head: write a byte, `in-length`, `in-end` or `end`"),
                )
            },
        )
    }
}

impl JsonSchema for HeadAt {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeadAt".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "enum": ["in-length", "in-end", "end"] }]
        })
    }
}

/// Which requests a plan covers, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requests {
    /// All of them.
    #[default]
    Every,
    /// Just this one.
    Only(NonZeroU64),
    /// This one, and all after it.
    From(NonZeroU64),
    /// From the first to the second, both included.
    Span(NonZeroU64, NonZeroU64),
}

impl Requests {
    /// Whether it covers this request.
    pub fn covers(self, request: u64) -> bool {
        match self {
            Requests::Every => true,
            Requests::Only(only) => request == only.get(),
            Requests::From(first) => request >= first.get(),
            Requests::Span(first, last) => (first.get()..=last.get()).contains(&request),
        }
    }

    /// Whether it covers all requests.
    pub fn is_every(&self) -> bool {
        *self == Requests::Every
    }

    fn parse(text: &str) -> Result<Requests, String> {
        let way_out = || {
            format!("`{text}` names no requests: write `1`, `\"2..\"`, `\"1..=3\"` or `\"every\"`")
        };
        let number = |text: &str| text.trim().parse::<NonZeroU64>().map_err(|_| way_out());
        if text == "every" {
            return Ok(Requests::Every);
        }
        let (first, last) = text.split_once("..").ok_or_else(way_out)?;
        match last {
            "" => Ok(Requests::From(number(first)?)),
            last => {
                let last = last.strip_prefix('=').ok_or_else(way_out)?;
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(format!(
                        "`{text}` covers no request: write the smaller number first"
                    ));
                }
                Ok(Requests::Span(first, last))
            }
        }
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Requests::Every => f.write_str("every"),
            Requests::Only(only) => write!(f, "{only}"),
            Requests::From(first) => write!(f, "{first}.."),
            Requests::Span(first, last) => write!(f, "{first}..={last}"),
        }
    }
}

impl Serialize for Requests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Requests::Only(only) => serializer.serialize_u64(only.get()),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::number_or_text(
            deserializer,
            "a request's number, as in `1`, or `\"2..\"`, `\"1..=3\"`, `\"every\"`",
            |number| {
                u64::try_from(number)
                    .ok()
                    .and_then(NonZeroU64::new)
                    .map(Requests::Only)
                    .ok_or_else(|| format!("there is no request {number}: they are counted from 1"))
            },
            Requests::parse,
        )
    }
}

impl JsonSchema for Requests {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Requests".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": r"^(every|[1-9][0-9]*\.\.(=[1-9][0-9]*)?)$" }
            ]
        })
    }
}
