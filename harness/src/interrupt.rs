//! Ctrl-C, SIGTERM and SIGHUP: told to every run that is under way, and counted.
//!
//! The first asks a run to end in order, the second to power off at once. Nothing here ends
//! the process: rppal's pins, for one, stay as they are when a process dies on a signal, so the
//! runner must always come to its own end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::waker::Waker;

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

/// The signals received so far, and who wants to know of them.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    count: AtomicU32,
    told: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(&self.count).finish()
    }
}

impl Interrupt {
    /// Nothing listens to signals yet: for tests, and for `catch_signals`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens to SIGINT, SIGTERM and SIGHUP from now on, on a thread of its own.
    pub fn catch_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = Self::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut int, mut term, mut hup) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            )
        };
        let told = interrupt.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = int.recv() => {}
                            _ = term.recv() => {}
                            _ = hup.recv() => {}
                        }
                        told.raise();
                    }
                });
            })?;
        Ok(interrupt)
    }

    /// One more signal.
    pub fn raise(&self) {
        self.shared.count.fetch_add(1, Ordering::SeqCst);
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
        match self.shared.count.load(Ordering::SeqCst) {
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
