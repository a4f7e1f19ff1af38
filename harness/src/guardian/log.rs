//! What a guardian did, one JSON document a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::safety::{Duty, Standing};

/// Most lines kept: a module that floods must not fill the disk.
const LINES_MAX: usize = 20_000;

/// What happened to a guardian, and what it did.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// It watches over this process.
    Watches { runner: u32 },
    /// The runner says where the module stands.
    Told { standing: Standing },
    /// The runner has said nothing for too long; `stopped`: somebody stopped it.
    Silent { for_ms: u64, stopped: bool },
    /// The runner hangs, and was killed.
    Killed,
    /// The runner is gone, and this is what is owed to the module.
    TookOver {
        why: &'static str,
        standing: Standing,
        /// What the supply's line says; `null` where its driver cannot know.
        supply_reads: Option<bool>,
        duty: Duty,
    },
    /// A line was driven; `after_us`: since the runner's end was noticed.
    Drove {
        line: &'static str,
        asserted: bool,
        after_us: u64,
    },
    /// A line could not be driven.
    Failed { line: &'static str, why: String },
    /// The module said something.
    Heard { line: String },
    /// The module was asked whether its application runs.
    Asked,
    /// The module cannot be heard any more.
    Deaf { why: String },
    /// The wait for the update's end is over.
    Over { how: String },
    /// It is done; `supply_reads` at last.
    Done { supply_reads: Option<bool> },
    /// The runner said goodbye.
    Dismissed,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    ms: u64,
    #[serde(flatten)]
    event: &'a Event,
}

/// A guardian's log. What cannot be written is let go: the module is what matters.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    start: Instant,
    lines: usize,
}

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: OpenOptions::new().create(true).append(true).open(path)?,
            start: Instant::now(),
            lines: 0,
        })
    }

    pub(super) fn add(&mut self, event: &Event) {
        self.lines += 1;
        if self.lines > LINES_MAX && matches!(event, Event::Heard { .. }) {
            return;
        }
        let line = Line {
            at: jiff::Timestamp::now().to_string(),
            ms: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
            event,
        };
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            let _ = self.file.write_all(&text);
        }
    }

    /// To the disk.
    pub(super) fn sync(&self) {
        let _ = self.file.sync_all();
    }
}
