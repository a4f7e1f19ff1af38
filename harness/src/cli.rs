//! The command line: arguments to a request, a request to an exit code.
//!
//! Standard output has what was asked for, standard error everything else.

mod coverage;
mod doctor;
mod guardian;
mod judge;
mod list;
mod module;
mod package;
mod rig_state;
mod rules;
mod run;
mod selftest;
mod serve;
mod stored_run;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::evidence::RunFolder;
use crate::exit_code::ExitCode;
use crate::report::chain;

/// Tests the firmware update (DFOTA) of Quectel BC26 and BC20 modules, and judges it by the
/// vendor's guide. Without a rig file, the built-in virtual module is the module.
#[derive(Debug, Parser)]
#[command(name = "hil", version, max_term_width = 100, after_help = exit_codes())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs scenarios, judges them, leaves evidence.
    Run(run::Arguments),
    /// Lists scenarios: title, guide section, what they need of a rig.
    List(list::Arguments),
    /// Judges recorded evidence again, with no rig.
    Judge(judge::Arguments),
    /// Lists the rules that modules are judged by, with their citations.
    Rules(rules::Arguments),
    /// Lists the guide's outcomes: what provokes each, and whether it was observed.
    Coverage(coverage::Arguments),
    /// Tries each defect that the virtual module can have: is it caught, and by the right rule?
    Selftest(selftest::Arguments),
    /// Proves that a bench can do what its rig file claims, step by step.
    Doctor(doctor::Arguments),
    /// Runs the virtual module alone, on a pty.
    Module(module::Arguments),
    /// Runs the package server alone, with a plan of faults.
    Serve(serve::Arguments),
    /// Makes and checks packages.
    Package(package::Arguments),
    /// Shows whether a rig can be used, and says so after somebody has seen to it.
    Rig(rig_state::Arguments),
    /// Prints the JSON Schema of a file that people write, or of a document.
    Schema {
        /// Of which file.
        of: SchemaOf,
    },
    /// Acts for a runner that is gone; `hil run` starts it on a real bench.
    #[command(hide = true)]
    Guardian,
    /// Prints completions for a shell.
    Completions {
        /// For which.
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Lines for people.
    Human,
    /// One JSON document, and nothing else.
    Json,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SchemaOf {
    Scenario,
    Rig,
    /// What `hil doctor` found out.
    Doctor,
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes:\n");
    for code in ExitCode::ALL {
        text.push_str(&format!("  {:>3}  {}\n", code.number(), code.sentence()));
    }
    text
}

/// Parses the arguments of this process and does what they ask.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Passed
            };
        }
    };
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Judge(arguments) => judge::judge(&arguments),
        Command::Rules(arguments) => rules::rules(&arguments),
        Command::Coverage(arguments) => coverage::coverage(&arguments),
        Command::Selftest(arguments) => selftest::selftest(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Module(arguments) => module::module(&arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Package(arguments) => package::package(&arguments),
        Command::Rig(arguments) => rig_state::rig(&arguments),
        Command::Guardian => guardian::guardian(),
        Command::Schema { of } => print(&schema(of)),
        Command::Completions { shell } => {
            // Into memory first: the generator panics on a closed pipe.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "hil", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

fn schema(of: SchemaOf) -> String {
    match of {
        SchemaOf::Scenario => crate::schemas::scenario(),
        SchemaOf::Rig => crate::schemas::rig(),
        SchemaOf::Doctor => crate::schemas::doctor(),
    }
}

/// Prints to standard output. Whoever closed it has had enough: that is no error.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::Passed
}

/// Prints a document to standard output.
fn print_json(document: &impl serde::Serialize) -> Result<ExitCode, Failure> {
    let json =
        serde_json::to_string_pretty(document).map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    Ok(print(&format!("{json}\n")))
}

/// What ends a command before it did what it is for.
#[derive(Debug)]
struct Failure {
    code: ExitCode,
    text: String,
}

impl Failure {
    fn new(code: ExitCode, error: &dyn std::error::Error) -> Self {
        Self {
            code,
            text: format!("error: {}", chain(error)),
        }
    }

    fn said(code: ExitCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: format!("error: {}", text.into()),
        }
    }

    /// A mistake in a file, shown in place.
    fn mistake<K: rig::written::Kind + 'static>(mistake: &rig::written::Mistake<K>) -> Self {
        Self {
            code: ExitCode::BadFile,
            text: crate::diagnostic::render(mistake, colors_on_stderr()),
        }
    }

    fn tell(self) -> ExitCode {
        tell(&self.text);
        self.code
    }
}

/// Says something on standard error. That nobody listens there is no error.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn colors_on_stderr() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn colors_on_stdout() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The time of day, as runs are named by it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string()
}

/// The folder with scenarios and fixtures, or why there is none.
fn home() -> Result<PathBuf, Failure> {
    crate::home::find().ok_or_else(|| {
        Failure::said(
            ExitCode::BadFile,
            "no folder with `scenarios` and `fixtures` at or above this one: change to the project's folder, or name scenario files and `--packages`",
        )
    })
}

/// A new folder for what a run or an examination leaves.
fn evidence_folder(evidence: &Path) -> Result<RunFolder, Failure> {
    RunFolder::create(evidence, &now()).map_err(|e| {
        let place = evidence.display();
        Failure::said(
            ExitCode::Broken,
            format!(
                "cannot make a folder for evidence in `{place}`: {e}; name another by `--evidence`"
            ),
        )
    })
}

/// Writes a document of it.
fn write_document(
    folder: &RunFolder,
    name: &str,
    document: &impl serde::Serialize,
) -> Result<(), Failure> {
    folder.write(name, document).map_err(|e| {
        let path = folder.path().join(name);
        Failure::said(
            ExitCode::Broken,
            format!("cannot write `{}`: {e}", path.display()),
        )
    })
}

/// The folder of scenarios that names refer to.
fn scenario_folder(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    match given {
        Some(folder) => Ok(folder.clone()),
        None => Ok(home()?.join("scenarios")),
    }
}
