//! The JSON Schemas of the files that people write, for editors, and of what a program reads; CI
//! checks the committed ones.

/// The schema of scenarios, as `scenarios/scenario.schema.json` holds it.
#[must_use]
pub fn scenario() -> String {
    text(&crate::scenario::schema())
}

/// The schema of rig files, as `rig/rig.schema.json` holds it.
#[must_use]
pub fn rig() -> String {
    text(&rig::config::schema())
}

/// The schema of what `hil doctor --format json` prints, and of `doctor.json`.
#[must_use]
pub fn doctor() -> String {
    text(schemars::schema_for!(crate::doctor::Examination).as_value())
}

fn text(schema: &serde_json::Value) -> String {
    format!("{schema:#}\n")
}
