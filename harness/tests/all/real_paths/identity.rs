//! Two modules, each in a process of its own behind lines that are files, and what `hil` does when
//! the wrong one is on the bench.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use harness::doctor::What;

use crate::process::{Done, Running, files_named, free_port, hil};
use serde_json::Value;

const ONE: &str = "860000000000001";
const OTHER: &str = "860000000000002";

/// A module on a bench. It ends, and its files go, when this is dropped.
struct Bench {
    module: Child,
    dir: tempfile::TempDir,
}

impl Bench {
    fn set(imei: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["vbat", "pwrkey"] {
            std::fs::write(dir.path().join(name), "0").unwrap();
        }
        let module = start(dir.path(), imei);
        Self { module, dir }
    }

    /// Takes the module off this bench and puts another on it.
    fn exchange(&mut self, imei: &str) {
        end(&mut self.module);
        let _ = std::fs::remove_file(self.at("console"));
        self.module = start(self.dir.path(), imei);
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A rig file for this bench, below `folder`, with `module` as its `[module]`.
    fn rig_file(&self, folder: &Path, module: &str) -> PathBuf {
        let port = free_port();
        let text = format!(
            "[module]\n{module}\n[console]\npath = '{console}'\nbaud = 115200\n\
             [supply]\ndriver = \"file\"\npath = '{vbat}'\noff_for = \"200ms\"\n\
             [pwrkey]\ndriver = \"file\"\npath = '{pwrkey}'\n\
             [server]\nlisten = \"127.0.0.1:{port}\"\nurl = \"http://127.0.0.1:{port}\"\n",
            console = self.at("console").display(),
            vbat = self.at("vbat").display(),
            pwrkey = self.at("pwrkey").display(),
        );
        let path = folder.join(format!("{port}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        end(&mut self.module);
    }
}

fn start(dir: &Path, imei: &str) -> Child {
    let at = |name: &str| dir.join(name).into_os_string();
    let mut module = hil(dir)
        .args([
            "module", "--baud", "115200", "--speed", "20", "--imei", imei,
        ])
        .args(["--link".into(), at("console")])
        .args(["--vbat".into(), at("vbat")])
        .args(["--pwrkey".into(), at("pwrkey")])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while !dir.join("console").exists() {
        assert_eq!(module.try_wait().unwrap(), None, "`hil module` has ended");
        assert!(Instant::now() < end, "no console from `hil module`");
        std::thread::sleep(Duration::from_millis(10));
    }
    module
}

fn end(module: &mut Child) {
    let _ = module.kill();
    let _ = module.wait();
}

/// What a run came to.
struct Ran {
    done: Done,
    case: Value,
    wire: String,
}

/// Starts an update on the bench of a rig file; state and evidence are below `folder`.
fn update(folder: &Path, rig: &Path) -> (Running, PathBuf) {
    let evidence = tempfile::tempdir_in(folder).unwrap().keep();
    let mut command = hil(folder);
    command
        .args(["run", "update", "--format", "json", "--no-snapshots"])
        .args(["--rig".as_ref(), rig.as_os_str()])
        .args(["--evidence".as_ref(), evidence.as_os_str()]);
    (Running::start(&mut command), evidence)
}

fn over((running, evidence): (Running, PathBuf)) -> Ran {
    let done = running.finish();
    let document: Value =
        serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}\n{done}"));
    let case = document["cases"][0].clone();
    let wire = wire(&evidence);
    Ran { done, case, wire }
}

fn wire(evidence: &Path) -> String {
    let logs = files_named(evidence, "wire.log");
    let text = logs.first().map(std::fs::read_to_string);
    text.and_then(Result::ok).unwrap_or_default()
}

/// Begins an update and ends it, in order, once the module was taken for the right one: its
/// settings are looked at next.
fn begin(folder: &Path, rig: &Path) -> Ran {
    let (mut running, evidence) = update(folder, rig);
    running.wait_until("the module is set up", || {
        wire(&evidence).contains("AT+IPR?\\r")
    });
    running.interrupt();
    over((running, evidence))
}

/// Examines the bench of a rig file until it is known which module is there.
fn examine(folder: &Path, rig: &Path) -> Done {
    let evidence = tempfile::tempdir_in(folder).unwrap().keep();
    let mut command = hil(folder);
    command
        .arg("doctor")
        .args(["--rig".as_ref(), rig.as_os_str()])
        .args(["--evidence".as_ref(), evidence.as_os_str()]);
    let mut running = Running::start(&mut command);
    running.wait_until("the step after that", || {
        let logs = files_named(&evidence, "timeline.jsonl");
        let text = logs.first().map(std::fs::read_to_string);
        text.and_then(Result::ok)
            .unwrap_or_default()
            .contains(What::PowerGood.title())
    });
    running.interrupt();
    running.finish()
}

fn assert_refused(ran: &Ran, wanted: &str, found: &str) {
    let Ran { done, case, wire } = ran;
    assert_eq!(done.code, Some(106), "{done}");
    assert_eq!(case["verdict"], "invalid", "{done}");
    let reason = case["reason"].as_str().unwrap();
    assert!(
        reason.contains(wanted) && reason.contains(found),
        "{reason}"
    );
    only_questions_were_sent(wire);
}

/// Nothing was set, nothing was updated.
fn only_questions_were_sent(wire: &str) {
    let sent: Vec<&str> = wire.lines().filter(|line| line.contains(" -> ")).collect();
    assert!(!sent.is_empty(), "{wire}");
    for line in sent {
        let harmless = ["AT\\r", "ATI\\r", "AT+CGSN=1\\r", "AT+CGSN\\r"];
        assert!(
            harmless.iter().any(|command| line.ends_with(command)),
            "{line}"
        );
    }
}

#[test]
fn two_modules_that_are_swapped_are_refused_before_anything_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let benches = [Bench::set(ONE), Bench::set(OTHER)];
    let demands = |imei| format!("imei = '{imei}'");
    let right = benches[0].rig_file(folder.path(), &demands(ONE));
    let ran = begin(folder.path(), &right);
    assert_eq!(ran.done.code, Some(130), "{}", ran.done);
    for (bench, wanted, found) in [(&benches[0], OTHER, ONE), (&benches[1], ONE, OTHER)] {
        let rig = bench.rig_file(folder.path(), &demands(wanted));
        let ran = over(update(folder.path(), &rig));
        assert_refused(&ran, wanted, found);
        assert_eq!(ran.case["module"]["imei"], found);
    }
}

#[test]
fn another_model_is_refused_before_anything_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::set(ONE);
    let rig = bench.rig_file(folder.path(), "model = 'BC20'");
    assert_refused(&over(update(folder.path(), &rig)), "BC20", "BC26");
}

#[test]
fn a_bench_that_demands_no_module_says_that_it_has_got_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::set(ONE);
    let rig = bench.rig_file(folder.path(), "");
    let ran = begin(folder.path(), &rig);
    assert_eq!(ran.case["module"]["imei"], ONE, "{}", ran.done);
    assert!(!ran.done.stderr.contains("swapped"), "{}", ran.done);
    bench.exchange(OTHER);
    // An examination says so, and leaves it to be noticed by the run.
    let examined = examine(folder.path(), &rig);
    let words: Vec<&str> = examined.stdout.split_whitespace().collect();
    let said = words.join(" ");
    assert!(
        said.contains(&format!("at the last run it was {ONE}")),
        "{said}"
    );
    let ran = begin(folder.path(), &rig);
    let said = &ran.done.stderr;
    assert!(said.contains(ONE) && said.contains(OTHER), "{said}");
    assert_eq!(ran.case["module"]["before"]["imei"], ONE);
}
