//! `hil package`.

use std::path::{Path, PathBuf};

use super::{Failure, home, print};
use crate::exit_code::ExitCode;
use crate::packages::{self, Packages};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Makes the stand-in packages of the virtual module and their manifest; the same bytes
    /// every time.
    Build {
        /// The folder to write to; the project's `fixtures/packages` where none is given.
        dir: Option<PathBuf>,
    },
    /// Checks a folder of packages as a run would: manifest, sizes, digests.
    Check {
        /// The folder with the manifest.
        dir: PathBuf,
    },
}

pub(super) fn package(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.command {
        Command::Build { dir } => build(dir.as_deref()),
        Command::Check { dir } => {
            Packages::load(dir)
                .map_err(|e| Failure::mistake(&e))
                .map(|packages| {
                    packages
                        .packages
                        .iter()
                        .map(|p| {
                            format!(
                                "{}: {} -> {}, {} bytes, sha256 {}\n",
                                p.name,
                                p.base,
                                p.target,
                                p.bytes.len(),
                                p.sha256
                            )
                        })
                        .collect()
                })
        }
    };
    match done {
        Ok(text) => print(&text),
        Err(failure) => failure.tell(),
    }
}

fn build(dir: Option<&Path>) -> Result<String, Failure> {
    let dir = match dir {
        Some(dir) => dir.to_owned(),
        None => home()?.join("fixtures/packages"),
    };
    let written = packages::build(&dir).map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    Ok(written
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect())
}
