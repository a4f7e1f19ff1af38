//! One run on a rig at a time: a lock that says who holds it.
//!
//! The lock is `flock`'s, so it goes with its process however that ends; what is written in the
//! file only tells the next person whose it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Held for as long as the rig is ours: by the tty that its console is now, so that no other path to
/// it is a second rig, and by the console as the rig file names it, since the tty that this leads to
/// is another one when the adapter was plugged in again meanwhile.
#[derive(Debug)]
pub struct RigLock {
    files: Vec<File>,
}

/// How the holder of a lock begins that is a guardian: it gives the rig back by itself.
const GUARDIAN: &str = "the guardian of ";

/// Why the rig cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the rig on `{}` is in use by {holder}: wait for it, or end it", console.display())]
    Held {
        /// The console that names the rig.
        console: PathBuf,
        /// Process id and command line, as the holder wrote them.
        holder: String,
    },
    /// The guardian of a run that died has it, and gives it back within minutes.
    #[error("the rig on `{}` is held by {holder}: it is free when that is done", console.display())]
    Guarded {
        /// The console that names the rig.
        console: PathBuf,
        /// Whose guardian, and what it waits for, as it wrote.
        holder: String,
    },
    /// The lock file cannot be made.
    #[error("cannot lock the rig with `{}`", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where rigs keep what outlives a run: locks, and when each supply was last switched off.
#[must_use]
pub fn state_dir() -> PathBuf {
    std::env::var_os("HIL_STATE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("XDG_STATE_HOME").map(|d| Path::new(&d).join("hil")))
        .or_else(|| std::env::var_os("HOME").map(|d| Path::new(&d).join(".local/state/hil")))
        .unwrap_or_else(|| std::env::temp_dir().join("hil"))
}

/// A file name for what must not be done twice at a time: two paths share it if they are the
/// same tty now, for links are followed.
#[must_use]
pub fn rig_name(console: &Path) -> String {
    let real = console.canonicalize();
    bench_name(real.as_deref().unwrap_or(console))
}

/// A file name for what outlives a run: the console as the rig file names it. The tty that a
/// link leads to can be another one when its adapter is plugged in again. What a file name
/// cannot hold is spelled in hexadecimal.
#[must_use]
pub fn bench_name(console: &Path) -> String {
    let whole = std::path::absolute(console);
    let whole = whole.as_deref().unwrap_or(console);
    let mut name = String::new();
    for byte in whole.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' if name.is_empty() => {}
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' => name.push(char::from(*byte)),
            b'/' => name.push('_'),
            other => name.push_str(&format!("%{other:02x}")),
        }
    }
    name
}

impl RigLock {
    /// Takes the rig whose console is at `console`, or says who has it.
    pub fn take(console: &Path) -> Result<Self, LockError> {
        Self::take_in(&state_dir(), console)
    }

    /// The same with its files in another folder than [`state_dir`].
    pub(crate) fn take_in(dir: &Path, console: &Path) -> Result<Self, LockError> {
        let mut names = vec![bench_name(console), rig_name(console)];
        names.dedup();
        let files = names.iter().map(|name| take_one(dir, name, console));
        let lock = Self {
            files: files.collect::<Result<_, _>>()?,
        };
        let command: Vec<String> = std::env::args().collect();
        lock.say(&format!(
            "process {} (`{}`)",
            std::process::id(),
            command.join(" ")
        ))
        .map_err(|source| LockError::Io {
            path: dir.to_owned(),
            source,
        })?;
        Ok(lock)
    }

    /// A lock that another process took and shares with this one.
    #[must_use]
    pub fn inherit(files: Vec<OwnedFd>) -> Self {
        Self {
            files: files.into_iter().map(File::from).collect(),
        }
    }

    /// Second handles: the rig stays locked until both are gone.
    pub fn share(&self) -> io::Result<Vec<OwnedFd>> {
        let files = self.files.iter();
        files.map(|file| Ok(file.try_clone()?.into())).collect()
    }

    /// Says in the lock file that the guardian of process `runner` has the rig now.
    pub fn say_guarded(&self, runner: u32, what_for: &str) -> io::Result<()> {
        self.say(&format!("{GUARDIAN}process {runner}, which {what_for}"))
    }

    fn say(&self, holder: &str) -> io::Result<()> {
        // Written over and then cut off, so that a reader finds a beginning that is right.
        let line = format!("{holder}\n");
        for file in &self.files {
            file.write_all_at(line.as_bytes(), 0)?;
            file.set_len(line.len() as u64)?;
        }
        Ok(())
    }
}

/// Takes the lock of one name of the rig, or says who has it.
fn take_one(dir: &Path, name: &str, console: &Path) -> Result<File, LockError> {
    let path = dir.join(format!("{name}.lock"));
    let io = |source| LockError::Io {
        path: path.clone(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(io)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = (&file).take(512).read_to_string(&mut holder);
            Err(held(console, holder.trim().escape_debug().to_string()))
        }
        Err(e) => Err(io(e.into())),
    }
}

/// Who has it, and whether that will give it back by itself.
fn held(console: &Path, holder: String) -> LockError {
    let console = console.to_owned();
    match dead_runner(&holder) {
        _ if holder.starts_with(GUARDIAN) => LockError::Guarded { console, holder },
        // Its guardian has not come to say so yet.
        Some(id) => LockError::Guarded {
            console,
            holder: format!("{GUARDIAN}process {id}, which has just ended"),
        },
        None => LockError::Held { console, holder },
    }
}

/// The process that a lock file names, if that is gone.
fn dead_runner(holder: &str) -> Option<u32> {
    let id = holder.strip_prefix("process ")?.split(' ').next()?;
    let id = id.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name before the state may have spaces and brackets of its own. `Z`: nobody has taken
    // note of its end yet.
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim());
    (state.is_empty() || state.starts_with(['Z', 'X'])).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rig_is_taken_by_the_name_of_its_console_and_by_the_tty_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let tty = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            path
        };
        let (first, second) = (tty("ttyUSB0"), tty("ttyUSB1"));
        let link = dir.path().join("by-id");
        let points_to = |tty: &Path| {
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(tty, &link).unwrap();
        };
        points_to(&first);
        let held = RigLock::take_in(dir.path(), &link).unwrap();
        let refused = |path: &Path| {
            let taken = RigLock::take_in(dir.path(), path);
            matches!(taken, Err(LockError::Held { .. }))
        };
        assert!(refused(&link) && refused(&first) && !refused(&second));
        // The adapter was pulled and came back.
        points_to(&second);
        assert!(refused(&link) && refused(&first) && !refused(&second));
        // A second handle is a second holder.
        let shared = RigLock::inherit(held.share().unwrap());
        drop(held);
        assert!(refused(&link) && refused(&first));
        drop(shared);
        assert!(!refused(&link) && !refused(&first));
    }

    #[test]
    fn a_holder_that_is_gone_is_told_from_one_that_lives() {
        let own = std::process::id();
        assert_eq!(dead_runner(&format!("process {own} (`hil run`)")), None);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let line = format!("process {} (`hil run`)", child.id());
        assert_eq!(dead_runner(&line), Some(child.id()));
        assert_eq!(dead_runner("somebody"), None);
    }

    #[test]
    fn two_paths_to_one_tty_have_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let tty = dir.path().join("ttyX");
        std::fs::write(&tty, "").unwrap();
        let link = dir.path().join("by-id");
        std::os::unix::fs::symlink(&tty, &link).unwrap();
        assert_eq!(rig_name(&link), rig_name(&tty));
        assert_ne!(rig_name(&link), rig_name(dir.path()));
        assert_ne!(bench_name(&link), bench_name(&tty));
    }
}
