//! What a rig is before it is powered: locked, its console open, its lines claimed.

use std::path::{Path, PathBuf};

use rig::config::{Bench, InputLine, LineName, OutputLine, RealBench, RigFile};
use rig::{Rig, RigError};

use super::{failed, passed, skipped};
use crate::doctor::{Look, Outcome, What};
use crate::report::chain;

/// What opening the rig proves, up to the first thing that it refutes.
pub(super) fn opened(file: &RigFile, opened: &Result<Rig, RigError>) -> Vec<(What, Outcome)> {
    let steps = [
        (What::Lock, lock(file, opened)),
        (What::Console, console(file, opened)),
        (What::Lines, lines(file, opened)),
    ];
    let mut taken = Vec::new();
    for (what, outcome) in steps {
        let over = matches!(outcome, Outcome::Failed { .. });
        taken.push((what, outcome));
        if over {
            break;
        }
    }
    taken
}

fn lock(file: &RigFile, opened: &Result<Rig, RigError>) -> Outcome {
    if file.is_virtual() {
        return skipped("each virtual module belongs to the run that makes it");
    }
    let look = |saw: String| Look {
        did: "locked the rig for this process".to_owned(),
        saw,
        expected: "a rig that nobody has".to_owned(),
        ..Look::default()
    };
    match opened {
        Err(RigError::Lock(e)) => failed(
            look(chain(e)),
            [
                "end the other process, or wait for it",
                "where the lock's file cannot be made: who owns the folder, or name another by HIL_STATE",
            ],
        ),
        _ => passed(look("it is ours".to_owned())),
    }
}

fn console(file: &RigFile, opened: &Result<Rig, RigError>) -> Outcome {
    let look = |saw: String| Look {
        did: format!(
            "opened the console at {} baud, for us alone",
            file.baud.rate()
        ),
        saw,
        expected: "a tty, by a name that stays with its adapter".to_owned(),
        ..Look::default()
    };
    let Bench::Real(bench) = &file.bench else {
        return match opened {
            Ok(rig) => passed(look(format!(
                "the virtual module's own pty, `{}`",
                rig.console.path().display()
            ))),
            Err(e) => failed(look(chain(e)), ["whether this machine has ptys left"]),
        };
    };
    if let Err(RigError::Console(e)) = opened {
        return failed(
            look(chain(e)),
            [
                "`ls -l /dev/serial/by-id`: is the adapter there, and under this name?",
                "`fuser -v` on the console: does another program have it? A getty and ModemManager take what they find",
                "`ls -lL` on the console: may this user (group dialout) open it?",
            ],
        );
    }
    passed(look(tty(&bench.console)))
}

/// What is known of a tty by its path: where its name leads, and which adapter it is of.
fn tty(path: &Path) -> String {
    let mut saw = format!("`{}`", path.display());
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if real != path {
        saw.push_str(&format!(", which is `{}`", real.display()));
    }
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    if real.starts_with("/dev/pts") {
        saw.push_str(": a pseudo-terminal, so some other program is the module");
    } else if let Some(adapter) = adapter(&name) {
        saw.push_str(&format!(": {adapter}"));
    }
    if let Some(advice) = rig::console::advice(path) {
        saw.push_str(&format!("; {advice}"));
    }
    saw
}

/// The USB adapter of a tty: what sysfs says of it.
fn adapter(tty: &str) -> Option<String> {
    let device = PathBuf::from("/sys/class/tty").join(tty).join("device");
    let device = device.canonicalize().ok()?;
    let usb = device
        .ancestors()
        .find(|dir| dir.join("idVendor").is_file())?;
    let says = |what: &str| {
        std::fs::read_to_string(usb.join(what))
            .ok()
            .map(|text| text.trim().escape_debug().to_string())
            .filter(|text| !text.is_empty())
    };
    let mut text = format!("USB {}:{}", says("idVendor")?, says("idProduct")?);
    for what in ["manufacturer", "product"] {
        if let Some(said) = says(what) {
            text.push_str(&format!(" {said}"));
        }
    }
    match says("serial") {
        Some(serial) => text.push_str(&format!(", serial number {serial}")),
        None => text.push_str(", without a serial number: two such adapters can be mistaken for each other, so name it by /dev/serial/by-path"),
    }
    Some(text)
}

fn lines(file: &RigFile, opened: &Result<Rig, RigError>) -> Outcome {
    let look = |saw: String| Look {
        did: "claimed every line of the rig file".to_owned(),
        saw,
        expected: "lines that are there and that nobody else holds".to_owned(),
        ..Look::default()
    };
    if let Err(RigError::Line(e)) = opened {
        return failed(
            look(chain(e)),
            [
                "`gpioinfo` for a GPIO: is the line there, and who holds it?",
                "the user's groups (gpio), and the udev rule for the chip",
                "the path of a file or a program in the rig file",
            ],
        );
    }
    passed(look(match &file.bench {
        Bench::Virtual(bench) => {
            let mut names = vec!["supply"];
            names.extend(bench.pwrkey.map(|_| "pwrkey"));
            names.extend(bench.reset.map(|_| "reset"));
            names.extend(bench.power_good.then_some("power_good"));
            format!("{} of the virtual module", names.join(", "))
        }
        Bench::Real(bench) => real_lines(bench),
    }))
}

fn real_lines(bench: &RealBench) -> String {
    let mut lines = vec![format!("supply on {}", output(&bench.supply))];
    let outputs = [
        ("pwrkey", bench.pwrkey.as_ref().map(|pulsed| &pulsed.line)),
        ("reset", bench.reset.as_ref().map(|pulsed| &pulsed.line)),
        ("console_enable", bench.console_enable.as_ref()),
    ];
    for (name, line) in outputs {
        lines.extend(line.map(|line| format!("{name} on {}", output(line))));
    }
    lines.extend(
        bench
            .power_good
            .as_ref()
            .map(|line| format!("power_good on {}", input(line))),
    );
    lines.join("; ")
}

fn output(line: &OutputLine) -> String {
    match line {
        OutputLine::Rppal(pin) => format!("BCM {}", pin.line),
        OutputLine::Gpiochip { chip, pin } => gpio(chip, &pin.line),
        OutputLine::Command { on, .. } => program(on),
        OutputLine::File(file) => format!("`{}`", file.path.display()),
    }
}

fn input(line: &InputLine) -> String {
    match line {
        InputLine::Rppal(pin) => format!("BCM {}", pin.line),
        InputLine::Gpiochip { chip, pin } => gpio(chip, &pin.line),
        InputLine::Command { read } => program(read),
        InputLine::File(file) => format!("`{}`", file.path.display()),
    }
}

fn gpio(chip: &str, line: &LineName) -> String {
    match line {
        LineName::Offset(offset) => format!("`{chip}` line {offset}"),
        LineName::Name(name) => format!("`{chip}` line `{name}`"),
    }
}

fn program(words: &[String]) -> String {
    format!("the program `{}`", words.first().map_or("", String::as_str))
}
