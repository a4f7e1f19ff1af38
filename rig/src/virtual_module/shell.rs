//! The thread that lends a module a clock, a pty, a socket and a file.
//!
//! The module's time is real time, `speed` times over, with one liberty: it stands still while
//! the host has not yet read what the module said. A host that acts on a message acts on the
//! moment of that message then, however busy the machine is, and a module a hundred times
//! faster than a real one does not run away from it. It stands still only so long (see
//! [`Settings::waits_for_host`]): a module does not wait for a host that is not there.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::pty::Pty;
use super::{Defect, Settings};

mod clock;
mod deeds;
mod flash_file;
mod life;
mod lines;
mod rail;
mod wake;

pub use self::lines::{Lines, RailWatch};
pub(super) use self::wake::Wake;

use self::life::Life;

/// How long the module's time may stand still for a host that does not read: longer than a busy
/// machine keeps a thread waiting, and paid once by a host that never reads.
pub(super) const HOLD_MAX: Duration = Duration::from_millis(500);

/// A module's thread, ended when dropped.
#[derive(Debug)]
pub(super) struct Shell {
    lines: Lines,
    console_path: PathBuf,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

impl Shell {
    pub(super) fn start(settings: &Settings) -> io::Result<Self> {
        let lines = Lines::new(settings.defects.contains(&Defect::H01))?;
        let pty = Pty::open()?;
        let console_path = pty.path().to_owned();
        let mut life = Life::new(settings, pty, lines.clone())?;
        let thread = thread::Builder::new()
            .name(String::from("virtual module"))
            .spawn(move || life.live())?;
        Ok(Self {
            lines,
            console_path,
            thread: Some(thread),
        })
    }

    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    pub(super) fn console_path(&self) -> &Path {
        &self.console_path
    }

    pub(super) fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the thread and tells what it died of, if it died.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.lines.stop();
        match self.thread.take().map(thread::JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(io::Error::other("the virtual module's thread panicked")),
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `stop`.
        let _ = self.stop();
    }
}
