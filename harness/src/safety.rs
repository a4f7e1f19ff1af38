//! What is owed to a module when nobody goes on with its run: one policy, for whoever must act.
//!
//! "Off" is no safe state while a module writes its flash: taking the power there is an
//! experiment, and a module can be lost by it. The runner asks this on an error, at a deadline,
//! on a signal and after a panic; the guardian asks it when the runner itself is gone.
//!
//! Pure: whoever asks does what it says.

use std::time::Duration;

use dfota::message::{FinalResult, Message};
use dfota::monitor::Phase;
use dfota::timeline::{Event, Pin, Power};
use dfota::urc::{FotaErr, FotaUrc, Urc};
use serde::{Deserialize, Serialize};

/// How long an update under way may take to end, in the module's time, before its power is taken
/// all the same: the guide's example needs five minutes.
pub const HOLD_MAX: Duration = Duration::from_secs(10 * 60);

/// A module that has been silent for so long, in its own time, is asked whether its application
/// runs. Longer than the two seconds from `START` to the restart, in which the application still
/// answers though the update is to come.
pub const ASK_AFTER: Duration = Duration::from_secs(5);

/// How long a module whose application runs again may take to say `END`, in its own time. What
/// is drained here does not come in the next run.
pub const END_WITHIN: Duration = Duration::from_secs(10);

/// What the module does about its flash, as far as that is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flash {
    /// It has no whole package to write, or is through with it: nothing is lost with the power.
    AtRest,
    /// From `HTTPEND,0` on, until `END` or until the application runs again. `START` may come at
    /// any moment after `HTTPEND,0`, and from `START` on the flash may change.
    AtWork,
}

impl From<Phase> for Flash {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Idle | Phase::Commanded | Phase::Downloading { .. } | Phase::Ended(_) => {
                Self::AtRest
            }
            Phase::Downloaded | Phase::Updating { .. } | Phase::Restarting => Self::AtWork,
        }
    }
}

/// The module's power, as we switched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supply {
    /// VBAT is off.
    Off,
    /// VBAT is on, and PWRKEY has not been pulsed to its end: VBAT alone boots nothing.
    Starting,
    /// The module was switched on.
    On,
}

/// What is owed to a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Its power is taken.
    PowerOff,
    /// It keeps its power until the update has ended, or [`HOLD_MAX`]; then that is taken.
    Hold,
    /// Its power was cut in the middle of an update: it is switched on again, once the cut has
    /// lasted as long as it must, and then held.
    Recover,
}

/// The policy.
#[must_use]
pub fn duty(flash: Flash, supply: Supply) -> Duty {
    match (flash, supply) {
        (Flash::AtRest, _) => Duty::PowerOff,
        (Flash::AtWork, Supply::On) => Duty::Hold,
        (Flash::AtWork, Supply::Off | Supply::Starting) => Duty::Recover,
    }
}

/// Where a module stands: what somebody must know who ends its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The phase of its update, in the glossary's word.
    pub phase: String,
    /// What it does about its flash.
    pub flash: Flash,
    /// Its power.
    pub supply: Supply,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            phase: Phase::Idle.word().to_owned(),
            flash: Flash::AtRest,
            supply: Supply::Off,
        }
    }
}

impl Standing {
    /// A module that an earlier run left with its power on, and of which nobody knows how far it is.
    #[must_use]
    pub fn left_powered() -> Self {
        let phase = Phase::Updating { percent: None };
        Self {
            phase: phase.word().to_owned(),
            flash: phase.into(),
            supply: Supply::On,
        }
    }

    /// What is owed to it.
    #[must_use]
    pub fn duty(&self) -> Duty {
        duty(self.flash, self.supply)
    }

    /// Something happened, and the judge says that the update is now in `phase`. Returns whether
    /// that changed where the module stands.
    pub fn observe(&mut self, event: &Event, phase: Phase, has_pwrkey: bool) -> bool {
        let supply = match event {
            Event::Supply { to: Power::Off, .. } => Supply::Off,
            Event::Supply { to: Power::On, .. } if has_pwrkey => Supply::Starting,
            Event::Supply { to: Power::On, .. } => Supply::On,
            Event::Pin {
                pin: Pin::Pwrkey,
                asserted: false,
            } if self.supply == Supply::Starting => Supply::On,
            _ => self.supply,
        };
        if self.phase == phase.word() && self.supply == supply {
            return false;
        }
        *self = Self {
            phase: phase.word().to_owned(),
            flash: phase.into(),
            supply,
        };
        true
    }
}

/// How a module shows that its update is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// `END` with this code.
    Ended(FotaErr),
    /// The application runs again: `RDY`, or an answer to `AT`. `END` may still come.
    Runs,
}

/// Listens to a module whose power is held: is its update over?
#[derive(Clone, Debug, Default)]
pub struct Watch {
    started: bool,
    asked: bool,
    over: Option<Over>,
}

impl Watch {
    /// For a module whose update is in the phase of this word. After a cut it has started, too:
    /// what had not is gone with the power.
    #[must_use]
    pub fn new(phase: &str) -> Self {
        Self {
            started: phase != Phase::Downloaded.word(),
            ..Self::default()
        }
    }

    /// How the update ended, if it has.
    #[must_use]
    pub fn over(&self) -> Option<Over> {
        self.over
    }

    /// `AT` was sent, after [`ASK_AFTER`] of silence.
    pub fn asked(&mut self) {
        self.asked = true;
    }

    /// The module said something.
    pub fn hear(&mut self, message: &Message) {
        match message {
            Message::Urc(Urc::Fota(FotaUrc::End(code))) => self.over = Some(Over::Ended(*code)),
            // Also after an application ran: a module that goes back to its flash is at work.
            Message::Urc(Urc::Fota(FotaUrc::Start | FotaUrc::Updating { .. })) => {
                *self = Self {
                    started: true,
                    ..Self::default()
                };
            }
            Message::Urc(Urc::Rdy) if self.started => self.runs(),
            Message::FinalResult(FinalResult::Ok) if self.started && self.asked => self.runs(),
            _ => {}
        }
    }

    fn runs(&mut self) {
        self.over.get_or_insert(Over::Runs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfota::monitor::End;
    use dfota::timeline::ReadBack;
    use dfota::urc::HttpErr;
    use rstest::rstest;

    #[rstest]
    #[case(Phase::Idle, Duty::PowerOff, Duty::PowerOff)]
    #[case(Phase::Commanded, Duty::PowerOff, Duty::PowerOff)]
    #[case(Phase::Downloading { percent: Some(40) }, Duty::PowerOff, Duty::PowerOff)]
    #[case(Phase::Downloaded, Duty::Hold, Duty::Recover)]
    #[case(Phase::Updating { percent: None }, Duty::Hold, Duty::Recover)]
    #[case(Phase::Updating { percent: Some(37) }, Duty::Hold, Duty::Recover)]
    #[case(Phase::Restarting, Duty::Hold, Duty::Recover)]
    #[case(Phase::Ended(End::End(FotaErr(0))), Duty::PowerOff, Duty::PowerOff)]
    #[case(
        Phase::Ended(End::HttpEnd(HttpErr(12))),
        Duty::PowerOff,
        Duty::PowerOff
    )]
    #[case(Phase::Ended(End::Dropped), Duty::PowerOff, Duty::PowerOff)]
    #[case(Phase::Ended(End::Unreported), Duty::PowerOff, Duty::PowerOff)]
    fn a_duty_for_each_phase(#[case] phase: Phase, #[case] powered: Duty, #[case] cut: Duty) {
        assert_eq!(duty(phase.into(), Supply::On), powered);
        assert_eq!(duty(phase.into(), Supply::Off), cut);
        assert_eq!(duty(phase.into(), Supply::Starting), cut);
    }

    fn supply(to: Power) -> Event {
        Event::Supply {
            to,
            read_back: ReadBack::Agrees,
        }
    }

    fn pwrkey(asserted: bool) -> Event {
        let pin = Pin::Pwrkey;
        Event::Pin { pin, asserted }
    }

    #[test]
    fn a_module_is_on_when_pwrkey_was_pulsed_to_its_end() {
        let mut standing = Standing::default();
        let mut at = |event: Event| {
            standing.observe(&event, Phase::Idle, true);
            standing.supply
        };
        assert_eq!(at(supply(Power::On)), Supply::Starting);
        assert_eq!(at(pwrkey(true)), Supply::Starting);
        assert_eq!(at(pwrkey(false)), Supply::On);
        assert_eq!(at(pwrkey(true)), Supply::On);
        assert_eq!(at(supply(Power::Off)), Supply::Off);
        assert_eq!(at(pwrkey(false)), Supply::Off);
    }

    #[test]
    fn where_pwrkey_is_tied_vbat_is_enough() {
        let mut standing = Standing::default();
        assert!(standing.observe(&supply(Power::On), Phase::Idle, false));
        assert_eq!(standing.supply, Supply::On);
        assert!(!standing.observe(&Event::Ready, Phase::Idle, false));
    }

    fn urc(urc: FotaUrc) -> Message {
        Message::Urc(Urc::Fota(urc))
    }

    fn updating(percent: u32) -> Message {
        urc(FotaUrc::Updating { percent, of: None })
    }

    const OK: Message = Message::FinalResult(FinalResult::Ok);
    const RDY: Message = Message::Urc(Urc::Rdy);
    const ENDED: Option<Over> = Some(Over::Ended(FotaErr(0)));

    fn end() -> Message {
        urc(FotaUrc::End(FotaErr(0)))
    }

    #[rstest]
    #[case::end("updating", vec![updating(50), end()], ENDED)]
    #[case::end_after_rdy("updating", vec![RDY, end()], ENDED)]
    #[case::end_without_start("downloaded", vec![end()], ENDED)]
    #[case::the_application_runs("updating", vec![updating(99), RDY], Some(Over::Runs))]
    #[case::goes_back_to_its_flash("updating", vec![RDY, updating(20)], None)]
    #[case::an_answer_that_nobody_asked_for("updating", vec![OK], None)]
    #[case::not_started_yet("downloaded", vec![RDY], None)]
    #[case::still_at_it("updating", vec![updating(98), updating(99)], None)]
    fn an_update_is_over(
        #[case] phase: &str,
        #[case] heard: Vec<Message>,
        #[case] over: Option<Over>,
    ) {
        let mut watch = Watch::new(phase);
        for message in &heard {
            watch.hear(message);
        }
        assert_eq!(watch.over(), over);
    }

    #[rstest]
    #[case("updating", Some(Over::Runs))]
    #[case("restarting", Some(Over::Runs))]
    // It answers, and `START` may come the next moment.
    #[case("downloaded", None)]
    fn a_module_that_answers_is_through_if_it_had_started(
        #[case] phase: &str,
        #[case] over: Option<Over>,
    ) {
        let mut watch = Watch::new(phase);
        watch.asked();
        watch.hear(&OK);
        assert_eq!(watch.over(), over);
    }
}
