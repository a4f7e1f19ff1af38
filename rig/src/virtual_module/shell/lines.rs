//! The module's lines from the bench's side: levels that anybody sets from any thread, their
//! changes on the way to the module's thread, and VDD_EXT, which the module's thread sets.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::PollFd;

use super::rail::Rail;
use super::wake::Wake;
use crate::line::Edge;

/// Changes of lines that may wait for the module's thread.
const CHANGES_MAX: usize = 1024;

/// What the bench drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Vbat,
    Pwrkey,
    Reset,
    /// The level shifter lets the host's bytes through.
    ToModule,
    /// And the module's.
    ToHost,
}

/// A line went to a level, at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineChange {
    pub(super) at: Instant,
    pub(super) line: Line,
    pub(super) level: bool,
}

#[derive(Debug)]
struct Levels {
    vbat: bool,
    pwrkey: bool,
    reset: bool,
    to_module: bool,
    to_host: bool,
    /// What the module has not felt yet.
    changes: VecDeque<LineChange>,
}

#[derive(Debug)]
struct Shared {
    levels: Mutex<Levels>,
    rail: Mutex<Rail>,
    /// The relay of VBAT does not open any more.
    relay_sticks: bool,
    stop: AtomicBool,
    wake: Arc<Wake>,
}

/// VBAT, PWRKEY and RESET_N as the bench holds them, the level shifter between the UARTs, and
/// VDD_EXT as the bench sees it.
///
/// `true` means powered for VBAT and asserted (held low) for PWRKEY and RESET_N. The shifter is
/// on until it is switched.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Shared>);

/// Somebody who follows VDD_EXT, whoever else does.
#[derive(Debug)]
pub struct RailWatch {
    lines: Lines,
    seen: u64,
}

impl RailWatch {
    /// What VDD_EXT did since the last call, the oldest first and no more than [`EDGES_KEPT`](crate::line::EDGES_KEPT): of
    /// more, the latest. Asserted is up.
    pub fn edges(&mut self) -> Vec<Edge> {
        let rail = self.lines.rail();
        let new = rail.since(self.seen);
        self.seen = rail.count();
        new
    }
}

/// What the bench does.
impl Lines {
    /// Connects or cuts the supply. A cut holds from the moment of this call.
    pub fn set_vbat(&self, on: bool) {
        self.set(Line::Vbat, on);
    }

    /// Asserts or releases PWRKEY.
    pub fn set_pwrkey(&self, asserted: bool) {
        self.set(Line::Pwrkey, asserted);
    }

    /// Asserts or releases RESET_N.
    pub fn set_reset(&self, asserted: bool) {
        self.set(Line::Reset, asserted);
    }

    /// Enables or disables the way from the host's TXD to the module's RXD.
    pub fn set_to_module(&self, enabled: bool) {
        self.set(Line::ToModule, enabled);
    }

    /// Enables or disables the way from the module's TXD to the host's RXD.
    pub fn set_to_host(&self, enabled: bool) {
        self.set(Line::ToHost, enabled);
    }

    /// Whether what the host sends reaches the module's pin.
    pub fn to_module(&self) -> bool {
        self.levels().to_module
    }

    /// Whether the supply is connected.
    pub fn vbat(&self) -> bool {
        self.0.relay_sticks || self.levels().vbat
    }

    /// Whether PWRKEY is asserted.
    pub fn pwrkey(&self) -> bool {
        self.levels().pwrkey
    }

    /// Whether RESET_N is asserted.
    pub fn reset(&self) -> bool {
        self.levels().reset
    }

    /// Whether the module's 1.8 V rail is up.
    pub fn vdd_ext(&self) -> bool {
        self.rail().is_up()
    }

    /// Follows VDD_EXT from now on.
    pub fn watch_vdd_ext(&self) -> RailWatch {
        RailWatch {
            seen: self.rail().count(),
            lines: self.clone(),
        }
    }

    fn set(&self, line: Line, level: bool) {
        {
            let mut levels = self.levels();
            let held = match line {
                Line::Vbat => &mut levels.vbat,
                Line::Pwrkey => &mut levels.pwrkey,
                Line::Reset => &mut levels.reset,
                Line::ToModule => &mut levels.to_module,
                Line::ToHost => &mut levels.to_host,
            };
            if *held == level {
                return;
            }
            *held = level;
            if levels.changes.len() == CHANGES_MAX {
                // Of this many changes of five lines, the oldest is followed by another of its
                // line: what is lost is a pulse that nobody could have seen.
                levels.changes.pop_front();
            }
            // Stamped under the lock, so that the thread has not yet lived beyond it.
            let at = Instant::now();
            levels.changes.push_back(LineChange { at, line, level });
        }
        self.0.wake.wake();
    }

    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.0.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rail(&self) -> MutexGuard<'_, Rail> {
        self.0.rail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the module's thread does.
impl Lines {
    pub(super) fn new(relay_sticks: bool) -> io::Result<Self> {
        let levels = Levels {
            vbat: false,
            pwrkey: false,
            reset: false,
            to_module: true,
            to_host: true,
            changes: VecDeque::new(),
        };
        Ok(Self(Arc::new(Shared {
            levels: Mutex::new(levels),
            rail: Mutex::new(Rail::default()),
            relay_sticks,
            stop: AtomicBool::new(false),
            wake: Arc::new(Wake::new()?),
        })))
    }

    /// What changed since the last call, and the time: no change that is yet to come is earlier.
    pub(super) fn take_changes(&self) -> (VecDeque<LineChange>, Instant) {
        let mut levels = self.levels();
        (std::mem::take(&mut levels.changes), Instant::now())
    }

    /// When the first change was that waits to be taken, or now: no other is earlier.
    pub(super) fn first_change_or_now(&self) -> Instant {
        let levels = self.levels();
        let first = levels.changes.front();
        first.map_or_else(Instant::now, |change| change.at)
    }

    /// VDD_EXT goes up or down, at a moment of the module's life.
    pub(super) fn change_vdd_ext(&self, up: bool, at: Instant) {
        self.rail().change(up, at);
    }

    /// Has the thread end.
    pub(super) fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        self.0.wake.wake();
    }

    pub(super) fn is_to_stop(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    pub(super) fn wake(&self) -> &Arc<Wake> {
        &self.0.wake
    }

    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        self.0.wake.poll_fd()
    }
}
