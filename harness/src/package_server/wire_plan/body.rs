//! What is done to the body of a reply, each operation at its byte.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::place::At;
use super::rate::{Drip, Rate};
use super::spelling;

/// One operation on the body, at a byte of the honest body.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "BodyOpForm")]
pub struct BodyOp {
    /// Where.
    pub at: At,
    /// What.
    pub what: BodyWhat,
}

/// What is done at a byte of the body. Operations may not overlap.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyWhat {
    /// Nothing is sent for so long; `None`: ever again.
    Stall(Option<Duration>),
    /// From here on at this rate.
    Rate(Rate),
    /// From here on so few bytes at a time.
    Drip(Drip),
    /// From here on at most so many bytes in a segment.
    Segment(NonZeroU32),
    /// In each of so many bytes one bit is inverted; which, the seed decides.
    Flip(u64),
    /// So many bytes are sent as zero.
    Zero(u64),
    /// So many bytes are sent as 0xFF.
    Ones(u64),
    /// From here on the bytes are those of another package, at the same offsets.
    Splice(String),
    /// So many random bytes come in between.
    Insert(u64),
    /// So many bytes are left out.
    Delete(u64),
    /// So many bytes are sent twice.
    Repeat(u64),
    /// So many bytes change places with as many that follow.
    Swap(u64),
    /// This byte comes in between as TCP's urgent data (`MSG_OOB`): no part of the stream to most
    /// readers, one more byte of it to others.
    OutOfBand(u8),
}

/// How a [`BodyOp`] is spelled: `at`, and exactly one of the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "BodyOp")]
struct BodyOpForm {
    /// The byte of the honest body, or its share (`"37%"`); negative: counted from its end.
    at: At,
    /// Nothing is sent for so long (`"5s"`), or ever again (`"for-ever"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stall: Option<HowLong>,
    /// From here on at this rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<Rate>,
    /// From here on so few bytes at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drip: Option<Drip>,
    /// From here on at most so many bytes in a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segment: Option<NonZeroU32>,
    /// In each of so many bytes one bit is inverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flip: Option<u64>,
    /// So many bytes are sent as zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zero: Option<u64>,
    /// So many bytes are sent as 0xFF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ones: Option<u64>,
    /// From here on the bytes are those of another package, at the same offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    splice: Option<String>,
    /// So many random bytes come in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    insert: Option<u64>,
    /// So many bytes are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete: Option<u64>,
    /// So many bytes are sent twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat: Option<u64>,
    /// So many bytes change places with as many that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    swap: Option<u64>,
    /// This byte comes in between as TCP's urgent data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    out_of_band: Option<u8>,
}

/// What can follow `at`, for messages.
const BODY_WORDS: &str = "`stall`, `rate`, `drip`, `segment`, `flip`, `zero`, `ones`, `splice`, `insert`, \
     `delete`, `repeat`, `swap` or `out-of-band`";

impl TryFrom<BodyOpForm> for BodyOp {
    type Error = String;

    fn try_from(form: BodyOpForm) -> Result<Self, String> {
        let mut said = [
            form.stall
                .map(|HowLong(how_long)| BodyWhat::Stall(how_long)),
            form.rate.map(BodyWhat::Rate),
            form.drip.map(BodyWhat::Drip),
            form.segment.map(BodyWhat::Segment),
            form.flip.map(BodyWhat::Flip),
            form.zero.map(BodyWhat::Zero),
            form.ones.map(BodyWhat::Ones),
            form.splice.map(BodyWhat::Splice),
            form.insert.map(BodyWhat::Insert),
            form.delete.map(BodyWhat::Delete),
            form.repeat.map(BodyWhat::Repeat),
            form.swap.map(BodyWhat::Swap),
            form.out_of_band.map(BodyWhat::OutOfBand),
        ]
        .into_iter()
        .flatten();
        match (said.next(), said.next()) {
            (Some(what), None) => Ok(BodyOp { at: form.at, what }),
            (None, _) => Err(format!(
                "nothing is said to happen there: add one of {BODY_WORDS}"
            )),
            (Some(_), Some(_)) => Err(format!(
                "two operations in one: give each its own `{{ at = …, … }}`, with one of {BODY_WORDS}"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for BodyOp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::table::<D, BodyOpForm, BodyOp>(
            deserializer,
            "an operation, as in `{ at = \"37%\", stall = \"5s\" }`",
        )
    }
}

/// How long a stall lasts: a duration, or `for-ever` (`None`).
#[derive(Clone, Copy, Debug)]
struct HowLong(Option<Duration>);

/// A stall without end, as it is spelled.
const FOR_EVER: &str = "for-ever";

impl Serialize for HowLong {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str(FOR_EVER),
            Some(duration) => crate::duration::serialize(&duration, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for HowLong {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a duration, as in `\"5s\"`, or `\"for-ever\"`";
        spelling::text(deserializer, expecting, |text| match text {
            FOR_EVER => Ok(HowLong(None)),
            text => crate::duration::parse(text)
                .map(|duration| HowLong(Some(duration)))
                .map_err(|error| format!("{error}; or `{FOR_EVER}`")),
        })
    }
}

impl JsonSchema for HowLong {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HowLong".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

impl From<BodyOp> for BodyOpForm {
    fn from(op: BodyOp) -> Self {
        let mut form = BodyOpForm {
            at: op.at,
            ..BodyOpForm::default()
        };
        match op.what {
            BodyWhat::Stall(how_long) => form.stall = Some(HowLong(how_long)),
            BodyWhat::Rate(rate) => form.rate = Some(rate),
            BodyWhat::Drip(drip) => form.drip = Some(drip),
            BodyWhat::Segment(bytes) => form.segment = Some(bytes),
            BodyWhat::Flip(bytes) => form.flip = Some(bytes),
            BodyWhat::Zero(bytes) => form.zero = Some(bytes),
            BodyWhat::Ones(bytes) => form.ones = Some(bytes),
            BodyWhat::Splice(package) => form.splice = Some(package),
            BodyWhat::Insert(bytes) => form.insert = Some(bytes),
            BodyWhat::Delete(bytes) => form.delete = Some(bytes),
            BodyWhat::Repeat(bytes) => form.repeat = Some(bytes),
            BodyWhat::Swap(bytes) => form.swap = Some(bytes),
            BodyWhat::OutOfBand(byte) => form.out_of_band = Some(byte),
        }
        form
    }
}

impl JsonSchema for BodyOp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        BodyOpForm::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = BodyOpForm::json_schema(generator);
        // `at`, and exactly one other.
        schema.insert("minProperties".to_owned(), 2.into());
        schema.insert("maxProperties".to_owned(), 2.into());
        schema
    }
}
