//! Which wire a line's section means, so that one wire is not given to two lines.
//!
//! What the file says is compared, and whether two paths are one file. Two names of one wire that
//! only a driver knows, a chip's path and its label, are found when the second line is claimed.

use std::fmt;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::form::{DeedForm, DriverForm, LineForm, LineNameForm};
use super::line::CHIP;

/// What the chip of a Raspberry Pi's header is called: its path, which was `gpiochip4` on a Pi 5
/// for a while (raspberrypi/linux PR 6144), or its label.
const PI_CHIPS: [&str; 5] = [
    "/dev/gpiochip0",
    "/dev/gpiochip4",
    "pinctrl-bcm2835",
    "pinctrl-bcm2711",
    "pinctrl-rp1",
];

/// A wire, as a rig file names it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    /// A pin of a Raspberry Pi, by its BCM number.
    Pin(u32),
    /// A line of a chip.
    Line(&'a str, &'a LineNameForm),
    /// A file.
    File(&'a Path),
    /// What a program switches or reads.
    Program(&'a [String]),
}

impl<'a> Wire<'a> {
    /// The wire of a section, and where it is named.
    pub(super) fn of(form: &'a LineForm) -> Option<(Self, Range<usize>)> {
        match form.driver.get_ref() {
            DriverForm::Rppal => {
                let line = form.line.as_ref()?;
                let LineNameForm::Offset(pin) = line.get_ref() else {
                    return None;
                };
                Some((Self::Pin(*pin), line.span()))
            }
            DriverForm::Gpiochip => {
                let line = form.line.as_ref()?;
                let chip = form.chip.as_ref().map_or(CHIP, |chip| chip.get_ref());
                Some((Self::Line(chip, line.get_ref()), line.span()))
            }
            DriverForm::File => {
                let path = form.path.as_ref()?;
                Some((Self::File(Path::new(path.get_ref())), path.span()))
            }
            DriverForm::Command => {
                if let Some(read) = &form.read {
                    return Some((Self::Program(read.get_ref()), read.span()));
                }
                let on = form.on.as_ref()?;
                let DeedForm::Program(words) = on.get_ref() else {
                    return None;
                };
                Some((Self::Program(words), on.span()))
            }
            DriverForm::Virtual => None,
        }
    }

    /// Whether both are one wire; relative paths start in `folder`.
    pub(super) fn is(&self, other: &Self, folder: &Path) -> bool {
        match (*self, *other) {
            (Self::Pin(a), Self::Pin(b)) => a == b,
            (Self::Pin(pin), Self::Line(chip, line)) | (Self::Line(chip, line), Self::Pin(pin)) => {
                PI_CHIPS.contains(&chip) && is_pin(line, pin)
            }
            (Self::Line(chip, line), Self::Line(other_chip, other_line)) => {
                chip == other_chip && is_one_line(chip, line, other_line)
            }
            (Self::File(a), Self::File(b)) => is_one_file(&folder.join(a), &folder.join(b)),
            (Self::Program(a), Self::Program(b)) => a == b,
            _ => false,
        }
    }
}

/// By their parts, so that `/tmp/./x` is `/tmp/x`, also where there is none yet; and by what they lead
/// to, so that a link to a tty is that tty.
fn is_one_file(a: &Path, b: &Path) -> bool {
    let file = |path: &Path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    };
    a.components().eq(b.components()) || file(a).is_some_and(|a| file(b) == Some(a))
}

fn is_one_line(chip: &str, a: &LineNameForm, b: &LineNameForm) -> bool {
    match (a, b) {
        (LineNameForm::Name(a), LineNameForm::Name(b)) => a == b,
        (LineNameForm::Offset(pin), line) | (line, LineNameForm::Offset(pin)) => match line {
            LineNameForm::Offset(other) => pin == other,
            LineNameForm::Name(_) => PI_CHIPS.contains(&chip) && is_pin(line, *pin),
        },
    }
}

/// A Pi's BCM numbers are the offsets of its header's chip, and its lines are called `GPIO17`.
fn is_pin(line: &LineNameForm, pin: u32) -> bool {
    match line {
        LineNameForm::Offset(offset) => *offset == pin,
        LineNameForm::Name(name) => *name == format!("GPIO{pin}"),
    }
}

impl fmt::Display for Wire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(pin) => write!(f, "GPIO {pin}"),
            Self::Line(chip, LineNameForm::Offset(offset)) => {
                write!(f, "line {offset} of `{chip}`")
            }
            Self::Line(chip, LineNameForm::Name(name)) => write!(f, "line {name} of `{chip}`"),
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Program(words) => write!(f, "what `{}` switches", words.join(" ")),
        }
    }
}
