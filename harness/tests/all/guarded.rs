//! A guardian and its runner: what becomes of a run whose guardian does not start, stops or dies, and
//! of a module whose next run does not come to recover it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use harness::guardian::{Guard, Guardian, GuardianError};
use harness::safety::Standing;
use rig::Rig;
use rig::config::{Bench as Either, RigFile};
use rstest::rstest;
use rustix::process::Signal;

use crate::guardian::{MOMENTS, await_event, await_moment, find, guardian_of, kill};
use crate::own_module::Bench;
use crate::process::files_named;

/// When the module writes its flash.
const UPDATING: usize = 3;

#[rstest]
#[case::not_there("/nowhere/hil", "")]
#[case::no_guardian("", "exit 0")]
#[case::mute("", "exec sleep 60")]
fn without_a_guardian_nothing_is_powered(#[case] program: &str, #[case] script: &str) {
    let bench = Bench::set(20);
    let mut program = std::path::PathBuf::from(program);
    if !script.is_empty() {
        program = bench.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let file = RigFile::load(&bench.rig()).unwrap_or_else(|e| panic!("{e:#?}"));
    let Either::Real(real) = &file.bench else {
        panic!("it is real")
    };
    let rig = Rig::open_with_state(&file, real, &bench.path().join("state")).unwrap();
    let guard = Guard {
        program,
        ..Guard::default()
    };
    let at = |name: &str| bench.path().join(name);
    let standing = Standing::default();
    let began = Instant::now();
    let refused = Guardian::start(&guard, &rig, &file, standing, &at("log"), &at("state.json"));
    let refused = refused.expect_err("there is none");
    assert!(
        matches!(refused, GuardianError::Start(_) | GuardianError::Mute),
        "{refused}"
    );
    assert!(began.elapsed() < Duration::from_secs(40));
    // Nobody has the rig but we: one that comes to itself too late cannot act on it.
    drop(rig);
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(taken) = Rig::open_with_state(&file, real, &bench.path().join("state")) {
        // What another test starts has our descriptors for a moment.
        assert!(Instant::now() < until, "{taken}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A guardian that somebody stopped guards nobody, and holds the rig for ever.
#[test]
fn a_guardian_that_does_not_answer_is_as_good_as_gone() {
    let bench = Bench::set(10);
    let mut run = bench.start("run", &["update", "--hung-after", "10s"]);
    await_moment(&bench, &mut run, "run", &MOMENTS[UPDATING]);
    let guardian = guardian_of(run.id());
    kill(guardian, Signal::STOP);
    let done = run.finish();
    assert_eq!(done.code, Some(105), "{done}");
    assert!(done.stdout.contains("does not answer"), "{done}");
    let wire = files_named(&bench.path().join("run"), "wire.log").remove(0);
    let wire = std::fs::read_to_string(wire).unwrap();
    assert!(wire.contains(r#""END",0"#), "{wire}");
    assert!(!bench.is_powered());
    assert!(!std::path::Path::new(&format!("/proc/{guardian}")).exists());
    // And so the rig is free.
    let again = bench.run("again", &["test-command"]);
    assert_eq!(again.code, Some(0), "{again}");
}

/// A module that has its power and goes on writing, since its runner and the guardian of that were
/// both killed.
fn left_alone(speed: u32) -> Bench {
    let bench = Bench::set(speed);
    let mut run = bench.start("run", &["update"]);
    await_moment(&bench, &mut run, "run", &MOMENTS[UPDATING]);
    kill(guardian_of(run.id()), Signal::KILL);
    kill(run.id(), Signal::KILL);
    let _ = run.finish();
    assert!(bench.is_powered());
    bench
}

/// Its next run is killed in turn, while it waits for the module to end its update.
#[test]
fn a_run_that_is_killed_while_it_recovers_leaves_the_module_to_its_guardian() {
    let bench = left_alone(5);
    let mut again = bench.start("again", &["update"]);
    await_moment(&bench, &mut again, "again", &MOMENTS[UPDATING]);
    kill(again.id(), Signal::KILL);
    let _ = again.finish();
    let log = await_event(&bench, "again", "done");
    assert_eq!(find(&log, "took_over").unwrap()["duty"], "hold", "{log:#?}");
    assert_eq!(find(&log, "over").unwrap()["how"], "END,0", "{log:#?}");
    assert!(!bench.is_powered());
}

/// Its next run cannot begin; the guardian of that must not take this for a module at rest.
#[test]
fn a_next_run_that_breaks_at_once_takes_no_power_from_a_module_that_was_left_with_it() {
    let bench = left_alone(5);

    // Somebody has the package server's port.
    let file = std::fs::read_to_string(bench.rig()).unwrap();
    let address = file.split("listen = \"").nth(1).unwrap();
    let port = TcpListener::bind(address.split('"').next().unwrap()).unwrap();
    let refused = bench.run("again", &["update"]);
    assert_eq!(refused.code, Some(105), "{refused}");
    let log = await_event(&bench, "again", "done");
    assert_eq!(find(&log, "took_over").unwrap()["duty"], "hold", "{log:#?}");
    assert_eq!(find(&log, "over").unwrap()["how"], "END,0", "{log:#?}");
    assert!(!bench.is_powered());
    drop(port);

    let recovered = bench.run("third", &["test-command"]);
    assert_eq!(recovered.code, Some(0), "{recovered}");
    assert!(
        recovered.stderr.contains("recovered: the module runs"),
        "{recovered}"
    );
}
