//! What the network between module and server does to packets.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::spelling::{self, optional_duration};

/// What happens to the packets of the server's port, in both directions where this machine sees
/// both. It lasts until the plans are changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// How many packets are lost. Done by nft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Share>,
    /// How much later each packet arrives. This and what follows is done by netem.
    #[serde(
        default,
        with = "optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub delay: Option<Duration>,
    /// How much the delay varies.
    #[serde(
        default,
        with = "optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub jitter: Option<Duration>,
    /// How many packets arrive twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<Share>,
    /// How many packets overtake those that are delayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reorder: Option<Share>,
    /// How many packets arrive with a bit flipped, so that their checksum is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<Share>,
}

/// How a [`Network`] is read, before it is seen whether it makes sense.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct NetworkForm {
    loss: Option<Share>,
    #[serde(default, with = "optional_duration")]
    delay: Option<Duration>,
    #[serde(default, with = "optional_duration")]
    jitter: Option<Duration>,
    duplicate: Option<Share>,
    reorder: Option<Share>,
    corrupt: Option<Share>,
}

impl TryFrom<NetworkForm> for Network {
    type Error = String;

    fn try_from(form: NetworkForm) -> Result<Self, String> {
        let network = Network {
            loss: form.loss,
            delay: form.delay,
            jitter: form.jitter,
            duplicate: form.duplicate,
            reorder: form.reorder,
            corrupt: form.corrupt,
        };
        if network == Network::default() {
            return Err("nothing is said to happen to packets: add `loss`, `delay`, `jitter`, `duplicate`, `reorder` or `corrupt`".to_owned());
        }
        if network.delay.is_none() && (network.reorder.is_some() || network.jitter.is_some()) {
            return Err("without a delay there is nothing to vary or to overtake: add `delay`, as in `\"300ms\"`".to_owned());
        }
        Ok(network)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::table::<D, NetworkForm, Network>(
            deserializer,
            "what happens to packets, as in `{ loss = \"5%\" }`",
        )
    }
}

impl Network {
    /// Whether it takes netem, not nft alone.
    pub fn needs_netem(&self) -> bool {
        Network {
            loss: None,
            ..*self
        } != Network::default()
    }

    /// The same network in a world that is so many times faster.
    pub(in crate::package_server) fn at_speed(self, speed: u32) -> Network {
        let faster = |duration: Option<Duration>| duration.map(|duration| duration / speed.max(1));
        Network {
            delay: faster(self.delay),
            jitter: faster(self.jitter),
            ..self
        }
    }
}

/// A share of packets, in hundredths of a percent; never none and never more than all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// In hundredths of a percent: 1 to 10 000.
    pub fn in_ten_thousand(self) -> u16 {
        self.0
    }

    /// Reads `5%`, `0.1%`.
    pub fn parse(text: &str) -> Result<Share, String> {
        let way_out =
            || format!("`{text}` is no share of packets: write `0.01%` to `100%`, as in `\"5%\"`");
        let number = text.strip_suffix('%').ok_or_else(way_out)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
            return Err(way_out());
        }
        match format!("{whole}{fraction:0<2}").parse() {
            Ok(share @ 1..=10_000) => Ok(Share(share)),
            _ => Err(way_out()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, fraction) => write!(f, "{whole}.{fraction:02}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::text(
            deserializer,
            "a share of packets, as in `\"5%\"`",
            Share::parse,
        )
    }
}

impl JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,2})?%$" })
    }
}
