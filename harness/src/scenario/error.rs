//! What can be wrong in a scenario, and the way out of each.

use rig::config::RATES;
use rig::virtual_module::crime::UnknownDefect;
use rig::virtual_module::manner::{UnknownCircumstance, UnknownPersonality};
use rig::written::{FormError, Kind, Mistake, listed};

use super::text::PLACES;

/// A mistake in a scenario file.
pub type ScenarioError = Mistake<ScenarioErrorKind>;

/// What is wrong in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioErrorKind {
    /// Its shape.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A file name that no case can be named after.
    #[error("`{stem}` cannot be the name of cases")]
    Name {
        /// The file's stem.
        stem: String,
    },
    /// Not a section of the guide.
    #[error("the guide has no section `{found}`")]
    Guide {
        /// As written.
        found: String,
    },
    /// Not a message that a step can wait for.
    #[error("unknown message `{found}`")]
    UnknownMessage {
        /// As written.
        found: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// A condition that cannot be read, or that no message can meet.
    #[error("`{found}` is not a condition on {of}")]
    Condition {
        /// As written.
        found: String,
        /// A percentage or a code.
        of: &'static str,
    },
    /// A condition where there is no number.
    #[error("this message has no number, so `{found}` means nothing")]
    NoNumber {
        /// As written.
        found: String,
    },
    /// `ready` or a phase among messages.
    #[error("`{found}` stands alone: it is no message")]
    StandsAlone {
        /// As written.
        found: String,
    },
    /// An empty list of messages.
    #[error("an empty list of messages: nothing could meet it")]
    NothingAwaited,
    /// An expectation without a deadline.
    #[error("this wait has no deadline")]
    NoDeadline,
    /// A deadline without an expectation.
    #[error("`within` says until when, but the step waits for nothing")]
    NothingWithin,
    /// No verb.
    #[error("this step does nothing")]
    NoVerb,
    /// Several verbs.
    #[error("one step, one deed: this one has {}", listed(.found))]
    SeveralVerbs {
        /// They.
        found: Vec<String>,
    },
    /// `off_for` with something else than a cut.
    #[error("`off_for` belongs to `power = \"cut\"`")]
    OffForWithoutCut,
    /// Steps that are not one list.
    #[error("a step is one inline table in one list")]
    NotAList,
    /// No steps.
    #[error("a scenario without steps shows nothing")]
    NoSteps,
    /// Not a place that is filled in.
    #[error("unknown place `{{{found}}}`")]
    UnknownPlace {
        /// As written.
        found: String,
        /// What was probably meant.
        meant: Option<String>,
        /// The parameters that there are.
        parameters: Vec<String>,
    },
    /// A brace without its other.
    #[error("a lone `{found}`")]
    LoneBrace {
        /// `{` or `}`
        found: char,
    },
    /// A backslash that means nothing.
    #[error("unknown escape `\\{found}`")]
    Escape {
        /// What follows the backslash.
        found: String,
    },
    /// Values of a parameter that are none.
    #[error("parameter `{name}` has no values")]
    NoValues {
        /// The parameter.
        name: String,
    },
    /// A parameter with a name that is taken or cannot be written in braces.
    #[error("a parameter cannot be called `{name}`")]
    ParameterName {
        /// The parameter.
        name: String,
    },
    /// A value that cannot be part of a case's id.
    #[error("`{value}` cannot be part of a case's id")]
    UnsafeValue {
        /// The value.
        value: String,
    },
    /// The same value twice.
    #[error("parameter `{name}` has `{value}` twice")]
    ValueTwice {
        /// The parameter.
        name: String,
        /// The value.
        value: String,
    },
    /// A parameter that changes nothing.
    #[error("parameter `{name}` is never used, so that its cases would all be the same")]
    UnusedParameter {
        /// The parameter.
        name: String,
    },
    /// More cases than anybody runs.
    #[error("{count} cases are too many for one scenario: at most {most}")]
    TooManyCases {
        /// How many there would be.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Not one of a few words.
    #[error("`{found}` is not one of {}", listed(.known))]
    Word {
        /// As written.
        found: String,
        /// The words.
        known: &'static [&'static str],
    },
    /// A rate that modules do not have.
    #[error("`{found}` baud is not a rate of these modules")]
    Rate {
        /// As written.
        found: String,
    },
    /// A URL where nothing is on offer.
    #[error("`{{{place}}}` needs a package, and this scenario has none")]
    NoPackage {
        /// The place in the text.
        place: String,
    },
    /// Server plans where nothing is on offer.
    #[error("the package server has nothing to serve: this scenario has no package")]
    NothingServed,
    /// A package, and nothing said of the end.
    #[error("nothing says which firmware the module must have in the end")]
    NoEnd,
    /// An end that needs a package.
    #[error("without a package there is no firmware but the base")]
    NoTarget,
    /// The module is off.
    #[error("the module is off here: every case begins with its supply off")]
    Off,
    /// The module is on already.
    #[error("the supply is on already")]
    AlreadyOn,
    /// Nothing was started that could say it.
    #[error("nothing before this step starts an update, so no `FOTA` message can be expected")]
    NotCommanded,
    /// A right verdict that only a defect can earn.
    #[error("only a virtual module with a defect can earn this verdict")]
    NoDefect,
    /// Manners that the virtual module does not have.
    #[error(transparent)]
    Personality(#[from] UnknownPersonality),
    /// A circumstance that the virtual module does not know.
    #[error(transparent)]
    Circumstance(#[from] UnknownCircumstance),
    /// A defect that the virtual module does not have.
    #[error(transparent)]
    Defect(#[from] UnknownDefect),
    /// A command that applies what an earlier run left.
    #[error("`{found}` triggers or applies an update outside of what is judged, and is never sent")]
    Dangerous {
        /// The command.
        found: String,
    },
}

impl Kind for ScenarioErrorKind {
    fn way_out(&self) -> Option<String> {
        use ScenarioErrorKind as K;
        Some(match self {
            K::Form(form) => return form.way_out(),
            K::Name { .. } => "use small letters, digits and `-`".to_owned(),
            K::Guide { .. } => {
                "write it as in `3.1`, `3.1 note 1` or `5 table 2`, several with commas; \
                 or `house` where the guide is silent"
                    .to_owned()
            }
            K::UnknownMessage {
                meant: Some(meant), ..
            }
            | K::UnknownPlace {
                meant: Some(meant), ..
            } => format!("did you mean `{meant}`?"),
            K::UnknownMessage { .. } => {
                "messages are `OK`, `ERROR`, `CME ERROR`, `refusal`, `boot`, `RDY`, \
                 `FOTA …`, `line \"…\"` and `information \"…\"`"
                    .to_owned()
            }
            K::Condition { .. } => {
                "write `0`, `>= 40`, `!= 0` or `252..=255`; percentages end at 100".to_owned()
            }
            K::StandsAlone { .. } => "give it a step of its own".to_owned(),
            K::NoDeadline => "add `within = \"…\"`, as in `within = \"10m\"`".to_owned(),
            K::NoVerb => format!("say what to do: {}", listed(&super::parse::VERBS)),
            K::SeveralVerbs { .. } => "make them steps of their own".to_owned(),
            K::NotAList => "write `steps = [ { … }, { … } ]`".to_owned(),
            K::UnknownPlace { parameters, .. } => {
                let known: Vec<&str> = parameters
                    .iter()
                    .map(String::as_str)
                    .chain(PLACES)
                    .collect();
                format!("known are {}", listed(&known))
            }
            K::LoneBrace { found } => format!("write `{found}{found}` for the character itself"),
            K::Escape { .. } => {
                "known are `\\r`, `\\n`, `\\t`, `\\0`, `\\\\` and `\\x1a`".to_owned()
            }
            K::NoValues { .. } => "write `[1, 37, 99]`, or values by name".to_owned(),
            K::ParameterName { .. } => format!(
                "use small letters, digits and `_`, and none of {}",
                listed(&PLACES)
            ),
            K::UnsafeValue { .. } => {
                "give it a name, as in `{ short-name = 'any value' }`".to_owned()
            }
            K::Rate { .. } => format!(
                "rates are {}",
                RATES.map(|rate| rate.to_string()).join(", ")
            ),
            K::NoPackage { .. } | K::NothingServed => {
                "add `package = \"…\"`, a name in fixtures/packages/manifest.toml".to_owned()
            }
            K::NoEnd => {
                "add `[end]` with `firmware = \"target\"`, `\"base\"` or `\"either\"`".to_owned()
            }
            K::NoTarget => "write `firmware = \"base\"`, or add a package".to_owned(),
            K::Off => "put `{ power = \"on\" }` before it".to_owned(),
            K::AlreadyOn => "leave this step out, or cut the power before it".to_owned(),
            K::NotCommanded => "send `AT+QFOTADL=…` before it".to_owned(),
            K::NoDefect => {
                "add `[virtual]` with `defects = [\"…\"]`, or leave `verdict` out".to_owned()
            }
            _ => return None,
        })
    }
}

/// Nothing that was asked for is a scenario.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A scenario is wrong.
    #[error(transparent)]
    Wrong(#[from] ScenarioError),
    /// The folder cannot be read.
    #[error("cannot read the scenarios in `{}`", folder.display())]
    Folder {
        /// Which.
        folder: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that nothing has.
    #[error("no scenario is called `{name}`{}", meant.as_ref().map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default())]
    Unknown {
        /// As given.
        name: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// A case that its scenario does not have.
    #[error("scenario `{scenario}` has no case `{id}`: it has {}", listed(known))]
    UnknownCase {
        /// As given.
        id: String,
        /// The scenario.
        scenario: String,
        /// Its cases.
        known: Vec<String>,
    },
}
