//! The module's lines from the bench's side: what anybody does to them from any thread, on its way
//! to the module's thread; VDD_EXT, which the module's thread sets; and how far that has come.
//!
//! Whatever is done is stamped when it is done, and the module feels it at that moment, however
//! late its thread has its turn. So nothing that it does depends on how busy the machine is; only
//! when we see it does, and who must see it can wait for the thread.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFd;

use super::deeds::{Deed, Deeds, Line, What};
use super::rail::Rail;
use super::wake::Wake;
use crate::line::Edge;

/// How long anybody waits for the module's thread who has other things to look at.
const PATIENCE: Duration = Duration::from_millis(1);
/// And who has none. One that has no turn for longer has a machine
/// that is no bench.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// How far the module's thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Somewhere in the module's life.
    Busy,
    /// The module's time stands still for a host that has not read.
    StandsStill,
    /// The module has lived up to this moment, and said all that it had to say by then.
    UpTo(Instant),
    /// It has ended.
    Gone,
}

#[derive(Debug)]
struct Bench {
    vbat: bool,
    pwrkey: bool,
    reset: bool,
    to_module: bool,
    to_host: bool,
    /// What the module has not felt yet.
    deeds: Deeds,
    progress: Progress,
    /// When the module last said something, in real time: the moment in its life.
    said_at: Option<Instant>,
}

#[derive(Debug)]
struct Shared {
    bench: Mutex<Bench>,
    /// The module's thread has come further.
    progressed: Condvar,
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
        self.bench().to_module
    }

    /// Whether the supply is connected.
    pub fn vbat(&self) -> bool {
        self.0.relay_sticks || self.bench().vbat
    }

    /// Whether PWRKEY is asserted.
    pub fn pwrkey(&self) -> bool {
        self.bench().pwrkey
    }

    /// Whether RESET_N is asserted.
    pub fn reset(&self) -> bool {
        self.bench().reset
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

    /// When the module last said something: the moment in its life, however late its thread had
    /// its turn, and however late it is read.
    pub fn said_at(&self) -> Option<Instant> {
        self.bench().said_at
    }

    /// Tells the module that the host has sent bytes, which are in its pty by now.
    pub fn sent(&self) {
        self.bench().deeds.add(What::Sent);
        self.0.wake.wake();
    }

    /// Whether the module has lived up to this moment and said all that it had to say by then. A
    /// busy machine may keep its thread from that, and so may a host that does not read: the
    /// thread is told to go on, and waited for a little. One that has ended is as far as it will
    /// ever be.
    pub fn is_up_to(&self, moment: Instant) -> bool {
        let has_said_all = |progress| match progress {
            Progress::UpTo(at) => at >= moment,
            Progress::Gone => true,
            Progress::Busy | Progress::StandsStill => false,
        };
        let progress = self.bench().progress;
        if has_said_all(progress) {
            return true;
        }
        let bench = self.wait_for_thread(PATIENCE, |bench| {
            has_said_all(bench.progress) || bench.progress == Progress::StandsStill
        });
        has_said_all(bench.progress)
    }

    /// Waits until the module has felt all that was done to it up to now, but no longer than ten
    /// seconds.
    pub fn catch_up(&self) {
        let moment = Instant::now();
        // Whether it came to that or not: what is known then is what there is to know.
        drop(
            self.wait_for_thread(CATCH_UP_MAX, |bench| match bench.progress {
                Progress::UpTo(at) => at >= moment,
                Progress::StandsStill => bench.deeds.is_empty(),
                Progress::Gone => true,
                Progress::Busy => false,
            }),
        );
    }

    fn wait_for_thread(
        &self,
        limit: Duration,
        is_there: impl Fn(&Bench) -> bool,
    ) -> MutexGuard<'_, Bench> {
        self.0.wake.wake();
        self.0
            .progressed
            .wait_timeout_while(self.bench(), limit, |bench| !is_there(bench))
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn set(&self, line: Line, level: bool) {
        {
            let mut bench = self.bench();
            let held = match line {
                Line::Vbat => &mut bench.vbat,
                Line::Pwrkey => &mut bench.pwrkey,
                Line::Reset => &mut bench.reset,
                Line::ToModule => &mut bench.to_module,
                Line::ToHost => &mut bench.to_host,
            };
            if *held == level {
                return;
            }
            *held = level;
            bench.deeds.add(What::Level(line, level));
        }
        self.0.wake.wake();
    }

    fn bench(&self) -> MutexGuard<'_, Bench> {
        self.0.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rail(&self) -> MutexGuard<'_, Rail> {
        self.0.rail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the module's thread does.
impl Lines {
    pub(super) fn new(relay_sticks: bool) -> io::Result<Self> {
        let bench = Bench {
            vbat: false,
            pwrkey: false,
            reset: false,
            to_module: true,
            to_host: true,
            deeds: Deeds::default(),
            progress: Progress::Busy,
            said_at: None,
        };
        Ok(Self(Arc::new(Shared {
            bench: Mutex::new(bench),
            progressed: Condvar::new(),
            rail: Mutex::new(Rail::default()),
            relay_sticks,
            stop: AtomicBool::new(false),
            wake: Arc::new(Wake::new()?),
        })))
    }

    /// What was done since the last call, and the time: nothing that is yet to be done is earlier.
    pub(super) fn take_deeds(&self) -> (VecDeque<Deed>, Instant) {
        let mut bench = self.bench();
        bench.progress = Progress::Busy;
        (bench.deeds.take(), Instant::now())
    }

    /// The module's time stands still from now on.
    pub(super) fn stands_still(&self) {
        self.progress(Progress::StandsStill);
    }

    /// The module's time goes on from the first deed that waits to be taken, or from now.
    pub(super) fn goes_on(&self) -> Instant {
        let mut bench = self.bench();
        bench.progress = Progress::Busy;
        bench.deeds.first_at().unwrap_or_else(Instant::now)
    }

    /// The module has lived up to a moment, and has no more to say.
    pub(super) fn has_lived_to(&self, moment: Instant) {
        self.progress(Progress::UpTo(moment));
    }

    /// The module's thread has ended.
    pub(super) fn has_ended(&self) {
        self.progress(Progress::Gone);
    }

    fn progress(&self, progress: Progress) {
        self.bench().progress = progress;
        self.0.progressed.notify_all();
    }

    /// The module says something, at a moment of its life.
    pub(super) fn says(&self, at: Instant) {
        self.bench().said_at = Some(at);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_behind_is_waited_for_and_one_that_stands_still_or_has_ended_is_not() {
        let lines = Lines::new(false).unwrap();
        let start = Instant::now();
        lines.has_lived_to(start);
        assert!(lines.is_up_to(start));
        assert!(!lines.is_up_to(Instant::now()));

        lines.set_vbat(true);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| lines.catch_up());
            // Its thread stands still, and has not felt VBAT yet.
            lines.stands_still();
            assert!(!waits.is_finished());
            lines.take_deeds();
            lines.has_lived_to(Instant::now() + CATCH_UP_MAX);
        });
        assert!(
            start.elapsed() < CATCH_UP_MAX,
            "it was waited for to the end"
        );

        lines.stands_still();
        lines.catch_up();
        lines.has_ended();
        lines.catch_up();
        assert!(lines.is_up_to(Instant::now()));
    }
}
