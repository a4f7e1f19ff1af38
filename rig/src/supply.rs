//! VBAT: on and off, and since when.
//!
//! A module whose supply comes back too soon was never without power: its capacitors held. So a
//! real supply does not go on before it has been off for the bench's least time, whoever switched
//! it off: this run, an earlier one, or a process that was killed. What outlives a process is a
//! file in the state folder: the moment of the last cut. It goes when the supply is switched on, which
//! a full disk does not prevent; where there is none, nobody knows whether the supply is off, unless
//! its line can be read, nor since when.
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
    known: Known,
    record: Option<Record>,
}

/// What is known of it. Moments are by [`since_start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    On,
    Off {
        since: Duration,
    },
    /// Its line cannot be read, and nobody has left a word; if it is off, then at least since we took
    /// it.
    Nothing {
        taken: Duration,
    },
}

impl Supply {
    /// The supply of a virtual module, whose capacitors hold nothing.
    #[must_use]
    pub fn without_record(line: Line) -> Self {
        Self {
            line,
            least: Duration::ZERO,
            known: Known::Off {
                since: since_start(),
            },
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
        let left = record.off_since();
        let known = match (line.read(), left) {
            (Ok(Some(true)), _) => Known::On,
            (_, Some(since)) => Known::Off { since },
            (Ok(Some(false)), None) => Known::Off {
                since: since_start(),
            },
            (Ok(None) | Err(_), None) => Known::Nothing {
                taken: since_start(),
            },
        };
        Self {
            line,
            least,
            known,
            record: Some(record),
        }
    }

    /// Its line, for whoever must hand it on.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Whether it is off, as far as anybody can say.
    #[must_use]
    pub fn is_off(&self) -> bool {
        matches!(self.known, Known::Off { .. })
    }

    /// How long it must stay off yet.
    #[must_use]
    pub fn off_left(&self) -> Duration {
        match self.known {
            Known::On => Duration::ZERO,
            Known::Off { since } | Known::Nothing { taken: since } => self
                .least
                .saturating_sub(since_start().saturating_sub(since)),
        }
    }

    /// Switches it on. Whoever has not waited for [`Self::off_left`] waits here.
    pub fn assert(&mut self) -> Result<(), LineError> {
        if self.known != Known::On {
            std::thread::sleep(self.off_left());
            // Before it is on: a process that is killed in between must not leave a time off.
            self.keep(None)?;
        }
        self.line.assert()?;
        self.known = Known::On;
        Ok(())
    }

    /// Takes the power, and nothing else: an edge must not wait for a disk. [`Self::remember`]
    /// is to follow.
    pub fn cut(&mut self) -> Result<(), LineError> {
        self.line.release()?;
        if !self.is_off() {
            let since = since_start();
            self.known = Known::Off { since };
        }
        Ok(())
    }

    /// Keeps the moment of the cut for later processes.
    pub fn remember(&mut self) -> Result<(), LineError> {
        match self.known {
            Known::Off { since } => self.keep(Some(since)),
            Known::On | Known::Nothing { .. } => Ok(()),
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
        match off_since {
            Some(since) => {
                let text = format!("off {} {}\n", self.start, since.as_micros());
                durable::write(&self.path, text.as_bytes())
            }
            None => durable::remove(&self.path),
        }
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
        let since = supply.known;
        supply.release().unwrap();
        assert_eq!(supply.known, since);
    }

    /// The process before was killed with the power on: nobody knows when its line fell.
    #[test]
    fn a_supply_that_was_left_on_is_off_since_now() {
        let bench = Bench::new("1");
        bench.supply(Duration::ZERO).release().unwrap();
        bench.supply(Duration::ZERO).assert().unwrap();
        std::fs::write(bench.dir.path().join("vbat"), "0").unwrap();
        let left = bench.supply(LEAST).off_left();
        assert!(left > LEAST / 2, "{left:?}");
    }

    /// Of a line that cannot be read only the record tells.
    #[test]
    fn whether_a_line_that_cannot_be_read_is_off_stands_in_the_record() {
        let bench = Bench::new("neither");
        assert!(!bench.supply(LEAST).is_off());
        bench.supply(Duration::ZERO).release().unwrap();
        std::fs::write(bench.dir.path().join("vbat"), "neither").unwrap();
        assert!(bench.supply(LEAST).is_off());
        bench.supply(Duration::ZERO).assert().unwrap();
        std::fs::write(bench.dir.path().join("vbat"), "neither").unwrap();
        assert!(!bench.supply(LEAST).is_off());
        assert!(bench.supply(LEAST).off_left() > LEAST / 2);
    }

    #[test]
    fn a_supply_that_is_on_waits_for_nothing() {
        let bench = Bench::new("1");
        assert_eq!(bench.supply(LEAST).off_left(), Duration::ZERO);
    }

    #[test]
    fn its_time_off_is_forgotten_before_it_is_on() {
        let bench = Bench::new("1");
        bench.supply(LEAST).release().unwrap();
        assert!(bench.record().exists());
        let mut supply = bench.supply(Duration::ZERO);
        // A line that cannot be driven: what was forgotten is forgotten by then.
        std::fs::remove_file(bench.dir.path().join("vbat")).unwrap();
        std::fs::create_dir(bench.dir.path().join("vbat")).unwrap();
        supply.assert().unwrap_err();
        assert!(!bench.record().exists());
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
