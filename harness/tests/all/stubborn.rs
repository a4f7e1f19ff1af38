//! A supply that is switched by a program, and does not always do what it is told.

use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::guardian::{await_event, find, kill};
use crate::own_module::Bench;
use crate::process::Running;

/// How often the power is taken in a case without a cut: before and after it is prepared, in its
/// aftercare, and at last.
const LAST: usize = 4;

/// A bench whose supply has a program for `off`, which fails when it is called for the time
/// `fails.start` and until `fails.end`; it counts its calls.
fn set(fails: std::ops::Range<usize>) -> Bench {
    let bench = Bench::set(20);
    let at = |name: &str| bench.path().join(name).display().to_string();
    let program = format!(
        "#!/bin/sh\nn=$(( $(cat {calls}) + 1 ))\necho $n > {calls}\n\
         if [ $n -ge {} ] && [ $n -lt {} ]; then echo busy >&2; exit 1; fi\n\
         printf 0 1<> {vbat}\n",
        fails.start,
        fails.end,
        calls = at("calls"),
        vbat = at("vbat"),
    );
    std::fs::write(at("calls"), "0").unwrap();
    std::fs::write(at("off"), program).unwrap();
    std::fs::set_permissions(at("off"), PermissionsExt::from_mode(0o755)).unwrap();
    let on = format!("printf 1 1<> {}", at("vbat"));
    bench.write_rig_file(&format!(
        "driver = \"command\"\non = [\"sh\", \"-c\", \"{on}\"]\noff = [\"{}\"]",
        at("off")
    ));
    bench
}

/// The guardian is no longer needed when the power is off, and not before.
#[test]
fn a_supply_that_refuses_to_go_off_at_last_is_left_to_the_guardian() {
    // The runner's last act, what it tries then, and the guardian's first try.
    let bench = set(LAST..LAST + 3);
    let done = bench.run("run", &["test-command"]);
    assert_eq!(done.code, Some(105), "{done}");
    assert!(done.stdout.contains("line `supply`"), "{done}");
    let log = await_event(&bench, "run", "done");
    assert_eq!(find(&log, "took_over").unwrap()["duty"], "power_off");
    assert!(find(&log, "failed").is_some(), "{log:#?}");
    assert!(!bench.is_powered(), "{log:#?}");
}

/// What the runner began goes on without it, and comes after what the guardian did.
#[test]
fn a_supply_that_is_still_going_on_when_its_runner_dies_is_taken_once_more() {
    let bench = Bench::set(20);
    let at = |name: &str| bench.path().join(name).display().to_string();
    let script = |text: String| format!(r#"["sh", "-c", "{text}"]"#);
    let on = script(format!(
        "touch {}; sleep 2; printf 1 1<> {}; touch {}",
        at("going-on"),
        at("vbat"),
        at("gone-on")
    ));
    let off = script(format!("printf 0 1<> {}", at("vbat")));
    bench.write_rig_file(&format!("driver = \"command\"\non = {on}\noff = {off}"));
    let mut run = bench.start("run", &["test-command"]);
    let going_on = bench.path().join("going-on");
    run.wait_until("it goes on", || going_on.exists());
    kill(run.id(), Signal::KILL);
    let log = await_event(&bench, "run", "done");
    assert!(bench.path().join("gone-on").exists());
    assert!(!bench.is_powered(), "{log:#?}");
    let _ = run.finish();
}

/// Ctrl-C is for everything in the foreground of a terminal, and not meant for a supply.
#[test]
fn a_program_that_switches_the_supply_is_not_interrupted_with_its_run() {
    use std::os::unix::process::CommandExt as _;
    let bench = Bench::set(20);
    let at = |name: &str| bench.path().join(name).display().to_string();
    let script = |text: String| format!(r#"["sh", "-c", "{text}"]"#);
    let (going_on, vbat) = (at("going-on"), at("vbat"));
    let on = script(format!("touch {going_on}; sleep 1; printf 1 1<> {vbat}"));
    let off = script(format!("printf 0 1<> {vbat}"));
    bench.write_rig_file(&format!("driver = \"command\"\non = {on}\noff = {off}"));
    let mut command = bench.command(&["run", "test-command", "--no-snapshots"]);
    command
        .arg("--evidence")
        .arg(bench.path().join("run"))
        .process_group(0);
    let mut run = Running::start(&mut command);
    let going_on = bench.path().join("going-on");
    run.wait_until("it goes on", || going_on.exists());
    let group = i32::try_from(run.id()).ok().and_then(Pid::from_raw);
    kill_process_group(group.unwrap(), Signal::INT).unwrap();
    let done = run.finish();
    assert_eq!(done.code, Some(130), "{done}");
    assert!(!done.stdout.contains("line `supply`"), "{done}");
    assert!(!bench.is_powered());
}
