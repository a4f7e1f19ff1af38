//! What a runner leaves that is killed: one is started on the rig, killed once the module answers
//! it, and its guardian is watched from outside. Earlier, a module that is left powered would be as
//! silent as one that is not.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rig::config::{Bench, RealBench, RigFile};
use rig::console::{CHUNK_LEN_MAX, Console};
use rig::line::Line;
use rig::lock::RigLock;

use super::life::SETTLE;
use super::{failed, human, measured, ms, passed, skipped};
use crate::doctor::{Look, Outcome};
use crate::interrupt::{Interrupt, Urgency};
use crate::report::chain;
use crate::waker::Waker;

/// The scenario whose runner is killed, before anything of it is done to the module.
const SCENARIO: &str = "update";
/// How long that runner may take to have the module answer, beyond the bench's time off.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// How long the guardian may take to let go of the rig.
const LET_GO_WITHIN: Duration = Duration::from_secs(30);
/// How long the module is listened to afterwards.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Kills a runner on the rig of `file`, which nobody must have; its evidence goes below `folder`.
pub(super) fn killed(file: &RigFile, folder: &Path, interrupt: &Interrupt) -> Outcome {
    let Bench::Real(bench) = &file.bench else {
        return skipped("a virtual module ends with its runner: nothing is left powered");
    };
    let evidence = folder.join("killed");
    let runner = match start(file, &evidence) {
        Ok(runner) => runner,
        Err(why) => return Outcome::NotRun { because: why },
    };
    let limit = ANSWERS_WITHIN + file.off_for * 2;
    if let Err(why) = until_it_answers(runner, &evidence, limit, interrupt) {
        return Outcome::NotRun { because: why };
    }
    let killed = Instant::now();
    let left = until_free(bench);
    let took = killed.elapsed();
    let acted = supply_released_after(&evidence);
    let (after, look) = match left {
        Ok(lock) => look_at(bench, file, lock),
        Err(why) => (Err(why), String::new()),
    };
    let look = Look {
        did: "started a runner on the rig, killed it (SIGKILL) as soon as the module answered it"
            .to_owned(),
        saw: match (&acted, &after) {
            (Some(acted), Ok(_)) => format!(
                "its guardian released the supply {} after it noticed; {look}",
                human(*acted)
            ),
            (None, Ok(_)) => format!("no guardian released the supply; {look}"),
            (_, Err(why)) => why.clone(),
        },
        expected: "the supply released by the guardian, since the module was idle, and a module that is off"
            .to_owned(),
        measured: measured([
            ("supply_released_after_ms", acted.map_or(-1.0, ms)),
            ("rig_free_after_ms", ms(took)),
        ]),
    };
    if acted.is_some() && after == Ok(true) {
        return passed(look);
    }
    failed(
        look,
        [
            format!(
                "what the guardian says: `guardian.jsonl` below `{}`",
                evidence.display()
            ),
            "whether something else keeps the line asserted when its holder is gone: a pull-up, a latching relay".to_owned(),
            "that what kills a runner spares its guardian: in a systemd unit `KillMode=process`".to_owned(),
        ],
    )
}

fn start(file: &RigFile, evidence: &Path) -> Result<Child, String> {
    let cannot = |e: std::io::Error| format!("no runner could be started: {e}");
    std::fs::create_dir_all(evidence).map_err(cannot)?;
    let said = File::create(said(evidence)).map_err(cannot)?;
    Command::new("/proc/self/exe")
        .args(["run", SCENARIO, "--no-snapshots", "--format", "json"])
        // An examination that is killed itself must not leave a run behind.
        .args(["--end-with", &std::process::id().to_string()])
        .arg("--rig")
        .arg(&file.source.path)
        .arg("--evidence")
        .arg(evidence)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .map_err(cannot)
}

/// Where that runner's standard error goes.
fn said(evidence: &Path) -> PathBuf {
    evidence.join("stderr.txt")
}

/// Waits until the module answers the runner, and kills that. Where that does not come, the
/// runner is asked to end, which it does with the power off.
fn until_it_answers(
    mut runner: Child,
    evidence: &Path,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<(), String> {
    let until = Instant::now() + limit;
    let why = loop {
        match runner.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                let text = std::fs::read_to_string(said(evidence)).unwrap_or_default();
                let last = text.lines().last().unwrap_or("");
                return Err(format!("the runner ended by itself, with {status}: {last}"));
            }
            Err(e) => return Err(format!("the runner cannot be waited for: {e}")),
        }
        if answers(evidence) {
            let killed = runner.kill().and_then(|()| runner.wait());
            return killed
                .map(drop)
                .map_err(|e| format!("the runner cannot be killed: {e}"));
        }
        if interrupt.urgency() != Urgency::None {
            break "it was interrupted".to_owned();
        }
        if Instant::now() >= until {
            break format!("the module had not answered the runner after {limit:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    };
    if let Some(id) = i32::try_from(runner.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    let _ = runner.wait();
    Err(why)
}

fn answers(evidence: &Path) -> bool {
    documents(evidence, &format!("{SCENARIO}/timeline.jsonl"))
        .iter()
        .any(|entry| entry["event"] == "ready")
}

/// How long after it noticed the guardian had released the supply, if it did.
fn supply_released_after(evidence: &Path) -> Option<Duration> {
    documents(evidence, "guardian.jsonl")
        .iter()
        .find(|entry| {
            entry["event"] == "drove" && entry["line"] == "supply" && entry["asserted"] == false
        })
        .and_then(|entry| entry["after_us"].as_u64())
        .map(Duration::from_micros)
}

/// The lines of a file of the one run below `evidence`. One that is half written is none yet.
fn documents(evidence: &Path, name: &str) -> Vec<serde_json::Value> {
    std::fs::read_dir(evidence)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|run| std::fs::read_to_string(run.path().join(name)).ok())
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Waits until nobody has the rig any more.
fn until_free(bench: &RealBench) -> Result<RigLock, String> {
    let until = Instant::now() + LET_GO_WITHIN;
    loop {
        match RigLock::take(&bench.console) {
            Ok(lock) => return Ok(lock),
            Err(e) if Instant::now() >= until => return Err(chain(&e)),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Whether the module is off, seen without a line that switches anything: claiming those would
/// release them. And what was seen.
fn look_at(bench: &RealBench, file: &RigFile, _lock: RigLock) -> (Result<bool, String>, String) {
    let heard = match listen(&bench.console, file.baud.rate(), file.off_for + SETTLE) {
        Ok(bytes) => bytes,
        Err(why) => return (Err(why), String::new()),
    };
    let rail = match rail(bench) {
        Ok(rail) => rail,
        Err(why) => return (Err(why), String::new()),
    };
    let rail_words = match rail {
        Some(true) => ", its rail up",
        Some(false) => ", its rail down",
        None => "",
    };
    let words = match heard {
        0 => format!("the module is silent{rail_words}"),
        bytes => format!("the module lives: {bytes} bytes came{rail_words}"),
    };
    (Ok(heard == 0 && rail != Some(true)), words)
}

/// Whether the rail is up; `None`: this bench does not sense it.
fn rail(bench: &RealBench) -> Result<Option<bool>, String> {
    let Some(line) = &bench.power_good else {
        return Ok(None);
    };
    Line::input("power_good", line)
        .and_then(|mut line| line.read())
        .map_err(|e| chain(&e))
}

/// How many bytes come of a module that is asked, once it has been without power for `dead_after`:
/// what it says while its capacitors hold, and what is on its way, is no life.
fn listen(console: &Path, baud: u32, dead_after: Duration) -> Result<usize, String> {
    let cannot = |e: rig::console::ConsoleError| chain(&e);
    let mut console = Console::open(console, baud).map_err(cannot)?;
    std::thread::sleep(dead_after);
    console.clear().map_err(cannot)?;
    let nobody = Waker::new().map_err(|e| e.to_string())?;
    let mut chunk = [0; CHUNK_LEN_MAX];
    let mut bytes = 0;
    let until = Instant::now() + SILENT_FOR;
    while Instant::now() < until {
        console.write(b"AT\r").map_err(cannot)?;
        let asked = Instant::now();
        while asked.elapsed() < ASK_EVERY {
            let left = ASK_EVERY.saturating_sub(asked.elapsed());
            if console.wait(nobody.as_fd(), left).map_err(cannot)?.console {
                bytes += console.read(&mut chunk).map_err(cannot)?;
            }
        }
    }
    Ok(bytes)
}
