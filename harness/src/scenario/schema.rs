//! The JSON Schema of scenario files, for editors; `scenarios/scenario.schema.json` is this.

use serde_json::{Value, json};

use super::form::ScenarioForm;

/// The name of the schema of a parameter's place among the definitions.
const PLACE: &str = "Place";

/// The schema, made from the types that files are read into.
///
/// A parameter may stand wherever a word may, and is filled in before the word means anything:
/// so each word, each pattern and each choice of words has `{name}` for an alternative.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(ScenarioForm).to_value();
    let_places_in(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs") {
        definitions[PLACE] = json!({
            "type": "string",
            "description": "A parameter.",
            "pattern": r"^\{[a-z][a-z0-9_]*\}$",
        });
    }
    schema
}

fn let_places_in(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(let_places_in),
        Value::Object(keywords) => {
            for (keyword, inner) in keywords.iter_mut() {
                // The section that gives parameters their values has none in it.
                if keyword == "Parameters" {
                    continue;
                }
                match inner {
                    Value::Array(branches) if ["anyOf", "oneOf"].contains(&keyword.as_str()) => {
                        let_places_among(branches);
                    }
                    _ => let_places_in(inner),
                }
            }
            if is_word(schema) {
                *schema = json!({ "anyOf": [schema.take(), place()] });
            }
        }
        _ => {}
    }
}

/// One place for a choice, however many words there are to choose from.
fn let_places_among(branches: &mut Vec<Value>) {
    let has_words = branches.iter().any(is_word);
    branches
        .iter_mut()
        .filter(|branch| !is_word(branch))
        .for_each(let_places_in);
    if has_words {
        branches.push(place());
    }
}

fn is_word(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "string")
        && ["enum", "const", "pattern"]
            .iter()
            .any(|keyword| schema.get(keyword).is_some())
}

fn place() -> Value {
    json!({ "$ref": format!("#/$defs/{PLACE}") })
}
