//! A pseudo-terminal between a module and its host, to be pulled while the module lives on.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// How often is looked whether it is pulled.
const LOOK_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

const FLAGS: OFlags = OFlags::RDWR.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Passes bytes on, and keeps what the module said.
#[derive(Debug)]
pub(crate) struct Relay {
    console: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The host's side: the pty's two ends.
type Host = (OwnedFd, OwnedFd);

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Vec<u8>>,
    plugged: Mutex<Option<Host>>,
    pulled: AtomicBool,
    over: AtomicBool,
}

impl Relay {
    /// Puts one in the place of `console`, a link to the module's tty.
    pub(crate) fn put_before(console: &Path) -> Self {
        let module = rustix::fs::open(console, FLAGS, Mode::empty()).unwrap();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let relay = Self {
            console: console.to_owned(),
            shared,
            thread: Some(std::thread::spawn(move || {
                pass_on(&theirs, File::from(module));
            })),
        };
        relay.plug_in();
        relay
    }

    /// Plugs the host's side in: a tty that was not there before, and the link leads to it.
    pub(crate) fn plug_in(&self) {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        // Kept open, so that the line stays up between two hosts.
        let slave = rustix::fs::open(name.as_c_str(), FLAGS, Mode::empty()).unwrap();
        let mut termios = tcgetattr(&slave).unwrap();
        termios.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &termios).unwrap();
        *lock(&self.shared.plugged) = Some((master, slave));
        let link = self.console.with_extension("new");
        std::os::unix::fs::symlink(name.to_str().unwrap(), &link).unwrap();
        std::fs::rename(link, &self.console).unwrap();
    }

    /// Unplugs the host's side.
    pub(crate) fn pull(&self) {
        self.shared.pulled.store(true, Ordering::Release);
    }

    /// Whether the module has said this by now.
    pub(crate) fn has_heard(&self, text: &str) -> bool {
        lock(&self.shared.heard)
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass_on(shared: &Shared, module: File) {
    let mut host: Option<Host> = None;
    let mut bytes = [0; 4096];
    while !shared.over.load(Ordering::Acquire) {
        if shared.pulled.swap(false, Ordering::AcqRel) {
            host = None;
        }
        if let Some(plugged) = lock(&shared.plugged).take() {
            host = Some(plugged);
        }
        let mut fds = vec![PollFd::new(&module, PollFlags::IN)];
        if let Some((master, _)) = &host {
            fds.push(PollFd::new(master, PollFlags::IN));
        }
        if !matches!(poll(&mut fds, Some(&LOOK_EVERY)), Ok(1..)) {
            continue;
        }
        let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let (from_module, from_host) = (ready(0), ready(1));
        if from_module {
            let Ok(len) = rustix::io::read(&module, &mut bytes) else {
                return; // the module is gone
            };
            // Kept before it is passed on: what the host acts on stands here by then.
            lock(&shared.heard).extend_from_slice(&bytes[..len]);
            if let Some((master, _)) = &host {
                let _ = rustix::io::write(master, &bytes[..len]);
            }
        }
        if from_host
            && let Some((master, _)) = &host
            && let Ok(len) = rustix::io::read(master, &mut bytes)
        {
            let _ = rustix::io::write(&module, &bytes[..len]);
        }
    }
}
