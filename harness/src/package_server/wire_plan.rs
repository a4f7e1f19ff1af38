//! What a fault makes of a reply, as data: written in scenarios, played by `playout`.
//!
//! A plan says what is done to the replies that it covers: to the connection, to what is
//! answered, to the head, to the body at given bytes, to the rate, and at the end. What it does
//! to one honest answer, byte by byte, is `script`'s affair, a pure function; doing it on a
//! socket, and proving that it was done, is `playout`'s.
//!
//! ```toml
//! [[server]]
//! request = 1
//! body = [{ at = "37%", stall = "5s" }, { at = "60%", flip = 1 }]
//! end = "reset"
//! ```

mod body;
mod end;
mod head;
mod network;
mod place;
mod rate;
mod spelling;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::body::{BodyOp, BodyWhat};
pub use self::end::{End, EndHow, Extra};
pub use self::head::{HeadPlan, HeadStall, Length, Letters, LineEnd, Pad};
pub use self::network::{Network, Share};
pub use self::place::{At, HeadAt, Requests};
pub use self::rate::{BitRate, Drip, Pause, Profile, Rate, Shape};

/// What is done to the replies that this plan covers. An empty plan is an honest reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WirePlan {
    /// Which requests, counted from 1 since the plans were set: `1`, `"2.."`, `"1..=3"` or
    /// `"every"` (the default). A request is covered by the first plan that names it, and
    /// answered honestly where none does.
    #[serde(default, skip_serializing_if = "Requests::is_every")]
    pub request: Requests,
    /// Where the random choices of this plan begin; the run's seed where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What is done before a request can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Connect>,
    /// What is answered instead of the package; well-formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Instead>,
    /// What is answered to `Range` instead of the truth; well-formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeLie>,
    /// What is done to the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadPlan>,
    /// The body in the chunked transfer coding, right or wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunked: Option<Chunked>,
    /// What is done to the body, each at its byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<BodyOp>,
    /// How fast the whole reply goes: a profile (`"nb1-deep"`), a rate (`"25kbit/s"`), or a
    /// table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What the network does to the packets of the port. It lasts until the plans are changed, and
    /// is about every connection, whatever `request` says; it needs privileges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// How the connection ends: `"close"` (the default), `"reset"`, …, or a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

impl WirePlan {
    /// Whether it does anything to a reply, and not to the port alone.
    pub(super) fn plays(&self) -> bool {
        let of_the_port = WirePlan {
            request: self.request,
            seed: self.seed,
            network: self.network,
            ..WirePlan::default()
        };
        self.network.is_none() || *self != of_the_port
    }
}

/// What is done before a request can be read.
///
/// The first four are done to the port: they last until the plans are changed, and cover every
/// connection, for a connection that is not accepted cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connect {
    /// Nobody listens: the system answers SYN with RST.
    Refuse,
    /// The queue is full: SYN is answered by nothing.
    BlackHole,
    /// The system completes the connection; nobody reads or answers.
    NeverAccept,
    /// SYN is answered by ICMP: there is no way to this host. It needs privileges.
    Unreachable,
    /// Accepted, and closed at once by FIN.
    Close,
    /// Accepted, and reset at once.
    Reset,
}

impl Connect {
    /// Whether it is done to the port, not to one connection.
    pub fn is_of_the_port(self) -> bool {
        matches!(
            self,
            Connect::Refuse | Connect::BlackHole | Connect::NeverAccept | Connect::Unreachable
        )
    }
}

/// What is answered instead of the package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Instead {
    /// The status. Where no body is given, a line of text is the body of the statuses that
    /// may have one.
    #[serde(
        default,
        with = "spelling::optional_status",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<spelling::Status>")]
    pub status: Option<u16>,
    /// `Location`: `<moved>` is a path under which the same package is served honestly,
    /// `<self>` the path that was asked for, `<server>` the server as the module knows it
    /// (`http://host:port`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The body, with its true length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodySource>,
}

/// A body that is not the package's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum BodySource {
    /// Nothing, with `Content-Length: 0`.
    Empty,
    /// The page with which a network asks its user to log in: `text/html`.
    CaptivePortal,
    /// Another package of the manifest, served as honestly as the right one, ranges included.
    Package(String),
    /// The package's beginning, up to here, with its true (short) length.
    First(At),
    /// Text, `text/plain`.
    Text(String),
    /// So many random bytes.
    Random(u64),
    /// So many bytes of zero.
    Zeros(u64),
    /// So many bytes of 0xFF, as erased flash.
    Ones(u64),
    /// Random bytes for ever; no `Content-Length`.
    Endless,
    /// The package, compressed with gzip, which nobody asked for.
    Gzip(Told),
}

/// Whether `Content-Encoding` says how the body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// It does.
    Told,
    /// It does not: the body passes for the package.
    Untold,
}

/// What is answered to `Range` instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum RangeLie {
    /// 200 and the whole package, whatever was asked (lawful).
    Ignore,
    /// 416, though the range could be had.
    Refuse,
    /// 206 that says what was asked, and carries what is so many bytes further on (or, negative,
    /// further back).
    Shift(i64),
    /// 206 with so many bytes fewer than it could have, at the end; its head agrees.
    Short(u64),
    /// 206 with so many bytes more than the package has, at the end; its head agrees.
    Long(u64),
    /// 206 as `multipart/byteranges`.
    Multipart,
}

/// The chunked transfer coding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Chunked {
    /// Bytes in a chunk; all in one where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<std::num::NonZeroU32>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<ChunkedWrong>,
    /// Whether `Content-Length` is sent all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_length: bool,
}

/// What can be wrong, or odd, with a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChunkedWrong {
    /// The first size is no number.
    BadSize,
    /// The first size is larger than any memory.
    HugeSize,
    /// The last chunk, of size 0, is missing.
    NoLast,
    /// The line end after each chunk is missing.
    NoLineEnd,
    /// A chunk of size 0 in the middle.
    EarlyLast,
    /// Sizes with leading zeros (lawful).
    LeadingZeros,
    /// Each size has an extension (lawful).
    Extension,
    /// A trailer after the last chunk (lawful).
    Trailer,
}
