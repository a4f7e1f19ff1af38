//! What becomes of a module when its runner dies, hangs or is interrupted, on a bench of real
//! paths whose module outlives all of them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::own_module::{Bench, Lines};
use crate::process::{Running, files_named};
use crate::skipped::skipped;

/// No wait of these tests takes longer on whatever machine.
const LIMIT: Duration = Duration::from_secs(120);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How soon the line must be as the policy demands.
const WANTED: Duration = Duration::from_millis(100);

/// A moment to kill a runner at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) case: &'static str,
    phase: &'static str,
    supply: &'static str,
    duty: &'static str,
    /// How many times faster than in the field the module lives: some phases are short.
    speed: u32,
}

const fn at(phase: &'static str, duty: &'static str, speed: u32) -> Moment {
    Moment {
        case: "update",
        phase,
        supply: "on",
        duty,
        speed,
    }
}

pub(crate) const MOMENTS: [Moment; 7] = [
    at("idle", "power_off", 20),
    at("downloading", "power_off", 20),
    at("downloaded", "hold", 5),
    at("updating", "hold", 20),
    at("restarting", "hold", 10),
    at("ended", "power_off", 20),
    Moment {
        case: "power-cut@37",
        phase: "updating",
        supply: "off",
        duty: "recover",
        speed: 20,
    },
];

/// What was measured when a runner was killed.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// From the guardian's notice to the line, by the guardian; `None` where it stays as it is.
    inside: Option<Duration>,
    /// From the kill to the line, as seen from here.
    outside: Option<Duration>,
    /// Whether the kill met the phase that it was meant for.
    met: bool,
}

fn standing(event: &Value) -> (&str, &str) {
    let standing = &event["standing"];
    let word = |key: &str| standing[key].as_str().unwrap_or_default();
    (word("phase"), word("supply"))
}

pub(crate) fn find<'a>(log: &'a [Value], event: &str) -> Option<&'a Value> {
    log.iter().find(|line| line["event"] == event)
}

pub(crate) fn kill(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).unwrap();
    kill_process(id, signal).unwrap();
}

/// Waits until the run's module stands as `moment` says, or has stood so: on a busy machine a
/// short phase is over before it is seen, and then the kill meets the next.
pub(crate) fn await_moment(bench: &Bench, run: &mut Running, evidence: &str, moment: &Moment) {
    run.wait_until(moment.phase, || {
        let log = bench.guardian(evidence);
        let mut told = log.iter().filter(|line| line["event"] == "told");
        told.any(|line| standing(line) == (moment.phase, moment.supply))
    });
}

/// Waits for a line of the guardian's log.
pub(crate) fn await_event(bench: &Bench, evidence: &str, event: &str) -> Vec<Value> {
    let end = Instant::now() + LIMIT;
    loop {
        let log = bench.guardian(evidence);
        if find(&log, event).is_some() {
            return log;
        }
        assert!(
            Instant::now() < end,
            "the guardian has no `{event}`: {log:#?}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Kills a runner at a moment, and sees what the guardian makes of it. The phase it met, too.
fn kill_at(bench: &Bench, moment: &Moment, name: &str) -> Result<(Measured, String), String> {
    let mut run = bench.start(name, &[moment.case]);
    await_moment(bench, &mut run, name, moment);
    kill(run.id(), Signal::KILL);
    let killed = Instant::now();
    // A held line must never be seen off before the guardian takes it.
    let mut outside = None;
    let log = loop {
        let powered = bench.is_powered();
        let log = bench.guardian(name);
        if !powered && outside.is_none() && moment.supply == "on" {
            outside = Some(killed.elapsed());
            let over = find(&log, "over").is_some();
            let held = find(&log, "took_over").is_some_and(|line| line["duty"] == "hold");
            if held && !over {
                return Err(format!("the power fell while it was to be held: {log:#?}"));
            }
        }
        if find(&log, "done").is_some() {
            break log;
        }
        if killed.elapsed() > LIMIT {
            return Err(format!("the guardian does not come to its end: {log:#?}"));
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let killed = run.finish();
    if killed.code.is_some() {
        return Err(format!("the runner was not killed: {killed}"));
    }
    let took_over = find(&log, "took_over").ok_or("nobody took over")?;
    let (phase, _) = standing(took_over);
    let duty = match (phase, took_over["supply_reads"] == true) {
        ("downloaded" | "updating" | "restarting", true) => "hold",
        ("downloaded" | "updating" | "restarting", false) => "recover",
        _ => "power_off",
    };
    if took_over["duty"] != duty {
        return Err(format!("wanted {duty}: {took_over}"));
    }
    if bench.is_powered() {
        return Err(format!("the power is on at last: {log:#?}"));
    }
    if duty != "power_off" && find(&log, "over").map(|line| &line["how"]) != Some(&"END,0".into()) {
        return Err(format!("the power was not held until END: {log:#?}"));
    }
    if duty == "recover"
        && !log
            .iter()
            .any(|line| line["line"] == "supply" && line["asserted"] == true)
    {
        return Err(format!("the power was not given back: {log:#?}"));
    }
    let inside = (duty == "power_off").then(|| {
        let drove = find(&log, "drove").and_then(|line| line["after_us"].as_u64());
        Duration::from_micros(drove.unwrap_or(u64::MAX))
    });

    let measured = Measured {
        inside,
        outside: outside.filter(|_| inside.is_some()),
        met: (phase, duty) == (moment.phase, moment.duty),
    };
    Ok((measured, phase.to_owned()))
}

/// The next run finds a module that was left in `phase`, and passes.
fn run_again(bench: &Bench, phase: &str, name: &str) -> Result<(), String> {
    let done = bench.run(name, &["update"]);
    if done.code != Some(0) {
        return Err(format!("the next run does not pass: {done}"));
    }
    let begun = phase != "idle";
    let recovered = done.stderr.contains("recovering the module first")
        && done.stderr.contains("recovered: the module runs");
    if recovered != begun {
        return Err(format!("recovery after `{phase}` was {recovered}: {done}"));
    }
    let status = Running::start(&mut bench.command(&["rig"])).finish();
    if !status.stdout.starts_with("sound") {
        return Err(format!("the rig is not sound afterwards: {status}"));
    }
    Ok(())
}

/// Kills a runner at a moment, and runs again where that is wanted.
fn trial(bench: &Bench, moment: &Moment, again: bool) -> Result<Measured, String> {
    let (measured, phase) = kill_at(bench, moment, "run")?;
    if again {
        run_again(bench, &phase, "again")?;
    }
    Ok(measured)
}

fn percentiles(of: &str, mut times: Vec<Duration>) -> String {
    times.sort();
    match times.as_slice() {
        [] => format!("{of}: none"),
        [.., max] => format!(
            "{of}: n {} p50 {:?} max {max:?}",
            times.len(),
            times[times.len() / 2]
        ),
    }
}

/// Kills runners `rounds` times, `benches` at a time, at each moment in turn.
fn kill_runners(rounds: usize, benches: usize) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let results = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..benches {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    if round >= rounds {
                        return;
                    }
                    let moment = &MOMENTS[round % MOMENTS.len()];
                    let bench = Bench::set(moment.speed);
                    // Once for each moment is the short form, and slow modules are slow twice.
                    let again = rounds > MOMENTS.len() || moment.speed == 20;
                    let outcome = trial(&bench, moment, again);
                    results.lock().unwrap().push((moment, outcome));
                }
            });
        }
    });
    report(&results.into_inner().unwrap());
}

/// Prints what was measured, and fails where something was not as it must be.
fn report(results: &[(&Moment, Result<Measured, String>)]) {
    let mut text = String::new();
    let measured: Vec<_> = results
        .iter()
        .filter_map(|(moment, r)| Some((*moment, r.as_ref().ok()?)))
        .collect();
    for moment in &MOMENTS {
        let here = measured
            .iter()
            .filter(|(one, _)| (one.phase, one.duty) == (moment.phase, moment.duty));
        let (met, all) = here.fold((0, 0), |(met, all), (_, m)| {
            (met + usize::from(m.met), all + 1)
        });
        let _ = writeln!(
            text,
            "{:>12} {:>9}: {met} of {all} kills met it",
            moment.phase, moment.duty
        );
    }
    let inside: Vec<_> = measured.iter().filter_map(|(_, m)| m.inside).collect();
    let outside = measured.iter().filter_map(|(_, m)| m.outside).collect();
    let _ = writeln!(
        text,
        "{}",
        percentiles("from notice to line, by the guardian", inside.clone())
    );
    let _ = writeln!(
        text,
        "{}",
        percentiles("from kill to line, from outside", outside)
    );
    // Not by `println!`: libtest keeps back what a passing test prints.
    let _ = std::io::stderr().write_all(text.as_bytes());
    let wrong: Vec<_> = results
        .iter()
        .filter_map(|(moment, r)| Some(format!("{moment:?}: {}", r.as_ref().err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut inside = inside;
    inside.sort();
    // The machine may be busy once; a guardian that is slow is slow always.
    assert!(inside[inside.len() / 2] < WANTED, "{text}");
}

#[test]
fn a_runner_that_is_killed_in_any_phase_leaves_the_line_as_the_policy_demands() {
    kill_runners(MOMENTS.len(), MOMENTS.len());
}

#[test]
#[ignore = "takes a quarter of an hour: `just guardian-100`"]
fn a_hundred_runners_are_killed() {
    kill_runners(100, 10);
}

/// The same over real `/dev/gpiochip` ioctls. The kernel lets a line fall with its last holder, so
/// this shows that the guardian is one.
#[test]
fn over_gpio_sim_too() {
    let Some(lines) = Lines::gpio_sim() else {
        skipped("no simulated GPIO chip: `just gpio-sim` brings one");
        return;
    };
    let rounds = std::env::var("GUARDIAN_ROUNDS").map_or(MOMENTS.len(), |n| n.parse().unwrap());
    let mut results = Vec::new();
    for round in 0..rounds {
        let moment = &MOMENTS[round % MOMENTS.len()];
        let bench = Bench::set_behind(lines.clone(), moment.speed);
        // The last one is a cut in the middle of an update: what must be recovered for certain. The
        // long form recovers each.
        let outcome = kill_at(&bench, moment, "run").and_then(|(measured, phase)| {
            if rounds > MOMENTS.len() || round % MOMENTS.len() == MOMENTS.len() - 1 {
                run_again(&bench, &phase, "again")?;
            }
            Ok(measured)
        });
        results.push((moment, outcome));
    }
    report(&results);
}

#[test]
fn who_comes_while_the_guardian_holds_the_power_waits_for_it() {
    let bench = Bench::set(10);
    let mut run = bench.start("run", &["update"]);
    await_moment(&bench, &mut run, "run", &MOMENTS[3]);
    let dead = run.id();
    kill(dead, Signal::KILL);
    await_event(&bench, "run", "took_over");

    let who = format!(
        "is held by the guardian of process {dead}, which holds the power until the update ends"
    );
    // One who has no patience leaves, and has touched nothing.
    let mut told = bench.command(&["rig", "--clear"]);
    let refused = Running::start(&mut told).finish();
    assert_eq!(refused.code, Some(105), "{refused}");
    assert!(refused.stderr.contains(&who), "{refused}");
    let mut impatient = bench.start("impatient", &["update"]);
    let patient = bench.start("patient", &["update"]);
    impatient.wait_until_it_listens();
    std::thread::sleep(Duration::from_millis(300));
    impatient.interrupt();
    let impatient = impatient.finish();
    assert_eq!(impatient.code, Some(130), "{impatient}");
    assert!(impatient.stderr.contains(&who), "{impatient}");

    let patient = patient.finish();
    assert!(patient.stderr.contains(&who), "{patient}");
    assert_eq!(patient.code, Some(0), "{patient}");
    let log = bench.guardian("run");
    assert_eq!(find(&log, "over").unwrap()["how"], "END,0", "{log:#?}");
    let _ = run.finish();
}

/// The guardian's process.
pub(crate) fn guardian_of(runner: u32) -> u32 {
    let children = format!("/proc/{runner}/task/{runner}/children");
    let children = std::fs::read_to_string(children).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_runner_without_its_guardian_ends_as_the_policy_demands() {
    let bench = Bench::set(20);
    let mut run = bench.start("run", &["update"]);
    await_moment(&bench, &mut run, "run", &MOMENTS[3]);
    kill(guardian_of(run.id()), Signal::KILL);
    let done = run.finish();
    assert_eq!(done.code, Some(105), "{done}");
    assert!(
        done.stdout.contains("the guardian of this run is gone"),
        "{done}"
    );
    let wire = files_named(&bench.path().join("run"), "wire.log").remove(0);
    let wire = std::fs::read_to_string(wire).unwrap();
    assert!(wire.contains(r#""END",0"#), "{wire}");
    assert!(!bench.is_powered());
}

#[test]
fn ctrl_c_while_a_step_has_the_power_off_sees_the_module_through() {
    let bench = Bench::set(20);
    let mut run = bench.start("run", &["power-cut@37"]);
    await_moment(&bench, &mut run, "run", &MOMENTS[6]);
    run.interrupt();
    let done = run.finish();
    assert_eq!(done.code, Some(130), "{done}");
    assert!(
        done.stderr
            .contains("it is switched on again, and stays on until END"),
        "{done}"
    );
    let wire = files_named(&bench.path().join("run"), "wire.log").remove(0);
    let wire = std::fs::read_to_string(wire).unwrap();
    let (_, after) = wire.split_once("UPDATING").unwrap();
    let (_, after) = after.split_once("supply off").unwrap();
    assert!(after.contains("supply on"), "{after}");
    assert!(after.contains(r#""END",0"#), "{after}");
    assert!(!bench.is_powered());
    assert!(find(&bench.guardian("run"), "dismissed").is_some());
}

#[test]
fn a_signal_to_the_whole_group_is_not_for_the_guardian() {
    use std::os::unix::process::CommandExt as _;
    let bench = Bench::set(20);
    let mut command = bench.command(&["run", "update", "--no-snapshots"]);
    command
        .arg("--evidence")
        .arg(bench.path().join("run"))
        .process_group(0);
    let mut run = Running::start(&mut command);
    await_moment(&bench, &mut run, "run", &MOMENTS[3]);
    let group = i32::try_from(run.id())
        .ok()
        .and_then(Pid::from_raw)
        .unwrap();
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    let log = await_event(&bench, "run", "done");
    assert_eq!(find(&log, "took_over").unwrap()["duty"], "hold", "{log:#?}");
    assert_eq!(find(&log, "over").unwrap()["how"], "END,0", "{log:#?}");
    assert!(!bench.is_powered());
    let _ = run.finish();
}

#[test]
fn a_runner_that_somebody_stopped_is_waited_for() {
    let bench = Bench::set(20);
    let mut run = bench.start("run", &["update", "--hung-after", "12s"]);
    await_moment(&bench, &mut run, "run", &MOMENTS[3]);
    kill(run.id(), Signal::STOP);
    let log = await_event(&bench, "run", "silent");
    assert_eq!(find(&log, "silent").unwrap()["stopped"], true);
    assert!(bench.is_powered());
    kill(run.id(), Signal::CONT);
    let done = run.finish();
    assert_ne!(done.code, None, "{done}");
    let log = bench.guardian("run");
    assert!(find(&log, "dismissed").is_some(), "{log:#?}");
    assert!(!bench.is_powered());
}

#[test]
fn a_runner_that_hangs_is_ended_and_acted_for() {
    let bench = Bench::set(20);
    let vbat = bench.path().join("vbat").display().to_string();
    // A supply that takes its time with `on`: the runner waits for it, and does nothing else.
    let on = format!(r#"["sh", "-c", "printf 1 > {vbat}; sleep 8"]"#);
    let off = format!(r#"["sh", "-c", "printf 0 > {vbat}"]"#);
    bench.write_rig_file(&format!("driver = \"command\"\non = {on}\noff = {off}"));
    let run = bench.start("run", &["update", "--hung-after", "2s"]);
    let log = await_event(&bench, "run", "done");
    assert_eq!(find(&log, "silent").unwrap()["stopped"], false);
    assert!(find(&log, "killed").is_some(), "{log:#?}");
    assert_eq!(find(&log, "took_over").unwrap()["why"], "hung");
    assert!(!bench.is_powered());
    assert_eq!(run.finish().code, None);
}

#[test]
fn a_bad_rig_is_refused_until_somebody_clears_it() {
    let bench = Bench::set(20);
    // As a run leaves it whose module did not come back.
    let marker = format!(
        r#"{{"rig": "bad", "reason": "the module is dead", "since": "2026-01-01T00:00:00Z", "marker": {{
        "console": "{}", "imei": null, "package": "a-to-b", "base": "A", "target": "B",
        "since": "2026-01-01T00:00:00Z", "pid": 1, "evidence": "e", "guardian": null}}}}"#,
        bench.path().join("console").display()
    );
    let state = bench.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let name = rig::lock::bench_name(&bench.path().join("console"));
    std::fs::write(state.join(format!("{name}.state.json")), marker).unwrap();

    let refused = bench.run("run", &["update"]);
    assert_eq!(refused.code, Some(105), "{refused}");
    let why = "is bad since 2026-01-01T00:00:00Z: the module is dead; see to the module, then `hil rig --clear`\n";
    assert!(refused.stderr.ends_with(why), "{refused}");
    let shown = Running::start(&mut bench.command(&["rig"])).finish();
    assert_eq!(shown.code, Some(105), "{shown}");
    assert!(shown.stdout.contains("the module is dead"), "{shown}");

    let cleared = Running::start(&mut bench.command(&["rig", "--clear"])).finish();
    assert_eq!(cleared.code, Some(0), "{cleared}");
    let shown = Running::start(&mut bench.command(&["rig"])).finish();
    assert_eq!(shown.code, Some(0), "{shown}");
}

#[test]
#[ignore = "takes three minutes, since a dead module is asked at every rate, twice: `just dead-modules`"]
fn a_module_that_does_not_come_back_makes_its_rig_bad() {
    let mut bench = Bench::set(20);
    let mut run = bench.start("run", &["update"]);
    await_moment(&bench, &mut run, "run", &MOMENTS[1]);
    kill(run.id(), Signal::KILL);
    await_event(&bench, "run", "done");
    let _ = run.finish();
    bench.lose_module();
    // A console at whose other end nobody says anything.
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let tty = ptsname(&master, Vec::new()).unwrap();
    let console = bench.path().join("console");
    let _ = std::fs::remove_file(&console);
    std::os::unix::fs::symlink(tty.to_str().unwrap(), &console).unwrap();

    let lost = bench.start("again", &["update"]);
    let name = rig::lock::bench_name(&console);
    let state = bench.path().join(format!("state/{name}.state.json"));
    let end = Instant::now() + 3 * LIMIT;
    let is_bad = || std::fs::read_to_string(&state).is_ok_and(|text| text.contains("bad"));
    while !is_bad() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    let lost = lost.finish();
    assert_eq!(lost.code, Some(105), "{lost}");
    assert!(
        lost.stderr
            .contains("does not answer at any rate, after two power-ups"),
        "{lost}"
    );
    let refused = bench.run("third", &["update"]);
    assert_eq!(refused.code, Some(105), "{refused}");
    assert!(!bench.is_powered());
}
