//! The guardian's own process: it waits, and hopes that it is not needed.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rig::config::{Bench, RigFile};
use rig::custody::Shared;
use rig::wire::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::SendFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::care::{self, Ward};
use super::log::{Event, Log};
use super::message::{self, Charter, Message};
use super::{HEARD, START_LIMIT};
use crate::contamination::StateFile;
use crate::interrupt::Interrupt;
use crate::safety::{HOLD_MAX, Standing, Supply};

/// How long a killed process may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Why a guardian cannot do its work. Its runner has powered nothing by then.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It was not started by a runner.
    #[error("no runner at standard input: `hil run` starts the guardian by itself")]
    NoRunner(#[source] io::Error),
    /// What it is to guard makes no sense.
    #[error("the runner's charter is not understood: {0}")]
    Charter(String),
    /// It cannot protect itself from signals.
    #[error("cannot catch signals")]
    Signals(#[source] io::Error),
    /// Its log cannot be written.
    #[error("cannot write the guardian's log")]
    Log(#[source] io::Error),
}

/// Guards the runner at the other end of standard input until that says goodbye, or is gone.
pub fn run() -> Result<(), ProcessError> {
    let socket = rustix::stdio::stdin();
    // A session of its own: neither the terminal's Ctrl-C nor a kill of the runner's process
    // group is for it. It fails only for a group's leader, which no runner starts.
    let _ = rustix::process::setsid();
    // Caught, counted and not heeded: its end is the runner's goodbye, or its duty done.
    let _signals = Interrupt::catch_signals().map_err(ProcessError::Signals)?;
    let (charter, shared) = charter(socket)?;
    let rig = RigFile::parse(&charter.rig_path, &charter.rig)
        .map_err(|e| ProcessError::Charter(e.to_string()))?;
    let Bench::Real(bench) = &rig.bench else {
        let why = "the virtual module has no guardian";
        return Err(ProcessError::Charter(why.to_owned()));
    };
    let mut log = Log::open(&charter.log).map_err(ProcessError::Log)?;
    log.add(&Event::Watches {
        runner: charter.runner,
    });
    let mut watch = Watchman {
        socket,
        runner: runner(charter.runner),
        charter: &charter,
        log: &mut log,
        standing: charter.standing.clone(),
        off_since: None,
    };
    rustix::net::send(socket, HEARD, SendFlags::NOSIGNAL)
        .map_err(|e| ProcessError::NoRunner(e.into()))?;
    let Some(why) = watch.until_needed() else {
        log.add(&Event::Dismissed);
        return Ok(());
    };
    let noticed = Instant::now();
    let ward = Ward {
        standing: watch.standing,
        off_since: watch.off_since,
        noticed,
        runner: charter.runner,
        why,
        hold_max: Duration::from_millis(charter.hold_max_ms),
    };
    let did = care::take_over(ward, &rig, bench, shared, &mut log);
    let _ = StateFile::at(charter.state.clone()).guarded(&did);
    log.sync();
    let _ = writeln!(
        io::stderr(),
        "\nhil guardian: process {} {why}: {did}",
        charter.runner
    );
    Ok(())
}

fn charter(socket: BorrowedFd<'_>) -> Result<(Charter, Vec<Shared>), ProcessError> {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    poll(&mut fds, Some(&timespec(START_LIMIT))).map_err(|e| ProcessError::NoRunner(e.into()))?;
    if fds[0].revents().is_empty() {
        let why = io::Error::new(io::ErrorKind::TimedOut, "nothing came");
        return Err(ProcessError::NoRunner(why));
    }
    match message::receive(socket).map_err(ProcessError::NoRunner)? {
        Some((Message::Charter(charter), fds)) if fds.len() == charter.shared.len() => {
            let names = charter.shared.iter().cloned();
            let shared = names.zip(fds).map(|(name, fd)| Shared { name, fd });
            let shared = shared.collect();
            Ok((charter, shared))
        }
        other => Err(ProcessError::Charter(format!("{other:?}"))),
    }
}

/// The runner, so that a signal meets it and nobody else who got its number later.
fn runner(id: u32) -> Option<OwnedFd> {
    let id = Pid::from_raw(i32::try_from(id).ok()?)?;
    if rustix::process::getppid() != Some(id) {
        return None;
    }
    pidfd_open(id, PidfdFlags::empty()).ok()
}

struct Watchman<'a> {
    socket: BorrowedFd<'a>,
    runner: Option<OwnedFd>,
    charter: &'a Charter,
    log: &'a mut Log,
    standing: Standing,
    off_since: Option<Instant>,
}

impl Watchman<'_> {
    /// Why the guardian is needed; `None`: it is not, and never will be.
    fn until_needed(&mut self) -> Option<&'static str> {
        let hung_after = Duration::from_millis(self.charter.hung_after_ms);
        let mut heard = Instant::now();
        let mut stopped_since = None;
        loop {
            if heard.elapsed() >= hung_after {
                let stopped = is_stopped(self.charter.runner);
                let since = *stopped_since.get_or_insert_with(|| {
                    let for_ms = u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.log.add(&Event::Silent { for_ms, stopped });
                    Instant::now()
                });
                // Who stopped it, by Ctrl-Z or a debugger, means to go on; two who drive the
                // same lines are worse than a module that waits, within bounds.
                if !stopped || since.elapsed() >= HOLD_MAX {
                    self.kill();
                    return Some("hung");
                }
                heard = Instant::now();
            }
            let left = hung_after.saturating_sub(heard.elapsed());
            let mut fds = [PollFd::from_borrowed_fd(self.socket, PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return Some("is gone"),
            }
            match message::receive(self.socket) {
                Ok(Some((Message::Standing(standing), _))) => {
                    self.told(standing);
                    self.answer();
                }
                Ok(Some((Message::Goodbye, _))) => return None,
                Ok(Some((Message::Charter(_), _))) => {}
                Ok(None) => return Some("is gone"),
                // A runner that was killed resets the connection if it had not read all.
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {}
                Err(_) => return Some("is gone"),
            }
            heard = Instant::now();
            stopped_since = None;
        }
    }

    fn told(&mut self, standing: Standing) {
        if standing == self.standing {
            return;
        }
        if standing.supply == Supply::Off && self.standing.supply != Supply::Off {
            self.off_since = Some(Instant::now());
        }
        self.standing = standing.clone();
        self.log.add(&Event::Told { standing });
    }

    /// Says that this process lives, too. A runner that does not listen is no concern of it.
    fn answer(&self) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _ = rustix::net::send(self.socket, HEARD, flags);
    }

    /// Ends a runner that hangs, and returns when it holds nothing any more, or soon after.
    fn kill(&mut self) {
        let Some(runner) = &self.runner else { return };
        if pidfd_send_signal(runner, Signal::KILL).is_ok() {
            self.log.add(&Event::Killed);
            let mut fds = [PollFd::from_borrowed_fd(runner.as_fd(), PollFlags::IN)];
            let _ = poll(&mut fds, Some(&timespec(KILL_LIMIT)));
        }
    }
}

/// Whether somebody stopped or traces the process (`T` or `t` in its `stat`).
fn is_stopped(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name before the state may have spaces and brackets of its own.
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim());
    state.starts_with(['T', 't'])
}
