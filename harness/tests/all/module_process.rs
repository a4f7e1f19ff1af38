//! A module in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Starts it, and waits for its first line: what it says as soon as it can be talked to.
pub(crate) fn start(command: &mut Command) -> (Child, String) {
    let mut module = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let stdout = module.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    (module, said)
}
