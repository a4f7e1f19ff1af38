//! A foreign module on a bench of real paths, for `hil` to be run on.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::module_process;
use crate::process::{Done, Running, files_named, free_port, hil};
use crate::skipped::skipped;

/// How VBAT and PWRKEY are driven.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lines {
    /// Plain files, by the `file` driver.
    Files,
    /// FIFOs, by the `file` driver.
    Fifos,
    /// Programs that write the files, by the `command` driver.
    Programs,
}

/// A foreign module on its bench. Its files go, and it ends, when this is dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    module: Child,
    dir: tempfile::TempDir,
}

/// Whether these tests can run; where they cannot, that is said.
pub(crate) fn python_is_there() -> bool {
    let there = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        skipped("no `python3` on this machine, so no foreign module was tested");
    }
    there
}

/// The rig file of a bench whose console is a tty at 115,200 Bd, with the keys of its two lines.
pub(crate) fn rig_file(console: &str, supply: &str, pwrkey: &str) -> String {
    format!(
        r#"[module]
model = "BC26"
may_cut_while_updating = true

[console]
path = '{console}'
baud = 115200

[supply]
{supply}
off_for = "200ms"

[pwrkey]
{pwrkey}
pulse = "600ms"

[server]
listen = "127.0.0.1:{port}"
url = "http://127.0.0.1:{port}"
"#,
        port = free_port(),
    )
}

impl Bench {
    /// Starts `module.py` with `options`, and writes the rig file of its bench.
    pub(crate) fn set(lines: Lines, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["vbat", "pwrkey"] {
            let path = dir.path().join(name);
            match lines {
                Lines::Fifos => {
                    let made = Command::new("mkfifo").arg(&path).status().unwrap();
                    assert!(made.success(), "mkfifo ended with {made}");
                }
                Lines::Files | Lines::Programs => std::fs::write(&path, "0").unwrap(),
            }
        }
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (module, said) = module_process::start(
            Command::new("python3")
                .arg("-B") // leaves no `__pycache__` in the checkout
                .arg(project.join("tests/all/foreign/module.py"))
                .arg("--console")
                .arg(dir.path().join("console"))
                .arg("--vbat")
                .arg(dir.path().join("vbat"))
                .arg("--pwrkey")
                .arg(dir.path().join("pwrkey"))
                .arg("--manifest")
                .arg(project.join("../fixtures/packages/manifest.toml"))
                .args(options),
        );
        let bench = Self { module, dir };
        assert_eq!(said, "ready\n", "`module.py` did not start");
        bench.copy_scenarios();
        std::fs::write(bench.rig(), bench.rig_file(lines)).unwrap();
        bench
    }

    /// The scenarios in a folder of their own, so that a test leaves no pending snapshot in the
    /// project; and with shorter deadlines, since these modules are quick and some never come.
    fn copy_scenarios(&self) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let to = self.scenarios();
        std::fs::create_dir_all(to.join("accepted")).unwrap();
        for name in [
            "update",
            "power-cut",
            "power-cut-while-downloading",
            "mismatched-package",
            "invalid-package",
        ] {
            let text = std::fs::read_to_string(from.join(format!("{name}.toml"))).unwrap();
            let text = text.replace(r#""15m""#, r#""20s""#);
            let text = text.replace(r#""20m""#, r#""20s""#);
            std::fs::write(to.join(format!("{name}.toml")), text).unwrap();
        }
        for entry in std::fs::read_dir(from.join("accepted")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join("accepted").join(path.file_name().unwrap())).unwrap();
        }
    }

    /// Where things of this bench are.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn scenarios(&self) -> PathBuf {
        self.path().join("scenarios")
    }

    /// The rig file.
    pub(crate) fn rig(&self) -> PathBuf {
        self.path().join("rig.toml")
    }

    fn rig_file(&self, lines: Lines) -> String {
        let at = |name: &str| self.path().join(name).display().to_string();
        let line = |name: &str| match lines {
            Lines::Files | Lines::Fifos => format!("driver = \"file\"\npath = '{}'", at(name)),
            Lines::Programs => {
                // Opened for both, the file is never empty in between.
                let write = |value: &str| {
                    let path = at(name);
                    format!(r#"["sh", "-c", 'printf {value} 1<> "$0"', '{path}']"#)
                };
                let (on, off) = (write("1"), write("0"));
                format!("driver = \"command\"\non = {on}\noff = {off}")
            }
        };
        rig_file(&at("console"), &line("vbat"), &line("pwrkey"))
    }

    /// Runs `hil` on this bench to its end.
    pub(crate) fn hil(&self, arguments: &[&str]) -> Done {
        self.start(arguments).finish()
    }

    /// Starts `hil` on this bench.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut hil = hil(self.path());
        hil.args(arguments)
            .arg("--rig")
            .arg(self.rig())
            .arg("--scenario-dir")
            .arg(self.scenarios())
            .arg("--evidence")
            .arg(self.path().join("evidence"));
        Running::start(&mut hil)
    }

    /// What was said on the wire in the last case, for a person who must understand a failure.
    pub(crate) fn wire_log(&self) -> String {
        let mut logs = files_named(&self.path().join("evidence"), "wire.log");
        logs.sort();
        logs.last()
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.module.kill();
        let _ = self.module.wait();
    }
}
