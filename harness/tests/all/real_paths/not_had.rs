//! A rig file without a mistake in its text, on a machine that does not have what it names: said at
//! the place that names it, before any line is touched.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::process::{Done, Running, free_port, hil};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A tty that nobody answers at: its master is held, and nothing is read from it.
fn tty() -> (OwnedFd, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    (master, name.into_string().unwrap())
}

/// An update on the bench `rig`, from the folder that it is in: its paths start there, and are as
/// long on every machine.
fn run(folder: &Path, rig: &str) -> Done {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = hil(folder);
    command
        .current_dir(folder)
        .args(["run", "update", "--rig", rig, "--evidence", "evidence"])
        .arg("--scenario-dir")
        .arg(project.join("scenarios"))
        .arg("--packages")
        .arg(project.join("fixtures/packages"));
    Running::start(&mut command).finish()
}

#[test]
fn what_this_machine_does_not_have_is_said_before_a_line_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let file = |name: &str| format!("driver = \"file\"\npath = '{name}'");
    std::fs::write(at("odd"), "banana").unwrap();
    let (_master, console) = tty();
    let reset = |text: &str| ("reset", text.to_owned());
    let gpio = |chip: &str| {
        format!("driver = \"gpiochip\"\nchip = \"{chip}\"\nline = 4\nactive = \"low\"")
    };
    let cases = [
        reset(&gpio("/dev/gpiochip-none")),
        reset(&file("no-such-folder/reset")),
        reset(
            "driver = \"command\"\non = [\"no-such-psu\", \"1\"]\noff = [\"no-such-psu\", \"0\"]",
        ),
        ("power_good", file("odd")),
        ("power_good", file("absent")),
    ];
    let mut all = String::new();
    for (section, text) in cases {
        for line in ["vbat", "pwrkey"] {
            std::fs::write(at(line), "as it was").unwrap();
        }
        let port = free_port();
        let text = format!(
            "[console]\npath = '{console}'\nbaud = 115200\n[supply]\n{}\n[pwrkey]\n{}\n[{section}]\n{text}\n\
             [server]\nlisten = '127.0.0.1:{port}'\nurl = 'http://127.0.0.1:{port}'\n",
            file("vbat"),
            file("pwrkey"),
        );
        std::fs::write(at("bench.toml"), text).unwrap();
        let done = run(folder.path(), "bench.toml");
        for line in ["vbat", "pwrkey"] {
            assert_eq!(
                std::fs::read_to_string(at(line)).unwrap(),
                "as it was",
                "{done}"
            );
        }
        assert_eq!(done.stdout, "", "{done}");
        writeln!(all, "exit {:?}\n{}", done.code, done.stderr).unwrap();
    }
    // Which chips there are instead is this machine's affair.
    let chips = all
        .find("gpiochip-none`: ")
        .map(|at| at + "gpiochip-none`: ".len());
    let chips = chips
        .and_then(|at| Some(all[at..].lines().next()?.to_owned()))
        .unwrap();
    let all = all.replace(&chips, "{the chips that there are}");
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("not_had", all);
    });
}

#[test]
fn an_adapter_that_is_not_plugged_in_is_shown_where_the_file_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[console]\npath = '/dev/ttyUSB-none'\nbaud = 115200\n[supply]\ndriver = \"file\"\npath = 'vbat'\n\
         [server]\nlisten = '127.0.0.1:8080'\nurl = 'http://127.0.0.1:8080'\n";
    std::fs::write(folder.path().join("bench.toml"), text).unwrap();
    let done = run(folder.path(), "bench.toml");
    assert_eq!(done.code, Some(105), "{done}");
    assert!(done.stderr.contains("bench.toml:2:8"), "{done}");
    assert!(done.stderr.contains("is the adapter plugged in"), "{done}");
    assert!(!folder.path().join("vbat").exists(), "{done}");
}
