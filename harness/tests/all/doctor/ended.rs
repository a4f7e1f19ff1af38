//! An examination that is ended before its end, by an interrupt or by a kill.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::doctor::What;

use super::LIMIT;
use crate::patient::{Healthy, Patient};
use crate::process::files_named;

/// What the logs of an examination say, document by document. A last line that is half written is
/// none yet.
fn logged(patient: &Patient, name: &str) -> Vec<serde_json::Value> {
    let own = |path: &PathBuf| !path.components().any(|part| part.as_os_str() == "killed");
    let logs = files_named(&patient.path().join("evidence"), name);
    let text = logs
        .iter()
        .find(|path| own(path))
        .map(std::fs::read_to_string);
    let text = text.and_then(Result::ok).unwrap_or_default();
    text.lines()
        .map_while(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The examination takes the power itself, and runs no case whose guardian could act for it.
#[test]
fn an_examination_that_is_killed_leaves_its_module_to_a_guardian() {
    // While it listens whether off is off, the module may be on again the next moment; while the
    // module asks its server, it is.
    let titles = [What::Off.title(), What::Server.title()];
    std::thread::scope(|scope| {
        for title in titles {
            scope.spawn(move || {
                let patient = Healthy::new().rig(str::to_owned);
                let mut doctor = patient.doctor(&["--format", "json"]);
                doctor.wait_until(title, || {
                    let begun = logged(&patient, "timeline.jsonl")
                        .iter()
                        .any(|entry| entry["event"] == "step" && entry["text"] == title);
                    begun && patient.is_powered()
                });
                doctor.kill();
                let done = doctor.finish();
                assert_eq!(done.code, None, "{done}");
                let find = |event: &str| {
                    let log = logged(&patient, "guardian.jsonl");
                    log.into_iter().find(|line| line["event"] == event)
                };
                let end = Instant::now() + LIMIT;
                while find("done").is_none() && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(10));
                }
                let duty = find("took_over").map(|line| line["duty"].clone());
                assert_eq!(duty, Some("power_off".into()), "{title}");
                assert!(!patient.is_powered(), "{title}: left powered");
            });
        }
    });
}

/// A module with its key pressed, or held in reset, is no module that was left in order: it would
/// not sleep, or not start, for whoever powers it next.
#[test]
fn an_interrupt_in_the_middle_of_a_pulse_lets_go_of_the_line() {
    std::thread::scope(|scope| {
        for line in ["pwrkey", "reset"] {
            scope.spawn(move || {
                let patient = Healthy::new().rig(|text| {
                    text.replace("pulse = \"700ms\"", "pulse = \"2s\"")
                        .replace("pulse = \"100ms\"", "pulse = \"2s\"")
                });
                let level = || std::fs::read_to_string(patient.path().join(line)).unwrap();
                let mut doctor = patient.doctor(&["--format", "json"]);
                doctor.wait_until(line, || level() == "1");
                doctor.interrupt();
                let done = doctor.finish();
                assert_eq!(done.code, Some(130), "{done}");
                assert_eq!(level(), "0", "{line} is left asserted");
                assert!(!patient.is_powered(), "left powered");
            });
        }
    });
}

/// Its last step has a run of its own, which is killed when the module answers. Nobody is there to do
/// that any more, and nobody wants that run.
#[test]
fn the_run_of_an_examination_that_is_killed_ends_with_it() {
    let patient = Healthy::new().rig(str::to_owned);
    let mut doctor = patient.doctor(&["--format", "json"]);
    let its_guardian = || {
        let logs = files_named(&patient.path().join("evidence"), "guardian.jsonl");
        let mut of_the_run = logs
            .into_iter()
            .filter(|path| path.components().any(|part| part.as_os_str() == "killed"));
        let text = of_the_run.next().map(std::fs::read_to_string);
        text.and_then(Result::ok).unwrap_or_default()
    };
    doctor.wait_until("its run is guarded", || its_guardian().contains("watches"));
    doctor.kill();
    assert_eq!(doctor.finish().code, None);
    let end = Instant::now() + LIMIT;
    while !its_guardian().contains("dismissed") {
        assert!(Instant::now() < end, "{}", its_guardian());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(
        !its_guardian().contains("downloading"),
        "{}",
        its_guardian()
    );
    assert!(!patient.is_powered());
}
