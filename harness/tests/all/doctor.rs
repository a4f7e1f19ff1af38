//! `hil doctor`: a healthy rig passes, and a broken one fails at the step that is about it, in
//! words that help.
//!
//! Broken in two ways: the virtual rig with a lie, by the library; and real paths with a module in
//! a process of its own behind them, by the command. All that can live at once does: they wait
//! most of the time.

mod ended;

use std::path::Path;
use std::time::Duration;

use harness::doctor::{self, Examination, Outcome, Verdict, What};
use harness::evidence::RunFolder;
use harness::interrupt::Interrupt;
use harness::runner::{examine, factory_settings};
use rig::config::RigFile;
use rig::virtual_module::{Defect, Rate, Settings};

use crate::patient::{Healthy, Patient};
use crate::process::{Running, free_port, hil};

/// No wait of these tests takes longer on whatever machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The step that failed, which must be one alone, and what is said of it.
fn the_failed_step(examination: &Examination) -> (Option<What>, String) {
    let failed: Vec<_> = examination
        .steps
        .iter()
        .filter(|step| matches!(step.outcome, Outcome::Failed { .. }))
        .collect();
    let text: String = failed
        .iter()
        .map(|step| doctor::step(step, false))
        .collect();
    match failed[..] {
        [step] => (Some(step.step), text),
        _ => (None, text),
    }
}

/// What differs from one run to the next, made the same. How the lines are broken depends on the
/// lengths of that, so they are broken anew.
fn stable(text: &str, dir: &Path) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").replace(&dir.display().to_string(), "<dir>");
    let text = [
        (r"\d+(\.\d+)? (ms|s)\b", "<time>"),
        (r"\d+ bytes come, `[^`]*`", "<some> bytes come, `<sample>`"),
        (r"process \d+ \(`[^`]*`\)", "<process>"),
        (r"127\.0\.0\.1:\d+|port \d+", "<where>"),
        (r"\d{8}-\d{6}(-\d+)?", "<run>"),
        (r"\d+ bytes came", "<some> bytes came"),
    ]
    .iter()
    .fold(text, |text, (pattern, name)| {
        let pattern = regex_lite::Regex::new(pattern).unwrap();
        pattern.replace_all(&text, *name).into_owned()
    });
    ["did:", "saw:", "expected:", "check:", "2. ", "3. "]
        .iter()
        .fold(text, |text, label| {
            text.replace(&format!(" {label}"), &format!("\n{label}"))
        })
}

/// A virtual rig, and what is wrong with it.
struct Virtual {
    name: &'static str,
    rig: &'static str,
    settings: fn(Settings) -> Settings,
    fails: Option<What>,
}

const RIG: &str = include_str!("../../../rig/virtual.toml");

fn defect(settings: Settings, defect: Defect) -> Settings {
    Settings {
        defects: vec![defect],
        ..settings
    }
}

fn examine_virtual(case: &Virtual) -> (Examination, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let text = case.rig.replace("<port>", &free_port().to_string());
    let rig = RigFile::parse(Path::new("rig.toml"), &text).unwrap();
    let settings = (case.settings)(factory_settings(&rig));
    let folder = RunFolder::create(dir.path(), "run").unwrap();
    let mut told = 0;
    let mut tell = |_: &doctor::Step| told += 1;
    let examination =
        examine::examine(&rig, settings, &folder, &Interrupt::new(), &mut tell).unwrap();
    assert_eq!(told, What::ALL.len(), "each step is told once");
    (examination, dir)
}

#[test]
fn a_virtual_rig_fails_at_the_step_that_its_lie_is_about() {
    let cases = [
        Virtual {
            name: "healthy",
            rig: RIG,
            settings: |settings| settings,
            fails: None,
        },
        Virtual {
            name: "healthy-and-bare", // no PWRKEY, no RESET_N, no power_good
            rig: "[console]\nbaud = \"auto\"\n[supply]\ndriver = \"virtual\"\n",
            settings: |settings| Settings {
                speed: 50,
                ..settings
            },
            fails: None,
        },
        Virtual {
            name: "relay-stuck-on",
            rig: RIG,
            settings: |settings| defect(settings, Defect::H01),
            fails: Some(What::Supply),
        },
        Virtual {
            name: "fed-through-its-uart",
            rig: RIG,
            settings: |settings| defect(settings, Defect::H03),
            fails: Some(What::Supply),
        },
        Virtual {
            name: "no-network",
            rig: RIG,
            settings: |settings| Settings {
                registered: false,
                ..settings
            },
            fails: Some(What::Network),
        },
        Virtual {
            name: "server-elsewhere",
            rig: concat!(
                include_str!("../../../rig/virtual.toml"),
                "[server]\nlisten = \"127.0.0.1:<port>\"\nurl = \"http://127.0.0.1:9\"\nforwarded = true\n"
            ),
            settings: |settings| settings,
            fails: Some(What::Server),
        },
        Virtual {
            name: "another-rate",
            rig: RIG,
            settings: |settings| Settings {
                console: Rate::Fixed(9_600),
                ..settings
            },
            fails: Some(What::Rate),
        },
        Virtual {
            name: "learns-its-rate",
            rig: RIG,
            settings: |settings| Settings {
                console: Rate::Auto,
                ..settings
            },
            fails: Some(What::Rate),
        },
    ];
    let results: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = cases
            .iter()
            .map(|case| scope.spawn(|| examine_virtual(case)))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for (case, (examination, dir)) in cases.iter().zip(results) {
        check(case.name, case.fails, &examination, dir.path());
    }
}

/// The examination fails at this step and at no other, and says so as it was accepted.
fn check(name: &str, fails: Option<What>, examination: &Examination, dir: &Path) {
    let (failed, text) = the_failed_step(examination);
    let all: String = examination
        .steps
        .iter()
        .map(|step| doctor::step(step, false))
        .collect();
    assert_eq!(failed, fails, "{name}:\n{all}");
    let verdict = match fails {
        Some(_) => Verdict::Failed,
        None => Verdict::Passed,
    };
    assert_eq!(examination.verdict, verdict, "{name}:\n{all}");
    if fails.is_some() {
        insta::assert_snapshot!(name, stable(&text, dir));
    }
}

/// A rig of real paths, and what is wrong with it.
struct Real {
    name: &'static str,
    patient: fn() -> Patient,
    fails: Option<What>,
}

#[test]
fn a_rig_of_real_paths_fails_at_the_step_that_its_fault_is_about() {
    let cases = [
        Real {
            name: "healthy",
            patient: || Healthy::new().rig(str::to_owned),
            fails: None,
        },
        Real {
            name: "guardian-without-a-hand", // its programs do nothing when the guardian runs them
            patient: || {
                Healthy::new().rig(|text| {
                    let off = "grep -q guardian /proc/$PPID/cmdline || echo 0 > $1";
                    let lines = format!(
                        "driver = 'command'\non = ['sh', '-c', 'echo 1 > $1', 'sh', '<dir>/vbat']\noff = ['sh', '-c', '{off}', 'sh', '<dir>/vbat']\n"
                    );
                    let (before, rest) = text.split_once("[supply]").unwrap();
                    let (_, after) = rest.split_once("off_for").unwrap();
                    format!("{before}[supply]\n{lines}off_for{after}")
                })
            },
            fails: Some(What::Killed),
        },
        Real {
            name: "inverted",
            patient: || {
                Healthy::new().rig(|text| {
                    text.replace("on = '1' # supply", "on = '0'")
                        .replace("off = '0' # supply", "off = '1'")
                })
            },
            fails: Some(What::Supply),
        },
        Real {
            name: "relay-dead",
            patient: || Healthy::new().rig(|text| text.replace("/vbat'", "/nothing'")),
            fails: Some(What::Supply),
        },
        Real {
            name: "console-of-another",
            patient: || Healthy::new().rig(|text| text.replace("/console'", "/other'")),
            fails: Some(What::Supply),
        },
        Real {
            name: "pwrkey-tied",
            patient: || Healthy::new().without("--pwrkey"),
            fails: Some(What::Pwrkey),
        },
        Real {
            name: "pwrkey-late",
            patient: || {
                Healthy::new().with(&["--speed", "4"]).rig(|text| {
                    text.replace(
                        "driver = 'file' # pwrkey",
                        "driver = 'command'\non = ['sh', '-c', '(sleep 0.62; echo 1 > $1) > /dev/null 2>&1 &', 'sh', '<dir>/pwrkey']\noff = ['sh', '-c', 'echo 0 > $1', 'sh', '<dir>/pwrkey']",
                    )
                    .replace("path = '<dir>/pwrkey'", "")
                })
            },
            fails: Some(What::Pulse),
        },
        Real {
            name: "reset-not-wired",
            patient: || Healthy::new().without("--reset"),
            fails: Some(What::Reset),
        },
        Real {
            name: "power-good-not-wired",
            patient: || Healthy::new().rig(|text| text.replace("/vdd'", "/nothing'")),
            fails: Some(What::PowerGood),
        },
        Real {
            name: "rail-falls-slowly",
            patient: || {
                Healthy::new().rig(|text| {
                    text.replace("driver = 'file' # power_good", "driver = 'command'\nread = ['sh', '-c', 'if [ \"$(cat $1)\" = 1 ] || [ $(($(date +%s%N) - $(date -r $1 +%s%N))) -lt 1500000000 ]; then echo 1; else echo 0; fi', 'sh', '<dir>/vbat']")
                        .replace("path = '<dir>/vdd'", "")
                })
            },
            fails: Some(What::Discharge),
        },
        Real {
            name: "off-too-short",
            patient: || {
                Healthy::new().rig(|text| {
                    let off = "echo 0 > $1/wanted; (sleep 1; if [ $(cat $1/wanted) = 0 ]; then echo 0 > $1/vbat; fi) > /dev/null 2>&1 &";
                    let on = "echo 1 > $1/wanted; echo 1 > $1/vbat";
                    let lines = format!(
                        "driver = 'command'\non = ['sh', '-c', '{on}', 'sh', '<dir>']\noff = ['sh', '-c', '{off}', 'sh', '<dir>']\n"
                    );
                    let (before, rest) = text.split_once("[supply]").unwrap();
                    let (_, after) = rest.split_once("off_for").unwrap();
                    let text = format!("{before}[supply]\n{lines}off_for{after}");
                    let (before, rest) = text.split_once("[power_good]").unwrap();
                    let (_, after) = rest.split_once("[server]").unwrap();
                    format!("{before}[server]{after}")
                })
            },
            fails: Some(What::Discharge),
        },
        Real {
            name: "another-module",
            patient: || {
                Healthy::new()
                    .with(&["--imei", "860000000000042"])
                    .rig(str::to_owned)
            },
            fails: Some(What::Module),
        },
        Real {
            name: "another-model",
            patient: || Healthy::new().rig(|text| text.replace("BC26", "BC20")),
            fails: Some(What::Module),
        },
        Real {
            name: "no-such-chip",
            patient: || {
                Healthy::new().rig(|text| {
                    text.replace(
                        "driver = 'file' # reset",
                        "driver = 'gpiochip'\nchip = '/dev/gpiochip99'\nline = 1\nactive = 'low'",
                    )
                    .replace("path = '<dir>/reset'", "")
                })
            },
            fails: Some(What::Lines),
        },
        Real {
            name: "no-console",
            patient: || Healthy::new().rig(|text| text.replace("/console'", "/nothing'")),
            fails: Some(What::Console),
        },
    ];
    let results: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = cases
            .iter()
            .map(|case| {
                // Whoever hangs is known by the name of its thread.
                let thread = std::thread::Builder::new().name(case.name.to_owned());
                let run = thread.spawn_scoped(scope, || {
                    let patient = (case.patient)();
                    let done = patient.doctor(&["--format", "json"]).finish();
                    (done, patient)
                });
                run.unwrap()
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for (case, (done, patient)) in cases.iter().zip(&results) {
        let examination: Examination = serde_json::from_str(&done.stdout)
            .unwrap_or_else(|e| panic!("{}: no document: {e}\n{done}", case.name));
        check(case.name, case.fails, &examination, patient.path());
        let code = case.fails.map_or(0, |_| 105);
        assert_eq!(done.code, Some(code), "{done}\n{}", patient.wire_log());
        if case.fails != Some(What::Killed) {
            patient.wait_until_off(case.name);
        }
    }
}

#[test]
fn a_rig_that_another_process_has_is_left_alone() {
    // The first one asks a module that it does not understand, for a minute, with the power on.
    let patient = Healthy::new().with(&["--baud", "9600"]).rig(str::to_owned);
    let mut first = patient.doctor(&["--format", "json"]);
    first.wait_until("it is powered", || patient.is_powered());
    let second = patient.doctor(&["--format", "json"]).finish();
    let examination: Examination = serde_json::from_str(&second.stdout).unwrap();
    check("rig-in-use", Some(What::Lock), &examination, patient.path());
    assert!(patient.is_powered(), "the first one's rig was touched");
    // One with other state cannot know of the lock, and finds the console busy.
    let stranger = patient
        .doctor_with_state("elsewhere", &["--format", "json"])
        .finish();
    let examination: Examination = serde_json::from_str(&stranger.stdout).unwrap();
    check(
        "console-in-use",
        Some(What::Console),
        &examination,
        patient.path(),
    );
    first.interrupt();
    let done = first.finish();
    assert_eq!(done.code, Some(130), "{done}");
    assert!(
        !patient.is_powered(),
        "an interrupted examination left it powered"
    );
}

#[test]
fn a_run_has_the_last_examination_of_its_rig_and_says_how_old_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let evidence = dir.path().join("evidence");
        let mut command = hil(dir.path());
        command.args(arguments).arg("--evidence").arg(evidence);
        let done = Running::start(&mut command).finish();
        let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap_or_default();
        (done, document)
    };
    let (done, document) = run(&["run", "no-answer", "--format", "json"]);
    assert_eq!(document["doctor"]["verdict"], "none", "{done}");

    let junit = dir.path().join("doctor.xml");
    let path = junit.to_str().unwrap();
    let (done, document) = run(&["doctor", "--format", "json", "--junit", path]);
    assert_eq!(
        (done.code, &document["verdict"]),
        (Some(0), &"passed".into()),
        "{done}"
    );
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(
        xml.contains(r#"tests="16""#) && xml.contains(r#"failures="0""#),
        "{xml}"
    );

    let (done, document) = run(&["run", "no-answer", "--format", "json"]);
    assert_eq!(document["doctor"]["verdict"], "passed", "{done}");
    assert_eq!(document["doctor"]["rig_file_is_the_same"], true, "{done}");
    assert!(
        document["doctor"]["age_seconds"]
            .as_i64()
            .is_some_and(|age| (0..600).contains(&age))
    );
    let folder = Path::new(document["evidence"].as_str().unwrap());
    let kept = std::fs::read_to_string(folder.join("doctor.json")).unwrap();
    let kept: Examination = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept.verdict, Verdict::Passed);
}

#[test]
fn nothing_is_run_on_a_rig_that_does_not_pass() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = hil(dir.path());
    command
        .args([
            "run",
            "no-answer",
            "--doctor",
            "--defect",
            "H01",
            "--format",
            "json",
        ])
        .arg("--evidence")
        .arg(dir.path().join("evidence"));
    let done = Running::start(&mut command).finish();
    assert_eq!(done.code, Some(105), "{done}");
    let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(document["cases"], serde_json::json!([]), "{done}");
    assert_eq!(document["doctor"]["verdict"], "failed", "{done}");
    assert!(
        done.stderr.contains("did not pass its examination"),
        "{done}"
    );
}
