//! `hil doctor`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use rig::config::{Bench, RigFile};
use rig::virtual_module::{Defect, Settings};

use super::run::packages;
use super::{
    Failure, Format, colors_on_stdout, evidence_folder, print, print_json, write_document,
};
use crate::contamination::StateFile;
use crate::doctor::kept::{self, Known};
use crate::doctor::{self, Examination, Page, Verdict};
use crate::evidence::{RunFolder, write_whole};
use crate::exit_code::ExitCode;
use crate::guardian::Guard;
use crate::interrupt::Interrupt;
use crate::report::progress::Progress;
use crate::runner::examine::{self, Told};
use crate::runner::{Run, factory_settings};

/// Exit codes are those of `hil run`: 0 when every step that applies passed, 105 when one failed,
/// 106 when none failed and not all were run.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bench; the virtual module where none is given.
    #[arg(long, env = "HIL_RIG", value_name = "FILE")]
    rig: Option<PathBuf>,
    /// What standard output has.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Writes the steps as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Where examinations leave their folders.
    #[arg(long, value_name = "DIR", default_value = "target/evidence")]
    evidence: PathBuf,
    /// Plants a defect in the virtual rig (`H01`): the examination must then fail.
    #[arg(long, value_name = "ID")]
    defect: Vec<Defect>,
}

pub(super) fn doctor(arguments: &Arguments) -> ExitCode {
    match try_doctor(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_doctor(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let rig = match &arguments.rig {
        Some(path) => RigFile::load(path).map_err(|e| Failure::mistake(&e))?,
        None => RigFile::virtual_default(),
    };
    if !arguments.defect.is_empty() && !rig.is_virtual() {
        return Err(Failure::said(
            ExitCode::Usage,
            "only the virtual module takes `--defect`",
        ));
    }
    let folder = evidence_folder(&arguments.evidence)?;
    let interrupt = Interrupt::catch_signals().map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    let human = arguments.format == Format::Human;
    let settings = Settings {
        defects: arguments.defect.clone(),
        ..factory_settings(&rig)
    };
    let examination = examine(&rig, settings, &folder, &interrupt, human)?;
    if let Some(path) = &arguments.junit {
        write_junit(path, &examination)?;
    }
    if human {
        print(&page().end(&examination, folder.path()));
    } else {
        print_json(&examination)?;
    }
    Ok(examination.verdict.exit_code())
}

/// What standard output is for a reader.
fn page() -> Page {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let columns = size.ok().map(|size| size.ws_col);
    // A terminal that does not know its size says zero.
    Page::new(colors_on_stdout(), columns.filter(|columns| *columns > 0))
}

/// Examines a rig, tells a person each step where one reads, and keeps what came of it: with the
/// run, and for the runs to come.
pub(super) fn examine(
    rig: &RigFile,
    settings: Settings,
    folder: &RunFolder,
    interrupt: &Interrupt,
    human: bool,
) -> Result<Examination, Failure> {
    recover_first(rig, folder, interrupt)?;
    let planted = !settings.defects.is_empty();
    let page = page();
    if human {
        print(&page.heading(&rig.source.path.display().to_string()));
    }
    let terminal = std::io::stdout().is_terminal();
    let mut tell = |told: Told<'_>| match told {
        _ if !human => {}
        Told::Begins(step) if terminal => {
            print(&page.under_way(step));
        }
        Told::Begins(_) => {}
        Told::Over(step) => {
            let erase = if terminal { "\r\x1b[K" } else { "" };
            print(&format!("{erase}{}", page.step(step)));
        }
    };
    let examination = examine::examine(rig, settings, folder, interrupt, &mut tell)
        .map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    write_document(folder, "doctor.json", &examination)?;
    if !planted {
        kept::keep(rig, &examination).map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    }
    Ok(examination)
}

/// An examination takes the power again and again. A module that an earlier run left half-updated
/// is brought back before that, by a run of no case.
fn recover_first(rig: &RigFile, folder: &RunFolder, interrupt: &Interrupt) -> Result<(), Failure> {
    let broken = |e: &dyn std::error::Error| Failure::new(ExitCode::Broken, e);
    let Bench::Real(bench) = &rig.bench else {
        return Ok(());
    };
    let left = StateFile::of(&bench.console).marker();
    if left.map_err(|e| broken(&e))?.is_none() {
        return Ok(());
    }
    let run = Run {
        rig: rig.clone(),
        packages: packages(None, rig)?,
        seed: 1,
        snapshots: false,
        jobs: 1,
        defects: Vec::new(),
        guard: Guard::default(),
    };
    let progress = Progress::new(0, false, false, interrupt.clone());
    let recovered = run.all(&[], folder, interrupt, &progress);
    recovered.map(drop).map_err(|e| broken(&e))
}

/// An examination that a run begins with, and what the run ends with where the rig does not pass.
pub(super) fn first(
    rig: &RigFile,
    settings: Settings,
    folder: &RunFolder,
    interrupt: &Interrupt,
    human: bool,
) -> Result<(Known, Option<ExitCode>), Failure> {
    let examination = examine(rig, settings, folder, interrupt, human)?;
    let refused = match examination.verdict {
        Verdict::Passed => None,
        other => Some(other.exit_code()),
    };
    let known = Known::of(&Ok(examination), rig, jiff::Timestamp::now());
    Ok((known, refused))
}

/// The rig's last examination, for a run that makes none: a copy goes with the run's evidence.
pub(super) fn last(rig: &RigFile, folder: &RunFolder) -> Result<Known, Failure> {
    let last = kept::last(rig);
    if let Ok(examination) = &last {
        write_document(folder, "doctor.json", examination)?;
    }
    Ok(Known::of(&last, rig, jiff::Timestamp::now()))
}

fn write_junit(path: &Path, examination: &Examination) -> Result<(), Failure> {
    let xml = doctor::junit(examination).map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    write_whole(path, xml.as_bytes()).map_err(|e| {
        Failure::said(
            ExitCode::Broken,
            format!("cannot write `{}`: {e}", path.display()),
        )
    })
}
