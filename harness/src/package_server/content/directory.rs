//! A directory that only this user can enter, and that goes with its owner.
//!
//! An owner that is killed leaves its directory. It is locked (`flock`, by the system, however its
//! owner ends), so that the next owner can tell that nobody has it any more, and takes it away.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::super::random;

/// How the names of such directories begin, and, until they are locked, of those to be.
const NAME: &str = "hil-server-";
const UNLOCKED: &str = ".hil-server-";

#[derive(Debug)]
pub(super) struct PrivateDirectory {
    path: PathBuf,
    /// Held for as long as the directory is ours.
    _lock: File,
}

impl PrivateDirectory {
    /// Makes one in `place`, and takes away those there that nobody has any more.
    pub(super) fn make(place: &Path) -> io::Result<Self> {
        clear(place);
        let token = random::token()?;
        let unlocked = place.join(format!("{UNLOCKED}{token}"));
        let path = place.join(format!("{NAME}{token}"));
        DirBuilder::new().mode(0o700).create(&unlocked)?;
        let lock = open(&unlocked)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // Only now can it be told from one that was left.
        std::fs::rename(&unlocked, &path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What cannot be taken away now is, when the next one is made.
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// Takes away what is left of owners that are gone. What cannot be looked at is somebody else's.
fn clear(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(NAME.as_bytes())
        {
            let _cleared = clear_if_left(&entry.path());
        }
    }
}

fn clear_if_left(path: &Path) -> io::Result<()> {
    let directory = open(path)?;
    let metadata = directory.metadata()?;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || metadata.mode() & 0o777 != 0o700 {
        return Ok(());
    }
    flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    // Sockets are all that we put there: a directory with anything else in it stays.
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_socket() {
            std::fs::remove_file(entry.path())?;
        }
    }
    std::fs::remove_dir(path)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn names(place: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(place).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_an_owner_that_is_gone_left_is_taken_away_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let alive = PrivateDirectory::make(place.path()).unwrap();
        // As a process leaves it that is killed: there, and locked by nobody.
        let left = PrivateDirectory::make(place.path()).unwrap();
        drop(UnixListener::bind(left.path().join("1")).unwrap());
        let path = left.path().to_owned();
        let PrivateDirectory { _lock, .. } = &left;
        flock(_lock, FlockOperation::Unlock).unwrap();
        std::mem::forget(left);
        // Others' things.
        let others = [
            place.path().join("hil-server-notes"),
            place.path().join("else"),
        ];
        for other in &others {
            DirBuilder::new().mode(0o700).create(other).unwrap();
        }
        std::fs::write(others[0].join("what we did not make"), "").unwrap();
        std::fs::write(place.path().join("hil-server-file"), "").unwrap();
        std::os::unix::fs::symlink(&others[1], place.path().join("hil-server-link")).unwrap();

        let next = PrivateDirectory::make(place.path()).unwrap();
        assert!(!path.exists());
        let [notes, other] = others;
        let mut left: Vec<PathBuf> = vec![
            alive.path().to_owned(),
            next.path().to_owned(),
            notes,
            other,
            place.path().join("hil-server-file"),
            place.path().join("hil-server-link"),
        ];
        left.sort();
        assert_eq!(names(place.path()), left);
    }

    #[test]
    fn it_goes_with_its_owner() {
        let place = tempfile::tempdir().unwrap();
        drop(PrivateDirectory::make(place.path()).unwrap());
        assert_eq!(names(place.path()), Vec::<PathBuf>::new());
    }
}
