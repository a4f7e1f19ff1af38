//! `hil serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Failure;
use crate::exit_code::ExitCode;
use crate::interrupt::{Interrupt, Urgency};
use crate::package_server::{Alone, AloneError, Limits, Options, ServerError, serve_alone};

/// The package server alone, with its faults, for people who test their own modem code.
///
/// Each file has a path of its own that nobody can guess, made anew at each start; what is printed
/// is what to ask for. Everything that comes of it is told line by line. It ends by Ctrl-C.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to serve.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to listen: an address and a port, `0.0.0.0:8080` for every address, port 0 for any.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = listen)]
    listen: SocketAddr,
    /// What the server is called from outside, as in `http://lab.example.net:8080`, where that is
    /// not its address.
    #[arg(long, value_name = "URL", value_parser = url)]
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

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an address and a port, as in `127.0.0.1:8080` or `[::1]:8080`".to_owned()
    })
}

fn url(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("http://").unwrap_or_default();
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&b);
    match !name.is_empty() && name.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("write it as in `http://lab.example.net:8080`".to_owned()),
    }
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
        | AloneError::Twice { .. }
        | AloneError::Server(ServerError::Name { .. } | ServerError::NoSuchPackage { .. }) => {
            Failure::new(ExitCode::BadFile, &e)
        }
        _ => Failure::new(ExitCode::Broken, &e),
    })?;
    Ok(ExitCode::Passed)
}
