//! `hil rig`.

use std::path::PathBuf;

use rig::config::{Bench, RigFile};
use rig::lock::RigLock;

use super::{Failure, print};
use crate::contamination::{StateFile, Unsound};
use crate::exit_code::ExitCode;

/// What a rig remembers of runs that did not come to their end.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bench.
    #[arg(long, env = "HIL_RIG", value_name = "FILE")]
    rig: PathBuf,
    /// Says that somebody has seen to the module: the rig may be used again.
    #[arg(long)]
    clear: bool,
}

pub(super) fn rig(arguments: &Arguments) -> ExitCode {
    match try_rig(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_rig(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let broken = |e: &dyn std::error::Error| Failure::new(ExitCode::Broken, e);
    let file = RigFile::load(&arguments.rig).map_err(|e| Failure::mistake(&e))?;
    let Bench::Real(bench) = &file.bench else {
        return Ok(print(
            "sound: the virtual module goes with its run, and leaves nothing\n",
        ));
    };
    let state = StateFile::of(&bench.console);
    if arguments.clear {
        // Not under the hands of a run, or of its guardian.
        let _lock = RigLock::take(&bench.console).map_err(|e| broken(&e))?;
        state.clear().map_err(|e| broken(&e))?;
        return Ok(print("sound, because you say so\n"));
    }
    match state.read().map_err(|e| broken(&e))? {
        None => Ok(print("sound: no run left its module half-updated\n")),
        Some(Unsound::Contaminated(marker)) => Ok(print(&format!(
            "contaminated: process {} began an update from `{}` to `{}` at {} and has not ended it; when that run is over, the next one recovers the module first\n",
            marker.pid, marker.base, marker.target, marker.since
        ))),
        Some(Unsound::Bad { reason, since, .. }) => {
            print(&format!(
                "bad since {since}: {reason}; see to the module, then `hil rig --clear --rig {}`\n",
                arguments.rig.display()
            ));
            Ok(ExitCode::Broken)
        }
    }
}
