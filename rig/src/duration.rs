//! Durations as a person writes them in a file: `300ms`, `5s`, `1m 30s`.
//!
//! A number always has its unit, for `within = 5` could be read as anything.

use std::fmt;
use std::time::Duration;

use serde::{Deserializer, Serializer, de};

/// The units, longest name first where one is the beginning of another, each in nanoseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1_000_000),
    ("us", 1_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DurationError {
    #[error("a duration is missing: write it as in `5s`, `300ms` or `1m 30s`")]
    Empty,
    #[error("no number before the unit in `{found}`: write a duration as in `5s` or `1m 30s`")]
    NoNumber { found: String },
    #[error("no unit in `{found}`: write `{found}s` or `{found}ms`")]
    NoUnit { found: String },
    #[error("unknown unit in `{found}`: write `ms`, `s`, `m` or `h`, as in `300ms`")]
    UnknownUnit { found: String },
    #[error("`{found}` is longer than any wait here can be")]
    TooLong { found: String },
}

/// Reads `300ms`, `5s`, `1.5s`, `1m 30s`, `2h`.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let found = || text.trim().to_owned();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        if number.is_empty() {
            return Err(DurationError::NoNumber { found: found() });
        }
        if unit.is_empty() && after.is_empty() {
            return Err(DurationError::NoUnit { found: found() });
        }
        let Some((_, nanoseconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit { found: found() });
        };
        let part =
            scale(number, *nanoseconds).ok_or_else(|| DurationError::TooLong { found: found() })?;
        total = total
            .checked_add(part)
            .ok_or_else(|| DurationError::TooLong { found: found() })?;
        rest = next.trim_start();
    }
    Ok(total)
}

/// `None` where the number is none, or the product does not fit.
fn scale(number: &str, nanoseconds: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || fraction.len() > 9 {
        return None;
    }
    let mut total = whole.parse::<u64>().ok()?.checked_mul(nanoseconds)?;
    if !fraction.is_empty() {
        let parts = fraction
            .parse::<u64>()
            .ok()?
            .checked_mul(nanoseconds / 1_000)?;
        let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
        total = total.checked_add(parts / scale * 1_000 + parts % scale * 1_000 / scale)?;
    }
    Some(Duration::from_nanos(total))
}

/// Writes what [`parse`] reads, largest unit first: `1m 30s`.
pub fn spell(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (name, nanoseconds) in [UNITS[4], UNITS[3], UNITS[2], UNITS[0], UNITS[1]] {
        if left / nanoseconds > 0 {
            parts.push(format!("{}{name}", left / nanoseconds));
            left %= nanoseconds;
        }
    }
    if parts.is_empty() {
        parts.push("0s".to_owned());
    }
    parts.join(" ")
}

/// For `#[serde(with = "duration")]`: reads a duration from its text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;
    impl de::Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with its unit, as in `\"5s\"`")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            parse(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text)
}

/// For `#[serde(with = "duration")]`: writes a duration as its text.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&spell(*duration))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("5s", 5_000)]
    #[case("300ms", 300)]
    #[case("1m 30s", 90_000)]
    #[case("1m30s", 90_000)]
    #[case(" 2h ", 7_200_000)]
    #[case("1.5s", 1_500)]
    #[case("0.25 m", 15_000)]
    fn a_number_and_its_unit(#[case] text: &str, #[case] milliseconds: u64) {
        assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)));
    }

    #[rstest]
    #[case("", "a duration is missing")]
    #[case("5", "no unit in `5`: write `5s` or `5ms`")]
    #[case("s", "no number before the unit in `s`")]
    #[case(
        "300 millis",
        "unknown unit in `300 millis`: write `ms`, `s`, `m` or `h`"
    )]
    #[case("-5s", "no number before the unit in `-5s`")]
    #[case("99999999999999h", "longer than any wait")]
    fn anything_else_is_refused_with_a_way_out(#[case] text: &str, #[case] says: &str) {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_spelled_is_read_back(microseconds in 0_u64..1_000_000_000_000) {
            let duration = Duration::from_micros(microseconds);
            prop_assert_eq!(parse(&spell(duration)), Ok(duration));
        }

        #[test]
        fn no_text_is_too_odd_to_be_answered(text in ".*") {
            let _answered = parse(&text);
        }
    }
}
