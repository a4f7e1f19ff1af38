//! A supply that is switched by a program, and does not always do what it is told.

use std::os::unix::fs::PermissionsExt;

use crate::guardian::{await_event, find};
use crate::own_module::Bench;

/// How often the power is taken in a case without a cut: before and after it is prepared, in its
/// aftercare, and at last.
const LAST: usize = 4;

/// A bench whose supply has a program for `off`, which fails when it is called for the time
/// `fails.start` and until `fails.end`; it counts its calls.
fn set(fails: std::ops::Range<usize>) -> Bench {
    let bench = Bench::set(20);
    let at = |name: &str| bench.path().join(name).display().to_string();
    let program = format!(
        "#!/bin/sh\nn=$(( $(cat {calls}) + 1 ))\necho $n > {calls}\n\
         if [ $n -ge {} ] && [ $n -lt {} ]; then echo busy >&2; exit 1; fi\n\
         printf 0 1<> {vbat}\n",
        fails.start,
        fails.end,
        calls = at("calls"),
        vbat = at("vbat"),
    );
    std::fs::write(at("calls"), "0").unwrap();
    std::fs::write(at("off"), program).unwrap();
    std::fs::set_permissions(at("off"), PermissionsExt::from_mode(0o755)).unwrap();
    let on = format!("printf 1 1<> {}", at("vbat"));
    bench.write_rig_file(&format!(
        "driver = \"command\"\non = [\"sh\", \"-c\", \"{on}\"]\noff = [\"{}\"]",
        at("off")
    ));
    bench
}

/// The guardian is no longer needed when the power is off, and not before.
#[test]
fn a_supply_that_refuses_to_go_off_at_last_is_left_to_the_guardian() {
    // The runner's last act, what it tries then, and the guardian's first try.
    let bench = set(LAST..LAST + 3);
    let done = bench.run("run", &["test-command"]);
    assert_eq!(done.code, Some(105), "{done}");
    assert!(done.stdout.contains("line `supply`"), "{done}");
    let log = await_event(&bench, "run", "done");
    assert_eq!(find(&log, "took_over").unwrap()["duty"], "power_off");
    assert!(find(&log, "failed").is_some(), "{log:#?}");
    assert!(!bench.is_powered(), "{log:#?}");
}
