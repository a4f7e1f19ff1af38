//! Checks JSON against the part of JSON Schema that our schemas are written in.
//!
//! The crates that know all of it bring forty others. A keyword that is not known here is a
//! panic, so that nothing is passed over.

use regex_lite::Regex;
use serde_json::{Map, Value};

/// Why a value is not what a schema says; the path to the first mistake.
pub(crate) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let checker = Checker { root: schema };
    checker.check(schema, value, "")
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let keywords = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("{at}: nothing may be here")),
            Value::Object(keywords) => keywords,
            other => panic!("not a schema: {other}"),
        };
        for (keyword, wanted) in keywords {
            self.keyword(keyword, wanted, keywords, value, at)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        keyword: &str,
        wanted: &Value,
        beside: &Map<String, Value>,
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let fails = |why: &str| Err(format!("{at}: {why}"));
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => Ok(()),
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                let schema = self
                    .root
                    .pointer(pointer)
                    .expect("a reference leads somewhere");
                self.check(schema, value, at)
            }
            "type" if has_type(wanted, value) => Ok(()),
            "type" => fails(&format!("not of type {wanted}")),
            "const" if wanted == value => Ok(()),
            "const" => fails(&format!("not {wanted}")),
            "enum" if wanted.as_array().unwrap().contains(value) => Ok(()),
            "enum" => fails(&format!("not one of {wanted}")),
            "minimum" => match value.as_f64() {
                Some(number) if number < wanted.as_f64().unwrap() => fails("too small"),
                _ => Ok(()),
            },
            "maximum" => match value.as_f64() {
                Some(number) if number > wanted.as_f64().unwrap() => fails("too large"),
                _ => Ok(()),
            },
            "pattern" => match value.as_str() {
                Some(text) if !Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text) => {
                    fails(&format!("`{text}` does not match {wanted}"))
                }
                _ => Ok(()),
            },
            "minItems" | "minProperties" => {
                let len = value
                    .as_array()
                    .map(Vec::len)
                    .or(value.as_object().map(Map::len));
                match len {
                    Some(len) if (len as u64) < wanted.as_u64().unwrap() => fails("too few"),
                    _ => Ok(()),
                }
            }
            "maxProperties" => match value.as_object() {
                Some(object) if object.len() as u64 > wanted.as_u64().unwrap() => fails("too many"),
                _ => Ok(()),
            },
            "items" => each(
                value.as_array().into_iter().flatten().enumerate(),
                |(n, item)| self.check(wanted, item, &format!("{at}/{n}")),
            ),
            "required" => each(wanted.as_array().unwrap(), |key| match value.as_object() {
                Some(object) if !object.contains_key(key.as_str().unwrap()) => {
                    fails(&format!("{key} is missing"))
                }
                _ => Ok(()),
            }),
            "properties" => each(wanted.as_object().unwrap(), |(key, schema)| {
                match value.get(key) {
                    Some(property) => self.check(schema, property, &format!("{at}/{key}")),
                    None => Ok(()),
                }
            }),
            "additionalProperties" => {
                let known = beside.get("properties").and_then(Value::as_object);
                let more = value.as_object().into_iter().flatten();
                let more =
                    more.filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key)));
                each(more, |(key, property)| {
                    self.check(wanted, property, &format!("{at}/{key}"))
                })
            }
            "propertyNames" => each(value.as_object().into_iter().flatten(), |(key, _)| {
                self.check(wanted, &Value::String(key.clone()), &format!("{at}/{key}"))
            }),
            "anyOf" | "oneOf" => {
                let tried: Vec<_> = wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|schema| self.check(schema, value, at))
                    .collect();
                let fit = tried.iter().filter(|result| result.is_ok()).count();
                if fit == 0 {
                    let why: Vec<String> = tried.into_iter().filter_map(Result::err).collect();
                    return Err(why.join("; or "));
                }
                if keyword == "oneOf" && fit > 1 {
                    return fails("fits several");
                }
                Ok(())
            }
            unknown => panic!("a schema uses `{unknown}`, which this check does not know"),
        }
    }
}

fn each<T>(
    all: impl IntoIterator<Item = T>,
    check: impl FnMut(T) -> Result<(), String>,
) -> Result<(), String> {
    all.into_iter().try_for_each(check)
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no such type: {other}"),
    };
    match wanted {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        other => panic!("not a type: {other}"),
    }
}
