//! The guardian: a second process that acts for the runner when the runner is gone.
//!
//! The runner starts it before the first power-on of a real bench and tells it where the module
//! stands, after each act and never before. When the socket between them closes without a
//! goodbye, the guardian does what the policy of `safety` demands, with the same lines: it keeps
//! the descriptors that would let a line fall, the console open and the rig locked.
//!
//! The virtual module needs none: it goes with its runner.

mod care;
mod log;
mod message;
mod process;

use std::io::{self, IsTerminal as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rig::Rig;
use rig::config::RigFile;
use rig::wire::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

use self::message::{Charter, Message};
pub use self::process::{ProcessError, run};
use crate::safety::{HOLD_MAX, Standing};

/// How often the runner says that it lives, at least while it waits.
pub const BEAT: Duration = Duration::from_secs(1);
/// A runner that is silent for so long hangs. A line that is switched by a program may keep it
/// for ten seconds, and a disk that is slow for as long.
pub const HUNG_AFTER: Duration = Duration::from_secs(30);
/// How long a guardian may take to start, or to go.
const START_LIMIT: Duration = Duration::from_secs(10);
/// What a guardian answers, once to its charter and to whatever it is told.
const HEARD: &[u8] = b"heard";

/// Who guards a run on a real bench.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The program whose `guardian` command is the guardian: this one, as a rule.
    pub program: PathBuf,
    /// How long the runner may be silent before it is taken for hung.
    pub hung_after: Duration,
    /// How long the runner, and then its guardian, hold the power of a module that updates.
    pub hold_max: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            // Also when the file was replaced meanwhile, this is what runs now.
            program: PathBuf::from("/proc/self/exe"),
            hung_after: HUNG_AFTER,
            hold_max: HOLD_MAX,
        }
    }
}

/// A guardian at work, as its runner has it. Dropped without [`Guardian::dismiss`], it acts.
#[derive(Debug)]
pub struct Guardian {
    socket: OwnedFd,
    child: Child,
    told: Instant,
    /// Since when it has not answered what it was told.
    unanswered_since: Option<Instant>,
    /// How long it may be silent.
    hung_after: Duration,
    gone: bool,
}

/// A guardian cannot be had; nothing is powered without one.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    /// It cannot be started.
    #[error("cannot start the guardian of this run")]
    Start(#[source] io::Error),
    /// It was told what to guard, and did not answer.
    #[error("the guardian of this run does not answer")]
    Mute,
}

impl Guardian {
    /// Starts one for `rig`, of which `file` is the rig file, whose module stands as `standing` says.
    /// What it does is said in `log`, and in the rig's `state`.
    pub fn start(
        guard: &Guard,
        rig: &Rig,
        file: &RigFile,
        standing: Standing,
        log: &Path,
        state: &Path,
    ) -> Result<Self, GuardianError> {
        let start = GuardianError::Start;
        let (socket, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|e| start(e.into()))?;
        let shared = rig.share().map_err(start)?;
        let child = Command::new(&guard.program)
            .arg("guardian")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            // On a terminal it says what it does. Elsewhere it must not keep a pipe open for
            // minutes after the run has ended.
            .stderr(match io::stderr().is_terminal() {
                true => Stdio::inherit(),
                false => Stdio::null(),
            })
            .spawn()
            .map_err(start)?;
        let mut guardian = Self {
            socket,
            child,
            told: Instant::now(),
            unanswered_since: None,
            hung_after: guard.hung_after,
            gone: false,
        };
        let charter = Message::Charter(Charter {
            runner: std::process::id(),
            rig_path: file.source.path.clone(),
            rig: file.source.text.to_string(),
            shared: shared.iter().map(|one| one.name.clone()).collect(),
            standing,
            log: std::path::absolute(log).map_err(start)?,
            state: std::path::absolute(state).map_err(start)?,
            hung_after_ms: u64::try_from(guard.hung_after.as_millis()).unwrap_or(u64::MAX),
            hold_max_ms: u64::try_from(guard.hold_max.as_millis()).unwrap_or(u64::MAX),
        });
        let began = message::send(&guardian.socket, &charter, &shared).map_err(start);
        // One that comes to itself too late must not act on a rig that is not ours any more.
        if let Err(error) = began.and_then(|()| guardian.await_ready()) {
            guardian.end();
            return Err(error);
        }
        Ok(guardian)
    }

    fn await_ready(&self) -> Result<(), GuardianError> {
        let end = Instant::now() + START_LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(GuardianError::Start(e.into())),
            }
        }
        match self.take_answer() {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(GuardianError::Mute),
        }
    }

    /// Whether it has answered something.
    fn take_answer(&self) -> io::Result<bool> {
        let mut answer = [0; HEARD.len()];
        match recv(&self.socket, &mut answer, RecvFlags::DONTWAIT) {
            Ok(_) if answer == *HEARD => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(e) => Err(e.into()),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Tells where the module stands; never waits. A message that finds no room is made up for
    /// by the next.
    pub fn tell(&mut self, standing: &Standing) {
        let message = Message::Standing(standing.clone());
        match message::send(&self.socket, &message, &[]) {
            Ok(()) => {
                self.told = Instant::now();
                self.unanswered_since.get_or_insert(self.told);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.gone = true,
        }
    }

    /// Says that the runner lives, if it has not said so for a while; and looks whether the guardian
    /// does. One that does not answer is as good as gone.
    pub fn beat(&mut self, standing: &Standing) {
        loop {
            match self.take_answer() {
                Ok(true) => self.unanswered_since = None,
                Ok(false) => break,
                Err(_) => {
                    self.gone = true;
                    break;
                }
            }
        }
        let silent = self.unanswered_since.map(|since| since.elapsed());
        self.gone |= silent.is_some_and(|silent| silent >= self.hung_after);
        if self.told.elapsed() >= BEAT {
            self.tell(standing);
        }
    }

    /// Whether nobody would act for this runner any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// The power is off, and nothing is left to guard. Waits for its end, within bounds.
    pub fn dismiss(mut self) {
        let said = message::send(&self.socket, &Message::Goodbye, &[]);
        let end = Instant::now() + START_LIMIT;
        while said.is_ok() && Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        self.end();
    }

    /// Ends it, where it does not come to its own end and has nothing to guard.
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
