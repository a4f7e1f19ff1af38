//! Parameters of a scenario: from lists of values to cases with ids, and values into places.

use std::ops::Range;

use rig::written::{Source, nearest};
use toml::de::{DeTable, DeValue};

use super::error::{ScenarioError, ScenarioErrorKind as Kind};
use super::text::PLACES;

/// More cases than this are no longer one question.
const CASES_MAX: usize = 1000;

/// All parameters of a scenario, in the order of the file.
pub(super) struct Parameters {
    all: Vec<Parameter>,
}

struct Parameter {
    name: String,
    at: Range<usize>,
    values: Vec<Value>,
}

/// A value, and what it is called in case ids.
#[derive(Clone)]
struct Value {
    name: String,
    text: String,
}

/// One value for each parameter.
pub(super) struct Assignment {
    values: Vec<(String, Value)>,
}

/// Reads `[parameters]`.
pub(super) fn read(source: &Source, table: &DeTable<'_>) -> Result<Parameters, ScenarioError> {
    let mut all = Vec::new();
    let Some(section) = table.get("parameters") else {
        return Ok(Parameters { all });
    };
    let DeValue::Table(section) = section.get_ref() else {
        let name = "parameters".to_owned();
        return Err(source.mistake(section.span(), Kind::NoValues { name }));
    };
    for (key, value) in section {
        let name = key.get_ref().to_string();
        if !is_parameter_name(&name) || PLACES.contains(&name.as_str()) {
            return Err(source.mistake(key.span(), Kind::ParameterName { name }));
        }
        let values = values(source, &name, value.get_ref(), value.span())?;
        all.push(Parameter {
            name,
            at: key.span(),
            values,
        });
    }
    all.sort_by_key(|parameter| parameter.at.start);
    let count = all.iter().fold(1_usize, |count, parameter| {
        count.saturating_mul(parameter.values.len())
    });
    if count > CASES_MAX {
        let at = all.last().map_or(0..0, |parameter| parameter.at.clone());
        let most = CASES_MAX;
        return Err(source.mistake(at, Kind::TooManyCases { count, most }));
    }
    Ok(Parameters { all })
}

fn is_parameter_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Shells, file systems and our own `@` and `,` leave these alone.
fn is_safe(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

fn values(
    source: &Source,
    parameter: &str,
    value: &DeValue<'_>,
    at: Range<usize>,
) -> Result<Vec<Value>, ScenarioError> {
    let no_values = |at: Range<usize>| {
        let name = parameter.to_owned();
        source.mistake(at, Kind::NoValues { name })
    };
    // (name, value, where): a list's values are their own names.
    let mut written = Vec::new();
    match value {
        DeValue::Array(list) => {
            for item in list {
                let text = plain(item.get_ref()).ok_or_else(|| no_values(item.span()))?;
                written.push((text.clone(), text, item.span()));
            }
        }
        DeValue::Table(table) => {
            for (key, item) in table {
                let text = plain(item.get_ref()).ok_or_else(|| no_values(item.span()))?;
                written.push((key.get_ref().to_string(), text, key.span()));
            }
            written.sort_by_key(|(_, _, at)| at.start);
        }
        _ => {}
    }
    if written.is_empty() {
        return Err(no_values(at));
    }
    let mut values: Vec<Value> = Vec::new();
    for (name, text, at) in written {
        if !is_safe(&name) {
            return Err(source.mistake(at, Kind::UnsafeValue { value: name }));
        }
        if values.iter().any(|other| other.name == name) {
            let kind = Kind::ValueTwice {
                name: parameter.to_owned(),
                value: name,
            };
            return Err(source.mistake(at, kind));
        }
        values.push(Value { name, text });
    }
    Ok(values)
}

/// A number or a text.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(
            number
                .as_str()
                .replace('_', "")
                .trim_start_matches('+')
                .to_owned(),
        ),
        _ => None,
    }
}

impl Parameters {
    /// Every combination of values; the last parameter changes fastest. One, empty, where
    /// there are no parameters.
    pub(super) fn assignments(&self) -> Vec<Assignment> {
        let mut all = vec![Vec::new()];
        for parameter in &self.all {
            all = all
                .into_iter()
                .flat_map(|before| {
                    parameter.values.iter().map(move |value| {
                        let mut values: Vec<(String, Value)> = before.clone();
                        values.push((parameter.name.clone(), value.clone()));
                        values
                    })
                })
                .collect();
        }
        all.into_iter()
            .map(|values| Assignment { values })
            .collect()
    }

    /// Puts values into their places in all texts of a file but the parameters themselves.
    pub(super) fn fill(
        &self,
        source: &Source,
        table: &mut DeTable<'_>,
        assignment: &Assignment,
    ) -> Result<(), ScenarioError> {
        for key in ["steps", "end", "server", "virtual"] {
            if let Some(value) = table.get_mut(key) {
                let span = value.span();
                self.fill_value(source, value.get_mut(), span, assignment)?;
            }
        }
        Ok(())
    }

    fn fill_value(
        &self,
        source: &Source,
        value: &mut DeValue<'_>,
        at: Range<usize>,
        assignment: &Assignment,
    ) -> Result<(), ScenarioError> {
        match value {
            DeValue::String(text) => {
                self.refuse_unknown_places(source, text, at)?;
                let filled = assignment.fill_text(text);
                if filled != **text {
                    *text = filled.into();
                }
                Ok(())
            }
            DeValue::Array(list) => list.iter_mut().try_for_each(|item| {
                let at = item.span();
                self.fill_value(source, item.get_mut(), at, assignment)
            }),
            DeValue::Table(table) => table.iter_mut().try_for_each(|(_, item)| {
                let at = item.span();
                self.fill_value(source, item.get_mut(), at, assignment)
            }),
            _ => Ok(()),
        }
    }

    fn refuse_unknown_places(
        &self,
        source: &Source,
        text: &str,
        at: Range<usize>,
    ) -> Result<(), ScenarioError> {
        let known: Vec<&str> = self
            .all
            .iter()
            .map(|parameter| parameter.name.as_str())
            .chain(PLACES)
            .collect();
        for place in places(text) {
            let name = place.split(':').next().unwrap_or(place);
            if !known.contains(&name) {
                let kind = Kind::UnknownPlace {
                    found: place.to_owned(),
                    meant: nearest(name, &known),
                    parameters: self.all.iter().map(|one| one.name.clone()).collect(),
                };
                return Err(source.mistake(at, kind));
            }
        }
        Ok(())
    }

    /// A parameter that is in no text would make cases that differ in their ids alone.
    pub(super) fn refuse_unused(
        &self,
        source: &Source,
        table: &DeTable<'_>,
    ) -> Result<(), ScenarioError> {
        let mut used = Vec::new();
        for key in ["steps", "end", "server", "virtual"] {
            if let Some(value) = table.get(key) {
                collect_places(value.get_ref(), &mut used);
            }
        }
        match self.all.iter().find(|one| !used.contains(&one.name)) {
            None => Ok(()),
            Some(Parameter { name, at, .. }) => {
                let name = name.clone();
                Err(source.mistake(at.clone(), Kind::UnusedParameter { name }))
            }
        }
    }
}

fn collect_places(value: &DeValue<'_>, into: &mut Vec<String>) {
    match value {
        DeValue::String(text) => into.extend(places(text).into_iter().map(str::to_owned)),
        DeValue::Array(list) => list
            .iter()
            .for_each(|item| collect_places(item.get_ref(), into)),
        DeValue::Table(table) => table
            .iter()
            .for_each(|(_, item)| collect_places(item.get_ref(), into)),
        _ => {}
    }
}

/// What stands in braces; `{{` and `}}` are the characters themselves.
fn places(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        rest = rest.get(open + 1..).unwrap_or("");
        if let Some(after) = rest.strip_prefix('{') {
            rest = after;
        } else if let Some(close) = rest.find('}') {
            found.push(rest.get(..close).unwrap_or(""));
            rest = rest.get(close + 1..).unwrap_or("");
        }
    }
    found
}

impl Assignment {
    /// `power-cut@37`, `power-cut@37,slow`; the scenario's own name where nothing is assigned.
    pub(super) fn id(&self, scenario: &str) -> String {
        if self.values.is_empty() {
            return scenario.to_owned();
        }
        let names: Vec<&str> = self
            .values
            .iter()
            .map(|(_, value)| value.name.as_str())
            .collect();
        format!("{scenario}@{}", names.join(","))
    }

    pub(super) fn names(&self) -> Vec<(String, String)> {
        self.values
            .iter()
            .map(|(parameter, value)| (parameter.clone(), value.name.clone()))
            .collect()
    }

    /// Puts values into their places; other places are left for when the case runs.
    pub(super) fn fill_text(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            filled.push_str(before);
            let value = self.values.iter().find_map(|(name, value)| {
                let after = from.strip_prefix('{')?.strip_prefix(name.as_str())?;
                Some((value, after.strip_prefix('}')?))
            });
            if let Some((value, after)) = value {
                filled.push_str(&value.text);
                rest = after;
            } else {
                let literal = if from.starts_with("{{") { "{{" } else { "{" };
                filled.push_str(literal);
                rest = from.get(literal.len()..).unwrap_or("");
            }
        }
        filled.push_str(rest);
        filled
    }
}
