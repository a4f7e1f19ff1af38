//! What is going on, for a person at a terminal: one line that is drawn again and again, and
//! one that stays for each case. Standard error; nothing is drawn where that is no terminal. What
//! an interrupt does to a module is said everywhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dfota::monitor::{Monitor, Phase};
use dfota::timeline::{Entry, Event, Power, Stage};

use super::{Finished, text};
use crate::interrupt::{Interrupt, Urgency};
use crate::runner::Observer;
use crate::safety::{self, Duty, HOLD_MAX, Supply};
use crate::scenario::Case;

/// The line is drawn at most so often.
const DRAW_EVERY: Duration = Duration::from_millis(50);

/// Shows how cases go.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    /// Whether cases are reported on standard output as they end.
    report: bool,
    colors: bool,
    /// Asked how urgent it is when a case is interrupted.
    interrupt: Interrupt,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<String, Shown>,
    drawn: bool,
    drawn_at: Option<Instant>,
    over: usize,
    of: usize,
}

/// What is shown of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    stage: &'static str,
    phase: String,
    powered: bool,
}

impl Progress {
    /// `report`: whether a line on standard output tells of each case that is over; with
    /// `--format json` nothing but the document may stand there.
    #[must_use]
    pub fn new(of: usize, report: bool, colors: bool, interrupt: Interrupt) -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            report,
            colors,
            interrupt,
            state: Mutex::new(State {
                of,
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, state: &mut State) {
        if !self.terminal {
            return;
        }
        let cases: Vec<String> = state
            .running
            .iter()
            .map(|(id, shown)| format!("{id}: {}", shown.words()))
            .collect();
        let line = format!("{}/{}  {}", state.over, state.of, cases.join("  |  "));
        let width = usize::from(
            rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| size.ws_col.max(20)),
        );
        let cut: String = line.chars().take(width - 1).collect();
        let _ = write!(std::io::stderr(), "\r\x1b[K{cut}");
        state.drawn = true;
        state.drawn_at = Some(Instant::now());
    }

    fn wipe(state: &mut State) {
        if std::mem::take(&mut state.drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Shown {
    fn words(&self) -> String {
        let power = if self.powered { "" } else { ", power off" };
        match (self.stage, self.phase.as_str()) {
            ("", "idle") => "begins".to_owned(),
            (stage, "idle") => format!("{stage}{power}"),
            ("steps", phase) => format!("{phase}{power}"),
            (stage, phase) => format!("{stage}, {phase}{power}"),
        }
    }
}

impl Observer for Progress {
    fn begins(&self, case: &Case) {
        let mut state = self.state();
        state.running.insert(case.id.clone(), Shown::default());
        self.draw(&mut state);
    }

    fn happened(&self, case: &Case, entry: &Entry, monitor: &Monitor) {
        let mut state = self.state();
        if matches!(entry.event, Event::Interrupted) {
            Self::wipe(&mut state);
            let shown = state.running.get(&case.id);
            let powered = shown.is_some_and(|shown| shown.powered);
            let what = ending(self.interrupt.urgency(), monitor.phase(), powered);
            let _ = writeln!(std::io::stderr(), "{}: {what}", case.id);
        }
        let Some(shown) = state.running.get_mut(&case.id) else {
            return;
        };
        let before = shown.clone();
        match &entry.event {
            Event::Stage(stage) => {
                shown.stage = match stage {
                    Stage::Prepare => "prepare",
                    Stage::Steps => "steps",
                    Stage::Aftercare => "aftercare",
                    Stage::Retry => "retry",
                }
            }
            Event::Supply { to, .. } => shown.powered = *to == Power::On,
            _ => {}
        }
        shown.phase = phase_words(monitor.phase());
        let changed = *shown != before;
        // A phase that has just been left is drawn at once and stays readable that long.
        let due = state.drawn_at.is_none_or(|at| at.elapsed() >= DRAW_EVERY);
        if changed && due {
            self.draw(&mut state);
        }
    }

    fn warns(&self, case: &Case, what: &str) {
        let mut state = self.state();
        Self::wipe(&mut state);
        let _ = writeln!(std::io::stderr(), "warning: {}: {what}", case.id);
    }

    fn says(&self, what: &str) {
        let mut state = self.state();
        Self::wipe(&mut state);
        let _ = writeln!(std::io::stderr(), "{what}");
    }

    fn over(&self, finished: &Finished) {
        let mut state = self.state();
        Self::wipe(&mut state);
        state.running.remove(&finished.id);
        state.over += 1;
        if self.report {
            let _ = std::io::stdout().write_all(text::case(finished, self.colors).as_bytes());
            let _ = std::io::stdout().flush();
        }
        if state.over < state.of {
            self.draw(&mut state);
        }
    }
}

/// What an interrupt means for the module: whether its power goes, and what that may do to it.
fn ending(urgency: Urgency, phase: Phase, powered: bool) -> String {
    let minutes = HOLD_MAX.as_secs() / 60;
    let supply = if powered { Supply::On } else { Supply::Off };
    match (urgency, safety::duty(phase.into(), supply)) {
        (_, Duty::PowerOff) => "interrupted: power off now".to_owned(),
        (Urgency::None | Urgency::InOrder, Duty::Hold) => format!(
            "interrupted while the module writes its flash: its power stays on until END, {minutes} min at most; {ONCE_MORE}"
        ),
        (Urgency::None | Urgency::InOrder, Duty::Recover) => format!(
            "interrupted while its power is cut in the middle of an update: it is switched on again, and stays on until END, {minutes} min at most; {ONCE_MORE}"
        ),
        (Urgency::AtOnce, Duty::Hold) => format!("interrupted: power off now, {LEFT_HALF_WAY}"),
        (Urgency::AtOnce, Duty::Recover) => {
            format!("interrupted: power stays off, {LEFT_HALF_WAY}")
        }
    }
}

const ONCE_MORE: &str = "Ctrl-C once more takes it at once";

/// §3.1 note 1 promises that it goes on; a module that does not keep the promise is lost.
const LEFT_HALF_WAY: &str = "while the module writes its flash: its next start must finish the update (guide §3.1 note 1), and a module that cannot do that is lost; do not cut it again before END";

fn phase_words(phase: Phase) -> String {
    match phase {
        Phase::Downloading {
            percent: Some(percent),
        }
        | Phase::Updating {
            percent: Some(percent),
        } => format!("{} {percent} %", phase.word()),
        other => other.word().to_owned(),
    }
}
