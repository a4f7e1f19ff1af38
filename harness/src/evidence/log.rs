//! A log that a thread of its own brings to the disk.
//!
//! The thread that reads the console must never wait for a disk: one that was busy with another
//! program's writes held it for 2.2 s, and a cut at 37 % fell behind the end of the update.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// A growing file. What is on its way to the disk is bounded by what a case may hold.
#[derive(Debug)]
pub(super) struct Log {
    kept: Vec<u8>,
    /// `None` once the log is closed.
    writer: Option<(Sender<Vec<u8>>, Thread)>,
}

type Thread = JoinHandle<io::Result<()>>;

impl Log {
    /// Makes a new file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(path)?;
        let (sender, batches) = channel::<Vec<u8>>();
        let thread = std::thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || batches.iter().try_for_each(|batch| write(&file, &batch)))?;
        Ok(Self {
            kept: Vec::new(),
            writer: Some((sender, thread)),
        })
    }

    /// Returns when everything is with the system.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let flushed = self.flush();
        let Some((sender, thread)) = self.writer.take() else {
            return flushed;
        };
        drop(sender);
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes it panicked")))
    }
}

fn write(mut file: &File, batch: &[u8]) -> io::Result<()> {
    file.write_all(batch)
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Hands what was written to the thread. An error of an earlier batch comes out here.
    fn flush(&mut self) -> io::Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.kept);
        let sent = match &self.writer {
            Some((sender, _)) => sender.send(batch).is_ok(),
            None => return Err(io::Error::other("the log is closed")),
        };
        // The thread ends early only on an error, and `close` then has it.
        if sent { Ok(()) } else { self.close() }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = self.close();
    }
}
