//! `hil serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Failure;
use crate::exit_code::ExitCode;
use crate::interrupt::{Interrupt, Urgency};
use crate::package_server::{Alone, AloneError, Limits, Options, serve_alone};

/// The package server alone, with its faults, for people who test their own modem code.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to serve.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What the server is called from outside, where that is not its address.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with `[[server]]` tables, as in a scenario: what goes wrong, and when.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Where random choices begin.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where the record of each connection goes, a line of JSON each.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

pub(super) fn serve(arguments: &Arguments) -> ExitCode {
    match try_serve(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_serve(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::catch_signals().map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    let what = Alone {
        options: Options {
            listen: arguments.listen,
            public_url: arguments.url.clone(),
            limits: Limits::default(),
        },
        files: arguments.files.clone(),
        plan: arguments.plan.clone(),
        seed: arguments.seed,
        log: arguments.log.clone(),
    };
    let told_to_stop = || interrupt.urgency() != Urgency::None;
    serve_alone(&what, &mut std::io::stdout().lock(), &told_to_stop).map_err(|e| match &e {
        AloneError::Plan(mistake) => Failure::mistake(mistake),
        AloneError::NoFile
        | AloneError::File { .. }
        | AloneError::Name { .. }
        | AloneError::Twice { .. } => Failure::new(ExitCode::BadFile, &e),
        _ => Failure::new(ExitCode::Broken, &e),
    })?;
    Ok(ExitCode::Passed)
}
