//! A pseudo-terminal between a module and its host, to be pulled while the module lives on.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// Passes bytes on, and keeps what the module said.
#[derive(Debug)]
pub(crate) struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Vec<u8>>,
    pulled: AtomicBool,
    over: AtomicBool,
}

impl Relay {
    /// Puts one in the place of `console`, a link to the module's tty.
    pub(crate) fn put_before(console: &Path) -> Self {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let module = rustix::fs::open(console, flags, Mode::empty()).unwrap();
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        // Kept open, so that the line stays up between two hosts.
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        let mut termios = tcgetattr(&slave).unwrap();
        termios.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &termios).unwrap();
        std::fs::remove_file(console).unwrap();
        std::os::unix::fs::symlink(name.to_str().unwrap(), console).unwrap();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        Self {
            shared,
            thread: Some(std::thread::spawn(move || {
                pass_on(&theirs, File::from(module), (master, slave));
            })),
        }
    }

    /// Unplugs the host's side.
    pub(crate) fn pull(&self) {
        self.shared.pulled.store(true, Ordering::Release);
    }

    /// Whether the module has said this by now.
    pub(crate) fn has_heard(&self, text: &str) -> bool {
        let heard = self.shared.heard.lock();
        let heard = heard.unwrap_or_else(PoisonError::into_inner);
        heard
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

fn pass_on(shared: &Shared, module: File, host: (OwnedFd, OwnedFd)) {
    let mut host = Some(host);
    let mut bytes = [0; 4096];
    while !shared.over.load(Ordering::Acquire) {
        if shared.pulled.load(Ordering::Acquire) {
            host = None;
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
            let heard = shared.heard.lock();
            let mut heard = heard.unwrap_or_else(PoisonError::into_inner);
            heard.extend_from_slice(&bytes[..len]);
            drop(heard);
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
