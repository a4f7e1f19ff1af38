//! `hil run`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dfota::verdict::Verdict;
use rig::config::RigFile;
use rig::virtual_module::{Defect, Settings};

use super::{
    Failure, Format, colors_on_stdout, doctor, evidence_folder, home, print, print_json,
    scenario_folder, tell, write_document,
};
use crate::coverage;
use crate::doctor::kept::Known;
use crate::evidence::RunFolder;
use crate::exit_code::ExitCode;
use crate::guardian::Guard;
use crate::interrupt::{Interrupt, Urgency};
use crate::packages::Packages;
use crate::report::cuts::reactions;
use crate::report::document::{RigDocument, RunDocument, VerdictDocument, counts};
use crate::report::progress::Progress;
use crate::report::{Finished, text};
use crate::runner::{Run, RunError, factory_settings, strongest};
use crate::scenario::{self, Case, SelectError};
use crate::systemd;

/// Virtual modules at a time, where nobody says. They wait most of the time; more of them
/// would only make each other's reactions late.
const JOBS: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Stems of files in `scenarios/`, paths to `.toml` files, globs over stems, case ids
    /// (`power-cut@37`), or `all`.
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// The bench; the virtual module where none is given.
    #[arg(long, env = "HIL_RIG", value_name = "FILE")]
    rig: Option<PathBuf>,
    /// Where runs leave their folders.
    #[arg(long, value_name = "DIR", default_value = "target/evidence")]
    evidence: PathBuf,
    /// Where every random choice comes from; a new one each run where none is given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// What standard output has; with `json` the `run.json` document.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Judges only, and does not compare with the accepted sequences.
    #[arg(long)]
    no_snapshots: bool,
    /// Virtual modules at a time.
    #[arg(long, value_name = "N", default_value_t = JOBS)]
    jobs: usize,
    /// Packages and their manifest, instead of the project's or the rig file's.
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// The folder that scenario names refer to.
    #[arg(long, value_name = "DIR")]
    scenario_dir: Option<PathBuf>,
    /// How long this process may be silent before its guardian takes it for hung.
    #[arg(long, hide = true, value_name = "TIME", value_parser = crate::duration::parse, default_value = "30s")]
    hung_after: Duration,
    /// How long the power of a module that updates is held when a run cannot go on.
    #[arg(long, hide = true, value_name = "TIME", value_parser = crate::duration::parse, default_value = "10m")]
    hold_max: Duration,
    /// Ends in order when this process does, which must be the one that started it.
    #[arg(long, hide = true, value_name = "PROCESS")]
    end_with: Option<u32>,
    /// Examines the rig first (`hil doctor`), and runs nothing on one that does not pass.
    #[arg(long)]
    doctor: bool,
    /// Plants a defect in the virtual module (`M44`): the run must then fail.
    #[arg(long, value_name = "ID")]
    defect: Vec<Defect>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match try_run(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    // Everything that can be wrong in a file is found here, before anything is powered.
    let rig = match &arguments.rig {
        Some(path) => RigFile::load(path).map_err(|e| Failure::mistake(&e))?,
        None => RigFile::virtual_default(),
    };
    let warnings = rig.warnings();
    for warning in &warnings {
        tell(&format!(
            "warning: {}: {warning}",
            rig.source.path.display()
        ));
    }
    if !arguments.defect.is_empty() && !rig.is_virtual() {
        return Err(Failure::said(
            ExitCode::Usage,
            "only the virtual module takes `--defect`",
        ));
    }
    let folder = scenario_folder(arguments.scenario_dir.as_ref());
    let cases = select(&arguments.scenarios, folder)?;
    let packages = packages(arguments.packages.as_deref(), &rig)?;
    for case in &cases {
        if let Some(name) = &case.scenario.package {
            packages
                .get(name)
                .map_err(|e| Failure::new(ExitCode::BadFile, &e))?;
        }
    }
    let run = Run {
        seed: arguments.seed.unwrap_or_else(new_seed),
        snapshots: !arguments.no_snapshots && arguments.defect.is_empty(),
        jobs: arguments.jobs,
        defects: arguments.defect.clone(),
        rig,
        packages,
        guard: Guard {
            hung_after: arguments.hung_after,
            hold_max: arguments.hold_max,
            ..Guard::default()
        },
    };
    let folder = evidence_folder(&arguments.evidence)?;
    let interrupt = Interrupt::catch_signals().map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    if let Some(parent) = arguments.end_with {
        let told = interrupt.end_with(parent);
        told.map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    }
    systemd::ready();
    let human = arguments.format == Format::Human;
    let (known, refused) = match arguments.doctor {
        false => (doctor::last(&run.rig, &folder)?, None),
        true => {
            let settings = Settings {
                defects: arguments.defect.clone(),
                ..factory_settings(&run.rig)
            };
            doctor::first(&run.rig, settings, &folder, &interrupt, human)?
        }
    };
    let progress = Progress::new(cases.len(), human, colors_on_stdout(), interrupt.clone());
    let finished = match refused {
        Some(_) => {
            tell("error: the rig did not pass its examination, so nothing is run on it");
            Vec::new()
        }
        None => run
            .all(&cases, &folder, &interrupt, &progress)
            .map_err(|e| not_run(&run.rig, &e))?,
    };
    let code = refused.unwrap_or_else(|| exit_code(&finished, &cases, &interrupt));
    let document = RunDocument {
        doctor: known,
        ..document(&run, warnings, &cases, &finished, &folder, code)
    };
    write_document(&folder, "run.json", &document)?;
    if human {
        print(&text::run(&finished, cases.len(), folder.path(), run.seed));
        if !run.rig.is_virtual() || arguments.doctor {
            print(&format!("{}\n", document.doctor.line()));
        }
    } else {
        print_json(&document)?;
    }
    Ok(code)
}

/// Why nothing was run: in the rig file, where it names what cannot be had.
fn not_run(rig: &RigFile, error: &RunError) -> Failure {
    let cause = match error {
        RunError::Rig(cause) => cause,
        RunError::Interrupted => return Failure::new(ExitCode::Interrupted, error),
        _ => return Failure::new(ExitCode::Broken, error),
    };
    let Some(mistake) = rig.not_had(cause) else {
        return Failure::new(ExitCode::Broken, error);
    };
    let code = if cause.is_of_the_file() {
        ExitCode::BadFile
    } else {
        ExitCode::Broken
    };
    Failure {
        code,
        ..Failure::mistake(&mistake)
    }
}

fn exit_code(finished: &[Finished], cases: &[Case], interrupt: &Interrupt) -> ExitCode {
    let worst = strongest(finished);
    match (interrupt.urgency(), worst) {
        // A defect that was found is not hidden by somebody's Ctrl-C.
        (_, Some(Verdict::Fail)) => ExitCode::Failed,
        (Urgency::InOrder | Urgency::AtOnce, _) => ExitCode::Interrupted,
        (Urgency::None, None) => ExitCode::NothingSelected,
        (Urgency::None, Some(_)) if finished.len() < cases.len() => ExitCode::Broken,
        (Urgency::None, Some(verdict)) => ExitCode::of(verdict),
    }
}

fn document(
    run: &Run,
    warnings: Vec<String>,
    cases: &[Case],
    finished: &[Finished],
    folder: &RunFolder,
    code: ExitCode,
) -> RunDocument {
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    for case in finished {
        let Some(judgement) = &case.judgement else {
            continue;
        };
        for (rule, times) in &judgement.exercised {
            *rules.entry((*rule).to_owned()).or_default() += times;
        }
    }
    RunDocument {
        verdict: strongest(finished).map_or_else(|| "none".to_owned(), |v| v.word().to_owned()),
        exit_code: code.number(),
        interrupted: code == ExitCode::Interrupted,
        seed: run.seed,
        rig: RigDocument {
            path: run.rig.source.path.display().to_string(),
            r#virtual: run.rig.is_virtual(),
            file: run.rig.source.text.to_string(),
            warnings,
        },
        doctor: Known::default(),
        versions: BTreeMap::from([("hil".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
        evidence: folder.path().display().to_string(),
        counts: counts(finished)
            .into_iter()
            .map(|(verdict, cases)| (verdict.word().to_owned(), cases))
            .collect(),
        cases: finished.iter().map(VerdictDocument::from).collect(),
        reactions: reactions(finished),
        coverage: coverage::table(cases, finished),
        rules,
    }
}

pub(super) fn select(
    names: &[String],
    folder: Result<PathBuf, Failure>,
) -> Result<Vec<Case>, Failure> {
    // Paths to files need no folder of scenarios.
    let folder = match folder {
        Ok(folder) => folder,
        Err(_) if names.iter().all(|name| name.contains(".toml")) => PathBuf::new(),
        Err(failure) => return Err(failure),
    };
    let cases = scenario::select(names, &folder).map_err(|e| match &e {
        SelectError::Wrong(mistake) => Failure::mistake(mistake),
        SelectError::Folder { .. } => Failure::new(ExitCode::BadFile, &e),
        SelectError::Unknown { .. } | SelectError::UnknownCase { .. } => {
            Failure::new(ExitCode::NothingSelected, &e)
        }
    })?;
    if cases.is_empty() {
        return Err(Failure::said(
            ExitCode::NothingSelected,
            format!("nothing is called `{}`: see `hil list`", names.join("`, `")),
        ));
    }
    Ok(cases)
}

/// The packages that a person names, or the rig file, or the project's.
pub(super) fn packages(given: Option<&Path>, rig: &RigFile) -> Result<Packages, Failure> {
    let given = given.or(rig.packages.as_deref());
    let dir: PathBuf = match given.map(Path::to_owned) {
        Some(dir) => dir,
        None => home()?.join("fixtures/packages"),
    };
    Packages::load(&dir).map_err(|e| Failure::mistake(&e))
}

/// A seed that differs from run to run, and is printed, so that any run can be had again.
fn new_seed() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| {
            since.as_secs() * 1000 + u64::from(since.subsec_millis())
        })
}
