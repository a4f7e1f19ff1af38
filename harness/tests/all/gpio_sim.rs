//! A whole run through GPIO lines: `hil` drives a chip that the kernel simulates, and `hil module`
//! follows its lines. `just gpio-sim` runs this; without such a chip it says that it was skipped.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::process::{Running, free_port, hil};
use crate::skipped::skipped;

/// The module behind the simulated lines. It ends when this is dropped.
struct Module(Child);

impl Module {
    /// Starts it, and waits until its console is there.
    fn start(dir: &Path, lines: &Path) -> Self {
        let at = |line: u32, what: &str| lines.join(format!("sim_gpio{line}/{what}"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_hil"))
            .args(["module", "--baud", "115200", "--speed", "20"])
            .arg("--link")
            .arg(dir.join("console"))
            .arg("--vbat")
            .arg(at(0, "value"))
            .arg("--pwrkey")
            .arg(at(1, "value"))
            .arg("--vdd-ext")
            .arg(at(2, "pull"))
            .args(["--vdd-ext-up", "pull-up", "--vdd-ext-down", "pull-down"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut tty = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut tty).unwrap();
        assert!(tty.starts_with("/dev/pts/"), "`hil module` said `{tty}`");
        Self(child)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The simulated chip, where its lines are shown, and where to leave evidence; said where absent.
fn sim() -> Option<(String, PathBuf, PathBuf)> {
    let variable = |name| std::env::var(name).ok();
    let sim = (|| {
        Some((
            variable("GPIO_SIM_CHIP")?,
            PathBuf::from(variable("GPIO_SIM_DIR")?),
            PathBuf::from(variable("GPIO_SIM_OUT")?),
        ))
    })();
    if sim.is_none() {
        skipped("no simulated GPIO chip: `just gpio-sim` brings one");
    }
    sim
}

fn rig_file(chip: &str, console: &Path) -> String {
    format!(
        r#"[module]
model = "BC26"
imei = "860000000000000"
may_cut_while_updating = true

[console]
path = "{console}"
baud = 115200

[supply]
driver = "gpiochip"
chip = "hil-bench"
line = "VBAT"
active = "high"
off_for = "200ms"

[pwrkey]
driver = "gpiochip"
chip = "{chip}"
line = 1
active = "high"

[power_good]
driver = "gpiochip"
chip = "{chip}"
line = 2
active = "high"

[server]
listen = "127.0.0.1:{port}"
url = "http://127.0.0.1:{port}"
"#,
        console = console.display(),
        port = free_port(),
    )
}

#[test]
fn a_cut_through_gpio_lines_is_proved_and_the_module_recovers() {
    let Some((chip, lines, out)) = sim() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let _module = Module::start(dir.path(), &lines);
    let rig = dir.path().join("rig.toml");
    std::fs::write(&rig, rig_file(&chip, &dir.path().join("console"))).unwrap();
    let mut run = hil(dir.path());
    run.args(["run", "power-cut@37", "--format", "json", "--evidence"])
        .arg(out.join("evidence"))
        .arg("--rig")
        .arg(&rig);
    let done = Running::start(&mut run).finish();

    assert_eq!(done.code, Some(0), "{done}");
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    let case = &document["cases"][0];
    assert_eq!(case["verdict"], "pass", "{done}");
    assert_eq!(case["virtual"], false, "{done}");
    let proof = case["faults"].to_string();
    for said in ["reads back as off", "rail down after"] {
        assert!(proof.contains(said), "no `{said}` in {proof}");
    }
    // The kernel told of the fall.
    let cut = &case["faults"][0]["cut"];
    assert_eq!(cut["rail_by_edge"], true, "{cut}");
    // The run has ended, so nobody holds the supply, and its pull has it.
    let vbat = std::fs::read_to_string(lines.join("sim_gpio0/value")).unwrap();
    assert_eq!(vbat.trim(), "0");
}
