//! One case from its first power-up to its verdict: prepare, steps, aftercare, retry.
//!
//! The scenario's own steps stand in the middle. What stands around them is the same for every
//! case, since it is what makes a result one: the module is known to be the right one on the
//! right firmware before, and asked what became of it after, twice, with a clean power cycle
//! between. After a cut or a fault, an honest update must succeed.

use std::sync::Arc;
use std::time::Duration;

use dfota::monitor::Phase;
use dfota::timeline::{Event, FaultLife, Purpose, Stage};
use rig::config::ModuleFacts;

use super::identity::Identity;
use super::moves::{FORCED_UPDATE_WITHIN, Honest};
use super::session::{Act, Awaited, Session, Stop};
use crate::interrupt::Urgency;
use crate::package_server::{Offer, Offered, PackageServer, ServerError, Serving};
use crate::packages::{Condition, Package, Packages};
use crate::scenario::{
    self, Case, ConsoleSetting, Expectation, Filling, PackageUrl, PowerStep, Statement,
};

/// How long an interrupted run waits for an update under way to end, in the module's time.
pub(crate) const HOLD_FOR_END: Duration = Duration::from_secs(10 * 60);

/// Rates that a module may have been fixed to, likeliest first (AT manual, `AT+IPR=?`).
pub(super) const FIXED_RATES: [u32; 8] = [
    115_200, 9_600, 57_600, 38_400, 19_200, 4_800, 230_400, 460_800,
];
/// How long a module is listened to before the power is taken that ends a case.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// How long each rate is tried, in the module's time: longer than a boot takes.
const RATE_TURN: Duration = Duration::from_secs(8);
/// And in ours, at least: a busy machine must not look like a wrong rate.
const RATE_TURN_FLOOR: Duration = Duration::from_millis(500);

/// What a case needs beside its session.
pub(super) struct Around<'a> {
    /// The case.
    pub case: &'a Case,
    /// The package server that this rig's module reaches.
    pub server: &'a PackageServer,
    /// All packages of the manifest.
    pub packages: &'a Packages,
    /// The package of the case; `None` where nothing is downloaded.
    pub package: Option<&'a Package>,
    /// What the module's network calls the server: host and port.
    pub public: (&'a str, u16),
    /// Every random choice comes from it.
    pub seed: u64,
    /// Which module the rig file demands.
    pub wanted: &'a ModuleFacts,
    /// Told who the module is, as soon as that is known.
    pub met: &'a dyn Fn(&Identity),
}

/// Runs a case to its end, whatever that is; only a broken harness or rig gives up earlier, and
/// that, too, is then in the timeline.
pub(super) fn run(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
    match stages(session, around) {
        Ok(()) => session.power_off(),
        Err(Stop::Interrupted(urgency)) => end_in_order(session, urgency),
        Err(Stop::Flood(what)) => {
            session.happened(Event::Unmet {
                expectation: "a module that speaks in measure".to_owned(),
                why: what.to_owned(),
            })?;
            session.supply_off()
        }
        Err(Stop::Refused(what)) => {
            session.happened(Event::Trouble(what))?;
            session.supply_off()
        }
        Err(broken) => {
            let mut chain = broken.to_string();
            let mut source = std::error::Error::source(&broken);
            while let Some(cause) = source {
                chain.push_str(": ");
                chain.push_str(&cause.to_string());
                source = cause.source();
            }
            session.happened(Event::Trouble(chain))?;
            // The console may be gone and the supply not: try, and keep the first trouble.
            let _ = session.rig.supply.release();
            Ok(())
        }
    }
}

/// What an interrupt leaves: in UPDATING the power stays on until END or a bound, for cutting
/// it there is an experiment and not an end; elsewhere it goes off. Where a step has cut it
/// already there is nothing to wait for.
fn end_in_order(session: &mut Session<'_>, urgency: Urgency) -> Result<(), Stop> {
    let at_work = session.powered() && !session.monitor().phase().may_cut_power();
    if urgency == Urgency::InOrder && at_work {
        let bound = session.deadline(HOLD_FOR_END);
        let from = session.timeline().len();
        match session.await_phase(bound, from, Phase::may_cut_power) {
            Ok(_) | Err(Stop::Interrupted(_)) => {}
            Err(other) => return Err(other),
        }
    }
    session.supply_off()
}

fn stages(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
    session.happened(Event::Stage(Stage::Prepare))?;
    if !prepare(session, around)? {
        return Ok(());
    }
    session.happened(Event::Stage(Stage::Steps))?;
    steps(session, around)?;
    session.happened(Event::Stage(Stage::Aftercare))?;
    let Some(version) = aftercare(session)? else {
        return Ok(());
    };
    if around.package.is_some() && !around.case.planned_faults().is_empty() {
        session.happened(Event::Stage(Stage::Retry))?;
        retry(session, around, &version)?;
    }
    restore_console(session, around)
}

/// From any state to: known identity, right rate, base version, off. `false`: it cannot be had,
/// and the judge says why.
fn prepare(session: &mut Session<'_>, around: &Around<'_>) -> Result<bool, Stop> {
    session.power_off()?;
    session.power_on()?;
    if !answers_at_some_rate(session)? {
        return Ok(false);
    }
    let module = session.identify()?;
    (around.met)(&module);
    if !session.is_the_one(around.wanted, &module)? {
        return Ok(false);
    }
    set_console(session, around.case.scenario.console)?;
    let mut version = session.probe()?;
    if let Some(package) = around.package {
        if around.case.virtual_module.registered && !session.registered()? {
            return Ok(false);
        }
        if let Some(now) = version.clone()
            && now != package.base
        {
            version = walk(session, around, &now, &package.base)?;
        }
        if version.as_deref() != Some(package.base.as_str()) {
            return Ok(false);
        }
    }
    session.power_off()?;
    Ok(true)
}

/// Updates honestly from version to version, as far as the packages lead.
fn walk(
    session: &mut Session<'_>,
    around: &Around<'_>,
    from: &str,
    to: &str,
) -> Result<Option<String>, Stop> {
    let mut now = Some(from.to_owned());
    for package in around.packages.way(from, to).unwrap_or_default() {
        update(session, around, package)?;
        now = session.probe()?;
        if now.as_deref() != Some(package.target.as_str()) {
            break;
        }
    }
    Ok(now)
}

/// Looks for the module at the rig's rate first, and then, in turn, at every other that it may
/// have been left at. One that is busy with a forced update says so, at whatever rate; so one
/// that has not said a byte at any rate is not waited for any longer.
fn answers_at_some_rate(session: &mut Session<'_>) -> Result<bool, Stop> {
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

fn answers(session: &mut Session<'_>) -> Result<bool, Stop> {
    let within = session.deadline(FORCED_UPDATE_WITHIN);
    let answers = session.ready(within)? == Awaited::Came;
    if !answers {
        session.check_alive()?;
        session.happened(Event::Unmet {
            expectation: "an answer to `AT`".to_owned(),
            why: format!("none within {within:?}"),
        })?;
    }
    Ok(answers)
}

/// Fixes the module's rate, or lets it learn it; saved, so that it holds after a power cut.
/// Modules that do not know the command are left as they are.
fn set_console(session: &mut Session<'_>, setting: ConsoleSetting) -> Result<(), Stop> {
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

/// A scenario at another rate leaves the module at the rig's, or the next case is deaf.
fn restore_console(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
    match around.case.scenario.console {
        ConsoleSetting::Rate(rate) if rate != session.rig.baud => {
            let baud = session.rig.baud;
            session.ask(&format!("AT+IPR={baud}"))?;
            session.set_baud(baud)?;
            let within = session.deadline(scenario::READY_WITHIN);
            session.ready(within)?;
            session.ask("AT&W").map(drop)
        }
        _ => Ok(()),
    }
}

/// What became of it, asked twice. The version at last, if the module still tells it.
fn aftercare(session: &mut Session<'_>) -> Result<Option<String>, Stop> {
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
        session.pass(session.pace(AFTERWARDS))?;
    }
    session.power_off()?;
    session.power_on()?;
    if !answers(session)? {
        return Ok(None);
    }
    session.probe()
}

/// An honest update from wherever the module stands now; it must succeed.
fn retry(session: &mut Session<'_>, around: &Around<'_>, now: &str) -> Result<(), Stop> {
    let Some(package) = around
        .packages
        .packages
        .iter()
        .find(|package| package.condition == Condition::Honest && package.base == now)
    else {
        return session.happened(Event::Unmet {
            expectation: "an honest package for the retry".to_owned(),
            why: format!("the manifest has none from `{now}`"),
        });
    };
    let came = update(session, around, package)?;
    let after = session.probe()?;
    let why = match came {
        Honest::Failed(why) => why,
        Honest::Over if after.as_deref() == Some(package.target.as_str()) => return Ok(()),
        Honest::Over => format!(
            "the module reports `{}`",
            after.as_deref().unwrap_or("nothing")
        ),
    };
    session.happened(Event::Unmet {
        expectation: format!("an honest update to `{}`", package.target),
        why,
    })
}

/// One honest update with one package.
fn update(
    session: &mut Session<'_>,
    around: &Around<'_>,
    package: &Package,
) -> Result<Honest, Stop> {
    let offered = offer(session, around, package, Serving::Honestly)?;
    let url = url(around, offered.path.clone()).to_string();
    let came = session.update_honestly(&url);
    around.server.withdraw(&offered)?;
    session.take_reports()?;
    came
}

fn offer(
    session: &Session<'_>,
    around: &Around<'_>,
    package: &Package,
    serving: Serving,
) -> Result<Offered, ServerError> {
    around.server.offer(Offer {
        name: package.name.clone(),
        package: Arc::clone(&package.bytes),
        others: around
            .packages
            .packages
            .iter()
            .map(|other| (other.name.clone(), Arc::clone(&other.bytes)))
            .collect(),
        serving,
        seed: around.seed,
        speed: session.rig.speed,
    })
}

fn url(around: &Around<'_>, path: String) -> PackageUrl {
    let (host, port) = around.public;
    PackageUrl {
        host: host.to_owned(),
        port,
        path,
    }
}

/// The scenario's own steps, until one is not met.
fn steps(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
    let mut steps = Steps {
        offered: None,
        cuts: 0,
        begun: None,
    };
    if let Some(package) = around.package {
        let serving = around.case.serving.clone();
        arm(session, &serving)?;
        steps.offered = Some(offer(session, around, package, serving)?);
    }
    session.forget_the_past();
    let mut ran = Ok(true);
    for index in 0..around.case.steps.len() {
        ran = steps.run(session, around, index);
        if !matches!(ran, Ok(true)) {
            break;
        }
    }
    // Also after an error, so that the reports of what was served are in the evidence.
    if let Some(offered) = &steps.offered {
        around.server.withdraw(offered)?;
        session.take_reports()?;
    }
    ran.map(drop)
}

/// From now on the server's plans can fire.
fn arm(session: &mut Session<'_>, serving: &Serving) -> Result<(), Stop> {
    if let Serving::Through(plans) = serving {
        for plan in plans {
            session.happened(Event::Fault {
                name: plan.name.clone(),
                life: FaultLife::Armed,
            })?;
        }
    }
    Ok(())
}

struct Steps {
    offered: Option<Offered>,
    cuts: usize,
    /// The act of the step at this index was done the moment the step before was met.
    begun: Option<usize>,
}

impl Steps {
    /// One step; `false` when it is not met and the rest is void.
    fn run(
        &mut self,
        session: &mut Session<'_>,
        around: &Around<'_>,
        index: usize,
    ) -> Result<bool, Stop> {
        let step = &around.case.steps[index];
        let begun = self.begun.take() == Some(index);
        session.happened(Event::Step(index + 1, step.text.clone()))?;
        match &step.statement {
            Statement::Power(power) => self.power(session, *power, begun)?,
            Statement::Pulse { pin, width } => {
                if !begun {
                    session.set_pin(*pin, true)?;
                }
                session.release_after(*pin, *width)?;
            }
            Statement::Send { text, answer } => {
                if !begun {
                    let bytes = self.fill(around, text)?;
                    session.forget_the_past();
                    session.send(&bytes, Purpose::Step)?;
                }
                let Some(expectation) = answer else {
                    return Ok(true);
                };
                let met = self.expect(session, around, index, expectation)?;
                // An information response is met before its command is over.
                if met && self.begun.is_none() {
                    session.await_answered(session.deadline(expectation.within))?;
                }
                return Ok(met);
            }
            Statement::Expect(expectation) => {
                return self.expect(session, around, index, expectation);
            }
            Statement::Wait(time) => session.pass(session.pace(*time))?,
            Statement::Silence(time) => {
                let from = session.timeline().len();
                session.pass(session.pace(*time))?;
                let heard = session.timeline()[from..]
                    .iter()
                    .any(|entry| matches!(entry.event, Event::Received { .. }));
                if heard {
                    session.happened(Event::Unmet {
                        expectation: step.text.clone(),
                        why: "the module spoke".to_owned(),
                    })?;
                    return Ok(false);
                }
            }
            Statement::Rate(baud) => session.set_baud(*baud)?,
            Statement::Serve(serving) => self.serve(session, around, serving)?,
        }
        Ok(true)
    }

    fn power(
        &mut self,
        session: &mut Session<'_>,
        power: PowerStep,
        begun: bool,
    ) -> Result<(), Stop> {
        match power {
            PowerStep::On => session.power_on(),
            PowerStep::Vbat => session.vbat_on(),
            PowerStep::Off => {
                if !begun {
                    session.supply_off()?;
                }
                session.stay_off(None)
            }
            PowerStep::Cut { off_for } => {
                self.cuts += 1;
                let name = format!("cut-{}", self.cuts);
                if !begun {
                    let life = FaultLife::Armed;
                    session.happened(Event::Fault {
                        name: name.clone(),
                        life,
                    })?;
                    session.supply_off()?;
                }
                let life = match session.overrun() {
                    Some(how) => FaultLife::Missed(how),
                    None => FaultLife::Fired("supply off commanded".to_owned()),
                };
                session.happened(Event::Fault { name, life })?;
                session.stay_off(off_for)
            }
        }
    }

    fn serve(
        &self,
        session: &mut Session<'_>,
        around: &Around<'_>,
        serving: &Serving,
    ) -> Result<(), Stop> {
        let Some(offered) = &self.offered else {
            return Ok(()); // a scenario that serves has a package: its check says so
        };
        arm(session, serving)?;
        Ok(around.server.set_serving(offered, serving.clone())?)
    }

    fn fill(&self, around: &Around<'_>, text: &scenario::SendText) -> Result<Vec<u8>, Stop> {
        let path = self.offered.as_ref().map(|offered| offered.path.clone());
        let url = url(around, path.unwrap_or_default());
        let filling = Filling {
            url: &url,
            base: around.package.map_or("", |package| &package.base),
            target: around.package.map_or("", |package| &package.target),
        };
        text.fill(filling).map_err(|e| Stop::Refused(e.to_string()))
    }

    /// Waits for what a step expects, with the next step's act ready.
    fn expect(
        &mut self,
        session: &mut Session<'_>,
        around: &Around<'_>,
        index: usize,
        expectation: &Expectation,
    ) -> Result<bool, Stop> {
        let within = session.deadline(expectation.within);
        let from = session.timeline().len();
        let awaited = match &expectation.awaited {
            scenario::Awaited::Ready => session.ready(within)?,
            scenario::Awaited::Phase(name) => {
                let name = name.to_string();
                session.await_phase(within, from, |phase| phase.word() == name)?
            }
            scenario::Awaited::Message(_) => {
                let act = self.act_of(session, around, index + 1)?;
                let awaited = session.await_message(expectation, within, act.as_ref())?;
                if awaited == Awaited::Came && act.is_some() {
                    self.begun = Some(index + 1);
                }
                awaited
            }
        };
        let why = match awaited {
            Awaited::Came => return Ok(true),
            Awaited::RuledOut(line) => format!("`{line}` came instead"),
            Awaited::Overdue => format!("not within {within:?}"),
        };
        session.happened(Event::Unmet {
            expectation: expectation.text.clone(),
            why,
        })?;
        Ok(false)
    }

    /// What the step at `index` does first, where that is one act.
    fn act_of(
        &mut self,
        session: &mut Session<'_>,
        around: &Around<'_>,
        index: usize,
    ) -> Result<Option<Act>, Stop> {
        let Some(step) = around.case.steps.get(index) else {
            return Ok(None);
        };
        let before = index
            .checked_sub(1)
            .map(|i| &around.case.steps[i].statement);
        let answers_a_command = matches!(before, Some(Statement::Send { .. }));
        Ok(match &step.statement {
            Statement::Power(PowerStep::Off) => Some(Act::Cut),
            Statement::Power(PowerStep::Cut { .. }) => {
                session.happened(Event::Fault {
                    name: format!("cut-{}", self.cuts + 1),
                    life: FaultLife::Armed,
                })?;
                Some(Act::Cut)
            }
            Statement::Pulse { pin, .. } => Some(Act::Assert(*pin)),
            // A command must not overtake the final result code of the one before it.
            Statement::Send { text, .. } if !answers_a_command => {
                Some(Act::Send(self.fill(around, text)?))
            }
            _ => None,
        })
    }
}
