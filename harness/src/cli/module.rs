//! `hil module`.

use std::path::PathBuf;

use super::Failure;
use crate::exit_code::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Its lawful manners.
    #[arg(long, default_value = "guide")]
    personality: String,
    /// How many times faster than a module of the field it lives.
    #[arg(long, default_value_t = 1)]
    speed: u32,
    /// A link to its pty, for a rig file to name.
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
}

pub(super) fn module(arguments: &Arguments) -> ExitCode {
    let _ = arguments;
    Failure::said(ExitCode::Broken, "not yet").tell()
}
