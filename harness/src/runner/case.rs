//! One case from its first power-up to its verdict: prepare, steps, aftercare, retry.
//!
//! The scenario's own steps stand in the middle. What stands around them is the same for every
//! case, since it is what makes a result one: the module is known to be the right one on the
//! right firmware before, and asked what became of it after, twice, with a clean power cycle
//! between. After a cut or a fault, an honest update must succeed.

mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dfota::monitor::Phase;
use dfota::timeline::{Event, Stage};
use rig::config::ModuleFacts;

use super::depot::Depot;
use super::ending;
use super::identity::Identity;
use super::moves::{FORCED_UPDATE_WITHIN, Honest};
use super::rate;
use super::session::{Awaited, Session, Stop};
use crate::packages::{Condition, Package};
use crate::safety::Duty;
use crate::scenario::Case;

/// How long a module is listened to before the power is taken that ends a case.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// What a case needs beside its session.
pub(super) struct Around<'a> {
    /// The case.
    pub case: &'a Case,
    /// The module was made for this case, with the base version of its package: a virtual one. One
    /// on a bench is as the case before left it.
    pub made_for_this: bool,
    /// The package of the case; `None` where nothing is downloaded.
    pub package: Option<&'a Package>,
    /// Where packages come from.
    pub depot: Depot<'a>,
    /// Which module the rig file demands.
    pub wanted: &'a ModuleFacts,
    /// Told who the module is, as soon as that is known.
    pub met: &'a dyn Fn(&Identity),
}

/// Runs a case to its end, whatever that is; only a broken harness or rig gives up earlier, and
/// that, too, is then in the timeline.
pub(super) fn run(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
    let ended = catch_unwind(AssertUnwindSafe(|| stages(session, around)));
    match ended.unwrap_or_else(|panic| Err(Stop::panicked(&*panic))) {
        // The module has answered since its last power cycle, or had every chance to.
        Ok(left) => close(session, around, left),
        Err(stop) => Err(stop),
    }
    .or_else(|stop| ending::by_policy(session, stop))
}

/// The power is taken at last.
fn close(session: &mut Session<'_>, around: &Around<'_>, left: Left) -> Result<(), Stop> {
    session.supply_off()?;
    if left == Left::Idle {
        around.depot.update_is_over()?;
    }
    session.stay_off(None)
}

fn stages(session: &mut Session<'_>, around: &Around<'_>) -> Result<Left, Stop> {
    session.happened(Event::Stage(Stage::Prepare))?;
    if !prepare(session, around)? {
        return Ok(Left::Unknown);
    }
    session.happened(Event::Stage(Stage::Steps))?;
    steps::steps(session, around)?;
    session.happened(Event::Stage(Stage::Aftercare))?;
    let mut version = aftercare(session)?;
    let Some(now) = version.clone() else {
        return Ok(Left::Unknown);
    };
    if around.package.is_some() && !around.case.planned_faults().is_empty() {
        session.happened(Event::Stage(Stage::Retry))?;
        version = retry(session, around, &now)?;
    }
    rate::restore_console(session, around.case.scenario.console)?;
    Ok(match version {
        Some(version) if around.depot.packages.knows(&version) => Left::Idle,
        _ => Left::Unknown,
    })
}

/// How a case left its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It answers, on a version that the packages know.
    Idle,
    /// It may be half-updated.
    Unknown,
}

/// From any state to: known identity, right rate, base version, off. `false`: it cannot be had,
/// and the judge says why.
fn prepare(session: &mut Session<'_>, around: &Around<'_>) -> Result<bool, Stop> {
    session.power_off()?;
    session.power_on()?;
    if !rate::answers_at_some_rate(session)? {
        return Ok(false);
    }
    let module = session.identify()?;
    (around.met)(&module);
    session.imei.clone_from(&module.imei);
    if !session.is_the_one(around.wanted, &module)? {
        return Ok(false);
    }
    rate::set_console(session, around.case.scenario.console)?;
    let mut version = session.probe()?;
    if let Some(package) = around.package {
        if around.case.virtual_module.registered && !session.registered()? {
            return Ok(false);
        }
        if let Some(now) = version.clone()
            && now != package.base
        {
            if around.made_for_this {
                // Leading it back would hide that it is not the module that was asked for.
                session.happened(Event::Unmet {
                    expectation: format!("`{}`, which this module was made with", package.base),
                    why: format!("it runs `{now}`"),
                })?;
                return Ok(false);
            }
            version = around.depot.walk(session, &now, &package.base)?;
        }
        if version.as_deref() != Some(package.base.as_str()) {
            let now = version.as_deref().unwrap_or("nothing that it tells");
            session.happened(Event::Unmet {
                expectation: format!("a module on {}, the package's base", package.base),
                why: format!("it runs `{now}`, and no package of the manifest led there"),
            })?;
            return Ok(false);
        }
    }
    session.power_off()?;
    Ok(true)
}

fn answers(session: &mut Session<'_>) -> Result<bool, Stop> {
    let from = session.now();
    let answers = session.ready_unless_silent(FORCED_UPDATE_WITHIN)? == Awaited::Came;
    if !answers {
        session.check_alive()?;
        let waited = session.now().saturating_sub(from).as_secs();
        session.happened(Event::Unmet {
            expectation: "an answer to `AT`".to_owned(),
            why: format!("none within {waited} s"),
        })?;
    }
    Ok(answers)
}

/// What became of it, asked twice. The version at last, if the module still tells it.
fn aftercare(session: &mut Session<'_>) -> Result<Option<String>, Stop> {
    if session.standing().duty() == Duty::Hold {
        // The steps gave up on an update under way: a deadline is no reason to cut it.
        ending::see_through(session)?;
    }
    if !session.powered() {
        session.power_on()?;
    }
    if !answers(session)? {
        return Ok(None);
    }
    session.probe()?;
    // What comes late, a second `END` or a restart, must not be lost with the power. An update
    // that the steps gave up gets no more time: nothing is served any more.
    if matches!(session.monitor().phase(), Phase::Idle | Phase::Ended(_)) {
        session.hear_out(session.pace(AFTERWARDS))?;
    }
    session.power_off()?;
    session.power_on()?;
    if !answers(session)? {
        return Ok(None);
    }
    session.probe()
}

/// An honest update from wherever the module stands now; it must succeed. The version at last.
fn retry(
    session: &mut Session<'_>,
    around: &Around<'_>,
    now: &str,
) -> Result<Option<String>, Stop> {
    let packages = &around.depot.packages.packages;
    let Some(package) = packages
        .iter()
        .find(|package| package.condition == Condition::Honest && package.base == now)
    else {
        session.happened(Event::Unmet {
            expectation: "an honest package for the retry".to_owned(),
            why: format!("the manifest has none from `{now}`"),
        })?;
        return Ok(Some(now.to_owned()));
    };
    let came = around.depot.update(session, package)?;
    let after = session.probe()?;
    let why = match came {
        Honest::Failed(why) => why,
        Honest::Over if after.as_deref() == Some(package.target.as_str()) => return Ok(after),
        Honest::Over => format!(
            "the module reports `{}`",
            after.as_deref().unwrap_or("nothing")
        ),
    };
    session.happened(Event::Unmet {
        expectation: format!("an honest update to `{}`", package.target),
        why,
    })?;
    Ok(after)
}
