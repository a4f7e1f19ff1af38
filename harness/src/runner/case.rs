//! One case from its first power-up to its verdict: prepare, steps, aftercare, retry.
//!
//! The scenario's own steps stand in the middle. What stands around them is the same for every
//! case, since it is what makes a result one: the module is known to be the right one on the
//! right firmware before, and asked what became of it after, twice, with a clean power cycle
//! between. After a cut or a fault, an honest update must succeed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dfota::monitor::Phase;
use dfota::timeline::{Event, FaultLife, Pin, Purpose, Stage};
use rig::config::ModuleFacts;

use super::depot::Depot;
use super::ending;
use super::identity::Identity;
use super::moves::{FORCED_UPDATE_WITHIN, Honest};
use super::session::{Act, Awaited, Session, Stop};
use crate::package_server::{Offered, Serving};
use crate::packages::{Condition, Package};
use crate::safety::Duty;
use crate::scenario::{self, Case, ConsoleSetting, Expectation, Filling, PowerStep, Statement};

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

/// What the server does where a step has it serve nothing, as a fault.
const SERVER_SHUT: &str = "server-shut";

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
        Ok(left) => {
            session.power_off()?;
            match left {
                Left::Idle => around.depot.update_is_over(),
                Left::Unknown => Ok(()),
            }
        }
        Err(stop) => ending::by_policy(session, stop),
    }
}

fn stages(session: &mut Session<'_>, around: &Around<'_>) -> Result<Left, Stop> {
    session.happened(Event::Stage(Stage::Prepare))?;
    if !prepare(session, around)? {
        return Ok(Left::Unknown);
    }
    session.happened(Event::Stage(Stage::Steps))?;
    steps(session, around)?;
    session.happened(Event::Stage(Stage::Aftercare))?;
    let mut version = aftercare(session)?;
    let Some(now) = version.clone() else {
        return Ok(Left::Unknown);
    };
    if around.package.is_some() && !around.case.planned_faults().is_empty() {
        session.happened(Event::Stage(Stage::Retry))?;
        version = retry(session, around, &now)?;
    }
    restore_console(session, around)?;
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
    if !answers_at_some_rate(session)? {
        return Ok(false);
    }
    let module = session.identify()?;
    (around.met)(&module);
    session.imei.clone_from(&module.imei);
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
            return Ok(false);
        }
    }
    session.power_off()?;
    Ok(true)
}

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

/// A scenario that set the module's rate otherwise leaves it as the rig file says, or the next case
/// is deaf, and the next examination finds another module than it was told of.
fn restore_console(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
    match around.case.scenario.console {
        ConsoleSetting::Fixed => Ok(()),
        ConsoleSetting::Auto | ConsoleSetting::Rate(_) => {
            set_console(session, ConsoleSetting::Fixed)
        }
    }
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
        session.pass(session.pace(AFTERWARDS))?;
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

/// The scenario's own steps, until one is not met.
fn steps(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
    let mut steps = Steps {
        offered: None,
        armed: names(&around.case.serving),
        cuts: 0,
        resets: 0,
        begun: None,
    };
    if let Some(package) = around.package {
        let serving = around.case.serving.clone();
        arm(session, &serving)?;
        steps.offered = Some(around.depot.offer(session, package, serving)?);
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
        around.depot.server.withdraw(offered)?;
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
    if *serving == Serving::Nothing {
        let lives = [
            FaultLife::Armed,
            FaultLife::Fired("nothing is on offer, and connections are refused".to_owned()),
        ];
        for life in lives {
            let name = SERVER_SHUT.to_owned();
            session.happened(Event::Fault { name, life })?;
        }
    }
    Ok(())
}

/// The names of the plans in it.
fn names(serving: &Serving) -> Vec<String> {
    match serving {
        Serving::Through(plans) => plans.iter().map(|plan| plan.name.clone()).collect(),
        Serving::Nothing => vec![SERVER_SHUT.to_owned()],
        Serving::Honestly => Vec::new(),
    }
}

struct Steps {
    offered: Option<Offered>,
    /// The server's plans that are in play.
    armed: Vec<String>,
    cuts: usize,
    resets: usize,
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
                self.pulse(session, *pin, *width, begun)?;
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

    /// A pulse. A reset is a fault, which must be proved: a line that leads nowhere resets nothing.
    fn pulse(
        &mut self,
        session: &mut Session<'_>,
        pin: Pin,
        width: Option<Duration>,
        begun: bool,
    ) -> Result<(), Stop> {
        let fault = (pin == Pin::ResetN).then(|| {
            self.resets += 1;
            format!("reset-{}", self.resets)
        });
        if !begun {
            if let Some(name) = fault.clone() {
                let life = FaultLife::Armed;
                session.happened(Event::Fault { name, life })?;
            }
            session.set_pin(pin, true)?;
        }
        session.release_after(pin, width)?;
        let Some(name) = fault else {
            return Ok(());
        };
        let life = FaultLife::Fired("RESET_N asserted and released".to_owned());
        session.happened(Event::Fault { name, life })
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
        &mut self,
        session: &mut Session<'_>,
        around: &Around<'_>,
        serving: &Serving,
    ) -> Result<(), Stop> {
        // What is replaced by an honest answer or by other plans does nothing any more.
        self.clear(session, serving)?;
        arm(session, serving)?;
        // A scenario that serves has a package: its check says so.
        if let Some(offered) = &self.offered {
            around.depot.server.set_serving(offered, serving.clone())?;
        }
        Ok(())
    }

    /// The plans that are armed and not in `serving` are over.
    fn clear(&mut self, session: &mut Session<'_>, serving: &Serving) -> Result<(), Stop> {
        let next = names(serving);
        for name in std::mem::replace(&mut self.armed, next.clone()) {
            if !next.contains(&name) {
                let life = FaultLife::Cleared;
                session.happened(Event::Fault { name, life })?;
            }
        }
        Ok(())
    }

    fn fill(&self, around: &Around<'_>, text: &scenario::SendText) -> Result<Vec<u8>, Stop> {
        let path = self.offered.as_ref().map(|offered| offered.path.clone());
        let url = around.depot.url(path.unwrap_or_default());
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
            Statement::Pulse { pin, .. } => {
                if *pin == Pin::ResetN {
                    session.happened(Event::Fault {
                        name: format!("reset-{}", self.resets + 1),
                        life: FaultLife::Armed,
                    })?;
                }
                Some(Act::Assert(*pin))
            }
            // A command must not overtake the final result code of the one before it.
            Statement::Send { text, .. } if !answers_a_command => {
                Some(Act::Send(self.fill(around, text)?))
            }
            _ => None,
        })
    }
}
