//! `hil package`.

use std::path::PathBuf;

use super::{Failure, home, print};
use crate::exit_code::ExitCode;
use crate::packages;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Makes the packages for the virtual module, and their manifest, from firmware images; always
    /// the same bytes.
    Build {
        /// Where to; the project's `fixtures/packages` where it is not given.
        folder: Option<PathBuf>,
    },
}

pub(super) fn package(arguments: &Arguments) -> ExitCode {
    let Command::Build { folder } = &arguments.command;
    match build(folder.clone()) {
        Ok(text) => print(&text),
        Err(failure) => failure.tell(),
    }
}

fn build(folder: Option<PathBuf>) -> Result<String, Failure> {
    let folder = match folder {
        Some(folder) => folder,
        None => home()?.join("fixtures/packages"),
    };
    let written =
        packages::build(&folder).map_err(|error| Failure::new(ExitCode::Broken, &error))?;
    Ok(written
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect())
}
