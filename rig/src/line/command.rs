//! The `command` driver: a program switches the line, such as a laboratory supply's client.

use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Driver, LineErrorKind};

/// How long a program may take. A supply that needs longer is no supply to cut with.
const PROGRAM_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes kept of what a program prints.
const SAID_LEN_MAX: u64 = 4096;

/// A line switched by programs: argument lists, no shell.
#[derive(Debug)]
pub struct CommandLine {
    on: Vec<String>,
    off: Vec<String>,
    read: Vec<String>,
}

impl CommandLine {
    /// The argument lists that assert, release and read the line; an empty list means there is
    /// none.
    #[must_use]
    pub fn new(on: &[String], off: &[String], read: &[String]) -> Self {
        Self {
            on: on.to_vec(),
            off: off.to_vec(),
            read: read.to_vec(),
        }
    }
}

/// Looks for a program as the system does when it starts one, and does not start it.
pub(super) fn find(argv: &[String]) -> Result<(), LineErrorKind> {
    let Some(program) = argv.first() else {
        return Ok(());
    };
    let is_there = |path: &Path| {
        let meta = path.metadata();
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let found = if program.contains('/') {
        is_there(Path::new(program))
    } else {
        let dirs = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&dirs).any(|dir| is_there(&dir.join(program)))
    };
    if found {
        return Ok(());
    }
    Err(LineErrorKind::Program {
        program: program.clone(),
        source: io::Error::new(io::ErrorKind::NotFound, "no such program"),
    })
}

impl Driver for CommandLine {
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind> {
        let (key, argv) = if asserted {
            ("on", &self.on)
        } else {
            ("off", &self.off)
        };
        run(key, argv).map(drop)
    }

    fn lingers(&self) -> Duration {
        PROGRAM_LIMIT
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        if self.read.is_empty() {
            return Ok(None);
        }
        match run("read", &self.read)?.trim() {
            "1" => Ok(Some(true)),
            "0" => Ok(Some(false)),
            other => Err(LineErrorKind::NeitherValue {
                found: other.escape_debug().to_string(),
                asserted: "1".to_owned(),
                released: "0".to_owned(),
            }),
        }
    }
}

/// Runs one program to its end and returns what it printed.
fn run(key: &'static str, argv: &[String]) -> Result<String, LineErrorKind> {
    let [program, arguments @ ..] = argv else {
        return Err(LineErrorKind::NoCommand { key });
    };
    let mut child = Command::new(program)
        .args(arguments)
        // Ctrl-C is for whoever runs it, and must not end a program in the middle of its work.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| LineErrorKind::Program {
            program: program.clone(),
            source,
        })?;
    // Each pipe is read by a thread of its own, so that a program that prints much cannot
    // block on a full pipe; what is beyond the bound is read and dropped. The threads are not
    // joined: a grandchild may hold the pipe open long after the program has ended.
    let printed = child.stdout.take().map(drain);
    let said = child.stderr.take().map(drain);
    let end = Instant::now() + PROGRAM_LIMIT;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(LineErrorKind::Overdue {
                    program: argv.join(" "),
                    limit: PROGRAM_LIMIT,
                });
            }
            Err(source) => {
                return Err(LineErrorKind::Program {
                    program: program.clone(),
                    source,
                });
            }
        }
    };
    if !status.success() {
        return Err(LineErrorKind::Refused {
            program: argv.join(" "),
            status,
            said: collect(said).trim().escape_debug().to_string(),
        });
    }
    Ok(collect(printed))
}

type Drained = std::sync::mpsc::Receiver<Vec<u8>>;

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> Drained {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = pipe.by_ref().take(SAID_LEN_MAX).read_to_end(&mut kept);
        let _ = sender.send(kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    });
    receiver
}

fn collect(drained: Option<Drained>) -> String {
    let kept = drained.and_then(|d| d.recv_timeout(Duration::from_millis(200)).ok());
    String::from_utf8_lossy(&kept.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn a_program_that_ends_with_zero_switches_the_line() {
        let mut line = CommandLine::new(&words(&["true"]), &words(&["false"]), &[]);
        line.drive(true).unwrap();
        assert!(matches!(
            line.drive(false),
            Err(LineErrorKind::Refused { .. })
        ));
        assert_eq!(line.read().unwrap(), None);
    }

    #[test]
    fn arguments_reach_the_program_as_they_are() {
        let read = words(&["printf", "%s\n", "1"]);
        assert_eq!(
            CommandLine::new(&[], &[], &read).read().unwrap(),
            Some(true)
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let mut line = CommandLine::new(&words(&["/no/such/psu", "on"]), &[], &[]);
        let error = line.drive(true).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `/no/such/psu`");
    }
}
