//! Ctrl-C, SIGTERM and SIGHUP: told to every run that is under way.
//!
//! The first asks a run to end in order. Only a person at the terminal asks for more: a second
//! Ctrl-C, given after the first was answered, has the power taken at once. What comes in a burst
//! is one wish, and what the system sends is never more than that: a shell and the kernel both
//! hang up a terminal's program, `timeout` signals its child and then its group, a session's end
//! is SIGTERM and SIGHUP.
//!
//! Nothing here ends the process: rppal's pins, for one, stay as they are when a process dies on a
//! signal, so the runner must always come to its own end.

use std::future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::waker::Waker;

/// A Ctrl-C sooner after the first signal than this belongs to it.
const ONCE_MORE_AFTER: Duration = Duration::from_secs(1);

/// How urgently the run is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Go on.
    None,
    /// End in the state that the phase demands.
    InOrder,
    /// Power off now.
    AtOnce,
}

/// How urgent it is by now, and who wants to know of that.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// An [`Urgency`].
    urgency: AtomicU8,
    told: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(&self.urgency).finish()
    }
}

impl Interrupt {
    /// Nothing listens to signals yet: for tests, and for `catch_signals`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens to SIGINT, SIGTERM and SIGHUP from now on, on a thread of its own; but not to one
    /// that this process was started to ignore, as by `nohup`.
    pub fn catch_signals() -> std::io::Result<Self> {
        let interrupt = Self::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let ignored = ignored();
        let catch = |kind: SignalKind| match is_in(kind, ignored) {
            true => Ok(None),
            false => signal(kind).map(Some),
        };
        let (mut int, mut term, mut hup) = {
            let _inside = runtime.enter();
            (
                catch(SignalKind::interrupt())?,
                catch(SignalKind::terminate())?,
                catch(SignalKind::hangup())?,
            )
        };
        let told = interrupt.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut first = None;
                    loop {
                        let by_hand = tokio::select! {
                            () = next(&mut int) => true,
                            () = next(&mut term) => false,
                            () = next(&mut hup) => false,
                        };
                        told.ask(urgency_of(by_hand, first.map(|at: Instant| at.elapsed())));
                        first.get_or_insert_with(Instant::now);
                    }
                });
            })?;
        Ok(interrupt)
    }

    /// Asks in order, too, when the process `parent` ends, which started this one for a purpose of its
    /// own.
    pub fn end_with(&self, parent: u32) -> std::io::Result<()> {
        let parent = i32::try_from(parent).ok().and_then(Pid::from_raw);
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
        // It may have ended before this was said.
        if rustix::process::getppid() != parent {
            self.ask(Urgency::InOrder);
        }
        Ok(())
    }

    /// The run is to end, so urgently; it does not become less urgent again.
    pub fn ask(&self, urgency: Urgency) {
        self.shared
            .urgency
            .fetch_max(urgency as u8, Ordering::SeqCst);
        for tell in self.told().iter() {
            tell();
        }
    }

    /// Wakes `waker` at each signal from now on.
    pub fn tell(&self, waker: Waker) {
        self.call(move || waker.wake());
    }

    /// Calls `tell` at each signal from now on; it must not wait.
    pub fn call(&self, tell: impl Fn() + Send + 'static) {
        self.told().push(Box::new(tell));
    }

    /// How urgently to end, as of now.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        match self.shared.urgency.load(Ordering::SeqCst) {
            0 => Urgency::None,
            1 => Urgency::InOrder,
            _ => Urgency::AtOnce,
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Fn() + Send>>> {
        // The list is whole at every moment, also after a panic elsewhere.
        self.shared
            .told
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a signal asks for: one that a person gave `by_hand`, or another one; `since` the first.
fn urgency_of(by_hand: bool, since: Option<Duration>) -> Urgency {
    match since {
        Some(since) if by_hand && since >= ONCE_MORE_AFTER => Urgency::AtOnce,
        _ => Urgency::InOrder,
    }
}

/// Waits for the next of these signals; for ever, where they are ignored.
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => future::pending().await,
    }
}

/// The signals that this process ignores, one bit each, as `proc(5)` has them.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_in(kind: SignalKind, mask: u64) -> bool {
    let bit = u32::try_from(kind.as_raw_value() - 1).ok();
    bit.and_then(|bit| mask.checked_shr(bit))
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::the_first(true, None, Urgency::InOrder)]
    #[case::typed_twice_at_once(true, Some(200), Urgency::InOrder)]
    #[case::typed_again_after_the_answer(true, Some(1_000), Urgency::AtOnce)]
    #[case::a_terminal_is_hung_up_by_two(false, Some(0), Urgency::InOrder)]
    #[case::a_system_that_grows_impatient(false, Some(60_000), Urgency::InOrder)]
    fn only_a_person_takes_the_power_at_once(
        #[case] by_hand: bool,
        #[case] since_ms: Option<u64>,
        #[case] wanted: Urgency,
    ) {
        let since = since_ms.map(Duration::from_millis);
        assert_eq!(urgency_of(by_hand, since), wanted);
    }

    #[test]
    fn it_does_not_become_less_urgent() {
        let interrupt = Interrupt::new();
        assert_eq!(interrupt.urgency(), Urgency::None);
        interrupt.ask(Urgency::AtOnce);
        interrupt.ask(Urgency::InOrder);
        assert_eq!(interrupt.urgency(), Urgency::AtOnce);
    }

    #[test]
    fn the_mask_of_ignored_signals_has_the_first_in_its_lowest_bit() {
        assert!(is_in(SignalKind::hangup(), 0b1));
        assert!(is_in(SignalKind::interrupt(), 0b10));
        assert!(!is_in(SignalKind::terminate(), 0b11));
    }
}
