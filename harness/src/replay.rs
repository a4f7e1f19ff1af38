//! Judges recorded evidence again, through the same judge, with no rig.
//!
//! What lines mean is understood anew from their bytes. And the record must agree with itself:
//! the lines in `timeline.jsonl` are the bytes in `wire.log`, or the evidence was altered, or the
//! reader lost something; in neither case is it evidence.

use std::io;
use std::path::{Path, PathBuf};

use dfota::brief::Brief;
use dfota::message::Understanding;
use dfota::reader::What;
use dfota::timeline::{Entry, Event, Power};
use dfota::transcript;
use dfota::verdict::Judgement;

use crate::evidence::restored::Restored;
use crate::evidence::stored::StoredEntry;
use crate::report::document::{BriefDocument, VerdictDocument};
use crate::scenario::RightVerdict;

/// A case's evidence, read back.
#[derive(Debug)]
pub struct Evidence {
    /// What the judge was told.
    pub brief: Brief,
    /// What a right judge says.
    pub right_verdict: RightVerdict,
    /// Everything that happened.
    pub timeline: Vec<Entry>,
    /// What was said of it then.
    pub verdict: VerdictDocument,
}

/// Why evidence cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}`, line {line}: {why}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The two records of the wire differ.
    #[error(
        "`{}` is no evidence: `timeline.jsonl` and `wire.log` disagree from byte {at} that the module sent: one of them was altered",
        folder.display()
    )]
    Disagree {
        /// The case's folder.
        folder: PathBuf,
        /// The first byte, counted over all lines without their endings.
        at: usize,
    },
}

/// The case folders in and below a folder: those with a `brief.json`, in the order of names.
pub fn case_folders(dir: &Path) -> Result<Vec<PathBuf>, ReplayError> {
    if dir.join("brief.json").is_file() {
        return Ok(vec![dir.to_owned()]);
    }
    let read = |source| ReplayError::Read {
        path: dir.to_owned(),
        source,
    };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.join("brief.json").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

impl Evidence {
    /// Reads a case's folder.
    pub fn read(folder: &Path) -> Result<Self, ReplayError> {
        let brief: BriefDocument = document(&folder.join("brief.json"))?;
        let verdict: VerdictDocument = document(&folder.join("verdict.json"))?;
        let timeline = timeline(&folder.join("timeline.jsonl"))?;
        agree(folder, &timeline)?;
        Ok(Self {
            right_verdict: brief.right_verdict,
            brief: brief.into(),
            timeline,
            verdict,
        })
    }

    /// What today's judge says.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        dfota::judge(&self.brief, &self.timeline)
    }
}

fn document<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ReplayError> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|e| ReplayError::Malformed {
        path: path.to_owned(),
        line: e.line(),
        why: e.to_string(),
    })
}

fn read_text(path: &Path) -> Result<String, ReplayError> {
    std::fs::read_to_string(path).map_err(|source| ReplayError::Read {
        path: path.to_owned(),
        source,
    })
}

fn timeline(path: &Path) -> Result<Vec<Entry>, ReplayError> {
    let mut timeline = Vec::new();
    let mut understanding = Understanding::default();
    for (index, text) in read_text(path)?.lines().enumerate() {
        let malformed = |why: String| ReplayError::Malformed {
            path: path.to_owned(),
            line: index + 1,
            why,
        };
        let stored: StoredEntry =
            serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
        let (at, restored) = stored.restore().map_err(malformed)?;
        let event = match restored {
            Restored::Event(event) => {
                match &event {
                    Event::Sent { bytes, .. } => understanding.sent(bytes),
                    Event::Supply { to: Power::Off, .. } => understanding.power_lost(),
                    _ => {}
                }
                event
            }
            Restored::Line(line) => Event::Received {
                message: understanding.line(&line),
                line,
            },
        };
        timeline.push(Entry { at, event });
    }
    Ok(timeline)
}

/// Whether the lines of a timeline are the bytes of `wire.log`, line endings aside.
fn agree(folder: &Path, timeline: &[Entry]) -> Result<(), ReplayError> {
    let path = folder.join("wire.log");
    let text = read_text(&path)?;
    let records = transcript::parse(&text).map_err(|e| ReplayError::Malformed {
        line: e.line,
        why: e.to_string(),
        path,
    })?;
    let on_the_wire: Vec<u8> = records
        .into_iter()
        .filter_map(|record| match record.what {
            What::Chunk(bytes) => Some(bytes),
            What::Event(_) => None,
        })
        .flatten()
        .collect();
    let wire = on_the_wire.iter().filter(|byte| !is_line_end(**byte));
    let lines = timeline.iter().flat_map(|entry| match &entry.event {
        Event::Received { line, .. } => line.bytes.as_slice(),
        _ => &[],
    });
    // A line that is too long is cut in pieces, and none of the pieces has line endings.
    let lines = lines.filter(|byte| !is_line_end(**byte));
    match first_difference(wire, lines) {
        None => Ok(()),
        Some(at) => Err(ReplayError::Disagree {
            folder: folder.to_owned(),
            at,
        }),
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn first_difference<'a>(
    mut a: impl Iterator<Item = &'a u8>,
    mut b: impl Iterator<Item = &'a u8>,
) -> Option<usize> {
    for at in 0.. {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (x, y) if x == y => {}
            _ => return Some(at),
        }
    }
    None
}
