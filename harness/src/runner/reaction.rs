//! The way from the last byte of a message to the supply, again and again, for the benchmark
//! `reaction`: the same session, the same wait and the same act as in a case, and nothing else.

use std::error::Error;
use std::time::Duration;

use dfota::brief::Brief;
use dfota::monitor::Monitor;
use rig::Rig;

use super::inbox::Inbox;
use super::session::{Act, Awaited, Session};
use crate::evidence::CaseFolder;
use crate::interrupt::Interrupt;
use crate::scenario::Expectation;

/// How long the message may take to come, once `say` has returned.
const COMES_WITHIN: Duration = Duration::from_secs(10);

/// Switches the supply on, calls `say`, waits for `expectation` as a step does, and cuts the
/// supply the moment it is met: `rounds` times. `say` gets the number of the round, and has the
/// message said soon after it has returned.
pub fn reactions(
    rig: &mut Rig,
    folder: CaseFolder,
    expectation: &Expectation,
    rounds: usize,
    say: &mut dyn FnMut(usize),
) -> Result<(), Box<dyn Error>> {
    let (inbox, _reports) = Inbox::new()?;
    let interrupt = Interrupt::new();
    let monitor = Monitor::new(&Brief::default());
    let mut observer = |_: &_, _: &_| {};
    let mut session = Session::new(rig, &inbox, &interrupt, folder, monitor, &mut observer);
    for round in 0..rounds {
        session.supply_on()?;
        say(round);
        match session.await_message(expectation, COMES_WITHIN, Some(&Act::Cut))? {
            Awaited::Came => {}
            other => return Err(format!("round {round}: {other:?}").into()),
        }
    }
    session.over()?;
    Ok(())
}
