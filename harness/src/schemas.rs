//! The JSON Schemas of the files that people write, for editors; CI checks the committed ones.

use crate::scenario;

/// Where each schema is kept in the project, and what it must be.
pub fn all() -> [(&'static str, String); 2] {
    [
        ("scenarios/scenario.schema.json", text(&scenario::schema())),
        ("rig/rig.schema.json", text(&rig::config::schema())),
    ]
}

fn text(schema: &serde_json::Value) -> String {
    format!("{schema:#}\n")
}
