//! Durations as people write them: `300ms`, `5s`, `1m 30s`, `2h`.
//!
//! A number always has its unit. What a duration is for is the affair of who asks.

use std::fmt::Write as _;
use std::time::Duration;

/// The longest duration that a file may ask for: a day. A run that waits longer is a mistake
/// in the file.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// `""`
    #[error("an empty duration: write a number and a unit, as in `300ms`, `5s` or `1m 30s`")]
    Empty,
    /// `ms`, `1.5s`, `-3s`
    #[error("no whole number in front of the unit in `{text}`: write `300ms`, `5s` or `1m 30s`")]
    NoNumber {
        /// All of it.
        text: String,
    },
    /// `300`
    #[error("no unit in `{text}`: write `{text}ms` or `{text}s`")]
    NoUnit {
        /// All of it.
        text: String,
    },
    /// `300 millis`
    #[error("unknown unit `{unit}` in `{text}`: units are `ms`, `s`, `m` and `h`, as in `1m 30s`")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// All of it.
        text: String,
    },
    /// `30s 1m`, `1s 1s`
    #[error("`{text}` is out of order: larger units come first and each once, as in `1m 30s`")]
    OutOfOrder {
        /// All of it.
        text: String,
    },
    /// `300h`
    #[error("`{text}` is too long: nothing here lasts more than 24h")]
    TooLong {
        /// All of it.
        text: String,
    },
}

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let whole = || text.to_owned();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut milliseconds: u64 = 0;
    let mut smallest_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(DurationError::NoNumber { text: whole() });
        }
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let unit_len = after
            .find(|c: char| c.is_ascii_digit() || c.is_whitespace())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err(DurationError::NoUnit { text: whole() });
        }
        if unit.starts_with(['.', ',', '-']) {
            return Err(DurationError::NoNumber { text: whole() });
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit {
                unit: unit.to_owned(),
                text: whole(),
            });
        };
        if *scale >= smallest_unit {
            return Err(DurationError::OutOfOrder { text: whole() });
        }
        smallest_unit = *scale;
        milliseconds = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*scale))
            .and_then(|part| milliseconds.checked_add(part))
            .filter(|&sum| Duration::from_millis(sum) <= LONGEST)
            .ok_or_else(|| DurationError::TooLong { text: whole() })?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(milliseconds))
}

/// Writes a duration as [`parse`] reads it, to the millisecond: `1m 30s`; `0s` for none.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS {
        let number = rest / scale;
        rest %= scale;
        if number > 0 {
            let gap = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{gap}{number}{unit}");
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("300ms", 300)]
    #[case("5s", 5_000)]
    #[case("1m 30s", 90_000)]
    #[case("1m30s", 90_000)]
    #[case(" 10 m ", 600_000)]
    #[case("24h", 86_400_000)]
    #[case("0s", 0)]
    fn a_duration_is_numbers_with_units(#[case] text: &str, #[case] milliseconds: u64) {
        assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)));
    }

    #[rstest]
    #[case(
        "",
        "an empty duration: write a number and a unit, as in `300ms`, `5s` or `1m 30s`"
    )]
    #[case("300", "no unit in `300`: write `300ms` or `300s`")]
    #[case(
        "ms",
        "no whole number in front of the unit in `ms`: write `300ms`, `5s` or `1m 30s`"
    )]
    #[case(
        "1.5s",
        "no whole number in front of the unit in `1.5s`: write `300ms`, `5s` or `1m 30s`"
    )]
    #[case(
        "-3s",
        "no whole number in front of the unit in `-3s`: write `300ms`, `5s` or `1m 30s`"
    )]
    #[case(
        "300 millis",
        "unknown unit `millis` in `300 millis`: units are `ms`, `s`, `m` and `h`, as in `1m 30s`"
    )]
    #[case(
        "30s 1m",
        "`30s 1m` is out of order: larger units come first and each once, as in `1m 30s`"
    )]
    #[case("25h", "`25h` is too long: nothing here lasts more than 24h")]
    #[case(
        "99999999999999999999s",
        "`99999999999999999999s` is too long: nothing here lasts more than 24h"
    )]
    fn what_is_not_a_duration_says_how_to_write_one(#[case] text: &str, #[case] error: &str) {
        assert_eq!(parse(text).unwrap_err().to_string(), error);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(milliseconds in 0..=86_400_000_u64) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_is_too_odd_to_refuse(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
