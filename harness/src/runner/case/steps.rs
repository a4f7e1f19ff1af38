//! The scenario's own steps, one after the other.

use std::time::Duration;

use dfota::timeline::{Event, FaultLife, Pin, Purpose};

use super::super::session::{Act, Awaited, Session, Stop};
use super::Around;
use crate::package_server::{Offered, Serving};
use crate::scenario::{self, Expectation, Filling, PowerStep, Statement};

/// What the server does where a step has it serve nothing, as a fault.
const SERVER_SHUT: &str = "server-shut";

/// The scenario's own steps, until one is not met.
pub(super) fn steps(session: &mut Session<'_>, around: &Around<'_>) -> Result<(), Stop> {
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
    } else if around.case.downloads() {
        around.depot.foreign(session)?;
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
                session.hear_out(session.pace(*time))?;
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
        if begun {
            session.release_after(Ok(()), pin, width)?;
        } else {
            if let Some(name) = fault.clone() {
                let life = FaultLife::Armed;
                session.happened(Event::Fault { name, life })?;
            }
            session.pulse(pin, width)?;
        }
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
            around.depot.serve(offered, serving.clone())?;
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
