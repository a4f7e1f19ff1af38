//! The `file` driver: a kernel regulator, an LED, a sysfs GPIO, a FIFO to another program.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Driver, LineErrorKind};
use crate::config::LineFile;

/// Most bytes that are read for a line's value.
const VALUE_LEN_MAX: usize = 64;

/// A line that is a file: one value written asserts it, another releases it.
#[derive(Debug)]
pub struct FileLine {
    path: PathBuf,
    on: Vec<u8>,
    off: Vec<u8>,
    /// Held open from the first write: opening costs more than the write that cuts.
    open: Option<Sink>,
}

#[derive(Debug)]
enum Sink {
    Fifo(File),
    Plain { file: File, len: usize },
}

impl FileLine {
    /// A line at `path`, with the bytes that assert and release it. It is opened at the first
    /// write: a regular file that does not exist is made then, a FIFO must have a reader by then.
    #[must_use]
    pub fn new(path: &Path, on: &[u8], off: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            on: on.to_owned(),
            off: off.to_owned(),
            open: None,
        }
    }

    /// A line that is driven: it can be opened for writing, which is tried here and changes
    /// nothing, so that a line that is not there is noticed before any is asserted.
    pub(super) fn output(file: &LineFile) -> Result<Self, LineErrorKind> {
        let mut line = Self::new(&file.path, &file.on, &file.off);
        line.open = Some(line.open()?);
        Ok(line)
    }

    fn file_error(&self, deed: &'static str, source: io::Error) -> LineErrorKind {
        LineErrorKind::File {
            deed,
            path: self.path.clone(),
            source,
        }
    }

    fn is_fifo(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|m| m.file_type().is_fifo())
    }

    fn open(&self) -> Result<Sink, LineErrorKind> {
        if self.is_fifo() {
            // Without O_NONBLOCK the open would wait for a reader, for ever if need be.
            let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
            let opened = OpenOptions::new()
                .write(true)
                .custom_flags(nonblock)
                .open(&self.path);
            return match opened {
                Ok(file) => Ok(Sink::Fifo(file)),
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                    Err(LineErrorKind::NoReader {
                        path: self.path.clone(),
                    })
                }
                Err(e) => Err(self.file_error("open", e)),
            };
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)
            .map_err(|e| self.file_error("open", e))?;
        Ok(Sink::Plain { file, len: 0 })
    }
}

impl Driver for FileLine {
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind> {
        if self.open.is_none() {
            self.open = Some(self.open()?);
        }
        let value = if asserted { &self.on } else { &self.off };
        let written = match self.open.as_mut() {
            Some(Sink::Fifo(fifo)) => fifo.write_all(value),
            Some(Sink::Plain { file, len }) => {
                let shorter = value.len() < std::mem::replace(len, value.len());
                file.write_all_at(value, 0).and_then(|()| {
                    // sysfs attributes have no length to set, and need none.
                    if shorter && !self.path.starts_with("/sys") {
                        file.set_len(value.len() as u64)
                    } else {
                        Ok(())
                    }
                })
            }
            None => Ok(()),
        };
        written.map_err(|e| {
            // The next try opens again: a FIFO's reader may have been replaced.
            self.open = None;
            self.file_error("write", e)
        })
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        if self.is_fifo() {
            return Ok(None);
        }
        let read = File::open(&self.path).and_then(|file| {
            let mut value = [0; VALUE_LEN_MAX];
            let n = file.read_at(&mut value, 0)?;
            Ok(value[..n].to_vec())
        });
        let value = read.map_err(|e| self.file_error("read", e))?;
        match value.trim_ascii_end() {
            v if v == self.on.trim_ascii_end() => Ok(Some(true)),
            v if v == self.off.trim_ascii_end() => Ok(Some(false)),
            v => Err(LineErrorKind::NeitherValue {
                found: v.escape_ascii().to_string(),
                asserted: self.on.escape_ascii().to_string(),
                released: self.off.escape_ascii().to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_value_leaves_nothing_of_the_longer_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut line = FileLine::new(&path, b"enabled", b"off");
        line.drive(true).unwrap();
        assert_eq!(line.read().unwrap(), Some(true));
        line.drive(false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "off");
        assert_eq!(line.read().unwrap(), Some(false));
    }

    #[test]
    fn a_file_that_holds_neither_value_is_an_error_that_shows_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        std::fs::write(&path, "banana\n").unwrap();
        let error = FileLine::new(&path, b"1", b"0").read().unwrap_err();
        assert_eq!(error.to_string(), "read `banana`, wanted `1` or `0`");
    }

    #[test]
    fn a_fifo_without_a_reader_is_an_error_and_not_a_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let mut line = FileLine::new(&path, b"1", b"0");
        assert!(matches!(
            line.drive(true),
            Err(LineErrorKind::NoReader { .. })
        ));
        assert_eq!(line.read().unwrap(), None);
    }

    #[test]
    fn a_fifo_carries_each_value_to_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        // Read and write, so that this open does not wait for the other end.
        let mut reader = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let mut line = FileLine::new(&path, b"1", b"0");
        line.drive(true).unwrap();
        line.drive(false).unwrap();
        let mut got = [0; 2];
        io::Read::read_exact(&mut reader, &mut got).unwrap();
        assert_eq!(&got, b"10");
    }
}
