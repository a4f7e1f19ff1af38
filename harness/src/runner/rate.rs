//! The module's rate: found wherever it was left, set as the scenario wants, and left as the rig
//! file says.

use std::time::Duration;

use dfota::timeline::Event;

use super::moves::FORCED_UPDATE_WITHIN;
use super::session::{Awaited, Session, Stop};
use crate::scenario::{self, ConsoleSetting};

/// Rates that a module may have been fixed to, likeliest first (AT manual, `AT+IPR=?`).
pub(super) const FIXED_RATES: [u32; 8] = [
    115_200, 9_600, 57_600, 38_400, 19_200, 4_800, 230_400, 460_800,
];
/// How long each rate is tried, in the module's time: longer than a boot takes.
const RATE_TURN: Duration = Duration::from_secs(8);
/// And in ours, at least: a busy machine must not look like a wrong rate.
const RATE_TURN_FLOOR: Duration = Duration::from_millis(500);

/// Looks for the module at the rig's rate first, and then, in turn, at every other that it may
/// have been left at. One that is busy with a forced update says so, at whatever rate; so one
/// that has not said a byte at any rate is not waited for any longer.
pub(super) fn answers_at_some_rate(session: &mut Session<'_>) -> Result<bool, Stop> {
    let usual = session.rig.baud;
    let others = FIXED_RATES.into_iter().filter(|rate| *rate != usual);
    let rates: Vec<u32> = [usual].into_iter().chain(others).collect();
    let turn = session.pace(RATE_TURN).max(RATE_TURN_FLOOR);
    let until = session.now() + session.deadline(FORCED_UPDATE_WITHIN);
    for (turns, rate) in rates.iter().cycle().enumerate() {
        if session.now() >= until || (turns >= rates.len() && !session.has_heard()) {
            break;
        }
        if session.rig.console.baud() != *rate {
            session.set_baud(*rate)?;
        }
        // The usual rate gets its time twice: a module that boots is mute for a while.
        let time = if *rate == usual { turn * 2 } else { turn };
        if session.ready(time)? == Awaited::Came {
            return Ok(true);
        }
    }
    session.set_baud(usual)?;
    session.check_alive()?;
    let why = if session.has_heard() {
        format!("none at any of the rates {rates:?}")
    } else {
        "not a byte since its power was switched on: is it powered, its PWRKEY wired, its TXD at our RXD?"
            .to_owned()
    };
    session.happened(Event::Unmet {
        expectation: "an answer to `AT`".to_owned(),
        why,
    })?;
    Ok(false)
}

/// Fixes the module's rate, or lets it learn it; saved, so that it holds after a power cut.
/// Modules that do not know the command are left as they are.
pub(super) fn set_console(session: &mut Session<'_>, setting: ConsoleSetting) -> Result<(), Stop> {
    let rate = match setting {
        ConsoleSetting::Fixed => session.rig.baud,
        ConsoleSetting::Auto => 0,
        ConsoleSetting::Rate(rate) => rate,
    };
    let Some(answer) = session.ask("AT+IPR?")? else {
        return Ok(());
    };
    let now = answer
        .iter()
        .find_map(|line| line.strip_prefix("+IPR:")?.trim().parse::<u32>().ok());
    if now == Some(rate) {
        return Ok(());
    }
    session.ask(&format!("AT+IPR={rate}"))?;
    let ours = if rate == 0 { session.rig.baud } else { rate };
    if ours != session.rig.console.baud() {
        session.set_baud(ours)?;
        let within = session.deadline(scenario::READY_WITHIN);
        session.ready(within)?;
    }
    session.ask("AT&W")?;
    Ok(())
}

/// A scenario that set the module's rate otherwise leaves it as the rig file says, or the next case
/// is deaf, and the next examination finds another module than it was told of.
pub(super) fn restore_console(session: &mut Session<'_>, was: ConsoleSetting) -> Result<(), Stop> {
    match was {
        ConsoleSetting::Fixed => Ok(()),
        ConsoleSetting::Auto | ConsoleSetting::Rate(_) => {
            set_console(session, ConsoleSetting::Fixed)
        }
    }
}
