//! Why a GPIO line cannot be had: which line of which chip, and what to do about it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why a GPIO line cannot be had, driven or read.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// No chip has this path or label.
    #[error("no GPIO chip `{wanted}`: {there}")]
    NoChip {
        /// As in the rig file.
        wanted: String,
        /// The chips that there are, in words.
        there: String,
    },
    /// Two chips have this label.
    #[error("more than one GPIO chip has the label `{label}`: name its path, {there}")]
    ChipTwice {
        /// The label.
        label: String,
        /// The chips that there are, in words.
        there: String,
    },
    /// We may not open a device.
    #[error("may not open `{}`: {way_out}", path.display())]
    Denied {
        /// The device.
        path: PathBuf,
        /// Who may, and how to become one of them.
        way_out: String,
    },
    /// A chip cannot be opened or asked.
    #[error("cannot use the GPIO chip `{}`", path.display())]
    Chip {
        /// The chip.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No line of the chip has this name.
    #[error("no line `{wanted}` on {chip}: {nearest}")]
    NoLineName {
        /// As in the rig file.
        wanted: String,
        /// The chip.
        chip: String,
        /// What comes nearest, in words.
        nearest: String,
    },
    /// Two lines of the chip have this name.
    #[error(
        "lines {first} and {second} of {chip} are both called `{name}`: name one by its offset"
    )]
    LineNameTwice {
        /// The name.
        name: String,
        /// The chip.
        chip: String,
        /// One offset.
        first: u32,
        /// Another.
        second: u32,
    },
    /// The chip has not so many lines.
    #[error("no line {offset} on {chip}: it has {count}, counted from 0")]
    NoOffset {
        /// As in the rig file.
        offset: u32,
        /// The chip.
        chip: String,
        /// How many lines it has.
        count: u32,
    },
    /// Somebody else has the line.
    #[error("line {offset} of {chip} is in use by {holder}")]
    InUse {
        /// Which line.
        offset: u32,
        /// The chip.
        chip: String,
        /// The kernel's word for who asked for it, and the process where it can be found.
        holder: String,
    },
    /// The kernel refuses what is asked of the line.
    #[error("the kernel does not {deed} line {offset} of {chip}")]
    Refused {
        /// What was asked.
        deed: &'static str,
        /// Which line.
        offset: u32,
        /// The chip.
        chip: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refuses what is asked of a line that is ours.
    #[error("the kernel does not {deed} the line any more")]
    Request {
        /// What was asked.
        deed: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `rppal` does not know this board.
    #[error(
        "this is no Raspberry Pi that the `rppal` driver knows; `gpiochip` takes any chip: {there}"
    )]
    NotAPi {
        /// The chips that there are, in words.
        there: String,
    },
    /// The kernel has no device for the pins alone, and keeps us from all memory.
    #[error(
        "the kernel has no `/dev/gpiomem` and guards `/dev/mem`: use `gpiochip`, or start it with `iomem=relaxed` and be root"
    )]
    DevMem,
    /// The board has no such pin.
    #[error("GPIO {pin} is not on this Raspberry Pi's header")]
    NoPin {
        /// Its BCM number.
        pin: u8,
    },
    /// Another line of this process is on the pin.
    #[error("GPIO {pin} is another line of this rig already")]
    PinTwice {
        /// Its BCM number.
        pin: u8,
    },
    /// A peripheral of the board has the pin.
    #[error(
        "GPIO {pin} has the function {mode}, so that a UART, a bus or a clock may be on it: turn that off in `config.txt`, or say `pinctrl set {pin} ip`"
    )]
    Peripheral {
        /// Its BCM number.
        pin: u8,
        /// Its function.
        mode: String,
    },
    /// `rppal` fails otherwise.
    #[error("cannot use the Raspberry Pi's GPIO registers")]
    Registers(#[source] io::Error),
}

impl GpioError {
    /// The key of the rig file that names what this machine does not have.
    pub(super) fn names_what_is_not_there(&self) -> Option<&'static str> {
        match self {
            Self::NoChip { .. } | Self::ChipTwice { .. } => Some("chip"),
            Self::NoLineName { .. }
            | Self::LineNameTwice { .. }
            | Self::NoOffset { .. }
            | Self::NoPin { .. }
            | Self::PinTwice { .. } => Some("line"),
            Self::NotAPi { .. } => Some("driver"),
            _ => None,
        }
    }

    /// What went wrong with a device.
    pub(super) fn of_device(path: &Path, error: gpiocdev::Error) -> Self {
        let source = cause(error);
        if source.kind() == io::ErrorKind::PermissionDenied {
            return Self::denied(path);
        }
        Self::Chip {
            path: path.to_owned(),
            source,
        }
    }

    /// We may not open the device at `path`.
    pub(super) fn denied(path: &Path) -> Self {
        let group = path
            .metadata()
            .ok()
            .filter(|meta| admits_group(meta.mode(), meta.gid()))
            .map(|meta| group_name(meta.gid()));
        Self::Denied {
            path: path.to_owned(),
            way_out: way_in(group.as_deref()),
        }
    }
}

/// Whether a device is for a group that a person may be in.
fn admits_group(mode: u32, gid: u32) -> bool {
    gid != 0 && mode & 0o060 == 0o060
}

/// How one comes to open a device that is for a group, or for root alone.
fn way_in(group: Option<&str>) -> String {
    match group {
        Some(group) => format!(
            "it is for the group `{group}`: say `sudo usermod -aG {group} $USER`, then log in anew"
        ),
        None => "it is for root alone: a udev rule `SUBSYSTEM==\"gpio\", GROUP=\"gpio\", MODE=\"0660\"` gives it to a group".to_owned(),
    }
}

/// A group's name; its number where it has none.
fn group_name(gid: u32) -> String {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    groups
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let (name, number) = (fields.next()?, fields.nth(1)?);
            (number.parse() == Ok(gid)).then(|| name.to_owned())
        })
        .next()
        .unwrap_or_else(|| gid.to_string())
}

/// The operating system's word for what went wrong.
pub(super) fn cause(error: gpiocdev::Error) -> io::Error {
    match error {
        gpiocdev::Error::Os(errno) | gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(errno)) => {
            io::Error::from_raw_os_error(errno.0)
        }
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_open_a_device_is_told_how_to() {
        assert!(admits_group(0o20_660, 997));
        assert!(!admits_group(0o20_600, 997));
        assert!(!admits_group(0o20_660, 0));
        assert_eq!(
            way_in(Some("gpio")),
            "it is for the group `gpio`: say `sudo usermod -aG gpio $USER`, then log in anew"
        );
        assert!(way_in(None).contains("udev rule"));
        assert_eq!(group_name(0), "root");
        assert_eq!(group_name(4_000_000_000), "4000000000");
    }
}
