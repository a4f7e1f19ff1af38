//! What a bench has for its power decides what a cut on it proves: `hil` on virtual benches that
//! lack something.

use std::path::Path;

use serde_json::Value;

use crate::process::{Running, hil};

/// `hil run CASE`, with `defect`, on the virtual bench without the sections `without`.
fn run(case: &str, without: &[&str], defect: Option<&str>) -> (Option<i32>, Value) {
    run_on(&bench_without(without), case, defect)
}

/// The rig file of the virtual bench without the sections `without`.
fn bench_without(without: &[&str]) -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rig/virtual.toml");
    let text = std::fs::read_to_string(project).unwrap();
    let sections: Vec<&str> = text
        .split("\n\n")
        .filter(|section| {
            !without
                .iter()
                .any(|gone| section.starts_with(&format!("[{gone}]")))
        })
        .collect();
    sections.join("\n\n")
}

fn run_on(bench: &str, case: &str, defect: Option<&str>) -> (Option<i32>, Value) {
    let dir = tempfile::tempdir().unwrap();
    let rig = dir.path().join("rig.toml");
    std::fs::write(&rig, bench).unwrap();
    let mut command = hil(dir.path());
    command
        .args(["run", case, "--no-snapshots", "--format", "json", "--rig"])
        .arg(&rig)
        .arg("--evidence")
        .arg(dir.path().join("evidence"));
    if let Some(defect) = defect {
        command.args(["--defect", defect]);
    }
    let done = Running::start(&mut command).finish();
    let document = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done}"));
    (done.code, document)
}

#[test]
fn a_bench_that_lets_go_of_its_line_kills_a_module_that_lived_by_it() {
    let (code, run) = run("power-cut@37", &[], Some("H16"));
    let cut = &run["cases"][0]["faults"][0]["cut"];
    assert_eq!(code, Some(0), "{run:#}");
    assert_eq!(cut["transmit"]["is"], "released", "{run:#}");
    assert_eq!(cut["transmit"]["by"], "console-enable", "{run:#}");
    assert_eq!(cut["reads_back_off"], true, "{run:#}");
    assert_eq!(cut["afterwards"], "boot", "{run:#}");
    let at = |key: &str| {
        cut[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {run:#}"))
    };
    assert!(at("last_message_ms") <= at("commanded_ms"));
    // The rail may fall before the call returns that takes the power, and not before the byte that
    // decided on it.
    assert_eq!(cut["rail_by_edge"], true, "{run:#}");
    let decided = at("commanded_ms") - at("reaction_us") / 1e3;
    assert!(decided <= at("rail_down_ms") + 1e-6, "{run:#}");
    assert!(at("rail_down_ms") <= at("on_again_ms"));
    assert!(at("on_again_ms") <= at("silent_until_ms"));
    assert_eq!(run["reactions"]["cuts"], 1, "{run:#}");
    assert_eq!(run["reactions"]["p99_us"], cut["reaction_us"], "{run:#}");
}

/// The same module where our line cannot be let go of: with the rail sensed, and without.
#[test]
fn a_bench_that_feeds_its_module_proves_no_cut() {
    for without in [
        &["console_enable"][..],
        &["console_enable", "power_good"][..],
    ] {
        let (code, run) = run("power-cut@37", without, Some("H16"));
        let case = &run["cases"][0];
        assert_eq!(case["verdict"], "invalid", "{without:?}: {run:#}");
        assert_eq!(code, Some(106), "{without:?}: {run:#}");
        let fault = &case["faults"][0];
        assert_eq!(fault["fired"], false, "{without:?}: {run:#}");
        assert_eq!(
            fault["cut"]["transmit"]["why"], "a pty has no line to hold low",
            "{without:?}: {run:#}"
        );
    }
}

/// A level shifter that is switched off as a whole makes us deaf, too: silence proves nothing then,
/// and what is left is the rail, and the boot.
#[test]
fn a_bench_that_is_deaf_during_a_cut_proves_it_by_the_rest() {
    let deaf = |without: &[&str]| {
        let bench = bench_without(without);
        let both = bench.replace("gates  = \"transmit\"", "gates  = \"both\"");
        assert_ne!(bench, both);
        both
    };
    let (code, run) = run_on(&deaf(&[]), "power-cut@37", None);
    let cut = &run["cases"][0]["faults"][0]["cut"];
    assert_eq!(code, Some(0), "{run:#}");
    assert_eq!(cut["transmit"]["by"], "console-enable", "{run:#}");
    assert_eq!(cut["transmit"]["deaf"], true, "{run:#}");
    assert_eq!(cut["afterwards"], "boot", "{run:#}");
    // A module that lives on without its VBAT, unheard: the rail shows it, or that no boot comes.
    for without in [&[][..], &["power_good"]] {
        let (code, run) = run_on(&deaf(without), "power-cut@37", Some("H03"));
        assert_eq!(code, Some(106), "{without:?}: {run:#}");
        assert_eq!(
            run["cases"][0]["verdict"], "invalid",
            "{without:?}: {run:#}"
        );
        assert_eq!(
            run["cases"][0]["faults"][0]["fired"], false,
            "{without:?}: {run:#}"
        );
    }
}

#[test]
fn three_ways_to_interrupt_a_module_are_never_exchanged() {
    for (case, without, why) in [
        ("reset-while-updating", "reset", "this rig has no RESET_N"),
        (
            "pwrkey-while-updating",
            "pwrkey",
            "this rig has no PWRKEY: it is tied, and VBAT alone boots",
        ),
        (
            "vbat-alone",
            "pwrkey",
            "this rig has no PWRKEY: it is tied, and VBAT alone boots",
        ),
    ] {
        let (code, run) = run(case, &[without], None);
        let case = &run["cases"][0];
        assert_eq!(case["verdict"], "skipped", "{run:#}");
        assert_eq!(case["reason"], why, "{run:#}");
        assert_eq!(code, Some(106), "{run:#}");
    }
}

/// The bootloader has one rate: at another nobody hears UPDATING, which is no fault of the module's.
#[test]
fn a_console_that_cannot_hear_the_bootloader_accuses_no_module() {
    let whole = bench_without(&[]);
    let slow = whole.replace("baud = 115200", "baud = 9600");
    assert_ne!(whole, slow);
    let (code, run) = run_on(&slow, "power-cut@37", None);
    let case = &run["cases"][0];
    assert_eq!(case["verdict"], "skipped", "{run:#}");
    let why = case["reason"].as_str().unwrap();
    assert!(
        why.contains("at 115200 baud") && why.contains("at 9600"),
        "{why}"
    );
    assert_eq!(code, Some(106), "{run:#}");
}

#[test]
fn where_pwrkey_is_tied_vbat_boots_after_a_cut() {
    let (code, run) = run("power-cut@37", &["pwrkey"], None);
    assert_eq!(code, Some(0), "{run:#}");
}
