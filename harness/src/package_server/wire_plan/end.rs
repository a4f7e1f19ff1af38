//! How a connection ends.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::place::At;
use super::spelling::{self, optional_duration};

/// How the connection ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct End {
    /// How.
    pub how: EndHow,
    /// After so many bytes of the body; after all of them where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// So long after the last byte.
    #[serde(
        default,
        with = "optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub after: Option<Duration>,
    /// What is sent after the body, beyond its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Extra>,
}

/// What ends a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndHow {
    /// FIN, once everything is acknowledged.
    #[default]
    Close,
    /// RST, once everything is acknowledged: the module has exactly the bytes before it.
    Reset,
    /// RST at once: the module loses what it has not been given yet.
    ResetUndrained,
    /// Nothing: the connection stays open until the module closes it.
    Hang,
    /// As on a way that has forgotten the connection: nothing, until the module says something,
    /// be it FIN; RST is the answer.
    Forgotten,
    /// As if the peer had lost its power: no FIN, no RST, no ACK, whatever the module says. It
    /// needs privileges.
    Vanish,
}

/// What is sent after the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Extra {
    /// So many random bytes.
    Random(u32),
    /// The whole answer once more.
    Again,
}

/// The table form of [`End`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EndForm {
    #[serde(default)]
    how: EndHow,
    #[serde(default)]
    at: Option<At>,
    #[serde(default, with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    after: Option<Duration>,
    #[serde(default)]
    extra: Option<Extra>,
}

impl From<EndForm> for End {
    fn from(form: EndForm) -> Self {
        End {
            how: form.how,
            at: form.at,
            after: form.after,
            extra: form.extra,
        }
    }
}

impl From<EndHow> for End {
    fn from(how: EndHow) -> Self {
        End {
            how,
            ..End::default()
        }
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelling::word_or_table::<D, EndHow, EndForm, End>(
            deserializer,
            "how the connection ends: a word, as in `\"reset\"`, or a table",
        )
    }
}

impl JsonSchema for End {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "End".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        spelling::word_or_table_schema::<EndHow, EndForm>(generator)
    }
}
