//! A module that updates keeps its power when the runner loses what it works with: the disk, the
//! console.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use crate::guardian::{MOMENTS, await_event, await_moment, find, guardian_of, kill};
use crate::own_module::Bench;
use crate::process::{Done, Running, ignoring};
use crate::relay::Relay;

/// No wait of these tests takes longer on whatever machine.
const LIMIT: Duration = Duration::from_secs(100);
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// The module has been at its flash for a while, and will be for a while.
const AT_WORK: &str = "\"UPDATING\",30%";
const END: &str = "\"END\",0";

/// A run in the middle of an update, on a console that can be pulled.
fn updating(bench: &Bench, options: &[&str]) -> (Running, Relay) {
    let (mut run, relay) = start(bench, "update", options);
    run.wait_until(AT_WORK, || relay.has_heard(AT_WORK));
    (run, relay)
}

/// A run that can have its disk filled, on a console that can be pulled.
fn start(bench: &Bench, case: &str, options: &[&str]) -> (Running, Relay) {
    let relay = Relay::put_before(&bench.path().join("console"));
    let mut command = bench.command(&["run", case, "--no-snapshots"]);
    command
        .args(options)
        .arg("--evidence")
        .arg(bench.path().join("run"));
    // A file that may not grow is then an error, as a full disk is, and no signal.
    (Running::start(&mut ignoring("XFSZ", &command)), relay)
}

/// The lines are files of one byte, and stay writable: they are no disk.
fn fill_the_disk(run: &Running) {
    for process in [guardian_of(run.id()), run.id()] {
        let id = Pid::from_raw(i32::try_from(process).unwrap());
        let full = Rlimit {
            current: Some(1),
            maximum: Some(1),
        };
        prlimit(id, Resource::Fsize, full).unwrap();
    }
}

/// Waits until the power is gone, by when the module must have come to its end.
fn held_to_the_end(bench: &Bench, relay: &Relay) {
    let until = Instant::now() + LIMIT;
    while bench.is_powered() {
        assert!(
            Instant::now() < until,
            "its power is never taken: {:#?}",
            bench.guardian("run")
        );
        std::thread::sleep(LOOK_EVERY);
    }
    assert!(
        relay.has_heard(END),
        "its power was taken while it was at its flash"
    );
}

/// The run says what broke, and what it left is known to the next one.
fn broke(bench: &Bench, done: &Done, why: &str) {
    assert_eq!(done.code, Some(105), "{done}");
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(said.contains(why), "{why}: {done}");
    let state = Running::start(&mut bench.command(&["rig"])).finish();
    assert!(state.stdout.contains("contaminated"), "{state}");
}

#[test]
fn with_a_full_disk_the_power_is_held_until_the_update_ends() {
    let bench = Bench::set(20);
    let (run, relay) = updating(&bench, &[]);
    fill_the_disk(&run);
    held_to_the_end(&bench, &relay);
    let done = run.finish();
    broke(&bench, &done, "cannot write evidence to");
    drop(relay);
}

#[test]
fn with_a_full_disk_a_module_that_was_cut_is_switched_on_again_and_seen_through() {
    let bench = Bench::set(20);
    let (mut run, relay) = start(&bench, "power-cut@37", &[]);
    await_moment(&bench, &mut run, "run", &MOMENTS[6]);
    fill_the_disk(&run);
    let until = Instant::now() + LIMIT;
    while !bench.is_powered() {
        assert!(Instant::now() < until, "its power never comes back");
        std::thread::sleep(LOOK_EVERY);
    }
    held_to_the_end(&bench, &relay);
    let done = run.finish();
    broke(&bench, &done, "cannot write evidence to");
    drop(relay);
}

#[test]
fn without_its_console_the_power_is_held_for_as_long_as_an_update_may_take() {
    let bench = Bench::set(20);
    let began = Instant::now();
    let (run, relay) = updating(&bench, &["--hold-max", "20s"]);
    relay.pull();
    held_to_the_end(&bench, &relay);
    // Nobody can hear its END any more, so the bound is what counts.
    assert!(began.elapsed() >= Duration::from_secs(20));
    let done = run.finish();
    broke(&bench, &done, "console");
}

/// An adapter that is thrown off the bus and comes back at once, as in a brown-out of its hub.
#[test]
fn a_console_that_is_plugged_in_again_is_heard_again_and_the_run_goes_on() {
    let bench = Bench::set(10);
    let (run, relay) = updating(&bench, &["test-command"]);
    relay.pull();
    std::thread::sleep(Duration::from_millis(200));
    relay.plug_in();
    held_to_the_end(&bench, &relay);
    let done = run.finish();
    assert_eq!(done.code, Some(105), "{done}");
    let told = |verdict: &str, case: &str| {
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        done.stdout.lines().map(words).any(|words| {
            words.first().is_some_and(|first| first == verdict)
                && words.iter().any(|word| word == case)
        })
    };
    assert!(told("ERROR", "update"), "{done}");
    assert!(told("PASS", "test-command"), "{done}");
    assert!(done.stderr.contains("recovered: the module runs"), "{done}");
    assert!(!bench.is_powered());
}

#[test]
fn a_guardian_hears_a_console_that_is_plugged_in_again() {
    let bench = Bench::set(10);
    let (run, relay) = updating(&bench, &[]);
    kill(run.id(), Signal::KILL);
    let _ = run.finish();
    await_event(&bench, "run", "took_over");
    relay.pull();
    await_event(&bench, "run", "deaf");
    relay.plug_in();
    let log = await_event(&bench, "run", "done");
    assert_eq!(find(&log, "over").unwrap()["how"], "END,0", "{log:#?}");
    assert!(!bench.is_powered());
}
