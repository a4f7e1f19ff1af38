//! Runs `hil` as a process of its own, with a deadline.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// No run of these tests takes longer, on whatever machine: what does is a hang.
const RUN_LIMIT: Duration = Duration::from_secs(300);
/// How often is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// `hil`, in the project's folder, with state of its own below `state` and nothing from the
/// environment that could change what it does.
pub(crate) fn hil(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hil"));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("HIL_STATE", state.join("state"))
        .env_remove("HIL_RIG")
        .env("COLUMNS", "100")
        .stdin(Stdio::null());
    command
}

/// The same command, begun by a shell that ignores a signal, which its programs then do too.
pub(crate) fn ignoring(signal: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("trap '' {signal}; exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// What a process left.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// All of its standard output.
    pub(crate) stdout: String,
    /// All of its standard error.
    pub(crate) stderr: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {:?}", self.code)?;
        writeln!(
            f,
            "--- stdout\n{}--- stderr\n{}---",
            self.stdout, self.stderr
        )
    }
}

/// A process that is not over yet.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: std::thread::JoinHandle<String>,
    stderr: std::thread::JoinHandle<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: drain(child.stdout.take().unwrap()),
            stderr: drain(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a signal does not simply end it: until then it has touched nothing.
    pub(crate) fn wait_until_it_listens(&mut self) {
        let status = format!("/proc/{}/status", self.id());
        self.wait_until("it listens to signals", || {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            caught.is_some_and(|mask| mask & (1 << 1) != 0) // SIGINT
        });
    }

    /// What Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        let id = i32::try_from(self.id()).ok();
        let id = id.and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    }

    /// Ends it as nothing can be caught that ends it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits until the process has done something, which it must before it ends.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + RUN_LIMIT;
        while !is_so() {
            let over = self.child.try_wait().unwrap();
            assert!(over.is_none(), "`hil` ended with {over:?} before {what}");
            assert!(Instant::now() < end, "waited in vain for {what}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for its end, which must come.
    pub(crate) fn finish(mut self) -> Done {
        let end = Instant::now() + RUN_LIMIT;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() >= end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break None;
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let (stdout, stderr) = (self.stdout.join().unwrap(), self.stderr.join().unwrap());
        let Some(status) = code else {
            panic!("`hil` hangs:\n{stdout}\n{stderr}");
        };
        Done {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The files of a name in and below a folder.
pub(crate) fn files_named(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_named(&path, name));
        } else if path.file_name().is_some_and(|file| file == name) {
            found.push(path);
        }
    }
    found
}
