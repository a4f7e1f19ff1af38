//! A scenario: one question to a module, one file in `scenarios/`, as plain values.
//!
//! `form` is the file's shape (and its JSON Schema), `parse` turns a file into the values
//! here, `check` refuses what could never mean anything, `select` finds the cases that a
//! command line names. What to do next in a running case is the runner's affair.

mod check;
mod error;
mod form;
mod parameters;
mod parse;
mod pattern;
mod schema;
mod select;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dfota::brief::EndState;
use dfota::timeline::Pin;
use rig::virtual_module::{Circumstance, Defect, Personality};
use serde::{Deserialize, Serialize};

use crate::package_server::{NetworkNeeds, Serving};

pub use self::error::{ScenarioError, ScenarioErrorKind, SelectError};
pub use self::parse::{load, parse};
pub use self::pattern::{Number, Pattern, PhaseName};
pub use self::schema::schema;
pub use self::select::select;
pub use self::text::{Filling, PackageUrl, SendText, UrlError};

/// How long `ready` may take where a step does not say: a module boots in 2 s to 5 s and then
/// looks for a network (domain figure), and a resumed update comes before that.
pub const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long the answer to a sent line may take where a step does not say. The guide's 300 ms
/// (§3.1) is `AT+QFOTADL`'s own and the judge's affair; other commands lawfully take seconds.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// One question to a module: everything that its file says beside the steps.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's stem: `power-cut`.
    pub name: String,
    /// The file that it was read from.
    pub path: PathBuf,
    /// The file, as it was.
    pub source: String,
    /// The question, or the fact to be shown, in one sentence.
    pub title: String,
    /// The section of the guide that it asks about: `3.1 note 1`.
    pub guide: String,
    /// What a person should know beside the title; shown by `hil list --verbose` and kept in reports.
    pub notes: Option<String>,
    /// The package on offer, by its name in the manifest; `None` where nothing is downloaded.
    pub package: Option<String>,
    /// How the module's rate must be set before the steps.
    pub console: ConsoleSetting,
    /// What a right judge says of a run.
    pub right_verdict: RightVerdict,
    cases: Vec<CasePlan>,
}

/// What parameters decide.
#[derive(Clone, Debug)]
struct CasePlan {
    id: String,
    parameters: Vec<(String, String)>,
    steps: Vec<Step>,
    serving: Serving,
    end: End,
    virtual_module: VirtualSettings,
}

/// One scenario with one value for each of its parameters.
#[derive(Clone, Debug)]
pub struct Case {
    /// Stable, shell-safe, unique: `power-cut@37`; the scenario's name where there are no parameters.
    pub id: String,
    /// What it is a case of.
    pub scenario: Arc<Scenario>,
    /// Each parameter's value here, in the order of the file; for named values the name.
    pub parameters: Vec<(String, String)>,
    /// What to do, parameters filled in; never empty.
    pub steps: Vec<Step>,
    /// What the package server does from the first step on.
    pub serving: Serving,
    /// What must be true when the steps are over.
    pub end: End,
    /// How a virtual module is prepared; not heeded on hardware.
    pub virtual_module: VirtualSettings,
}

impl Scenario {
    /// All cases, in the order of the parameters' values.
    pub fn cases(self: &Arc<Self>) -> Vec<Case> {
        self.cases
            .iter()
            .map(|plan| Case {
                id: plan.id.clone(),
                scenario: Arc::clone(self),
                parameters: plan.parameters.clone(),
                steps: plan.steps.clone(),
                serving: plan.serving.clone(),
                end: plan.end,
                virtual_module: plan.virtual_module.clone(),
            })
            .collect()
    }
}

/// What a rig must have and allow for a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A package server that the module can reach.
    pub server: bool,
    /// A PWRKEY line: a pulse on it is asked for, or that VBAT alone boots nothing.
    pub pwrkey: bool,
    /// A RESET_N line.
    pub reset: bool,
    /// Leave to cut the supply while the module may be writing its flash: it can be lost.
    pub cut_while_updating: bool,
    /// A virtual module: it is asked to misbehave, or prepared as no bench can.
    pub virtual_module: bool,
    /// A console at 115,200 Bd: what the bootloader says is awaited, and it has no other rate,
    /// whatever `AT+IPR` says (domain §3.2).
    pub bootloader: bool,
    /// What only the system can do to a network.
    pub network: NetworkNeeds,
}

impl Case {
    /// Whether a step has the module download something.
    #[must_use]
    pub fn downloads(&self) -> bool {
        let asks = |step: &Step| {
            matches!(step.statement, Statement::Send { .. }) && step.text.contains("+QFOTADL=\"")
        };
        self.steps.iter().any(asks)
    }

    /// What a rig must have and allow.
    pub fn needs(&self) -> Needs {
        let mut update_under_way = false;
        let mut needs = Needs {
            server: self.scenario.package.is_some(),
            virtual_module: self.virtual_module.needs_virtual(),
            ..Needs::default()
        };
        needs.network = network_needs(&self.serving);
        for step in &self.steps {
            match &step.statement {
                Statement::Serve(serving) => {
                    needs.network = needs.network.and(network_needs(serving));
                }
                // From START on the module may be at its flash at any moment (domain §1.4).
                Statement::Expect(expectation) => {
                    update_under_way |= expectation.shows_an_update_under_way();
                    needs.bootloader |= expectation.is_said_by_the_bootloader();
                }
                Statement::Pulse { pin, .. } => {
                    needs.pwrkey |= *pin == Pin::Pwrkey;
                    needs.reset |= *pin == Pin::ResetN;
                    // PWRKEY does nothing to a module that runs, says the manual; a module that
                    // thinks otherwise can be lost by it.
                    needs.cut_while_updating |= update_under_way;
                }
                Statement::Power(PowerStep::Vbat) => needs.pwrkey = true,
                Statement::Power(PowerStep::Cut { .. } | PowerStep::Off) => {
                    needs.cut_while_updating |= update_under_way;
                }
                _ => {}
            }
        }
        needs
    }

    /// Whether every lawful run says the same in the same order, so that it can be compared with
    /// an accepted one. Where either firmware may be there in the end, either way may lead there.
    pub fn has_one_sequence(&self) -> bool {
        self.end.firmware != EndFirmware::Either
    }

    /// The names of the faults that must be proved: `cut-1`, `cut-2`, … and `reset-1`, … in the
    /// order of the steps, then `server-1`, … in the order of the file. A pulse of PWRKEY is none:
    /// it does nothing that could be proved.
    pub fn planned_faults(&self) -> Vec<String> {
        let count = |wanted: fn(&Statement) -> bool| {
            let steps = self.steps.iter();
            steps.filter(|step| wanted(&step.statement)).count()
        };
        let cuts = count(|step| matches!(step, Statement::Power(PowerStep::Cut { .. })));
        let resets =
            count(|step| matches!(step, Statement::Pulse { pin, .. } if *pin == Pin::ResetN));
        let served = self.steps.iter().filter_map(|step| match &step.statement {
            Statement::Serve(serving) => Some(serving),
            _ => None,
        });
        let plans = std::iter::once(&self.serving)
            .chain(served)
            .flat_map(|serving| match serving {
                Serving::Through(plans) => plans.as_slice(),
                Serving::Honestly | Serving::Nothing => &[],
            })
            .map(|plan| plan.name.clone());
        let cuts = (1..=cuts).map(|n| format!("cut-{n}"));
        let resets = (1..=resets).map(|n| format!("reset-{n}"));
        cuts.chain(resets).chain(plans).collect()
    }
}

/// How the module's rate must be set before the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleSetting {
    /// Fixed to the rate of the rig file, and saved (`AT+IPR`, `AT&W`).
    Fixed,
    /// It learns the rate from us after each boot (guide §3.1 note 3).
    Auto,
    /// Fixed to this rate, in baud, whatever the rig file says.
    Rate(u32),
}

/// What a right judge says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightVerdict {
    /// The module does right.
    Pass,
    /// The virtual module is told to misbehave, and must be caught.
    Fail,
    /// The virtual rig is told to lie, and must be caught.
    Invalid,
}

/// What must be true when the steps are over, whatever the module said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Which firmware the module reports.
    pub firmware: EndFirmware,
}

/// Which firmware a module reports in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndFirmware {
    /// The one that the package makes.
    Target,
    /// The one it had.
    Base,
    /// One of the two, and nothing else.
    Either,
}

impl From<EndFirmware> for EndState {
    fn from(firmware: EndFirmware) -> EndState {
        match firmware {
            EndFirmware::Target => EndState::Target,
            EndFirmware::Base => EndState::Base,
            EndFirmware::Either => EndState::Either,
        }
    }
}

fn network_needs(serving: &Serving) -> NetworkNeeds {
    let Serving::Through(plans) = serving else {
        return NetworkNeeds::default();
    };
    plans
        .iter()
        .map(|named| NetworkNeeds::of(&named.plan))
        .fold(NetworkNeeds::default(), NetworkNeeds::and)
}

/// How a virtual module is prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualSettings {
    /// Whether it finds a network.
    pub registered: bool,
    /// Its lawful manners, where the scenario must have certain ones; else the rig file's.
    pub personality: Option<Personality>,
    /// What befalls it, through no fault of its own.
    pub circumstances: Vec<Circumstance>,
    /// What it does wrong, on purpose: `M44`.
    pub defects: Vec<Defect>,
}

impl Default for VirtualSettings {
    fn default() -> Self {
        VirtualSettings {
            registered: true,
            personality: None,
            circumstances: Vec::new(),
            defects: Vec::new(),
        }
    }
}

impl VirtualSettings {
    /// Whether a module of flesh could not be prepared like this. A missing network is not
    /// counted: scenarios that want none switch the radio off themselves.
    fn needs_virtual(&self) -> bool {
        !self.defects.is_empty() || !self.circumstances.is_empty() || self.personality.is_some()
    }
}

/// One statement of a scenario, parameters filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its line in the file, from 1.
    pub line: usize,
    /// As the file spells it, without the braces, parameters filled in.
    pub text: String,
    /// What to do.
    pub statement: Statement,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// The supply, with or without PWRKEY.
    Power(PowerStep),
    /// Asserts a line, waits, releases it.
    Pulse {
        /// PWRKEY or RESET_N.
        pin: Pin,
        /// For how long; `None`: as long as the rig file says.
        width: Option<Duration>,
    },
    /// Sends to the module, and may wait for an answer.
    Send {
        /// What: right or wrong, the CR included where the step wants one.
        text: SendText,
        /// What must come.
        answer: Option<Expectation>,
    },
    /// Waits for the module.
    Expect(Expectation),
    /// Does nothing for so long; what arrives is judged all the same.
    Wait(Duration),
    /// Nothing may arrive for so long.
    Silence(Duration),
    /// Changes the console's own rate, in baud; the module is not told.
    Rate(u32),
    /// Swaps what the package server does.
    Serve(Serving),
}

/// What happens to the supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerStep {
    /// VBAT, then a PWRKEY pulse: VBAT alone does not boot.
    On,
    /// VBAT alone, no PWRKEY.
    Vbat,
    /// VBAT off between two experiments: no fault, nothing to prove.
    Off,
    /// VBAT off without asking: a planned fault, to be proved. It stays off.
    Cut {
        /// The least time until the next step; `None`: as long as the rig file says.
        off_for: Option<Duration>,
    },
}

/// What must come, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// What.
    pub awaited: Awaited,
    /// From the start of the step; a module's own time, a virtual one is faster.
    pub within: Duration,
    /// As the file spells it: `FOTA UPDATING >= 37`, alternatives joined by `or`.
    pub text: String,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Awaited {
    /// The module answers `AT` with `OK`, whatever it said by itself before.
    Ready,
    /// The update is in this phase, or was since the step began.
    Phase(PhaseName),
    /// A message that matches one of these. Others are passed over (and judged), unless
    /// they rule it out: see [`Expectation::ruled_out_by`].
    Message(Vec<Pattern>),
}
