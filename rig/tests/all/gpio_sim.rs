//! The `gpiochip` driver on chips that the kernel simulates: `just gpio-sim` runs these. Without
//! such a chip each says that it was skipped.

use std::fs;
use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rig::config::{Bias, Drive, GpioLine, GpioPin, InputLine, Level, LineName, OutputLine};
use rig::line::gpiochip::GpiochipOutput;
use rig::line::{Claim, EDGES_KEPT, Edge, Line, LineError};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// A test's other process: which line it holds.
const HOLD: &str = "GPIO_SIM_HOLD";

/// The simulated chip, for one test at a time.
struct Sim {
    /// Its path.
    chip: String,
    /// Where the simulator shows its lines.
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Sim {
    /// The chip; where there is none, that is said.
    fn get() -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let (Ok(chip), Ok(folder)) = (
            std::env::var("GPIO_SIM_CHIP"),
            std::env::var("GPIO_SIM_DIR"),
        ) else {
            // Not by `eprintln!`: libtest keeps back what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no simulated GPIO chip: `just gpio-sim` brings one"
            );
            return None;
        };
        Some(Self {
            chip,
            folder: PathBuf::from(folder),
            // A test that failed has left nothing that the next one could not undo.
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// The level on the wire, as the other end would see it.
    fn level(&self, line: u32) -> bool {
        let path = self.folder.join(format!("sim_gpio{line}/value"));
        match fs::read_to_string(path).unwrap().trim() {
            "0" => false,
            "1" => true,
            other => panic!("the simulator says `{other}`"),
        }
    }

    /// What the wire is when nobody drives it.
    fn pull(&self, line: u32, up: bool) {
        let path = self.folder.join(format!("sim_gpio{line}/pull"));
        fs::write(path, if up { "pull-up" } else { "pull-down" }).unwrap();
    }

    fn output(&self, line: &GpioLine, claim: Claim) -> Result<Line, LineError> {
        let line = OutputLine::Gpiochip {
            chip: self.chip.clone(),
            pin: line.clone(),
        };
        Line::output("supply", &line, claim)
    }

    fn input(&self, line: &GpioLine) -> Line {
        let line = InputLine::Gpiochip {
            chip: self.chip.clone(),
            pin: line.clone(),
        };
        Line::input("power_good", &line).unwrap()
    }
}

fn line(offset: u32, active: Level) -> GpioLine {
    GpioLine {
        line: LineName::Offset(offset),
        active,
        bias: Bias::AsIs,
        drive: Drive::PushPull,
    }
}

fn named(name: &str) -> GpioLine {
    GpioLine {
        line: LineName::Name(name.to_owned()),
        ..line(0, Level::High)
    }
}

/// An error and its causes, as a person reads them.
fn in_words(error: &LineError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words += &format!(": {cause}");
        source = cause.source();
    }
    words
}

fn refusal(claimed: Result<Line, LineError>) -> String {
    in_words(&claimed.expect_err("the line was given to us"))
}

#[test]
fn an_output_is_released_from_the_first_moment_and_then_does_as_it_is_told() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        // Whatever the pull makes of it before.
        for pull in [true, false] {
            sim.pull(0, pull);
            let mut supply = sim.output(&line(0, active), Claim::Released).unwrap();
            assert_eq!(sim.level(0), !on, "{active:?}, claimed");
            assert_eq!(supply.read().unwrap(), Some(false));
            supply.assert().unwrap();
            assert_eq!(sim.level(0), on, "{active:?}, asserted");
            assert_eq!(supply.read().unwrap(), Some(true));
            supply.release().unwrap();
            assert_eq!(sim.level(0), !on, "{active:?}, released");
            assert_eq!(supply.read().unwrap(), Some(false));
        }
    }
}

#[test]
fn an_output_that_is_taken_over_keeps_its_level_and_can_be_driven() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        for level in [true, false] {
            sim.pull(0, level);
            let mut supply = sim.output(&line(0, active), Claim::AsIs).unwrap();
            assert_eq!(sim.level(0), level, "{active:?}, taken over");
            assert_eq!(supply.read().unwrap(), Some(level == on));
            // It is driven, and no more the pull's.
            sim.pull(0, !level);
            assert_eq!(sim.level(0), level, "{active:?}, against the pull");
            supply.assert().unwrap();
            assert_eq!(sim.level(0), on);
            supply.release().unwrap();
            assert_eq!(sim.level(0), !on);
        }
    }
}

#[test]
fn an_input_follows_the_wire_and_cannot_be_driven() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        let mut power_good = sim.input(&line(2, active));
        for level in [true, false, true] {
            sim.pull(2, level);
            assert_eq!(power_good.read().unwrap(), Some(level == on), "{active:?}");
        }
        let refused = power_good.assert().unwrap_err();
        assert_eq!(
            in_words(&refused),
            "line `power_good`: it is an input: the module drives it"
        );
    }
}

/// The edges that an input has been told of, once there are so many.
fn edges(input: &mut Line, count: usize) -> Vec<Edge> {
    let mut edges = Vec::new();
    let until = Instant::now() + Duration::from_secs(10);
    while edges.len() < count && Instant::now() < until {
        edges.extend(input.edges().unwrap().expect("the chip has interrupts"));
        std::thread::sleep(Duration::from_millis(1));
    }
    edges
}

#[test]
fn an_input_is_told_of_each_edge_and_when_it_was() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        sim.pull(2, !on);
        let mut power_good = sim.input(&line(2, active));
        let none = power_good.edges().unwrap();
        assert_eq!(none, Some(Vec::new()), "{active:?}: nothing has changed");
        let mut before = Instant::now();
        for asserted in [true, false, true] {
            sim.pull(2, asserted == on);
            let told = edges(&mut power_good, 1);
            let after = Instant::now();
            let [edge] = told[..] else {
                panic!("{active:?}: {told:?}")
            };
            assert_eq!(edge.asserted, asserted, "{active:?}");
            assert!(before <= edge.at && edge.at <= after, "{active:?}");
            before = after;
        }
    }
}

/// The moment is the edge's: it stands still while nobody looks.
#[test]
fn an_edge_that_is_asked_for_late_is_as_old_as_it_is() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(2, false);
    let mut power_good = sim.input(&line(2, Level::High));
    sim.pull(2, true);
    // The simulator tells of it with the machine's next tick.
    std::thread::sleep(Duration::from_millis(100));
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(50));
    let told = edges(&mut power_good, 1);
    assert!(told[0].at < before, "{:?}", told[0].at - before);
}

#[test]
fn a_line_that_never_rests_leaves_its_latest_edges() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(2, false);
    let mut power_good = sim.input(&line(2, Level::High));
    let mut up = false;
    for _ in 0..EDGES_KEPT * 3 {
        up = !up;
        sim.pull(2, up);
        // Two edges within one tick are one to the simulator.
        std::thread::sleep(Duration::from_millis(30));
    }
    up = !up;
    let before = Instant::now();
    sim.pull(2, up);
    std::thread::sleep(Duration::from_millis(100));
    let told = power_good.edges().unwrap().unwrap();
    assert_eq!(told.len(), EDGES_KEPT);
    let last = told.last().unwrap();
    assert!(last.asserted == up && last.at >= before, "{told:?}");
    assert!(told.is_sorted_by_key(|edge| edge.at), "{told:?}");
    assert_eq!(power_good.edges().unwrap(), Some(Vec::new()));
}

/// A chip with more lines than this kernel has interrupts: the last of its lines has none.
#[test]
fn an_input_without_an_interrupt_is_read_all_the_same() {
    let Some(_sim) = Sim::get() else { return };
    let many = Many::new();
    let inputs: Vec<Line> = (0..Many::LINES)
        .map(|offset| {
            let line = InputLine::Gpiochip {
                chip: Many::LABEL.to_owned(),
                pin: line(offset, Level::Low),
            };
            Line::input("power_good", &line).unwrap()
        })
        .collect();
    let told: Vec<bool> = inputs
        .into_iter()
        .map(|mut input| {
            assert_eq!(input.read().unwrap(), Some(true));
            input.edges().unwrap().is_some()
        })
        .collect();
    drop(many);
    assert!(told[0] && !told[told.len() - 1], "{told:?}");
}

/// A simulated chip of this test's own.
struct Many(PathBuf);

impl Many {
    const LABEL: &str = "many";
    const LINES: u32 = 64;

    fn new() -> Self {
        let device = PathBuf::from("/sys/kernel/config/gpio-sim/many");
        let bank = device.join("bank0");
        fs::create_dir_all(&bank).unwrap();
        fs::write(bank.join("label"), Self::LABEL).unwrap();
        fs::write(bank.join("num_lines"), Self::LINES.to_string()).unwrap();
        fs::write(device.join("live"), "1").unwrap();
        Self(device)
    }
}

impl Drop for Many {
    /// And its interrupts are the others' again.
    fn drop(&mut self) {
        fs::write(self.0.join("live"), "0").unwrap();
        fs::remove_dir(self.0.join("bank0")).unwrap();
        fs::remove_dir(&self.0).unwrap();
    }
}

#[test]
fn a_pull_of_the_rig_file_reaches_the_wire() {
    let Some(sim) = Sim::get() else { return };
    for (bias, level) in [(Bias::PullUp, true), (Bias::PullDown, false)] {
        sim.pull(2, !level);
        let mut power_good = sim.input(&GpioLine {
            bias,
            ..line(2, Level::High)
        });
        assert_eq!(power_good.read().unwrap(), Some(level), "{bias:?}");
    }
}

// What the simulator shows of an open drain or source is right until it has driven once: it does
// not hear that the kernel lets go again. So each level is looked at on a line that was just taken.
#[test]
fn an_open_drain_pulls_low_and_otherwise_leaves_the_wire_to_its_pull() {
    let Some(sim) = Sim::get() else { return };
    let pwrkey = GpioLine {
        drive: Drive::OpenDrain,
        ..line(1, Level::Low)
    };
    for pull in [true, false] {
        sim.pull(1, pull);
        let mut pwrkey = sim.output(&pwrkey, Claim::Released).unwrap();
        assert_eq!(sim.level(1), pull, "released, it is the pull's");
        pwrkey.assert().unwrap();
        assert!(!sim.level(1), "asserted, it is low");
        assert_eq!(pwrkey.read().unwrap(), Some(true));
    }
}

#[test]
fn an_open_source_pulls_high_and_otherwise_leaves_the_wire_to_its_pull() {
    let Some(sim) = Sim::get() else { return };
    let supply = GpioLine {
        drive: Drive::OpenSource,
        ..line(0, Level::High)
    };
    for pull in [true, false] {
        sim.pull(0, pull);
        let mut supply = sim.output(&supply, Claim::Released).unwrap();
        assert_eq!(sim.level(0), pull, "released, it is the pull's");
        supply.assert().unwrap();
        assert!(sim.level(0), "asserted, it is high");
        assert_eq!(supply.read().unwrap(), Some(true));
    }
}

#[test]
fn a_line_that_is_taken_names_its_holder() {
    let Some(sim) = Sim::get() else { return };
    let holder = Holder::start(&sim, 0);
    // So that it is the only one.
    drop(holder.request);
    let id = holder.child.id();
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    let wanted = format!(
        "line `supply`: line 0 of `{}` (hil-bench) is in use by `hil supply (pid {id})`: process {id} (`",
        sim.chip
    );
    assert!(refused.starts_with(&wanted), "{refused}");
    assert_eq!(
        refused,
        refusal(sim.output(&line(0, Level::High), Claim::AsIs))
    );
}

#[test]
fn a_line_that_the_kernel_keeps_is_refused_with_its_word_for_it() {
    let Some(sim) = Sim::get() else { return };
    let refused = refusal(sim.output(&named("HEARTBEAT"), Claim::Released));
    assert_eq!(
        refused,
        format!(
            "line `supply`: line 7 of `{}` (hil-bench) is in use by `heartbeat`",
            sim.chip
        )
    );
}

#[test]
fn a_line_that_is_let_go_is_its_pull_s_again_and_anybody_s() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(0, false);
    let mut supply = sim.output(&line(0, Level::High), Claim::Released).unwrap();
    supply.assert().unwrap();
    assert!(sim.level(0));
    drop(supply);
    assert!(!sim.level(0));
    sim.output(&line(0, Level::High), Claim::Released).unwrap();
}

#[test]
fn power_falls_when_its_only_holder_is_killed() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(0, false);
    let holder = Holder::start(&sim, 0);
    assert!(sim.level(0), "the holder has asserted it");
    drop(holder.kill());
    assert!(!sim.level(0));
}

#[test]
fn power_stays_when_its_holder_is_killed_and_another_has_the_request() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(0, false);
    let holder = Holder::start(&sim, 0);
    let mut supply = Line::new(
        "supply",
        Box::new(GpiochipOutput::from_request(holder.kill())),
    );
    assert!(sim.level(0), "the request outlives who made it");
    assert_eq!(supply.read().unwrap(), Some(true));
    supply.release().unwrap();
    assert!(!sim.level(0));
    supply.assert().unwrap();
    assert!(sim.level(0));
    // And it is nobody else's for as long as we have it.
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    let us = format!(": process {} (`", std::process::id());
    assert!(refused.contains(&us), "{refused}");
    drop(supply);
    assert!(!sim.level(0));
}

#[test]
fn a_chip_is_found_by_path_or_by_label() {
    let Some(mut sim) = Sim::get() else { return };
    let path = sim.chip.clone();
    for chip in [path.as_str(), "hil-bench"] {
        sim.chip = chip.to_owned();
        let mut supply = sim.output(&named("VBAT"), Claim::Released).unwrap();
        supply.assert().unwrap();
        assert!(sim.level(0), "line VBAT of {chip}");
    }
    sim.chip = "hil-brench".to_owned();
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    assert!(
        refused.starts_with("line `supply`: no GPIO chip `hil-brench`: there is ")
            && refused.contains(&format!("`{path}` (hil-bench) with 8 lines")),
        "{refused}"
    );
    sim.chip = "twins".to_owned();
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    assert!(
        refused.starts_with(
            "line `supply`: more than one GPIO chip has the label `twins`: name its path, there is "
        ),
        "{refused}"
    );
}

#[test]
fn a_line_is_found_by_offset_or_by_name() {
    let Some(mut sim) = Sim::get() else { return };
    let mut reset = sim.output(&named("RESET_N"), Claim::Released).unwrap();
    reset.assert().unwrap();
    assert!(sim.level(3));
    assert_eq!(
        refusal(sim.output(&named("RESETN"), Claim::Released)),
        format!(
            "line `supply`: no line `RESETN` on `{}` (hil-bench): the nearest is `RESET_N`",
            sim.chip
        )
    );
    assert_eq!(
        refusal(sim.output(&line(8, Level::High), Claim::Released)),
        format!(
            "line `supply`: no line 8 on `{}` (hil-bench): it has 8, counted from 0",
            sim.chip
        )
    );
    // The second of the twins, whatever its number is.
    sim.chip = std::env::var("GPIO_SIM_TWIN").unwrap();
    assert_eq!(
        refusal(sim.output(&named("TWICE"), Claim::Released)),
        format!(
            "line `supply`: lines 0 and 1 of `{}` (twins) are both called `TWICE`: name one by its offset",
            sim.chip
        )
    );
}

#[test]
fn a_machine_that_is_no_raspberry_pi_says_so_and_which_chips_it_has() {
    let Some(sim) = Sim::get() else { return };
    let pin = OutputLine::Rppal(GpioPin {
        line: 17,
        active: Level::High,
        bias: Bias::AsIs,
    });
    let refused = refusal(Line::output("supply", &pin, Claim::Released));
    assert!(
        refused
            .starts_with("line `supply`: this is no Raspberry Pi that the `rppal` driver knows; ")
            && refused.contains(&sim.chip),
        "{refused}"
    );
}

/// A process of its own that holds a line of ours, asserted, and has sent us its request.
struct Holder {
    child: Child,
    request: OwnedFd,
    /// It ends when this is closed.
    _until: UnixStream,
}

impl Holder {
    fn start(sim: &Sim, line: u32) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "gpio_sim::the_other_process_of_a_test",
            ])
            .env(HOLD, line.to_string())
            .env("GPIO_SIM_CHIP", &sim.chip)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let request = receive(&ours);
        Self {
            child,
            request,
            _until: ours,
        }
    }

    /// Kills it as nothing can be caught, and returns when it is gone.
    fn kill(mut self) -> OwnedFd {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.request
    }
}

#[test]
#[ignore = "it is not a test, but the process that the tests here kill"]
fn the_other_process_of_a_test() {
    let Ok(offset) = std::env::var(HOLD) else {
        return;
    };
    let held = OutputLine::Gpiochip {
        chip: std::env::var("GPIO_SIM_CHIP").unwrap(),
        pin: line(offset.parse().unwrap(), Level::High),
    };
    let mut supply = Line::output("supply", &held, Claim::Released).unwrap();
    supply.assert().unwrap();
    let mut stdin = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    send(&stdin, supply.request().unwrap());
    // Until the test is over, or kills us.
    let _ = stdin.read(&mut [0]);
}

fn send(socket: &UnixStream, request: std::os::fd::BorrowedFd<'_>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let requests = [request];
    assert!(control.push(SendAncillaryMessage::ScmRights(&requests)));
    sendmsg(
        socket,
        &[IoSlice::new(b"1")],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();
}

fn receive(socket: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let message = control.drain().next();
    let Some(RecvAncillaryMessage::ScmRights(mut requests)) = message else {
        panic!("the other process sent no request");
    };
    requests.next().unwrap()
}
