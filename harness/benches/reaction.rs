//! From the last byte of a URC on a pty to the supply's action: the runner's own wait beside a
//! bare loop of `poll` and `read`, turn by turn in the same run, on the same machine. Figures for a
//! person; nothing here passes or fails.
//!
//! `cargo bench -p harness --bench reaction [-- ROUNDS]`: 400 where it is not given.
//!
//! Both sides read a pty of their own and write the same kind of file by the same driver; both are
//! asleep in `poll` when the byte comes. What differs is all that a run does beside: splitting
//! lines, understanding them, keeping evidence.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use harness::evidence::RunFolder;
use harness::runner::reaction::reactions;
use harness::scenario::{Awaited, Expectation, Number, Pattern};
use rig::Rig;
use rig::config::{Bench, RigFile};
use rig::line::{Driver, FileLine, Line, LineErrorKind};
use rig::supply::Supply;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;

const ROUNDS: usize = 400;
/// Rounds before those that count: the first opens the file.
const WARM_UP: usize = 20;
const URC: &[u8] = b"\r\n+QIND: \"FOTA\",\"UPDATING\",37%,1,1\r\n";
/// One byte at 115200 baud, 8N1.
const BYTE_TIME: Duration = Duration::from_nanos(86_806);
/// So long the reader is given to fall asleep in its `poll`.
const SETTLE: Duration = Duration::from_millis(3);

/// How the bytes of the message arrive.
#[derive(Clone, Copy, Debug)]
enum Pace {
    AtOnce,
    OneByOne,
}

fn main() {
    // `cargo bench` itself passes `--bench`.
    let rounds = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(ROUNDS);
    println!("from the last byte that decides to the supply's action, {rounds} rounds each");
    for (pace, name) in [
        (Pace::AtOnce, "in one piece"),
        (Pace::OneByOne, "byte by byte at 115200"),
    ] {
        let (runner, bare) = compare(pace, rounds);
        let (runner, bare) = (Figures::of(runner), Figures::of(bare));
        println!("{name}:");
        println!("  runner     {runner}");
        println!("  bare loop  {bare}");
        println!(
            "  ratio      median {:.2} (at most 1.25 is asked for), 99th percentile {:.2} (1.50)",
            runner.median / bare.median,
            runner.p99 / bare.p99
        );
    }
}

/// The reactions of both, in microseconds.
fn compare(pace: Pace, rounds: usize) -> (Vec<f64>, Vec<f64>) {
    let folder = tempfile::tempdir().expect("a folder");
    let deciding = (1..=URC.len())
        .find(|&n| dfota::urc::decided(&URC[..n]).is_some())
        .expect("the message is decided at some byte");
    let ours = Pty::open();
    let theirs = Pty::open();
    let rig_file = rig_file(&ours.path, &folder.path().join("vbat"));
    let Bench::Real(bench) = &rig_file.bench else {
        unreachable!("its console is a path")
    };
    // Nothing of it is left in the user's own state folder.
    let state = folder.path().join("state");
    let mut rig = Rig::open_with_state(&rig_file, bench, &state).expect("a rig on a pty");
    let (stamps, acted) = channel();
    rig.supply = Supply::without_record(Line::new(
        "supply",
        Box::new(Stamping::new(&folder.path().join("a"), stamps)),
    ));
    let mut bare = Bare::new(&theirs, folder.path().join("b"));
    let ours = Mouth::new(ours, pace, deciding);
    let theirs = Mouth::new(theirs, pace, deciding);

    let expectation = Expectation {
        awaited: Awaited::Message(vec![Pattern::Updating(Number::Within(37..=100))]),
        within: Duration::from_secs(10),
        text: "FOTA UPDATING >= 37".to_owned(),
    };
    let evidence = RunFolder::create(folder.path(), "evidence").expect("a folder for evidence");
    let case = evidence.case("reaction").expect("a folder for the case");
    let mut bare_took = Vec::new();
    reactions(&mut rig, case, &expectation, WARM_UP + rounds, &mut |_| {
        theirs.say();
        let acted = bare.react(&URC[..deciding]);
        bare_took.push(acted - theirs.said());
        ours.say();
    })
    .expect("every message is heard");
    let runner_took: Vec<Duration> = acted
        .try_iter()
        .zip(std::iter::from_fn(|| ours.said.try_recv().ok()))
        .map(|(acted, said): (Instant, Instant)| acted.saturating_duration_since(said))
        .collect();
    assert_eq!(runner_took.len(), bare_took.len(), "one reaction a round");
    let micros = |took: Vec<Duration>| {
        let took = took.into_iter().skip(WARM_UP);
        took.map(|time| time.as_secs_f64() * 1e6).collect()
    };
    (micros(runner_took), micros(bare_took))
}

fn rig_file(console: &Path, supply: &Path) -> RigFile {
    let text = format!(
        "[console]\npath = '{}'\nbaud = 115200\n[supply]\ndriver = \"file\"\npath = '{}'\n[server]\nlisten = \"127.0.0.1:8080\"\nurl = \"http://127.0.0.1:8080\"\n",
        console.display(),
        supply.display()
    );
    RigFile::parse(Path::new("bench.toml"), &text).unwrap_or_else(|e| panic!("{e}"))
}

/// The `file` driver, and when it had released the line.
#[derive(Debug)]
struct Stamping {
    file: FileLine,
    released: Sender<Instant>,
}

impl Stamping {
    fn new(path: &Path, released: Sender<Instant>) -> Self {
        Self {
            file: FileLine::new(path, b"1", b"0"),
            released,
        }
    }
}

impl Driver for Stamping {
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind> {
        self.file.drive(asserted)?;
        if !asserted {
            // The receiver outlives the driver.
            let _ = self.released.send(Instant::now());
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        self.file.read()
    }
}

/// The least that could react: `poll`, `read`, a search for the bytes, the driver.
struct Bare {
    wire: OwnedFd,
    supply: FileLine,
}

impl Bare {
    fn new(pty: &Pty, supply: PathBuf) -> Self {
        let mut supply = FileLine::new(&supply, b"1", b"0");
        supply.drive(true).expect("the file can be written");
        Self {
            wire: pty.slave.try_clone().expect("a second descriptor").into(),
            supply,
        }
    }

    fn react(&mut self, wanted: &[u8]) -> Instant {
        let mut heard = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let mut fds = [PollFd::new(&self.wire, PollFlags::IN)];
            poll(&mut fds, None).expect("poll");
            let n = rustix::io::read(&self.wire, &mut chunk).expect("read");
            heard.extend_from_slice(&chunk[..n]);
            if heard.windows(wanted.len()).any(|bytes| bytes == wanted) {
                self.supply.drive(false).expect("the file can be written");
                let acted = Instant::now();
                self.supply.drive(true).expect("the file can be written");
                self.drain();
                return acted;
            }
        }
    }

    /// What is left of the message.
    fn drain(&self) {
        let soon = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 5_000_000,
        };
        let mut fds = [PollFd::from_borrowed_fd(self.wire.as_fd(), PollFlags::IN)];
        while poll(&mut fds, Some(&soon)).is_ok_and(|ready| ready > 0) {
            let _ = rustix::io::read(&self.wire, &mut [0; 4096]);
        }
    }
}

struct Pty {
    master: OwnedFd,
    slave: File,
    path: PathBuf,
}

impl Pty {
    fn open() -> Self {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        rustix::pty::grantpt(&master).expect("a pty that is ours");
        rustix::pty::unlockpt(&master).expect("a pty that opens");
        let name = rustix::pty::ptsname(&master, Vec::new()).expect("a pty with a name");
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let slave = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .expect("its other end");
        let mut settings = rustix::termios::tcgetattr(&slave).expect("its settings");
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings).expect("raw");
        Self {
            master,
            slave,
            path,
        }
    }
}

/// Says the message on a thread of its own, a while after it is asked to.
struct Mouth {
    ask: Sender<()>,
    /// When the deciding byte was about to be written.
    said: Receiver<Instant>,
}

impl Mouth {
    fn new(pty: Pty, pace: Pace, deciding: usize) -> Self {
        let (ask, asked) = channel::<()>();
        let (say, said) = channel();
        std::thread::spawn(move || {
            let mut wire = File::from(pty.master);
            let _held_open = pty.slave;
            while asked.recv().is_ok() {
                std::thread::sleep(SETTLE);
                let stamp = speak(&mut wire, pace, deciding);
                if say.send(stamp).is_err() {
                    return;
                }
            }
        });
        Self { ask, said }
    }

    fn say(&self) {
        self.ask.send(()).expect("the mouth lives");
    }

    fn said(&self) -> Instant {
        self.said.recv().expect("the mouth lives")
    }
}

fn speak(wire: &mut File, pace: Pace, deciding: usize) -> Instant {
    match pace {
        Pace::AtOnce => {
            let stamp = Instant::now();
            wire.write_all(URC).expect("the pty takes it");
            stamp
        }
        Pace::OneByOne => {
            let begun = Instant::now();
            let mut stamp = begun;
            for (index, byte) in URC.iter().enumerate() {
                let due = begun + BYTE_TIME * u32::try_from(index).expect("a short message");
                // A sleep would be late by more than the time of a byte.
                while Instant::now() < due {
                    std::hint::spin_loop();
                }
                if index + 1 == deciding {
                    stamp = Instant::now();
                }
                wire.write_all(&[*byte]).expect("the pty takes it");
            }
            stamp
        }
    }
}

struct Figures {
    median: f64,
    p99: f64,
}

impl Figures {
    fn of(mut micros: Vec<f64>) -> Self {
        micros.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (micros.len() as f64 * part) as usize;
            micros
                .get(index.min(micros.len().saturating_sub(1)))
                .copied()
        };
        Self {
            median: at(0.5).unwrap_or(f64::NAN),
            p99: at(0.99).unwrap_or(f64::NAN),
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, p99 } = self;
        write!(f, "median {median:>7.1} µs, 99th percentile {p99:>7.1} µs")
    }
}
