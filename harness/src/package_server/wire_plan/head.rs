//! What is done to the head of a reply.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place::HeadAt;
use super::rate::Drip;
use super::spelling::optional_duration;

/// What is done to the head. Whatever is not said here stays as it is in an honest head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeadPlan {
    /// No byte is sent for so long.
    #[serde(
        default,
        with = "optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub wait: Option<Duration>,
    /// The version in the status line: `HTTP/1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The status in the status line; the rest of the answer stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason in the status line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What `Content-Length` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    /// Header lines whose value is changed, or which are added: `{ ETag = '"x"' }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Header lines that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Lines that are added at the end, as they stand, lawful or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// The letters of the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Letters>,
    /// What stands between name and value; `": "` where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colon: Option<String>,
    /// What ends each line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_end: Option<LineEnd>,
    /// Makes the head large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad: Option<Pad>,
    /// Interim responses before the final one, by their status: `[100, 103]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<u16>,
    /// A new segment begins at each of these places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub split: Vec<HeadAt>,
    /// Stops at a place for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<HeadStall>,
    /// So few bytes at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drip: Option<Drip>,
    /// Nothing from this place on is sent; `end` says what happens there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<HeadAt>,
}

/// What `Content-Length` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Length {
    /// Nothing: the line is left out.
    Absent,
    /// The length of the body as it is after the operations in `body`.
    Actual,
    /// So much more than there is.
    More(u64),
    /// So much less than there is.
    Less(u64),
    /// This number.
    Says(u64),
    /// There are two lines: the true length, and this number.
    Twice(u64),
}

/// The letters of header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Letters {
    Lower,
    Upper,
}

/// What ends a line of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LineEnd {
    Crlf,
    Lf,
    Cr,
    /// CRLF and LF by turns.
    Mixed,
}

/// Makes the head large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Pad {
    /// One header line of exactly so many bytes, its line end not counted.
    Line(u32),
    /// So many lines.
    Lines(u32),
    /// Lines without end: the head is never finished.
    Endless,
    /// Interim responses of this status without end: the final one never comes.
    Interim(u16),
}

impl Pad {
    /// Whether the head never comes to its end.
    pub(in crate::package_server) fn is_endless(self) -> bool {
        matches!(self, Pad::Endless | Pad::Interim(_))
    }
}

/// A stop within the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeadStall {
    /// Where.
    pub at: HeadAt,
    /// For how long.
    #[serde(rename = "for", with = "crate::duration")]
    #[schemars(with = "String")]
    pub how_long: Duration,
}
