//! One run on a rig at a time: a lock that says who holds it.
//!
//! The lock is `flock`'s, so it goes with its process however that ends; what is written in the
//! file only tells the next person whose it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Held for as long as the rig is ours.
#[derive(Debug)]
pub struct RigLock {
    _file: File,
}

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
        let dir = state_dir();
        let path = dir.join(format!("{}.lock", rig_name(console)));
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(io)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = (&file).take(512).read_to_string(&mut holder);
                return Err(LockError::Held {
                    console: console.to_owned(),
                    holder: holder.trim().escape_debug().to_string(),
                });
            }
            Err(e) => return Err(io(e.into())),
        }
        file.set_len(0).map_err(io)?;
        let command: Vec<String> = std::env::args().collect();
        writeln!(
            file,
            "process {} (`{}`)",
            std::process::id(),
            command.join(" ")
        )
        .map_err(io)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
