//! The virtual module in a process of its own, behind files: a bench of real paths that outlives
//! whoever runs on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;

use crate::module_process;
use crate::process::{Done, Running, files_named, hil};

/// How VBAT and PWRKEY are driven.
#[derive(Clone, Debug)]
pub(crate) enum Lines {
    /// Plain files, by the `file` driver.
    Files,
    /// Lines 0 and 1 of a chip of the kernel's gpio-sim, by the `gpiochip` driver; the module
    /// follows their values below this folder.
    GpioSim { chip: String, dir: PathBuf },
}

impl Lines {
    /// A gpio-sim chip, where this process runs beside one (`rig/gpio-sim`).
    pub(crate) fn gpio_sim() -> Option<Self> {
        Some(Self::GpioSim {
            chip: std::env::var("GPIO_SIM_CHIP").ok()?,
            dir: std::env::var_os("GPIO_SIM_DIR")?.into(),
        })
    }

    /// What the module follows for the line of this number.
    fn level(&self, dir: &Path, number: usize) -> PathBuf {
        match self {
            Self::Files => dir.join(["vbat", "pwrkey"][number]),
            Self::GpioSim { dir, .. } => dir.join(format!("sim_gpio{number}/value")),
        }
    }

    /// The keys of a rig file for the line of this number.
    fn keys(&self, dir: &Path, number: usize) -> String {
        match self {
            Self::Files => {
                let path = self.level(dir, number).display().to_string();
                format!("driver = \"file\"\npath = '{path}'")
            }
            Self::GpioSim { chip, .. } => format!(
                "driver = \"gpiochip\"\nchip = \"{chip}\"\nline = {number}\nactive = \"high\""
            ),
        }
    }
}

/// A module on its bench. Its files go, and it ends, when this is dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    module: Child,
    dir: tempfile::TempDir,
    lines: Lines,
}

impl Bench {
    /// Starts a module that lives `speed` times faster than one of the field.
    pub(crate) fn set(speed: u32) -> Self {
        Self::set_behind(Lines::Files, speed)
    }

    /// The same behind other lines.
    pub(crate) fn set_behind(lines: Lines, speed: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if matches!(lines, Lines::Files) {
            for name in ["vbat", "pwrkey"] {
                std::fs::write(dir.path().join(name), "0").unwrap();
            }
        }
        let (module, tty) = module_process::start(
            Command::new(env!("CARGO_BIN_EXE_hil"))
                .args(["module", "--baud", "115200"])
                .args(["--speed", &speed.to_string()])
                .arg("--link")
                .arg(dir.path().join("console"))
                .arg("--vbat")
                .arg(lines.level(dir.path(), 0))
                .arg("--pwrkey")
                .arg(lines.level(dir.path(), 1)),
        );
        assert!(tty.starts_with("/dev/"), "`hil module` said `{tty}`");
        let bench = Self { module, dir, lines };
        bench.write_rig_file(&bench.lines.keys(bench.path(), 0));
        bench
    }

    /// Writes the rig file, with these keys for the supply.
    pub(crate) fn write_rig_file(&self, supply: &str) {
        let at = |name: &str| self.path().join(name).display().to_string();
        let text = crate::bench::rig_file(&at("console"), supply, &self.lines.keys(self.path(), 1));
        std::fs::write(self.rig(), text).unwrap();
    }

    /// Where things of this bench are.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The rig file.
    pub(crate) fn rig(&self) -> PathBuf {
        self.path().join("rig.toml")
    }

    /// Whether the supply is asserted.
    pub(crate) fn is_powered(&self) -> bool {
        let level = std::fs::read(self.lines.level(self.path(), 0)).unwrap();
        level.first() == Some(&b'1')
    }

    /// `hil` with the state of this bench.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = hil(self.path());
        command.args(arguments).arg("--rig").arg(self.rig());
        command
    }

    /// Starts `hil run`, with the evidence in a folder of this name.
    pub(crate) fn start(&self, evidence: &str, arguments: &[&str]) -> Running {
        let mut command = self.command(&["run", "--no-snapshots"]);
        command
            .args(arguments)
            .arg("--evidence")
            .arg(self.path().join(evidence));
        Running::start(&mut command)
    }

    /// Runs `hil run` to its end.
    pub(crate) fn run(&self, evidence: &str, arguments: &[&str]) -> Done {
        self.start(evidence, arguments).finish()
    }

    /// What the guardian of a run says so far.
    pub(crate) fn guardian(&self, evidence: &str) -> Vec<Value> {
        let logs = files_named(&self.path().join(evidence), "guardian.jsonl");
        let text = logs.first().map(std::fs::read_to_string);
        let text = text.and_then(Result::ok).unwrap_or_default();
        // Its last line may be half written.
        let lines = text.lines().map(serde_json::from_str);
        lines.filter_map(Result::ok).collect()
    }

    /// Ends the module.
    pub(crate) fn lose_module(&mut self) {
        let _ = self.module.kill();
        let _ = self.module.wait();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.lose_module();
    }
}
