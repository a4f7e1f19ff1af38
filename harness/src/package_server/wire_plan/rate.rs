//! How fast a reply goes: rates, and the profiles of NB-IoT links.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::spelling::{self, optional_duration};

/// How fast a reply goes: a profile (`"nb1-deep"`), a rate (`"25kbit/s"`), or a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// A link of the field, by its name.
    Profile(Profile),
    /// Whatever the scenario says.
    Shape(Shape),
}

/// Links of the field. The figures are those of published measurements, rounded; no bench of
/// ours has measured them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Cat NB1 in good coverage (CE0).
    Nb1Good,
    /// Cat NB1 at the edge of a cell (CE1).
    Nb1Mid,
    /// Cat NB1 in a cellar (CE2): latency in seconds, long pauses.
    Nb1Deep,
    /// Cat NB2 in good coverage.
    Nb2,
}

/// A link, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shape {
    /// Bits in a second, head and body counted alike: `"25kbit/s"`.
    pub rate: BitRate,
    /// How long the first byte takes.
    #[serde(
        default,
        with = "optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub delay: Option<Duration>,
    /// By how much, at most, a piece may come late; the mean rate stays.
    #[serde(
        default,
        with = "optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub jitter: Option<Duration>,
    /// So many bytes at a time; as few as the rate makes sensible where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
    /// Pauses that the link makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
}

/// Pauses that a link makes. They are not part of the mean rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pause {
    /// How long it goes well between two of them.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub every: Duration,
    /// How long each lasts.
    #[serde(rename = "for", with = "crate::duration")]
    #[schemars(with = "String")]
    pub how_long: Duration,
}

/// So few bytes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drip {
    /// How many bytes.
    #[schemars(range(min = 1))]
    pub bytes: NonZeroU32,
    /// How often.
    #[serde(with = "crate::duration")]
    #[schemars(with = "String")]
    pub every: Duration,
}

impl Profile {
    /// The link in numbers (sources: peak rate of Cat NB1 25.5 kbit/s and of NB2 127 kbit/s;
    /// latency 0.1 s to 8 s, about 10 s in deep coverage).
    pub fn shape(self) -> Shape {
        let of = |kbit: u64, delay_ms: u64, jitter_ms: u64, pause: Option<(u64, u64)>| Shape {
            rate: BitRate(kbit * 1_000),
            delay: Some(Duration::from_millis(delay_ms)),
            jitter: Some(Duration::from_millis(jitter_ms)),
            burst: None,
            pause: pause.map(|(every, how_long)| Pause {
                every: Duration::from_secs(every),
                how_long: Duration::from_secs(how_long),
            }),
        };
        match self {
            Profile::Nb1Good => of(22, 500, 100, None),
            Profile::Nb1Mid => of(10, 2_000, 500, Some((30, 5))),
            Profile::Nb1Deep => of(2, 7_000, 2_000, Some((120, 40))),
            Profile::Nb2 => of(80, 300, 50, None),
        }
    }
}

impl Rate {
    /// In numbers.
    pub fn shape(self) -> Shape {
        match self {
            Rate::Profile(profile) => profile.shape(),
            Rate::Shape(shape) => shape,
        }
    }
}

/// Bits in a second; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(u64);

impl BitRate {
    /// Bits in a second.
    pub fn bits_per_second(self) -> u64 {
        self.0
    }

    /// Reads `25kbit/s`, `0.3kbit/s`, `300bit/s`, `1Mbit/s`.
    pub fn parse(text: &str) -> Result<BitRate, String> {
        let way_out = || format!("`{text}` is no rate: write it as in `25kbit/s` or `300bit/s`");
        let text = text.trim();
        let (number, unit) = text.split_at(
            text.find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(text.len()),
        );
        let factor = match unit.trim() {
            "bit/s" => 1.0,
            "kbit/s" => 1e3,
            "Mbit/s" => 1e6,
            _ => return Err(way_out()),
        };
        let bits = number.parse::<f64>().map_err(|_| way_out())? * factor;
        if !(1.0..=1e10).contains(&bits) {
            return Err(format!(
                "`{text}` is out of range: from `1bit/s` to `10000Mbit/s`"
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        Ok(BitRate(bits.round() as u64))
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bits if bits % 1_000 == 0 => write!(f, "{}kbit/s", bits / 1_000),
            bits => write!(f, "{bits}bit/s"),
        }
    }
}

impl Serialize for BitRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BitRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::text(
            deserializer,
            "a rate with its unit, as in `\"25kbit/s\"`",
            BitRate::parse,
        )
    }
}

impl JsonSchema for BitRate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BitRate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^[0-9.]+ ?[kM]?bit/s$" })
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Rate::Profile(profile) => profile.serialize(serializer),
            Rate::Shape(shape) => shape.serialize(serializer),
        }
    }
}

impl From<Shape> for Rate {
    fn from(shape: Shape) -> Self {
        Rate::Shape(shape)
    }
}

impl From<RateWord> for Rate {
    fn from(word: RateWord) -> Self {
        word.0
    }
}

/// A profile, or a rate: one word.
struct RateWord(Rate);

impl<'de> Deserialize<'de> for RateWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::text(deserializer, "a profile or a rate", |text| {
            if text.contains("bit/s") {
                let rate = BitRate::parse(text)?;
                return Ok(RateWord(Rate::Shape(Shape {
                    rate,
                    delay: None,
                    jitter: None,
                    burst: None,
                    pause: None,
                })));
            }
            Profile::deserialize(de::value::StrDeserializer::<de::value::Error>::new(text))
                .map(|profile| RateWord(Rate::Profile(profile)))
                .map_err(|_| format!("`{text}` is no profile and no rate: write `nb1-good`, `nb1-mid`, `nb1-deep`, `nb2`, or a rate as in `25kbit/s`"))
        })
    }
}

impl JsonSchema for RateWord {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RateWord".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let profile = generator.subschema_for::<Profile>();
        let rate = generator.subschema_for::<BitRate>();
        schemars::json_schema!({ "anyOf": [profile, rate] })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::word_or_table::<D, RateWord, Shape, Rate>(
            deserializer,
            "a profile, a rate as in `\"25kbit/s\"`, or a table",
        )
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        spelling::word_or_table_schema::<RateWord, Shape>(generator)
    }
}

impl Shape {
    /// The same link in a world that is so many times faster.
    pub(in crate::package_server) fn at_speed(self, speed: u32) -> Shape {
        let speed = speed.max(1);
        let faster = |duration: Option<Duration>| duration.map(|duration| duration / speed);
        Shape {
            rate: BitRate(self.rate.0.saturating_mul(u64::from(speed))),
            delay: faster(self.delay),
            jitter: faster(self.jitter),
            burst: self.burst,
            pause: self.pause.map(|pause| Pause {
                every: pause.every / speed,
                how_long: pause.how_long / speed,
            }),
        }
    }
}

impl Drip {
    /// The same drip in a world that is so many times faster.
    pub(in crate::package_server) fn at_speed(self, speed: u32) -> Drip {
        Drip {
            every: self.every / speed.max(1),
            ..self
        }
    }
}
