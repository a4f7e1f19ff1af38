//! The UART as we hold it: opened for us alone, read in chunks, written whole.
//!
//! Two descriptors on one tty. serialport's locks it against others and sets its rate; ours is
//! non-blocking and waits in `poll` together with other things, which serialport's cannot.

mod name;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serialport::{ClearBuffer, SerialPort as _, TTYPort};

pub use self::name::advice;
use crate::virtual_module::{Lines as VirtualLines, VirtualModule};
use crate::wire::Wire;
pub use crate::wire::Woken;

/// Most bytes taken by one read.
pub const CHUNK_LEN_MAX: usize = 4096;
/// How long a write may wait for room. A tty takes a command line at once, or its other end
/// has stopped reading.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// An open console.
#[derive(Debug)]
pub struct Console {
    wire: Wire,
    port: TTYPort,
    baud: u32,
    /// Whether our line is held low by a break.
    low: bool,
    /// The virtual module at the other end, if it is one of this process.
    module: Option<VirtualLines>,
}

impl Console {
    /// Opens the tty at `path`, for this process alone, at `baud`, 8N1, without flow control.
    pub fn open(path: &Path, baud: u32) -> Result<Self, ConsoleError> {
        let error = |kind| ConsoleError::new(path, kind);
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        // Ours first: once serialport has locked the tty, nobody opens it any more.
        let wire = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
            .open(path)
            .map_err(|e| {
                error(
                    if e.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) {
                        ConsoleErrorKind::Busy
                    } else {
                        ConsoleErrorKind::Open(e)
                    },
                )
            })?;
        if !rustix::termios::isatty(&wire) {
            return Err(error(ConsoleErrorKind::NoTty));
        }
        let port = serialport::new(path.to_string_lossy(), baud)
            .timeout(Duration::ZERO)
            .open_native()
            .map_err(|e| {
                error(match e.kind() {
                    serialport::ErrorKind::NoDevice => ConsoleErrorKind::Busy,
                    _ => ConsoleErrorKind::Set(e),
                })
            })?;
        // serialport leaves the file description of its own open blocking; ours is another one.
        let mut console = Self {
            wire: Wire::new(path, wire),
            port,
            baud,
            low: false,
            module: None,
        };
        console.clear()?;
        Ok(console)
    }

    /// Opens a virtual module's tty; the module is told when bytes were sent to it.
    pub(crate) fn open_virtual(module: &VirtualModule, baud: u32) -> Result<Self, ConsoleError> {
        let mut console = Self::open(module.console_path(), baud)?;
        console.module = Some(module.lines());
        Ok(console)
    }

    fn error(&self, kind: ConsoleErrorKind) -> ConsoleError {
        ConsoleError::new(self.path(), kind)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.wire.path()
    }

    /// Its rate, in baud.
    #[must_use]
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// Opens it anew by its path, where it is gone: an adapter that was pulled and plugged in again is
    /// another tty. Whether it is there now.
    pub fn open_again(&mut self) -> bool {
        if !self.wire.is_gone() {
            return true;
        }
        match Self::open(self.wire.path(), self.baud) {
            Ok(console) => {
                *self = console;
                true
            }
            Err(_) => false,
        }
    }

    /// What is left to somebody who only listens and asks: the rate stays as it was set.
    #[must_use]
    pub fn into_wire(self) -> Wire {
        self.wire
    }

    /// Throws away what has arrived and was not read.
    pub fn clear(&mut self) -> Result<(), ConsoleError> {
        self.port
            .clear(ClearBuffer::Input)
            .map_err(|e| self.error(ConsoleErrorKind::Set(e)))
    }

    /// Changes our rate, in baud.
    pub fn set_baud(&mut self, baud: u32) -> Result<(), ConsoleError> {
        self.port
            .set_baud_rate(baud)
            .map_err(|e| self.error(ConsoleErrorKind::Set(e)))?;
        self.baud = baud;
        Ok(())
    }

    /// Holds our transmit line low, by a break, until [`Self::let_idle`]; or says why that cannot
    /// be done here. A pty takes the request and does nothing, so it is not asked.
    pub fn hold_low(&mut self) -> Result<Option<String>, ConsoleError> {
        if self.low {
            return Ok(None);
        }
        if self.wire.is_pty() {
            return Ok(Some("a pty has no line to hold low".to_owned()));
        }
        if let Err(e) = self.port.set_break() {
            return Ok(Some(format!("the adapter refuses a break: {e}")));
        }
        self.low = true;
        Ok(None)
    }

    /// Ends a break, if there is one.
    pub fn let_idle(&mut self) -> Result<(), ConsoleError> {
        if std::mem::take(&mut self.low) {
            self.port
                .clear_break()
                .map_err(|e| self.error(ConsoleErrorKind::Set(e)))?;
        }
        Ok(())
    }

    /// Waits until the console or `other` has something, at most `limit`.
    pub fn wait(&self, other: BorrowedFd<'_>, limit: Duration) -> Result<Woken, ConsoleError> {
        self.wire.wait(other, limit)
    }

    /// Takes what has arrived; see [`Wire::read`].
    pub fn read(&mut self, chunk: &mut [u8; CHUNK_LEN_MAX]) -> Result<usize, ConsoleError> {
        self.wire.read(chunk)
    }

    /// Writes all of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ConsoleError> {
        self.wire.write(bytes)?;
        if let Some(module) = &self.module {
            module.sent();
        }
        Ok(())
    }

    /// Another handle to the same open tty, for whoever may have to end a run in our stead.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.wire.share()
    }
}

/// Which console, and what went wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("console `{}`", path.display())]
pub struct ConsoleError {
    path: PathBuf,
    #[source]
    kind: ConsoleErrorKind,
}

impl ConsoleError {
    pub(crate) fn new(path: &Path, kind: ConsoleErrorKind) -> Self {
        Self {
            path: path.to_owned(),
            kind,
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ConsoleErrorKind {
        &self.kind
    }
}

/// What went wrong with a console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleErrorKind {
    /// Somebody has it.
    #[error("it is busy: end the other program that has it open (`fuser -v` names it)")]
    Busy,
    /// It cannot be opened.
    #[error("cannot open it: is the adapter plugged in, and may this user open it?")]
    Open(#[source] io::Error),
    /// It is not a tty.
    #[error("it is no tty")]
    NoTty,
    /// The tty refuses a setting.
    #[error("cannot set it up")]
    Set(#[source] serialport::Error),
    /// It cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// It cannot be written.
    #[error("cannot write it")]
    Write(#[source] io::Error),
    /// It takes no more bytes.
    #[error("it took no byte for {WRITE_LIMIT:?}: nobody reads at its other end")]
    Full,
    /// It was there and is no more.
    #[error("it is gone: the adapter was pulled, or what was behind the pty has ended")]
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    #[test]
    fn a_console_is_one_program_s_at_a_time() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = Path::new(name.to_str().unwrap());
        let is_busy = || match Console::open(path, 115_200) {
            Ok(_) => false,
            Err(error) => matches!(error.kind(), ConsoleErrorKind::Busy),
        };
        let console = Console::open(path, 115_200).unwrap();
        assert!(is_busy());
        drop(console);
        assert!(!is_busy());
    }
}
