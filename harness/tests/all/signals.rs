//! Signals to a run on a bench of real paths: what they take from a module that writes its flash.

use std::time::Duration;

use rustix::process::Signal;

use crate::guardian::{MOMENTS, await_moment, find, kill};
use crate::own_module::Bench;
use crate::process::{Done, Running, files_named, ignoring};

/// When the module writes its flash.
const UPDATING: usize = 3;

/// A run whose module has begun to write its flash.
fn updating(bench: &Bench) -> Running {
    let mut run = bench.start("run", &["update"]);
    await_moment(bench, &mut run, "run", &MOMENTS[UPDATING]);
    run
}

fn wire(bench: &Bench) -> String {
    let log = files_named(&bench.path().join("run"), "wire.log").remove(0);
    std::fs::read_to_string(log).unwrap()
}

fn ended_in_order(bench: &Bench, done: &Done) {
    assert_eq!(done.code, Some(130), "{done}");
    assert!(wire(bench).contains(r#""END",0"#), "{done}");
    assert!(!bench.is_powered());
    assert!(find(&bench.guardian("run"), "dismissed").is_some());
}

/// A shell that is hung up and the kernel both hang up what runs in its terminal; `timeout` signals
/// its child, and then its child's group.
#[test]
fn a_burst_of_signals_asks_once() {
    let bench = Bench::set(20);
    let run = updating(&bench);
    for signal in [
        Signal::HUP,
        Signal::TERM,
        Signal::INT,
        Signal::HUP,
        Signal::INT,
        Signal::TERM,
    ] {
        kill(run.id(), signal);
        std::thread::sleep(Duration::from_millis(2));
    }
    ended_in_order(&bench, &run.finish());
}

#[test]
fn a_system_that_grows_impatient_takes_no_power() {
    let bench = Bench::set(10);
    let run = updating(&bench);
    kill(run.id(), Signal::TERM);
    std::thread::sleep(Duration::from_millis(1_200));
    kill(run.id(), Signal::TERM);
    kill(run.id(), Signal::HUP);
    ended_in_order(&bench, &run.finish());
}

#[test]
fn a_person_who_asks_again_has_the_power_taken_at_once() {
    let bench = Bench::set(5);
    let run = updating(&bench);
    run.interrupt();
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(bench.is_powered());
    run.interrupt();
    let done = run.finish();
    assert_eq!(done.code, Some(130), "{done}");
    assert!(done.stderr.contains("Ctrl-C once more"), "{done}");
    let why = "update: interrupted: power off now, while the module writes its flash: its next start must finish the update (guide §3.1 note 1), and a module that cannot do that is lost; do not cut it again before END\n";
    assert!(done.stderr.ends_with(why), "{done}");
    assert!(!wire(&bench).contains(r#""END",0"#), "{done}");
    assert!(!bench.is_powered());
}

/// As `nohup` starts it.
#[test]
fn a_run_that_is_not_to_be_hung_up_is_not() {
    let bench = Bench::set(20);
    let mut command = bench.command(&["run", "update", "--no-snapshots"]);
    command.arg("--evidence").arg(bench.path().join("run"));
    let mut run = Running::start(&mut ignoring("HUP", &command));
    await_moment(&bench, &mut run, "run", &MOMENTS[UPDATING]);
    kill(run.id(), Signal::HUP);
    let done = run.finish();
    assert_eq!(done.code, Some(0), "{done}");
}
