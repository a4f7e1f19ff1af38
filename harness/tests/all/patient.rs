//! A rig of real paths with a virtual module in a process of its own behind it, to be examined.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::module_process;
use crate::process::{Running, files_named, free_port, hil};

/// What a healthy rig is made of, to be broken.
#[derive(Debug)]
pub(crate) struct Healthy {
    dir: tempfile::TempDir,
    module: Vec<String>,
}

/// A rig with its module. The module ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Patient {
    dir: tempfile::TempDir,
    modules: Vec<Child>,
}

impl Healthy {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut module: Vec<String> = ["--baud", "115200", "--speed", "20"]
            .map(str::to_owned)
            .into();
        for (option, file) in [
            ("--link", "console"),
            ("--vbat", "vbat"),
            ("--pwrkey", "pwrkey"),
            ("--reset", "reset"),
            ("--vdd-ext", "vdd"),
        ] {
            module.push(option.to_owned());
            module.push(dir.path().join(file).display().to_string());
        }
        for (file, level) in [
            ("vbat", "0"),
            ("pwrkey", "0"),
            ("reset", "0"),
            ("vdd", "0"),
            ("nothing", "0"),
        ] {
            std::fs::write(dir.path().join(file), level).unwrap();
        }
        Self { dir, module }
    }

    /// With these options of `hil module` instead of those that a healthy one has.
    pub(crate) fn with(self, options: &[&str]) -> Self {
        let mut healthy = options
            .iter()
            .step_by(2)
            .fold(self, |patient, option| patient.take_out(option));
        healthy
            .module
            .extend(options.iter().map(|&option| option.to_owned()));
        healthy
    }

    /// Without an option of `hil module`, on a healthy rig file.
    pub(crate) fn without(self, option: &str) -> Patient {
        self.take_out(option).rig(str::to_owned)
    }

    fn take_out(mut self, option: &str) -> Self {
        if let Some(at) = self.module.iter().position(|given| given == option) {
            self.module.drain(at..at + 2);
        }
        self
    }

    /// Starts it, with its rig file changed. `<dir>` stands for the folder in the rig file.
    pub(crate) fn rig(self, change: impl Fn(&str) -> String) -> Patient {
        let at = self.dir.path().display().to_string();
        let text = change(&rig_file()).replace("<dir>", &at);
        std::fs::write(self.dir.path().join("rig.toml"), text).unwrap();
        let mut modules = vec![module(&self.module)];
        // And a console with nothing powered behind it.
        let other = |file: &str| self.dir.path().join(file).display().to_string();
        let options = ["--link", &other("other"), "--vbat", &other("nothing")];
        modules.push(module(&options.map(str::to_owned)));
        Patient {
            dir: self.dir,
            modules,
        }
    }
}

fn module(options: &[String]) -> Child {
    let mut hil = Command::new(env!("CARGO_BIN_EXE_hil"));
    let (child, said) = module_process::start(hil.arg("module").args(options));
    assert!(said.starts_with("/dev/"), "`hil module` said `{said}`");
    child
}

fn rig_file() -> String {
    let port = free_port();
    format!(
        r#"[module]
model = "BC26"
imei = "860000000000000"
may_cut_while_updating = true
boots_within = "4s"

[console]
path = '<dir>/console'
baud = 115200

[supply]
driver = 'file' # supply
path = '<dir>/vbat'
on = '1' # supply
off = '0' # supply
off_for = "300ms"

[pwrkey]
driver = 'file' # pwrkey
path = '<dir>/pwrkey'
pulse = "700ms"

[reset]
driver = 'file' # reset
path = '<dir>/reset'
pulse = "100ms"

[power_good]
driver = 'file' # power_good
path = '<dir>/vdd'

[server]
listen = "127.0.0.1:{port}"
url = "http://127.0.0.1:{port}"
"#
    )
}

impl Patient {
    /// Where its files are.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether the supply is asserted, as the line that the rig file names says.
    pub(crate) fn is_powered(&self) -> bool {
        let rig = std::fs::read_to_string(self.file("rig.toml")).unwrap();
        let inverted = rig.contains("off = '1'");
        let level = std::fs::read(self.file("vbat")).unwrap();
        level.first() == Some(if inverted { &b'0' } else { &b'1' })
    }

    /// What was said on the wire, for a person who must understand a failure.
    pub(crate) fn wire_log(&self) -> String {
        files_named(&self.file("evidence"), "wire.log")
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .collect()
    }

    /// Waits until its power is gone, which must come: some rigs let go of it late.
    pub(crate) fn wait_until_off(&self, name: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.is_powered() {
            assert!(Instant::now() < end, "{name}: left powered");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Begins to examine it.
    pub(crate) fn doctor(&self, options: &[&str]) -> Running {
        self.doctor_with_state(".", options)
    }

    /// The same, by somebody who keeps state elsewhere.
    pub(crate) fn doctor_with_state(&self, state: &str, options: &[&str]) -> Running {
        let mut hil = hil(&self.path().join(state));
        hil.arg("doctor")
            .args(options)
            .arg("--rig")
            .arg(self.file("rig.toml"))
            .arg("--evidence")
            .arg(self.file("evidence"));
        Running::start(&mut hil)
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        for module in &mut self.modules {
            let _ = module.kill();
            let _ = module.wait();
        }
    }
}
