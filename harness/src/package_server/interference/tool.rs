//! The system's own programs: run, and heard when they complain.

use std::io;
use std::process::{Command, Stdio};

/// Runs a program to its end, and returns what it printed.
pub(super) fn run(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing(program, package_of(program), error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().next().unwrap_or("nothing").trim();
    Err(io::Error::other(format!(
        "`{program} {}` says `{}`",
        arguments.join(" "),
        line.escape_default()
    )))
}

/// That a program is not there, in words that help.
pub(super) fn missing(program: &str, package: &str, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return io::Error::new(
            error.kind(),
            format!(
                "there is no `{program}` on this machine (Debian: `apt-get install {package}`)"
            ),
        );
    }
    error
}

fn package_of(program: &str) -> &'static str {
    match program {
        "nft" => "nftables",
        "tc" | "ip" => "iproute2",
        _ => "util-linux",
    }
}
