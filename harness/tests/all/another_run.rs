//! Another run: after one that died, on the same rig, and beside one that dies, on a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::guardian::{MOMENTS, await_event, await_moment, find, guardian_of, kill};
use crate::own_module::Bench;
use crate::process::{Running, files_named};

/// No wait of these tests takes longer on whatever machine.
const LIMIT: Duration = Duration::from_secs(100);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// The least time that the supply is off.
const OFF_FOR: Duration = Duration::from_secs(3);

fn state_of(bench: &Bench) -> PathBuf {
    bench.path().join("state")
}

/// When the supply went where it is wanted; it is looked at often.
fn await_power(bench: &Bench, wanted: bool) -> Instant {
    let until = Instant::now() + LIMIT;
    while bench.is_powered() != wanted {
        assert!(Instant::now() < until, "the supply stays {}", !wanted);
        std::thread::sleep(LOOK_EVERY);
    }
    Instant::now()
}

/// When a case first had its supply on, since it began.
fn first_on(folder: &Path, case: &str) -> Duration {
    let path = files_named(folder, "timeline.jsonl")
        .into_iter()
        .find(|path| path.components().any(|part| part.as_os_str() == case))
        .unwrap_or_else(|| panic!("no `{case}` below {}", folder.display()));
    let text = std::fs::read_to_string(path).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let on = entries
        .into_iter()
        .find(|entry: &Value| entry["event"] == "supply" && entry["on"] == true)
        .expect("it was switched on");
    Duration::from_micros(on["us"].as_u64().unwrap())
}

/// The time off belongs to the supply, not to a process: the next one waits for what is left of it.
#[test]
fn a_run_after_one_that_died_waits_for_the_rest_of_the_time_off() {
    let bench = Bench::set(20);
    let rig = std::fs::read_to_string(bench.rig()).unwrap();
    let off_for = format!("off_for = \"{}s\"", OFF_FOR.as_secs());
    let slow = rig.replace("off_for = \"200ms\"", &off_for);
    assert_ne!(slow, rig);
    std::fs::write(bench.rig(), slow).unwrap();

    let cut = &MOMENTS[6];
    let mut run = bench.start("run", &[cut.case]);
    await_moment(&bench, &mut run, "run", cut);
    let off = await_power(&bench, false);
    // What it leaves of that is on the disk a moment later.
    run.wait_until("the moment of the cut is kept", || {
        let kept = std::fs::read_dir(state_of(&bench)).into_iter().flatten();
        kept.flatten().any(|file| {
            // Not the one that is still being written, under another name.
            let path = file.path();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            path.extension().is_some_and(|kind| kind == "supply") && text.starts_with("off")
        })
    });
    // Nobody acts for it: a guardian would switch the module on again.
    kill(guardian_of(run.id()), Signal::KILL);
    kill(run.id(), Signal::KILL);
    assert_eq!(run.finish().code, None);
    assert!(!bench.is_powered());

    // Well into the time off, so that its rest can be told from all of it.
    while off.elapsed() < OFF_FOR * 3 / 4 {
        std::thread::sleep(LOOK_EVERY);
    }
    let mut again = bench.start("again", &["test-command"]);
    let on = await_power(&bench, true);
    assert!(
        on - off >= OFF_FOR - Duration::from_millis(50),
        "{:?}",
        on - off
    );
    // It recovers the module and then turns to its own case, which is not what is asked here.
    let folder = bench.path().join("again");
    again.wait_until("its own case begins", || {
        let timelines = files_named(&folder, "timeline.jsonl");
        timelines.iter().any(|path| {
            path.parent()
                .is_some_and(|case| case.ends_with("test-command"))
        })
    });
    again.interrupt();
    let again = again.finish();
    assert_eq!(again.code, Some(130), "{again}");
    assert!(
        again.stderr.contains("recovered: the module runs"),
        "{again}"
    );
    let waited = first_on(&folder, "recovery");
    assert!(
        waited < OFF_FOR / 2,
        "it waited from the beginning: {waited:?}"
    );
}

/// A guardian holds its own rig's power, and nothing else.
#[test]
fn a_guardian_at_work_is_nothing_to_the_rig_beside_it() {
    let (dying, living) = (Bench::set(5), Bench::set(10));
    let state = state_of(&dying);
    let mut first = dying.start("run", &["update"]);
    await_moment(&dying, &mut first, "run", &MOMENTS[3]);
    let mut command = living.command(&["run", "update", "--no-snapshots"]);
    command
        .env("HIL_STATE", &state)
        .arg("--evidence")
        .arg(living.path().join("run"));
    kill(first.id(), Signal::KILL);
    await_event(&dying, "run", "took_over");
    // It begins while the guardian holds, in the same state folder, and is told of nobody.
    let second = Running::start(&mut command).finish();
    assert_eq!(second.code, Some(0), "{second}");
    assert!(!second.stderr.contains("guardian"), "{second}");
    let log = living.guardian("run");
    assert!(find(&log, "dismissed").is_some(), "{log:#?}");
    assert!(find(&log, "took_over").is_none(), "{log:#?}");

    let log = await_event(&dying, "run", "done");
    assert_eq!(find(&log, "over").unwrap()["how"], "END,0", "{log:#?}");
    assert!(!dying.is_powered() && !living.is_powered());
    let _ = first.finish();
}

/// An adapter that was plugged in again is another tty, and still the same rig.
#[test]
fn a_rig_whose_tty_is_another_one_by_now_is_still_taken() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let bench = Bench::set(10);
    let mut first = bench.start("run", &["update"]);
    await_moment(&bench, &mut first, "run", &MOMENTS[3]);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let tty = ptsname(&master, Vec::new()).unwrap();
    let console = bench.path().join("console");
    std::fs::remove_file(&console).unwrap();
    std::os::unix::fs::symlink(tty.to_str().unwrap(), &console).unwrap();

    let second = bench.run("second", &["update"]);
    assert_eq!(second.code, Some(105), "{second}");
    let who = format!("is in use by process {}", first.id());
    assert!(second.stderr.contains(&who), "{second}");
    assert!(bench.is_powered());
    kill(first.id(), Signal::KILL);
    await_event(&bench, "run", "done");
    let _ = first.finish();
}

#[test]
fn a_module_that_no_package_leads_to_the_base_is_told_of() {
    let bench = Bench::set(20);
    let packages = bench.path().join("packages");
    std::fs::create_dir(&packages).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/packages");
    for entry in std::fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, packages.join(path.file_name().unwrap())).unwrap();
    }
    let manifest = packages.join("manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let other_ways: Vec<&str> = text
        .split("[[package]]")
        .filter(|package| !package.contains("base      = \"BC26NBR01A01\""))
        .collect();
    std::fs::write(&manifest, other_ways.join("[[package]]")).unwrap();

    // Its package is for a module that has been updated, and this one has not.
    let packages = packages.to_str().unwrap();
    let done = bench.run("run", &["downgrade", "--packages", packages]);
    assert_eq!(done.code, Some(106), "{done}");
    let why = "it runs `BC26NBR01A01`, and no package of the manifest led there";
    assert!(done.stdout.contains(why), "{done}");
    assert!(!bench.is_powered());
}

/// What was left half-updated is not here, so it cannot be recovered here; and this one is left alone.
#[test]
fn a_module_in_the_place_of_one_that_was_left_makes_the_rig_bad_for_all_commands() {
    let bench = Bench::set(20);
    let console = bench.path().join("console");
    let marker = serde_json::json!({
        "rig": "contaminated", "console": console, "imei": "860000000000999",
        "package": "a-to-b", "base": "BC26NBR01A01", "target": "BC26NBR01A02",
        "since": "2026-01-01T00:00:00Z", "pid": 1, "evidence": "e", "guardian": null,
    });
    std::fs::create_dir_all(state_of(&bench)).unwrap();
    let name = format!("{}.state.json", rig::lock::bench_name(&console));
    std::fs::write(state_of(&bench).join(name), marker.to_string()).unwrap();
    let lost = bench.run("run", &["update"]);
    let why = "the module with the IMEI 860000000000999 was left half-updated, and the one here is";
    assert_eq!(lost.code, Some(105), "{lost}");
    assert!(lost.stderr.contains(why), "{lost}");
    assert!(!bench.is_powered());
    for command in [&["run", "test-command"][..], &["doctor"], &["rig"]] {
        let mut hil = bench.command(command);
        if command != ["rig"] {
            hil.arg("--evidence").arg(bench.path().join("later"));
        }
        let refused = Running::start(&mut hil).finish();
        assert_eq!(refused.code, Some(105), "{command:?}: {refused}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains(why), "{command:?}: {refused}");
        assert!(said.contains("hil rig --clear"), "{command:?}: {refused}");
    }
    assert!(!bench.is_powered());
}

/// Nobody knows what a scenario's own download makes of the module, so the rig remembers it, too.
#[test]
fn a_download_from_elsewhere_contaminates_a_rig_as_well() {
    let bench = Bench::set(20);
    let scenario = bench.path().join("own.toml");
    std::fs::write(
        &scenario,
        r#"title = "A package from elsewhere"
guide = "house"
steps = [
  { power = "on" },
  { expect = "ready", within = "60s" },
  { send = 'AT+QFOTADL="http://127.0.0.1:1/own.bin"', expect = "OK", within = "20s" },
  { wait = "60s" },
]
"#,
    )
    .unwrap();
    let mut run = bench.start("run", &[scenario.to_str().unwrap()]);
    let name = rig::lock::bench_name(&bench.path().join("console"));
    let state = state_of(&bench).join(format!("{name}.state.json"));
    run.wait_until("it is marked", || {
        let text = std::fs::read_to_string(&state).unwrap_or_default();
        text.contains("of the scenario's own")
    });
    kill(run.id(), Signal::KILL);
    await_event(&bench, "run", "done");
    let _ = run.finish();
    let again = bench.run("again", &["test-command"]);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(
        again.stderr.contains("recovered: the module runs"),
        "{again}"
    );
}
