//! `hil guardian`: started by `hil run`, by nobody else.

use super::Failure;
use crate::exit_code::ExitCode;
use crate::guardian;

pub(super) fn guardian() -> ExitCode {
    match guardian::run() {
        Ok(()) => ExitCode::Passed,
        Err(e) => Failure::new(ExitCode::Broken, &e).tell(),
    }
}
