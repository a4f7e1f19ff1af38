//! `hil` against a module that is not ours: another program, in another language, written from the
//! guide alone, behind a pty and lines that are files, FIFOs or programs.
//!
//! Each module lives in real time, so the modules of one test live at once, and the test waits for
//! the slowest.

use std::fmt::Write as _;

use serde_json::Value;

use crate::bench::{Bench, Lines, python_is_there};

/// What a run of one case must come to.
struct Wanted {
    exit: i32,
    verdict: &'static str,
    /// A rule that must be among the findings; `None`: there must be no finding at all.
    rule: Option<&'static str>,
}

const PASS: Wanted = Wanted {
    exit: 0,
    verdict: "pass",
    rule: None,
};

const fn fail(rule: &'static str) -> Wanted {
    Wanted {
        exit: 100,
        verdict: "fail",
        rule: Some(rule),
    }
}

/// One module, one case, and what is wrong with the result; nothing where it is as wanted.
fn run(lines: Lines, module: &[&str], case: &str, wanted: &Wanted) -> Result<(), String> {
    let bench = Bench::set(lines, module);
    let done = bench.hil(&["run", case, "--format", "json"]);
    let document: Value = serde_json::from_str(&done.stdout)
        .map_err(|e| format!("standard output is no document: {e}\n{done}"))?;
    let one = &document["cases"][0];
    let rules: Vec<&str> = one["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|finding| finding["rule"].as_str())
        .collect();
    let as_wanted = done.code == Some(wanted.exit)
        && one["verdict"] == wanted.verdict
        && document["exit_code"] == wanted.exit
        && match wanted.rule {
            None => rules.is_empty(),
            Some(rule) => rules.contains(&rule),
        };
    if as_wanted {
        return Ok(());
    }
    Err(format!(
        "wanted {} by {:?}, exit {}; got {} by {rules:?}: {}\n{done}\n{}",
        wanted.verdict,
        wanted.rule,
        wanted.exit,
        one["verdict"],
        one["reason"],
        bench.wire_log()
    ))
}

/// Runs all at once, and says of each that did not come out as wanted what it did instead.
fn check(modules: &[(Lines, &[&str], &str, Wanted)]) {
    if !python_is_there() {
        return;
    }
    let mut wrong = String::new();
    std::thread::scope(|scope| {
        let runs: Vec<_> = modules
            .iter()
            .map(|(lines, module, case, wanted)| {
                scope.spawn(move || run(*lines, module, case, wanted))
            })
            .collect();
        for (run, (lines, module, case, _)) in runs.into_iter().zip(modules) {
            let outcome = run.join().unwrap_or_else(|_| Err("panicked".to_owned()));
            if let Err(why) = outcome {
                let _ = writeln!(wrong, "{case} on {lines:?} {module:?}: {why}");
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_module_behind_files_fifos_or_programs_passes() {
    check(&[
        (Lines::Files, &[], "power-cut@37", PASS),
        (Lines::Fifos, &[], "power-cut@37", PASS),
        (Lines::Programs, &[], "power-cut@37", PASS),
        (Lines::Files, &[], "update", PASS),
        (Lines::Files, &[], "mismatched-package", PASS),
        (Lines::Files, &[], "invalid-package", PASS),
    ]);
}

#[test]
fn every_lawful_dialect_passes() {
    check(&[
        (Lines::Files, &["--dialect=one-field"], "power-cut@37", PASS),
        (
            Lines::Files,
            &["--dialect=lf-cr", "--dialect=no-rdy"],
            "power-cut@37",
            PASS,
        ),
        (
            Lines::Files,
            &["--dialect=no-resume-start"],
            "power-cut@37",
            PASS,
        ),
        (
            Lines::Files,
            &["--dialect=no-final-percent", "--dialect=gaps"],
            "power-cut@37",
            PASS,
        ),
        (
            Lines::Files,
            &["--dialect=spaces", "--dialect=httptart"],
            "power-cut@37",
            PASS,
        ),
        (
            Lines::Files,
            &["--dialect=end-before-rdy"],
            "power-cut@37",
            PASS,
        ),
    ]);
}

#[test]
fn every_crime_is_caught_by_its_rule() {
    let invalid = Wanted {
        exit: 106,
        verdict: "invalid",
        rule: Some("fault-proved"),
    };
    check(&[
        (
            Lines::Files,
            &["--crime=end-0-old-version"],
            "power-cut@37",
            fail("end-tells-truth"),
        ),
        (
            Lines::Files,
            &["--crime=no-resume"],
            "power-cut@37",
            fail("resume"),
        ),
        (
            Lines::Files,
            &["--crime=second-end"],
            "power-cut@37",
            fail("end-once"),
        ),
        (
            Lines::Files,
            &["--crime=percent-backwards"],
            "power-cut@37",
            fail("percent-rises"),
        ),
        (
            Lines::Files,
            &["--crime=late-ok"],
            "power-cut@37",
            fail("answer-in-time"),
        ),
        (
            Lines::Files,
            &["--crime=power-stays"],
            "power-cut@37",
            invalid,
        ),
    ]);
}

#[test]
fn a_cut_that_a_starved_runner_makes_too_late_is_no_verdict_on_the_module() {
    let invalid = Wanted {
        exit: 106,
        verdict: "invalid",
        rule: Some("fault-proved"),
    };
    check(&[(
        Lines::Files,
        &["--crime=late-bytes", "--dialect=gaps"],
        "power-cut@37",
        invalid,
    )]);
}

#[test]
fn a_run_on_a_module_that_says_nothing_can_be_interrupted() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::set(Lines::Files, &["--crime=says-nothing"]);
    let mut run = bench.start(&["run", "update"]);
    run.wait_until("it is asked", || bench.wire_log().contains("AT\\r"));
    run.interrupt();
    let done = run.finish();
    assert_eq!(done.code, Some(130), "{done}");
    assert_eq!(std::fs::read(bench.path().join("vbat")).unwrap(), b"0");
}

#[test]
#[ignore = "takes 90 s, since a dead module is asked at every rate: `just dead-modules`"]
fn a_module_that_says_nothing_gets_a_verdict() {
    check(&[(
        Lines::Files,
        &["--crime=says-nothing"],
        "update",
        Wanted {
            exit: 106,
            verdict: "invalid",
            rule: Some("precondition"),
        },
    )]);
}

#[test]
fn a_module_that_floods_or_restarts_at_random_gets_a_verdict() {
    check(&[
        (
            Lines::Files,
            &["--crime=floods"],
            "update",
            fail("expectation"),
        ),
        (
            Lines::Files,
            &["--crime=reboots"],
            "update",
            fail("unexpected-boot"),
        ),
    ]);
}
