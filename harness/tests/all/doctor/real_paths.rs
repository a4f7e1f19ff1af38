//! Real paths with a module in a process of its own behind them, by the command.

use harness::doctor::{Examination, What};

use super::check;
use crate::patient::{Healthy, Patient};

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
