//! The folder a run leaves behind.
//!
//! Logs grow line by line and are on disk after each batch of events, so that whatever happens,
//! what was seen until then is kept. Documents (`verdict.json`, `run.json`) are written whole or
//! not at all.

mod log;
pub mod restored;
pub mod stored;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dfota::reader::{Record, What};
use dfota::timeline::Entry;
use dfota::transcript::Writer;
use serde::Serialize;

use self::log::Log;
use self::stored::StoredEntry;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a new folder below `evidence`, named by the time of day and never one that exists.
    pub fn create(evidence: &Path, now: &str) -> io::Result<Self> {
        std::fs::create_dir_all(evidence)?;
        for attempt in 1.. {
            let name = match attempt {
                1 => now.to_owned(),
                n => format!("{now}-{n}"),
            };
            let path = evidence.join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        unreachable!("an unbounded range ended")
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of one case in it.
    pub fn case(&self, id: &str) -> io::Result<CaseFolder> {
        CaseFolder::create(&self.path.join(id))
    }

    /// Writes a document of the run as JSON.
    pub fn write(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        write_json(&self.path.join(name), document)
    }
}

/// The folder of one case, with its logs open.
#[derive(Debug)]
pub struct CaseFolder {
    path: PathBuf,
    wire: Log,
    writer: Writer,
    timeline: Log,
    http: Log,
    /// The disk refused something: nothing more is asked of it.
    given_up: bool,
}

impl CaseFolder {
    fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let log = |name: &str| Log::create(&path.join(name));
        Ok(Self {
            wire: log("wire.log")?,
            writer: Writer::new(),
            timeline: log("timeline.jsonl")?,
            http: log("http.jsonl")?,
            path: path.to_owned(),
            given_up: false,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a record to `wire.log`, which is a transcript: copied to `fixtures/transcripts`, it
    /// is a test.
    pub fn wire(&mut self, at: Duration, what: What) -> io::Result<()> {
        if self.given_up {
            return Ok(());
        }
        let text = self.writer.write(&Record { at, what });
        self.wire.write_all(text.as_bytes())
    }

    /// Adds an entry to `timeline.jsonl`.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        if self.given_up {
            return Ok(());
        }
        append_json(&mut self.timeline, &StoredEntry::from(entry))
    }

    /// Adds a connection to `http.jsonl`.
    pub fn http(&mut self, record: &impl Serialize) -> io::Result<()> {
        if self.given_up {
            return Ok(());
        }
        append_json(&mut self.http, record)
    }

    /// Sends what was added to the disk, and does not wait for it.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.given_up {
            return Ok(());
        }
        self.wire.flush()?;
        self.timeline.flush()?;
        self.http.flush()
    }

    /// The disk takes no more. What is left to do for the module is done without evidence.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Ends the logs, and waits until the system has all of them.
    pub fn close(&mut self) -> io::Result<()> {
        if self.given_up {
            return Ok(());
        }
        self.wire.close()?;
        self.timeline.close()?;
        self.http.close()
    }

    /// Writes a document of the case as JSON.
    pub fn write(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        write_json(&self.path.join(name), document)
    }

    /// Writes a document of the case as it is.
    pub fn write_text(&self, name: &str, text: &str) -> io::Result<()> {
        write_whole(&self.path.join(name), text.as_bytes())
    }
}

fn append_json(log: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *log, value)?;
    log.write_all(b"\n")
}

pub(crate) fn write_json(path: &Path, document: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}

/// Writes a file whole or not at all: to a neighbour first, which then takes its name.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let neighbour = path.with_file_name(name);
    let written = File::create(&neighbour).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&neighbour, path))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&neighbour);
        })
}
