//! `hil` as a person and a script see it: whole messages and exit codes.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rstest::rstest;

use crate::process::{Done, Running, files_named, free_port, hil};

fn run(dir: &Path, arguments: &[&str]) -> Done {
    Running::start(hil(dir).args(arguments)).finish()
}

/// Writes a file for a test, and returns its path as an argument.
fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[rstest]
#[case::unknown_command(&["ran"], 2, "error: unrecognized subcommand 'ran'")]
#[case::nothing_named(&["run"], 2, "error: the following required arguments were not provided:\n  <SCENARIO>...")]
#[case::unknown_format(&["run", "update", "--format", "xml"], 2, "error: invalid value 'xml' for '--format <FORMAT>'\n  [possible values: human, json]")]
#[case::unknown_defect(&["run", "update", "--defect", "M00"], 2, "error: invalid value 'M00' for '--defect <ID>': unknown defect `M00`")]
#[case::unknown_scenario(&["run", "powercut"], 4, "error: no scenario is called `powercut`: did you mean `power-cut`?")]
#[case::no_rig_file(&["run", "update", "--rig", "/no/rig.toml"], 96, "error: /no/rig.toml: cannot read this file: No such file or directory")]
#[case::no_manifest(&["run", "update", "--packages", "/no"], 96, "error: /no/manifest.toml: cannot read this file: No such file or directory")]
#[case::no_evidence(&["judge", "/no"], 96, "error: cannot read `/no`: No such file or directory")]
fn a_request_that_cannot_be_met_is_refused_in_words(
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] message: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let done = run(dir.path(), arguments);
    assert_eq!(done.code, Some(code), "{done}");
    assert!(done.stderr.starts_with(message), "{done}");
    assert_eq!(done.stdout, "", "{done}");
}

#[test]
fn a_mistake_in_a_file_is_shown_where_it_is_and_nothing_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let scenario = write(
        at,
        "a.toml",
        "title = \"A\"\nguide = \"3.1\"\nsteps = [\n  { wait = \"300 millis\" },\n]\n",
    );
    let evidence = at.join("evidence");
    let rig = write(
        at,
        "rig.toml",
        "[console]\nbaud = 115201\n[supply]\ndriver = \"virtual\"\n",
    );
    let manifest = write(at, "manifest.toml", "[[package]]\nname = 7\n");
    let places = [
        (vec!["run", &scenario], "a.toml:4:"),
        (vec!["run", "update", "--rig", &rig], "rig.toml:2:"),
        (
            vec!["run", "update", "--packages", at.to_str().unwrap()],
            "manifest.toml:2:",
        ),
    ];
    for (mut arguments, place) in places {
        arguments.extend(["--evidence", evidence.to_str().unwrap()]);
        let done = run(at, &arguments);
        assert_eq!(done.code, Some(96), "{done}");
        assert!(done.stderr.contains(place), "wanted {place}: {done}");
        assert_eq!(done.stdout, "", "{done}");
        assert!(!evidence.exists(), "a run was begun: {done}");
    }
    assert!(manifest.ends_with("manifest.toml"));
}

/// A rig of real paths whose console is `console`.
fn real_rig(dir: &Path, console: &Path, port: u16) -> String {
    let text = format!(
        "[console]\npath = '{}'\nbaud = 115200\n[supply]\ndriver = \"file\"\npath = '{}'\n[server]\nlisten = \"127.0.0.1:{port}\"\nurl = \"http://127.0.0.1:{port}\"\n",
        console.display(),
        dir.join("vbat").display()
    );
    write(dir, "rig.toml", &text)
}

fn evidence(dir: &Path) -> [String; 2] {
    let evidence = dir.join("evidence").display().to_string();
    ["--evidence".to_owned(), evidence]
}

fn run_on(dir: &Path, rig: &str) -> Done {
    Running::start(
        hil(dir)
            .args(["run", "update", "--rig", rig])
            .args(evidence(dir)),
    )
    .finish()
}

#[test]
fn a_console_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let console = dir.path().join("ttyUSB9");
    let done = run_on(dir.path(), &real_rig(dir.path(), &console, free_port()));
    assert_eq!(done.code, Some(105), "{done}");
    let wanted = format!(
        "error: console `{}`: cannot open it: is the adapter plugged in, and may this user open it?: No such file or directory (os error 2)\n",
        console.display()
    );
    assert!(done.stderr.starts_with(&wanted), "{done}");
    assert!(!dir.path().join("vbat").exists(), "the supply was touched");
}

#[test]
fn a_rig_that_another_hil_has_is_refused_and_the_holder_named() {
    let dir = tempfile::tempdir().unwrap();
    let (master, console) = pty();
    let rig = real_rig(dir.path(), &console, free_port());
    let mut first = Running::start(
        hil(dir.path())
            .args(["run", "update", "--rig", &rig])
            .args(evidence(dir.path())),
    );
    let begun = || wire_log(dir.path()).contains("sending sync");
    first.wait_until("the first run has the rig", begun);
    let done = run_on(dir.path(), &rig);
    assert_eq!(done.code, Some(105), "{done}");
    let who = format!(
        "error: the rig on `{}` is in use by process {} (`",
        console.display(),
        first.id()
    );
    assert!(done.stderr.starts_with(&who), "{done}");
    assert!(
        done.stderr.ends_with(": wait for it, or end it\n"),
        "{done}"
    );
    first.interrupt();
    let first = first.finish();
    assert_eq!(first.code, Some(130), "{first}");
    assert_eq!(std::fs::read(dir.path().join("vbat")).unwrap(), b"0");
    drop(master);
}

#[test]
fn a_server_port_that_is_taken_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_master, console) = pty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let done = run_on(dir.path(), &real_rig(dir.path(), &console, port));
    assert_eq!(done.code, Some(105), "{done}");
    assert!(done.stderr.contains(&format!("127.0.0.1:{port}")), "{done}");
}

/// A pty at whose other end nobody says anything.
fn pty() -> (std::os::fd::OwnedFd, PathBuf) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    (master, PathBuf::from(name.to_str().unwrap()))
}

fn wire_log(dir: &Path) -> String {
    let logs = files_named(&dir.join("evidence"), "wire.log");
    let log = logs.first().map(std::fs::read_to_string);
    log.and_then(Result::ok).unwrap_or_default()
}

#[test]
fn json_is_one_document_and_its_evidence_is_judged_alike_until_it_is_altered() {
    let dir = tempfile::tempdir().unwrap();
    let done = Running::start(
        hil(dir.path())
            .args(["run", "test-command", "--format", "json", "--seed", "7"])
            .args(evidence(dir.path())),
    )
    .finish();
    assert_eq!(done.code, Some(0), "{done}");
    let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(document["seed"], 7);
    assert_eq!(document["cases"][0]["verdict"], "pass");
    let run_folder = document["evidence"].as_str().unwrap();
    let stored = std::fs::read_to_string(Path::new(run_folder).join("run.json")).unwrap();
    assert_eq!(stored, done.stdout);

    let again = run(dir.path(), &["judge", run_folder]);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(
        again.stdout.starts_with("        PASS  test-command  "),
        "{again}"
    );
    assert_eq!(again.stdout.lines().count(), 1, "{again}");

    let verdict = files_named(Path::new(run_folder), "verdict.json").remove(0);
    let text = std::fs::read_to_string(&verdict).unwrap();
    let altered = text.replacen("\"verdict\": \"pass\"", "\"verdict\": \"fail\"", 1);
    assert_ne!(text, altered);
    std::fs::write(&verdict, altered).unwrap();
    let said = run(dir.path(), &["judge", run_folder]);
    assert!(
        said.stdout
            .ends_with(": `verdict.json` says `fail`, and its own evidence comes to `pass`\n"),
        "{said}"
    );
    std::fs::write(&verdict, text).unwrap();

    let timeline = files_named(Path::new(run_folder), "timeline.jsonl").remove(0);
    let text = std::fs::read_to_string(&timeline).unwrap();
    let altered = text.replacen("A01", "A02", 1);
    assert_ne!(text, altered);
    std::fs::write(&timeline, altered).unwrap();
    let refused = run(dir.path(), &["judge", run_folder]);
    assert_eq!(refused.code, Some(96), "{refused}");
    assert!(
        refused
            .stderr
            .contains("is no evidence: `timeline.jsonl` and `wire.log` disagree"),
        "{refused}"
    );
}

#[test]
fn the_list_says_what_a_scenario_needs() {
    let dir = tempfile::tempdir().unwrap();
    let done = run(dir.path(), &["list", "power-cut"]);
    assert_eq!(done.code, Some(0), "{done}");
    assert_eq!(
        done.stdout,
        "power-cut\n    Power is cut while the module writes its flash; the next start finishes the update\n    guide 3.1 note 1; 3 cases; needs a package server, leave to cut while updating, a console at 115200 baud\n"
    );
}

#[test]
fn completions_know_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    let done = run(dir.path(), &["completions", "bash"]);
    assert_eq!(done.code, Some(0), "{done}");
    assert!(done.stdout.contains("--scenario-dir"), "{done}");
    assert_eq!(done.stderr, "");
}

/// Starts `update` on a virtual module that lives slowly enough to be met in a phase, and
/// interrupts it when the module has said `urc`.
fn interrupted_at(dir: &Path, urc: &str) -> Running {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rig/virtual.toml");
    let text = std::fs::read_to_string(project).unwrap();
    let slow = text.replace("speed       = 100", "speed       = 20");
    assert_ne!(text, slow);
    let rig = write(dir, "rig.toml", &slow);
    let mut command = hil(dir);
    command
        .args(["run", "update", "--rig", &rig])
        .args(evidence(dir));
    let mut running = Running::start(&mut command);
    running.wait_until(urc, || wire_log(dir).contains(urc));
    running.interrupt();
    running
}

/// What was done to the module last; bytes that were in flight may stand behind it.
fn last_deed(dir: &Path) -> String {
    let wire = wire_log(dir);
    let last = wire.lines().rev().find_map(|line| line.split_once("--  "));
    last.map_or("", |(_, deed)| deed).to_owned()
}

/// What the module said, and what was done to it, from the interrupt on.
fn after_interrupt(dir: &Path) -> String {
    let timeline = files_named(&dir.join("evidence"), "timeline.jsonl").remove(0);
    let text = std::fs::read_to_string(timeline).unwrap();
    let at = text
        .find("interrupted")
        .expect("the interrupt is in the timeline");
    text[at..].to_owned()
}

#[test]
fn an_interrupted_download_is_powered_off_and_its_evidence_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let done = interrupted_at(dir.path(), "DOWNLOADING").finish();
    assert_eq!(done.code, Some(130), "{done}");
    assert_eq!(done.stderr, "update: interrupted: power off now\n");
    assert!(!after_interrupt(dir.path()).contains("HTTPEND"), "{done}");
    let verdict = files_named(&dir.path().join("evidence"), "verdict.json").remove(0);
    let verdict = std::fs::read_to_string(verdict).unwrap();
    assert!(verdict.contains("\"snapshot\": null"), "{verdict}");
    assert_eq!(last_deed(dir.path()), "supply off agrees");
    for name in ["verdict.json", "run.json", "http.jsonl"] {
        assert_eq!(files_named(dir.path(), name).len(), 1, "{name}: {done}");
    }
}

#[test]
fn an_interrupted_update_keeps_its_power_until_end() {
    let dir = tempfile::tempdir().unwrap();
    let done = interrupted_at(dir.path(), "UPDATING").finish();
    assert_eq!(done.code, Some(130), "{done}");
    assert_eq!(
        done.stderr,
        "update: interrupted while the module writes its flash: its power stays on until END, 10 min at most; Ctrl-C once more takes it at once\n"
    );
    assert!(wire_log(dir.path()).contains(r#""END",0"#), "{done}");
    assert_eq!(last_deed(dir.path()), "supply off agrees");
}

#[test]
fn systemd_is_told_that_a_run_is_ready_and_lives() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut command = hil(dir.path());
    command
        .args(["run", "test-command"])
        .args(evidence(dir.path()))
        .env("NOTIFY_SOCKET", &path);
    let done = Running::start(&mut command).finish();
    assert_eq!(done.code, Some(0), "{done}");
    let mut told = Vec::new();
    let mut datagram = [0; 64];
    while let Ok(n) = socket.recv(&mut datagram) {
        told.push(String::from_utf8_lossy(&datagram[..n]).into_owned());
    }
    assert_eq!(
        told.first().map(String::as_str),
        Some("READY=1"),
        "{told:?}"
    );
    assert!(told.contains(&"WATCHDOG=1".to_owned()), "{told:?}");
}
