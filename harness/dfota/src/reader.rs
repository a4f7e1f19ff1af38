//! From what is recorded on the wire to the entries of the timeline.
//!
//! The runner reads the module through it while a case runs, and `hil judge` reads
//! `wire.log` through it afterwards, so both judge the same entries.

use std::time::Duration;

use crate::line::{Line, Splitter};
use crate::message::{Message, Understanding};
use crate::timeline::{Entry, Event, Pin};

/// One record of the wire: bytes read from the module, or any other event.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Since the run began.
    pub at: Duration,
    /// What it was.
    pub what: What,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Bytes from the module, as they were read.
    Chunk(Vec<u8>),
    /// Anything else that happened. (`Received` is what chunks become, and is passed on.)
    Event(Event),
}

/// Splits and understands, and puts what comes of it in order.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    splitter: Splitter,
    understanding: Understanding,
    now: Duration,
}

impl Reader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Takes the next record; gives the entries that come of it, in order. Times never go
    /// back: a record from the past is stamped with the present.
    ///
    /// A line that is not finished comes out as cut short before the power goes off or comes
    /// on, before RESET_N is asserted, and before the console's rate changes.
    pub fn read(&mut self, record: Record) -> Vec<Entry> {
        self.now = self.now.max(record.at);
        match record.what {
            What::Chunk(bytes) => {
                let lines = self.splitter.push(self.now, &bytes);
                lines.into_iter().map(|line| self.received(line)).collect()
            }
            What::Event(event) => {
                let mut entries = Vec::new();
                if ends_the_line(&event) {
                    entries.extend(self.finish());
                }
                match &event {
                    Event::Sent { bytes, .. } => self.understanding.sent(bytes),
                    Event::Supply { .. } => self.understanding.power_lost(),
                    _ => {}
                }
                entries.push(self.entry(event));
                entries
            }
        }
    }

    /// The run is over: what is held comes out as a line cut short.
    pub fn finish(&mut self) -> Option<Entry> {
        let line = self.splitter.cut_short()?;
        Some(self.received(line))
    }

    /// The beginning of the line that is not finished yet.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.splitter.pending()
    }

    fn received(&mut self, line: Line) -> Entry {
        let message: Message = self.understanding.line(&line);
        self.entry(Event::Received { line, message })
    }

    fn entry(&self, event: Event) -> Entry {
        Entry {
            at: self.now,
            event,
        }
    }
}

fn ends_the_line(event: &Event) -> bool {
    matches!(
        event,
        Event::Supply { .. }
            | Event::Rate(_)
            | Event::Pin {
                pin: Pin::ResetN,
                asserted: true
            }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Ending;
    use crate::timeline::{Power, ReadBack};

    fn record(at: u64, what: What) -> Record {
        Record {
            at: Duration::from_millis(at),
            what,
        }
    }

    #[test]
    fn bytes_that_come_after_the_power_went_keep_their_own_time() {
        let mut reader = Reader::new();
        let supply = |to| {
            What::Event(Event::Supply {
                to,
                read_back: ReadBack::Agrees,
            })
        };
        let mut entries = Vec::new();
        for (at, what) in [
            (1, What::Chunk(b"+QIND: \"FOTA\",\"UPDA".to_vec())),
            (2, supply(Power::Off)),
            (3, What::Chunk(b"TING\"".to_vec())),
            (900, supply(Power::On)),
        ] {
            entries.extend(reader.read(record(at, what)));
        }
        let lines: Vec<(u64, Ending)> = entries
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Received { line, .. } => Some((line.at.as_millis() as u64, line.ending)),
                _ => None,
            })
            .collect();
        assert_eq!(lines, [(1, Ending::CutShort), (3, Ending::CutShort)]);
        assert!(matches!(
            entries[1].event,
            Event::Supply { to: Power::Off, .. }
        ));
        assert!(matches!(
            entries[3].event,
            Event::Supply { to: Power::On, .. }
        ));
    }

    #[test]
    fn time_never_goes_back() {
        let mut reader = Reader::new();
        reader.read(record(9, What::Event(Event::Ready)));
        let late = reader.read(record(5, What::Chunk(b"RDY\r\n".to_vec())));
        assert_eq!(late[0].at, Duration::from_millis(9));
    }
}
