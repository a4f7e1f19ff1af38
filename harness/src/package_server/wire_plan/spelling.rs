//! How values of a wire plan are read where one kind of thing can be written in two ways.
//!
//! Untagged enums of serde lose the place of an error; these visitors keep it.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::{Deserialize, Deserializer, de};

/// Reads a text, and makes something of it.
pub(super) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expecting: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text<F>(&'static str, F);
    impl<T, F: Fn(&str) -> Result<T, String>> de::Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(expecting, read))
}

/// Reads a whole number or a text, and makes something of it.
pub(super) fn number_or_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expecting: &'static str,
    of_number: impl Fn(i64) -> Result<T, String>,
    of_text: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Either<N, S>(&'static str, N, S);
    impl<T, N, S> de::Visitor<'_> for Either<N, S>
    where
        N: Fn(i64) -> Result<T, String>,
        S: Fn(&str) -> Result<T, String>,
    {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            (self.1)(number).map_err(E::custom)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            let number = i64::try_from(number).map_err(E::custom)?;
            (self.1)(number).map_err(E::custom)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.2)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Either(expecting, of_number, of_text))
}

/// Reads a word, or a table that says more.
pub(super) fn word_or_table<'de, D, Word, Table, T>(
    deserializer: D,
    expecting: &'static str,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    Word: Deserialize<'de> + Into<T>,
    Table: Deserialize<'de> + Into<T>,
{
    struct Either<Word, Table, T>(&'static str, PhantomData<(Word, Table, T)>);
    impl<'de, Word, Table, T> de::Visitor<'de> for Either<Word, Table, T>
    where
        Word: Deserialize<'de> + Into<T>,
        Table: Deserialize<'de> + Into<T>,
    {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
            Word::deserialize(StrDeserializer::new(word)).map(Into::into)
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            Table::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
        }
    }
    deserializer.deserialize_any(Either::<Word, Table, T>(expecting, PhantomData))
}

/// Reads a table, and makes something of it. What is wrong with it as a whole is found while the
/// reader still knows where it is.
pub(super) fn table<'de, D, Table, T>(
    deserializer: D,
    expecting: &'static str,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    Table: Deserialize<'de>,
    T: TryFrom<Table, Error = String>,
{
    struct Visitor<Table, T>(&'static str, PhantomData<(Table, T)>);
    impl<'de, Table, T> de::Visitor<'de> for Visitor<Table, T>
    where
        Table: Deserialize<'de>,
        T: TryFrom<Table, Error = String>,
    {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            let table = Table::deserialize(MapAccessDeserializer::new(map))?;
            T::try_from(table).map_err(de::Error::custom)
        }
    }
    deserializer.deserialize_map(Visitor::<Table, T>(expecting, PhantomData))
}

/// The schema of [`word_or_table`].
pub(super) fn word_or_table_schema<Word: JsonSchema, Table: JsonSchema>(
    generator: &mut schemars::SchemaGenerator,
) -> schemars::Schema {
    let word = generator.subschema_for::<Word>();
    let table = generator.subschema_for::<Table>();
    schemars::json_schema!({ "anyOf": [word, table] })
}

/// For `#[serde(with = "optional_duration")]`: a duration that may be absent.
pub(super) mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Wrapped(#[serde(with = "crate::duration")] Duration);

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Wrapped::deserialize(deserializer).map(|wrapped| Some(wrapped.0))
    }

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => crate::duration::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// A status: a number of three digits. A parameter of a scenario is filled in as text.
pub(super) struct Status;

impl JsonSchema for Status {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 999 },
                { "type": "string", "pattern": r"^[1-9][0-9]{2}$" }
            ]
        })
    }
}

/// For `#[serde(with = "optional_status")]`: a status that may be absent.
pub(super) mod optional_status {
    use serde::{Deserializer, Serialize, Serializer};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u16>, D::Error> {
        let of_number = |number: i64| match u16::try_from(number) {
            Ok(status @ 100..=999) => Ok(Some(status)),
            _ => Err(format!(
                "`{number}` is no status: it has three digits, as in `404`"
            )),
        };
        super::number_or_text(deserializer, "a status, as in `404`", of_number, |text| {
            let number = text.parse::<i64>();
            of_number(number.map_err(|_| format!("`{text}` is no status: write it as in `404`"))?)
        })
    }

    pub(in super::super) fn serialize<S: Serializer>(
        status: &Option<u16>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        status.serialize(serializer)
    }
}
