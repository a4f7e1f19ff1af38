//! The UART as we hold it: opened for us alone, read in chunks, written whole.
//!
//! Two descriptors on one tty. serialport's locks it against others and sets its rate; ours is
//! non-blocking and waits in `poll` together with other things, which serialport's cannot.

mod name;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serialport::{ClearBuffer, SerialPort as _, TTYPort};

pub use self::name::advice;

/// Most bytes taken by one read.
pub const CHUNK_LEN_MAX: usize = 4096;
/// How long a write may wait for room. A tty takes a command line at once, or its other end
/// has stopped reading.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// An open console.
#[derive(Debug)]
pub struct Console {
    path: PathBuf,
    wire: File,
    port: TTYPort,
    baud: u32,
    /// Whether our line is held low by a break.
    low: bool,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// The console has bytes, or has gone.
    pub console: bool,
    /// The other descriptor has something.
    pub other: bool,
}

impl Console {
    /// Opens the tty at `path`, for this process alone, at `baud`, 8N1, without flow control.
    pub fn open(path: &Path, baud: u32) -> Result<Self, ConsoleError> {
        let error = |kind| ConsoleError {
            path: path.to_owned(),
            kind,
        };
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
            path: path.to_owned(),
            wire,
            port,
            baud,
            low: false,
        };
        console.clear()?;
        Ok(console)
    }

    fn error(&self, kind: ConsoleErrorKind) -> ConsoleError {
        ConsoleError {
            path: self.path.clone(),
            kind,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its rate, in baud.
    #[must_use]
    pub fn baud(&self) -> u32 {
        self.baud
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
        if self.is_pty()? {
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

    /// Whether this is a Unix 98 pty's end: their majors are 136 to 143 (Linux devices.txt).
    fn is_pty(&self) -> Result<bool, ConsoleError> {
        let stat = rustix::fs::fstat(&self.wire)
            .map_err(|e| self.error(ConsoleErrorKind::Read(e.into())))?;
        Ok((136..=143).contains(&rustix::fs::major(stat.st_rdev)))
    }

    /// Waits until the console or `other` has something, at most `limit`.
    pub fn wait(&self, other: BorrowedFd<'_>, limit: Duration) -> Result<Woken, ConsoleError> {
        let mut fds = [
            PollFd::new(&self.wire, PollFlags::IN),
            PollFd::from_borrowed_fd(other, PollFlags::IN),
        ];
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) => Ok(Woken {
                console: !fds[0].revents().is_empty(),
                other: !fds[1].revents().is_empty(),
            }),
            Err(rustix::io::Errno::INTR) => Ok(Woken::default()),
            Err(e) => Err(self.error(ConsoleErrorKind::Read(e.into()))),
        }
    }

    /// Takes what has arrived: 0 when nothing has. An end of file or a hang-up is
    /// [`ConsoleErrorKind::Gone`]: the adapter was pulled, or what was behind the pty ended.
    pub fn read(&mut self, chunk: &mut [u8; CHUNK_LEN_MAX]) -> Result<usize, ConsoleError> {
        match self.wire.read(chunk) {
            Ok(0) => Err(self.error(ConsoleErrorKind::Gone)),
            Ok(n) => Ok(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                Err(self.error(ConsoleErrorKind::Gone))
            }
            Err(e) => Err(self.error(ConsoleErrorKind::Read(e))),
        }
    }

    /// Writes all of `bytes`.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), ConsoleError> {
        let end = Instant::now() + WRITE_LIMIT;
        while !bytes.is_empty() {
            match self.wire.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(self.error(ConsoleErrorKind::Full));
                    }
                    self.wait_for_room(left)?;
                }
                Err(e) => return Err(self.error(ConsoleErrorKind::Write(e))),
            }
        }
        Ok(())
    }

    fn wait_for_room(&self, limit: Duration) -> Result<(), ConsoleError> {
        let mut fds = [PollFd::from_borrowed_fd(self.wire.as_fd(), PollFlags::OUT)];
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(self.error(ConsoleErrorKind::Write(e.into()))),
        }
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
