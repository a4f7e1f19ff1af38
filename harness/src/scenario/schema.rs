//! The JSON Schema of scenario files, for editors; `scenarios/scenario.schema.json` is this.

use super::form::ScenarioForm;

/// The schema, made from the types that files are read into.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ScenarioForm).to_value()
}
