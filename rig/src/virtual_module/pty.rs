//! The pseudo-terminal between the module and its host.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

use super::voice::BOOT_RATE;

/// What waits for a host that does not read. Beyond it bytes are lost, as on any UART.
const BACKLOG_MAX: usize = 64 * 1024;

/// Both ends of a pty: the module's, and one of the host's that is never read, so that the
/// line stays up while no host has it open.
#[derive(Debug)]
pub(super) struct Pty {
    master: OwnedFd,
    slave: OwnedFd,
    path: PathBuf,
    backlog: Vec<u8>,
}

impl Pty {
    pub(super) fn open() -> io::Result<Self> {
        // Opening a pty and learning its name are several calls, and some C libraries share the
        // buffer of the name between threads.
        static OPENING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);

        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.into_string().map_err(io::Error::other)?);
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&path, flags, Mode::empty())?;
        let mut termios = tcgetattr(&slave)?;
        termios.make_raw();
        termios.set_speed(BOOT_RATE)?;
        tcsetattr(&slave, OptionalActions::Now, &termios)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self {
            master,
            slave,
            path,
            backlog: Vec::new(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// The rate that the host's side is set to. Nobody is told when it changes, so it is asked
    /// for whenever it matters.
    pub(super) fn host_rate(&self) -> io::Result<u32> {
        Ok(tcgetattr(&self.master)?.output_speed())
    }

    /// What the host has sent, if anything.
    pub(super) fn read<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        match rustix::io::read(&self.master, &mut *buffer) {
            Ok(len) => Ok(&buffer[..len]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(&[]),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends bytes to the host, after those that still wait for room.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = BACKLOG_MAX - self.backlog.len();
        self.backlog
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.write_backlog()
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub(super) fn write_backlog(&mut self) -> io::Result<()> {
        while !self.backlog.is_empty() {
            match rustix::io::write(&self.master, &self.backlog) {
                Ok(len) => {
                    self.backlog.drain(..len);
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether the host has read everything.
    ///
    /// Asked by `poll` and not by `FIONREAD`: bytes travel from one end of a pty to the other on
    /// a kernel worker, which comes late on a busy machine; `poll` waits for it, `FIONREAD`
    /// counts what has arrived and calls the rest read.
    pub(super) fn is_read(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.slave, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&Timespec::default()))?;
        Ok(self.backlog.is_empty() && ready == 0)
    }

    /// Lets the line be opened again after a host that held it for itself and was killed. A tty
    /// forgets such a host when it is closed for the last time; this one never is.
    pub(super) fn forget_exclusive_host(&self) -> io::Result<()> {
        rustix::termios::ioctl_tiocnxcl(&self.slave)?;
        Ok(())
    }

    /// Takes back what nobody has read: a module without power has nothing to say.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.backlog.clear();
        // A flush does not reach bytes that are still on the kernel's way to the host's side;
        // asking brings them there.
        self.is_read()?;
        tcflush(&self.slave, QueueSelector::IOFlush)?;
        Ok(())
    }
}
