//! A tty's bytes: read in chunks, written whole, waited for together with other things.
//!
//! Its rate and whose it is are the affair of `console`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::console::{CHUNK_LEN_MAX, ConsoleError, ConsoleErrorKind, WRITE_LIMIT};

/// An open tty that does not block.
#[derive(Debug)]
pub struct Wire {
    path: PathBuf,
    file: File,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// The console has bytes, or has gone.
    pub console: bool,
    /// The other descriptor has something.
    pub other: bool,
}

impl Wire {
    /// A tty that is open already, and does not block.
    #[must_use]
    pub fn new(path: &Path, file: File) -> Self {
        Self {
            path: path.to_owned(),
            file,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another handle to the same open tty: what has arrived is read by whoever reads first.
    pub fn share(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    fn error(&self, kind: ConsoleErrorKind) -> ConsoleError {
        ConsoleError::new(&self.path, kind)
    }

    /// Whether this is a Unix 98 pty's end: their majors are 136 to 143 (Linux devices.txt).
    #[must_use]
    pub fn is_pty(&self) -> bool {
        rustix::fs::fstat(&self.file)
            .is_ok_and(|stat| (136..=143).contains(&rustix::fs::major(stat.st_rdev)))
    }

    /// Lets others open the tty beside us again; its rate, in baud.
    pub fn unlock(&self) -> io::Result<u32> {
        rustix::termios::ioctl_tiocnxcl(&self.file)?;
        Ok(rustix::termios::tcgetattr(&self.file)?.output_speed())
    }

    /// Waits until the tty or `other` has something, at most `limit`.
    pub fn wait(&self, other: BorrowedFd<'_>, limit: Duration) -> Result<Woken, ConsoleError> {
        let mut fds = [
            PollFd::new(&self.file, PollFlags::IN),
            PollFd::from_borrowed_fd(other, PollFlags::IN),
        ];
        match poll(&mut fds, Some(&timespec(limit))) {
            Ok(_) => Ok(Woken {
                console: !fds[0].revents().is_empty(),
                other: !fds[1].revents().is_empty(),
            }),
            Err(rustix::io::Errno::INTR) => Ok(Woken::default()),
            Err(e) => Err(self.error(ConsoleErrorKind::Read(e.into()))),
        }
    }

    /// Whether what was behind it is gone: the adapter was pulled, or the pty's other end closed.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok() && fds[0].revents().intersects(gone)
    }

    /// Waits until the tty has something, at most `limit`.
    pub fn wait_alone(&self, limit: Duration) -> Result<bool, ConsoleError> {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(limit))) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(e) => Err(self.error(ConsoleErrorKind::Read(e.into()))),
        }
    }

    /// Takes what has arrived: 0 when nothing has. An end of file or a hang-up is
    /// [`ConsoleErrorKind::Gone`]: the adapter was pulled, or what was behind the pty ended.
    pub fn read(&mut self, chunk: &mut [u8; CHUNK_LEN_MAX]) -> Result<usize, ConsoleError> {
        match self.file.read(chunk) {
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
            match self.file.write(bytes) {
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
        let mut fds = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::OUT)];
        match poll(&mut fds, Some(&timespec(limit))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(self.error(ConsoleErrorKind::Write(e.into()))),
        }
    }
}

/// A time limit as `poll` takes it.
#[must_use]
pub fn timespec(limit: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    }
}
