//! VBAT: on and off, and since when.
//!
//! A module whose supply comes back too soon was never without power: its capacitors held. So a
//! real supply does not go on before it has been off for the bench's least time, whoever switched
//! it off: this run, an earlier one, or a process that was killed. What outlives a process is a
//! file in the state folder: the moment of the last cut, or that the supply was switched on. The
//! latter tells the next process that nobody knows since when it is off, if it is.
//!
//! Moments are those of the kernel's clock that counts from the host's start and through its
//! sleep, kept with the id of that start. It never jumps; the time of day does, on a Raspberry Pi
//! without a battery by years. After another start of the host the supply is taken to be off since
//! that start: a host without power drives no line, and a bench's supply defaults to off.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::durable;
use crate::line::{Line, LineError, LineErrorKind};

/// The supply's line, and since when it is off.
#[derive(Debug)]
pub struct Supply {
    line: Line,
    /// The least time without power.
    least: Duration,
    /// Since when it is off, by [`since_start`]; `None`: it is on.
    off_since: Option<Duration>,
    record: Option<Record>,
}

impl Supply {
    /// The supply of a virtual module, whose capacitors hold nothing.
    #[must_use]
    pub fn without_record(line: Line) -> Self {
        Self {
            line,
            least: Duration::ZERO,
            off_since: Some(since_start()),
            record: None,
        }
    }

    /// The supply of a real bench, which must be off for `least`, with what an earlier process
    /// left of it in the file at `path`.
    #[must_use]
    pub fn with_record(mut line: Line, least: Duration, path: PathBuf) -> Self {
        let record = Record {
            path,
            start: start_of_host(),
        };
        // A line that cannot be read, yet or ever, is not known to be on.
        let off_since = match line.read() {
            Ok(Some(true)) => None,
            Ok(Some(false) | None) | Err(_) => Some(record.off_since().unwrap_or_else(since_start)),
        };
        Self {
            line,
            least,
            off_since,
            record: Some(record),
        }
    }

    /// Its line, for whoever must hand it on.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Whether it was switched off last, or was found so.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.off_since.is_some()
    }

    /// How long it must stay off yet.
    #[must_use]
    pub fn off_left(&self) -> Duration {
        self.off_since.map_or(Duration::ZERO, |since| {
            self.least
                .saturating_sub(since_start().saturating_sub(since))
        })
    }

    /// Switches it on. Whoever has not waited for [`Self::off_left`] waits here.
    pub fn assert(&mut self) -> Result<(), LineError> {
        if self.off_since.is_some() {
            std::thread::sleep(self.off_left());
            // Before it is on: a process that is killed in between must not leave a time off.
            self.keep(None)?;
        }
        self.line.assert()?;
        self.off_since = None;
        Ok(())
    }

    /// Takes the power, and nothing else: an edge must not wait for a disk. [`Self::remember`]
    /// is to follow.
    pub fn cut(&mut self) -> Result<(), LineError> {
        self.line.release()?;
        self.off_since.get_or_insert_with(since_start);
        Ok(())
    }

    /// Keeps the moment of the cut for later processes.
    pub fn remember(&mut self) -> Result<(), LineError> {
        match self.off_since {
            Some(since) => self.keep(Some(since)),
            None => Ok(()),
        }
    }

    /// Takes the power, and keeps the moment.
    pub fn release(&mut self) -> Result<(), LineError> {
        self.cut()?;
        self.remember()
    }

    /// What the line is now; `None` where its driver cannot know.
    pub fn read(&mut self) -> Result<Option<bool>, LineError> {
        self.line.read()
    }

    fn keep(&self, off_since: Option<Duration>) -> Result<(), LineError> {
        let Some(record) = &self.record else {
            return Ok(());
        };
        record.keep(off_since).map_err(|source| {
            LineError::new(
                self.line.name(),
                LineErrorKind::File {
                    deed: "keep when it was switched in",
                    path: record.path.clone(),
                    source,
                },
            )
        })
    }
}

/// The file that outlives a process.
#[derive(Debug)]
struct Record {
    path: PathBuf,
    /// The id of this start of the host; empty where the kernel tells none, which equals none.
    start: String,
}

impl Record {
    /// Since when the supply is off, if an earlier process left it so. What cannot be read or
    /// understood is as good as nothing: then it is not known to be off.
    fn off_since(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let mut words = text.split_whitespace();
        let ("off", Some(start), Some(micros)) = (words.next()?, words.next(), words.next()) else {
            return None;
        };
        if self.start.is_empty() || start != self.start {
            return Some(Duration::ZERO);
        }
        let since = Duration::from_micros(micros.parse().ok()?);
        (since <= since_start()).then_some(since)
    }

    fn keep(&self, off_since: Option<Duration>) -> io::Result<()> {
        let text = match off_since {
            Some(since) => format!("off {} {}\n", self.start, since.as_micros()),
            None => "on\n".to_owned(),
        };
        durable::write(&self.path, text.as_bytes())
    }
}

/// How long the host has been up, its sleep included.
fn since_start() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// What tells this start of the host from any other.
fn start_of_host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::FileLine;

    const LEAST: Duration = Duration::from_secs(3600);

    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new(level: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("vbat"), level).unwrap();
            Self { dir }
        }

        fn record(&self) -> PathBuf {
            self.dir.path().join("bench.supply")
        }

        /// A process that has the supply.
        fn supply(&self, least: Duration) -> Supply {
            let line = FileLine::new(&self.dir.path().join("vbat"), b"1", b"0");
            let line = Line::new("supply", Box::new(line));
            Supply::with_record(line, least, self.record())
        }
    }

    #[test]
    fn a_time_off_holds_for_the_next_process() {
        let bench = Bench::new("1");
        bench.supply(LEAST).release().unwrap();
        let left = bench.supply(LEAST).off_left();
        assert!(left > LEAST / 2 && left < LEAST, "{left:?}");
    }

    #[test]
    fn a_supply_that_has_been_off_for_long_may_go_on_at_once() {
        let bench = Bench::new("1");
        bench.supply(LEAST).release().unwrap();
        assert_eq!(bench.supply(Duration::ZERO).off_left(), Duration::ZERO);
    }

    #[test]
    fn a_second_release_does_not_begin_the_time_off_again() {
        let bench = Bench::new("1");
        let mut supply = bench.supply(LEAST);
        supply.release().unwrap();
        let since = supply.off_since;
        supply.release().unwrap();
        assert_eq!(supply.off_since, since);
    }

    /// The process before was killed with the power on: nobody knows when its line fell.
    #[test]
    fn a_supply_that_was_left_on_is_off_since_now() {
        let bench = Bench::new("0");
        std::fs::write(bench.record(), "on\n").unwrap();
        let left = bench.supply(LEAST).off_left();
        assert!(left > LEAST / 2, "{left:?}");
    }

    #[test]
    fn a_supply_that_is_on_waits_for_nothing() {
        let bench = Bench::new("1");
        assert_eq!(bench.supply(LEAST).off_left(), Duration::ZERO);
    }

    #[test]
    fn it_is_on_record_as_on_before_it_is_on() {
        let bench = Bench::new("0");
        let mut supply = bench.supply(Duration::ZERO);
        supply.assert().unwrap();
        assert_eq!(std::fs::read_to_string(bench.record()).unwrap(), "on\n");
        assert_eq!(supply.off_left(), Duration::ZERO);
    }

    /// The host has started anew: whatever its clock said then, the supply is off since the start.
    #[test]
    fn after_another_start_of_the_host_the_supply_is_off_since_that() {
        let bench = Bench::new("0");
        std::fs::write(bench.record(), "off another-start 99999999999999\n").unwrap();
        let up = since_start();
        let supply = bench.supply(up + LEAST);
        assert!(supply.off_left() <= LEAST, "{:?}", supply.off_left());
        assert!(supply.off_left() > LEAST / 2, "{:?}", supply.off_left());
    }

    #[test]
    fn what_is_not_understood_is_no_time_off() {
        for text in ["", "off", "off x", "off x y", "\u{fffd}", "on", "off  1"] {
            let bench = Bench::new("0");
            std::fs::write(bench.record(), text.replace('x', &start_of_host())).unwrap();
            let left = bench.supply(LEAST).off_left();
            assert!(left > LEAST / 2, "{text}: {left:?}");
        }
    }

    /// A moment that is yet to come cannot be one of this start.
    #[test]
    fn a_time_off_from_the_future_is_none() {
        let bench = Bench::new("0");
        let future = (since_start() + LEAST).as_micros();
        let text = format!("off {} {future}\n", start_of_host());
        std::fs::write(bench.record(), text).unwrap();
        assert!(bench.supply(LEAST).off_left() > LEAST / 2);
    }

    #[test]
    fn a_record_that_cannot_be_kept_is_an_error_with_its_path() {
        let bench = Bench::new("0");
        std::fs::create_dir(bench.record()).unwrap();
        let error = bench.supply(Duration::ZERO).assert().unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("keep when it was switched in"), "{source}");
    }
}
