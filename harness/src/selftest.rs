//! Whether the judge can say no: each defect that the virtual module can have, put to the cases
//! that must catch it.
//!
//! The judge and the virtual module are strangers; here they are told of each other. What must
//! come of a defect is declared in [`expected`], what came of it is compared with that, and every
//! difference is a problem. Running the trials is the runner's affair.

pub mod expected;
mod matrix;

use std::collections::BTreeSet;
use std::path::PathBuf;

use dfota::verdict::Verdict;
use rig::config::{Bench, RigFile};
use rig::virtual_module::{Defect, Settings};

pub use self::matrix::{Came, Matrix, Row, RuleRow, matrix};

use self::expected::Expected;
use crate::evidence::RunFolder;
use crate::interrupt::Interrupt;
use crate::packages::Packages;
use crate::report::Finished;
use crate::runner::{Observer, Run, RunError};
use crate::scenario::Case;

/// How many times faster than in the field modules live here. At twice the speed a busy machine
/// gives its threads their turn too late: a cut then lands somewhere else than it should.
pub const SPEED: u32 = 100;

/// One case, with one defect or with none.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The defect; `None`: the clean module.
    pub defect: Option<Defect>,
    /// The case's id, without the defect.
    pub of: String,
    /// The case with the defect planted, under an id of its own.
    pub case: Case,
}

/// What came of a trial.
#[derive(Clone, Debug)]
pub struct Told {
    /// The defect; `None`: the clean module.
    pub defect: Option<Defect>,
    /// The case's id, without the defect.
    pub case: String,
    /// What the judge said; `error` where nothing could be judged.
    pub verdict: Verdict,
    /// Its sentence.
    pub reason: String,
    /// The rules that were found broken, each once.
    pub broken: BTreeSet<&'static str>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Its evidence.
    pub folder: PathBuf,
}

/// The selftest cannot be done as it is declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing is declared of a defect.
    #[error("nothing is declared of defect `{0}`: add it to `selftest/expected.rs`")]
    Undeclared(Defect),
    /// A case is declared that does not exist.
    #[error(
        "defect `{defect}` is declared to be caught by `{case}`, which is no case: see `hil list --cases`"
    )]
    NoCase {
        /// The defect.
        defect: Defect,
        /// The case.
        case: &'static str,
    },
}

/// The trials for these defects: each case without a defect, and with each it must catch.
pub fn plan(defects: &[Defect], cases: &[Case]) -> Result<Vec<Trial>, PlanError> {
    let mut trials = Vec::new();
    let mut clean = BTreeSet::new();
    for &defect in defects {
        let expected = expected::of(defect).ok_or(PlanError::Undeclared(defect))?;
        for &id in expected.cases {
            let case = cases
                .iter()
                .find(|case| case.id == id)
                .ok_or(PlanError::NoCase { defect, case: id })?;
            trials.push(trial(Some(defect), case));
            if clean.insert(id) {
                trials.push(trial(None, case));
            }
        }
    }
    Ok(trials)
}

fn trial(defect: Option<Defect>, case: &Case) -> Trial {
    let mut planted = case.clone();
    planted.virtual_module.defects.extend(defect);
    let with = defect.map_or("clean", Defect::id);
    planted.id = format!("{with}-{}", case.id);
    Trial {
        defect,
        of: case.id.clone(),
        case: planted,
    }
}

/// The rig for it: the virtual module, at [`SPEED`], with the IMEI that it must have.
#[must_use]
pub fn rig() -> RigFile {
    let mut rig = RigFile::virtual_default();
    rig.module.imei = Some(Settings::default().imei);
    if let Bench::Virtual(bench) = &mut rig.bench {
        bench.speed = SPEED;
    }
    rig
}

/// Runs the trials, as many at a time as there are jobs. After an interrupt some are missing.
pub fn run(
    trials: &[Trial],
    packages: Packages,
    (seed, jobs): (u64, usize),
    folder: &RunFolder,
    interrupt: &Interrupt,
    observer: &dyn Observer,
) -> Result<Vec<Told>, RunError> {
    let run = Run {
        rig: rig(),
        packages,
        seed,
        snapshots: false,
        jobs,
        defects: Vec::new(),
        guard: crate::guardian::Guard::default(),
    };
    let cases: Vec<Case> = trials.iter().map(|trial| trial.case.clone()).collect();
    let finished = run.all(&cases, folder, interrupt, observer)?;
    Ok(finished
        .iter()
        .filter_map(|finished| {
            let trial = trials.iter().find(|trial| trial.case.id == finished.id)?;
            Some(told(trial, finished))
        })
        .collect())
}

fn told(trial: &Trial, finished: &Finished) -> Told {
    let judgement = finished.judgement.as_ref();
    Told {
        defect: trial.defect,
        case: trial.of.clone(),
        // What the judge said, not what the scenario makes of it.
        verdict: judgement.map_or(finished.verdict, |judgement| judgement.verdict),
        reason: judgement
            .map_or(&finished.reason, |judgement| &judgement.reason)
            .clone(),
        broken: finished
            .findings()
            .iter()
            .map(|finding| finding.rule)
            .collect(),
        seconds: finished.took.as_secs_f64(),
        folder: finished.folder.clone(),
    }
}

/// What is wrong with what came of a defect, if anything is.
#[must_use]
pub fn problem(expected: &Expected, told: &[&Told]) -> Option<String> {
    use self::expected::ComesTo;
    if told.is_empty() {
        return Some("it was not tried".to_owned());
    }
    let came = |verdict: Verdict, rule: &str| {
        told.iter()
            .any(|told| told.verdict == verdict && told.broken.contains(rule))
    };
    let said = || {
        let said: Vec<String> = told
            .iter()
            .map(|told| {
                let rules: Vec<&str> = told.broken.iter().copied().collect();
                let by = if rules.is_empty() { "" } else { " by " };
                format!(
                    "{}: {}{by}{}",
                    told.case,
                    told.verdict.word(),
                    rules.join(", ")
                )
            })
            .collect();
        said.join("; ")
    };
    let undeclared = |verdict: Verdict, rule: &str| {
        (!came(verdict, rule))
            .then(|| format!("`{}` by `{rule}` was declared ({})", verdict.word(), said()))
    };
    match expected.comes_to {
        ComesTo::Fail(rule) => {
            let failed = told.iter().any(|told| told.verdict == Verdict::Fail);
            if came(Verdict::Fail, rule.id) {
                None
            } else if failed {
                Some(format!(
                    "another rule than `{}` caught it ({})",
                    rule.id,
                    said()
                ))
            } else {
                Some(format!("it survives ({})", said()))
            }
        }
        ComesTo::Error(rule) => undeclared(Verdict::Error, rule.id),
        ComesTo::Inconclusive(rule) => undeclared(Verdict::Inconclusive, rule.id),
        ComesTo::Invalid(rule) => {
            if let Some(lie) = told
                .iter()
                .find(|told| matches!(told.verdict, Verdict::Pass | Verdict::Fail))
            {
                Some(format!(
                    "a lie of the rig came out as a verdict about the module ({}: {})",
                    lie.case,
                    lie.verdict.word()
                ))
            } else if came(Verdict::Invalid, rule.id) {
                None
            } else {
                Some(format!(
                    "`invalid` by `{}` was declared ({})",
                    rule.id,
                    said()
                ))
            }
        }
        ComesTo::Pass(_) => told
            .iter()
            .any(|told| told.verdict != Verdict::Pass)
            .then(|| format!("it is lawful and was not passed ({})", said())),
    }
}
