//! What runs know of their rig's examination.

use std::path::Path;

use harness::doctor::{Examination, Verdict};

use crate::process::{Running, hil};

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

    // Whoever judges again is told what the bench was worth, where it is one.
    let judged = || {
        let mut command = hil(dir.path());
        Running::start(command.arg("judge").arg(folder))
            .finish()
            .stdout
    };
    assert!(!judged().contains("doctor: "), "{}", judged());
    let mut real = document.clone();
    real["rig"]["virtual"] = false.into();
    std::fs::write(folder.join("run.json"), real.to_string()).unwrap();
    let said = judged();
    assert!(said.contains("doctor: passed, "), "{said}");
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
