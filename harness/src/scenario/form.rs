//! A scenario file's shape: which keys there are and of what type. From it comes the JSON Schema.
//!
//! Every value that must be understood further keeps its place in the file. Steps and
//! parameters are understood apart (`parse`), so here they have a shape only for the schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::package_server::WirePlan;

/// One question to a module.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioForm {
    /// The question, or the fact to be shown, in one sentence.
    #[schemars(with = "String")]
    pub(super) title: Spanned<String>,
    /// The section of the guide that it asks about, as in `3.1 note 1`; or `house`.
    #[schemars(with = "String")]
    pub(super) guide: Spanned<String>,
    /// What a reader should know beside the title.
    pub(super) notes: Option<String>,
    /// The package on offer, by its name in fixtures/packages/manifest.toml.
    #[schemars(with = "Option<String>")]
    pub(super) package: Option<Spanned<String>>,
    /// How the module's rate is set before the steps: "fixed" (the default), "auto", or a rate.
    #[schemars(with = "Option<ConsoleForm>")]
    pub(super) console: Option<Spanned<ConsoleForm>>,
    /// What a right judge says: "pass" unless a virtual module is told to misbehave.
    #[schemars(with = "Option<VerdictForm>")]
    pub(super) verdict: Option<Spanned<VerdictForm>>,
    /// Names for values; each combination of values is a case. `{name}` stands for the value.
    #[serde(default)]
    #[expect(dead_code, reason = "read from the table, where the places are")]
    pub(super) parameters: ParametersShape,
    /// What to do, one after the other.
    #[schemars(length(min = 1))]
    #[expect(dead_code, reason = "read from the table, where the places are")]
    pub(super) steps: Vec<StepShape>,
    /// What must be true when the steps are over; needed with a package.
    #[schemars(with = "Option<EndForm>")]
    pub(super) end: Option<EndForm>,
    /// How a virtual module is prepared.
    #[serde(rename = "virtual")]
    #[schemars(with = "Option<VirtualForm>")]
    pub(super) virtual_module: Option<VirtualForm>,
    /// What the package server does to its replies, from the first step on.
    #[serde(default)]
    pub(super) server: Vec<WirePlan>,
}

/// A rate in baud, or a word.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "\"fixed\", \"auto\" or a rate in baud")]
pub(super) enum ConsoleForm {
    Rate(u32),
    Word(ConsoleWord),
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConsoleWord {
    Fixed,
    Auto,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VerdictForm {
    Pass,
    Fail,
    Invalid,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndForm {
    /// Which firmware the module reports: "target", "base" or "either".
    #[schemars(with = "String")]
    pub(super) firmware: Spanned<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualForm {
    /// Whether it finds a network; it does unless told.
    pub(super) registered: Option<bool>,
    /// Its lawful manners, where the scenario must have certain ones.
    #[schemars(with = "Option<String>")]
    pub(super) personality: Option<Spanned<String>>,
    /// What befalls it, through no fault of its own: "activating" (the network never ends to take it in), "flash-worn" (no order for an update can be stored).
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) circumstances: Vec<Spanned<String>>,
    /// What it does wrong, on purpose: `["M44"]`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) defects: Vec<Spanned<String>>,
}

/// The supply. VBAT alone does not boot; a cut is a fault that must be proved.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PowerForm {
    /// "on": VBAT, then PWRKEY. "vbat": VBAT alone. "off": between two experiments. "cut": without asking.
    pub(super) power: PowerWord,
    /// cut: the least time until the next step.
    #[schemars(with = "Option<TimeShape>")]
    pub(super) off_for: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PowerWord {
    On,
    Vbat,
    Off,
    Cut,
}

/// Asserts a line, waits, releases it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PulseForm {
    /// Which line.
    pub(super) pulse: PulseWord,
    /// For how long, instead of the rig file's.
    #[serde(rename = "for")]
    #[schemars(with = "Option<TimeShape>")]
    pub(super) width: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PulseWord {
    Pwrkey,
    Reset,
}

/// Sends a line, right or wrong, and CR; may wait for an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendForm {
    /// The line. `{url}`, `{url:255}` (made so many bytes long), `{host}`, `{port}`, `{path}`, `{base}` and `{target}` are filled in.
    #[schemars(with = "String")]
    pub(super) send: Spanned<String>,
    /// What must come: a message, or a list of which one must come.
    #[schemars(with = "Option<AwaitedForm>")]
    pub(super) expect: Option<Spanned<AwaitedForm>>,
    /// Until when, from the start of the step; 5s where it is not said.
    #[schemars(with = "Option<TimeShape>")]
    pub(super) within: Option<Spanned<String>>,
}

/// Sends bytes, without a CR of ours.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawForm {
    /// The bytes; `\r`, `\n`, `\t`, `\0`, `\\` and `\x1a` are read as such.
    #[schemars(with = "String")]
    pub(super) raw: Spanned<String>,
    /// What must come: a message, or a list of which one must come.
    #[schemars(with = "Option<AwaitedForm>")]
    pub(super) expect: Option<Spanned<AwaitedForm>>,
    /// Until when, from the start of the step; 5s where it is not said.
    #[schemars(with = "Option<TimeShape>")]
    pub(super) within: Option<Spanned<String>>,
}

/// Waits for the module.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectForm {
    /// What must come: `ready`, a phase, a message, or a list of messages of which one must come.
    #[schemars(with = "AwaitedForm")]
    pub(super) expect: Spanned<AwaitedForm>,
    /// Until when, from the start of the step; `ready` has 60s where it is not said.
    #[schemars(with = "Option<TimeShape>")]
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a message, or a list of messages")]
pub(super) enum AwaitedForm {
    One(String),
    AnyOf(Vec<String>),
}

/// Does nothing for so long; what arrives is judged all the same.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitForm {
    /// How long.
    #[schemars(with = "TimeShape")]
    pub(super) wait: Spanned<String>,
}

/// Nothing may arrive for so long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SilenceForm {
    /// How long.
    #[schemars(with = "TimeShape")]
    pub(super) silence: Spanned<String>,
}

/// Changes the console's own rate; the module is not told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RateForm {
    /// In baud.
    #[schemars(with = "NumberForm")]
    pub(super) rate: Spanned<NumberForm>,
}

/// A number; as text where it is a parameter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a rate in baud")]
pub(super) enum NumberForm {
    Number(u32),
    Text(String),
}

/// Swaps what the package server does.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServeForm {
    /// "honest", "nothing" (nobody listens), or a list of plans.
    pub(super) serve: ServeWhat,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "\"honest\", \"nothing\" or a list of plans")]
pub(super) enum ServeWhat {
    Word(ServeWord),
    Plans(Vec<WirePlan>),
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ServeWord {
    Honest,
    Nothing,
}

/// A duration: `300ms`, `1m 30s`.
#[derive(Debug)]
pub(super) struct TimeShape;

impl JsonSchema for TimeShape {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A number with its unit: 300ms, 5s, 1m 30s, 2h; or a parameter.",
            "pattern": r"^\s*([0-9.]+\s*(us|ms|s|m|h)\s*)+$",
        })
    }
}

/// Each combination of parameters' values is a case.
#[derive(Debug, Default)]
pub(super) struct ParametersShape;

impl<'de> Deserialize<'de> for ParametersShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| ParametersShape)
    }
}

impl JsonSchema for ParametersShape {
    fn schema_name() -> Cow<'static, str> {
        "Parameters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let plain = json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._+-]*$" },
            ],
        });
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z][a-z0-9_]*$" },
            "additionalProperties": {
                "anyOf": [
                    { "type": "array", "items": plain, "minItems": 1,
                      "description": "Values that are their own names." },
                    { "type": "object", "minProperties": 1,
                      "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9._+-]*$" },
                      "additionalProperties": { "type": ["integer", "string"] },
                      "description": "Values by name." },
                ],
            },
        })
    }
}

/// One step: exactly one verb, and what belongs to it.
#[derive(Debug)]
pub(super) struct StepShape;

impl<'de> Deserialize<'de> for StepShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| StepShape)
    }
}

impl JsonSchema for StepShape {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One step: exactly one verb, and what belongs to it.",
            "anyOf": [
                generator.subschema_for::<PowerForm>(),
                generator.subschema_for::<PulseForm>(),
                generator.subschema_for::<SendForm>(),
                generator.subschema_for::<RawForm>(),
                generator.subschema_for::<ExpectForm>(),
                generator.subschema_for::<WaitForm>(),
                generator.subschema_for::<SilenceForm>(),
                generator.subschema_for::<RateForm>(),
                generator.subschema_for::<ServeForm>(),
            ],
        })
    }
}
