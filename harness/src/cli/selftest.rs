//! `hil selftest`.

use std::path::PathBuf;

use rig::virtual_module::Defect;

use super::{
    Failure, Format, evidence_folder, home, print, print_json, scenario_folder, write_document,
};
use crate::exit_code::ExitCode;
use crate::interrupt::{Interrupt, Urgency};
use crate::packages::Packages;
use crate::report::progress::Progress;
use crate::selftest::{self, Matrix};

/// Virtual modules at a time. More than `hil run` has: most of these wait for what never comes.
const JOBS: usize = 12;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Tries these defects alone; a rule that none of them breaks is then no problem.
    #[arg(long, value_name = "ID")]
    defect: Vec<Defect>,
    /// What standard output has.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Virtual modules at a time.
    #[arg(long, value_name = "N", default_value_t = JOBS)]
    jobs: usize,
    /// Where every random choice comes from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the run leaves its folder.
    #[arg(long, value_name = "DIR", default_value = "target/selftest")]
    evidence: PathBuf,
    /// The folder that scenario names refer to.
    #[arg(long, value_name = "DIR")]
    scenario_dir: Option<PathBuf>,
}

pub(super) fn selftest(arguments: &Arguments) -> ExitCode {
    match try_selftest(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_selftest(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let whole = arguments.defect.is_empty();
    let defects = if whole {
        Defect::ALL.to_vec()
    } else {
        arguments.defect.clone()
    };
    let folder = scenario_folder(arguments.scenario_dir.as_ref());
    let cases = super::run::select(&["all".to_owned()], folder)?;
    let packages =
        Packages::load(&home()?.join("fixtures/packages")).map_err(|e| Failure::mistake(&e))?;
    let trials =
        selftest::plan(&defects, &cases).map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    let folder = evidence_folder(&arguments.evidence)?;
    let interrupt = Interrupt::catch_signals().map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    let progress = Progress::new(trials.len(), false, false, interrupt.clone());
    let told = selftest::run(
        &trials,
        packages,
        (arguments.seed, arguments.jobs),
        &folder,
        &interrupt,
        &progress,
    )
    .map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    let matrix = selftest::matrix(&defects, &told, whole);
    write_document(&folder, "selftest.json", &matrix)?;
    match arguments.format {
        Format::Human => print(&format!(
            "{}evidence: {}\n",
            matrix.text(),
            folder.path().display()
        )),
        Format::Json => print_json(&matrix)?,
    };
    Ok(exit_code(&matrix, &interrupt))
}

fn exit_code(matrix: &Matrix, interrupt: &Interrupt) -> ExitCode {
    match (interrupt.urgency(), matrix.problems.is_empty()) {
        (Urgency::None, true) => ExitCode::Passed,
        (Urgency::None, false) => ExitCode::Failed,
        (Urgency::InOrder | Urgency::AtOnce, _) => ExitCode::Interrupted,
    }
}
