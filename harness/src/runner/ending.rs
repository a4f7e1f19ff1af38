//! Ends a case that cannot go on: the policy of `safety`, done by the runner.
//!
//! Whatever broke, the module is cared for first with what still works: without evidence when
//! the disk is full, without a console when that was pulled.

use std::time::Duration;

use dfota::message::Message;
use dfota::timeline::{Event, Purpose};

use super::session::{Session, Stop};
use crate::interrupt::Urgency;
use crate::report::chain;
use crate::safety::{ASK_AFTER, Duty, END_WITHIN, Over, Watch};

/// How often is looked, while power is held, whether the update is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// On a fast virtual module, a question is not asked earlier than this.
const ASK_AFTER_FLOOR: Duration = Duration::from_millis(500);

/// Ends a case after `stop`, as the policy demands.
pub(super) fn by_policy(session: &mut Session<'_>, stop: Stop) -> Result<(), Stop> {
    match stop {
        Stop::Interrupted(Urgency::AtOnce) => return off(session),
        Stop::Interrupted(_) => {}
        Stop::Flood(what) => note(
            session,
            Event::Unmet {
                expectation: "a module that speaks in measure".to_owned(),
                why: what.to_owned(),
            },
        ),
        Stop::Evidence(error) => session.give_up_evidence(error),
        broken => note(session, Event::Trouble(chain(&broken))),
    }
    see_through(session)?;
    off(session)?;
    match session.lost_evidence() {
        Some(error) => Err(Stop::Evidence(error)),
        None => Ok(()),
    }
}

/// Says what happened; where that cannot be kept, the module is cared for all the same.
fn note(session: &mut Session<'_>, event: Event) {
    if let Err(Stop::Evidence(error)) = session.happened(event) {
        session.give_up_evidence(error);
    }
}

/// Does what is owed to the module before its power may be taken; returns when it may.
pub(super) fn see_through(session: &mut Session<'_>) -> Result<(), Stop> {
    let until = session.held_until();
    if session.standing().duty() != Duty::PowerOff {
        session.end_pulses();
    }
    loop {
        let duty = session.standing().duty();
        let done = match duty {
            Duty::PowerOff => return Ok(()),
            Duty::Hold => hold(session, until),
            Duty::Recover => session.stay_off(None).and_then(|()| session.power_on()),
        };
        match done {
            Ok(()) if duty == Duty::Hold => return Ok(()),
            Err(Stop::Interrupted(Urgency::AtOnce)) => return Ok(()),
            // The first signal asks for what is being done already.
            Ok(()) | Err(Stop::Interrupted(_)) => {}
            // The same once more, and nothing is kept of it.
            Err(Stop::Evidence(error)) if session.keeps_evidence() => {
                session.give_up_evidence(error)
            }
            Err(_) if duty == Duty::Hold => {
                hold_with_what_is_left(session, until);
                return Ok(());
            }
            // It cannot be switched on: its power stays off, and its next start goes on.
            Err(_) => return Ok(()),
        }
    }
}

/// Holds the power until the update is over, or `until`.
pub(super) fn hold(session: &mut Session<'_>, until: Duration) -> Result<(), Stop> {
    let mut vigil = Vigil::begin(session);
    let mut heard = session.timeline().len();
    loop {
        for entry in &session.timeline()[heard..] {
            if let Event::Received { message, .. } = &entry.event {
                vigil.hear(entry.at, message);
            }
        }
        heard = session.timeline().len();
        let now = session.now();
        if vigil.is_over(now) || now >= until {
            return Ok(());
        }
        if vigil.is_to_ask(now) {
            session.send(b"AT\r", Purpose::Sync)?;
        }
        session.pass(LOOK_EVERY)?;
    }
}

/// The same with what is left when something broke: the console, which may come back, or a line.
fn hold_with_what_is_left(session: &mut Session<'_>, until: Duration) {
    let mut vigil = Vigil::begin(session);
    loop {
        let heard = match session.overhear(LOOK_EVERY) {
            Ok(heard) => heard,
            Err(Urgency::AtOnce) => return,
            Err(_) => Vec::new(),
        };
        let now = session.now();
        for message in &heard {
            vigil.hear(now, message);
        }
        if vigil.is_over(now) || now >= until {
            return;
        }
        if vigil.is_to_ask(now) {
            session.ask_unheard();
        }
    }
}

/// Listens to a module whose power is held, and knows when it is to be asked.
struct Vigil {
    watch: Watch,
    ask_after: Duration,
    end_within: Duration,
    quiet_since: Duration,
    /// Since when its application runs.
    runs_since: Option<Duration>,
}

impl Vigil {
    fn begin(session: &Session<'_>) -> Self {
        Self {
            watch: Watch::new(&session.standing().phase),
            ask_after: session.pace(ASK_AFTER).max(ASK_AFTER_FLOOR),
            end_within: session.pace(END_WITHIN),
            quiet_since: session.now(),
            runs_since: None,
        }
    }

    fn hear(&mut self, at: Duration, message: &Message) {
        self.watch.hear(message);
        self.quiet_since = at;
    }

    fn is_over(&mut self, now: Duration) -> bool {
        match self.watch.over() {
            Some(Over::Ended(_)) => true,
            Some(Over::Runs) => now >= *self.runs_since.get_or_insert(now) + self.end_within,
            None => {
                self.runs_since = None;
                false
            }
        }
    }

    /// Whether it has been silent for so long that it is asked now.
    fn is_to_ask(&mut self, now: Duration) -> bool {
        let due = self.watch.over().is_none() && now >= self.quiet_since + self.ask_after;
        if due {
            self.watch.asked();
            self.quiet_since = now;
        }
        due
    }
}

/// The last act. The console may be gone and the supply not.
fn off(session: &mut Session<'_>) -> Result<(), Stop> {
    let off = match session.supply_off() {
        Err(Stop::Line(error)) => session.happened(Event::Trouble(chain(&error))),
        Err(_) => session.rig.supply.release().map_err(Stop::from),
        Ok(()) => Ok(()),
    };
    session.end_pulses();
    off
}
