//! GPIO chips: which one a rig file means, which of its lines, and why it cannot be had.

use std::io;
use std::path::{Path, PathBuf};

use gpiocdev::Chip;

use super::gpio_error::{GpioError, cause};
use super::holder;
use crate::config::LineName;

/// The labels that a Raspberry Pi's header has in its chips, by model.
const PI_LABELS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

/// A chip that is open, with what it says of itself.
#[derive(Debug)]
pub(super) struct OpenChip {
    chip: Chip,
    label: String,
    lines: u32,
}

impl OpenChip {
    /// The chip that a rig file means: a path, or the one with that label.
    pub(super) fn find(wanted: &str) -> Result<Self, GpioError> {
        if wanted.contains('/') {
            return Self::open(Path::new(wanted)).map_err(|error| match error {
                GpioError::Chip { ref source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    GpioError::NoChip {
                        wanted: wanted.to_owned(),
                        there: there(),
                    }
                }
                other => other,
            });
        }
        Self::labelled(&[wanted])?.ok_or_else(|| GpioError::NoChip {
            wanted: wanted.to_owned(),
            there: there(),
        })
    }

    /// The chip of a Raspberry Pi's header; `None` on another machine.
    pub(super) fn of_pi() -> Result<Option<Self>, GpioError> {
        Self::labelled(&PI_LABELS)
    }

    fn labelled(labels: &[&str]) -> Result<Option<Self>, GpioError> {
        let mut found: Option<Self> = None;
        let mut denied = None;
        for path in paths() {
            match Self::open(&path) {
                Ok(chip) if labels.contains(&chip.label.as_str()) => {
                    if found.is_some() {
                        return Err(GpioError::ChipTwice {
                            label: chip.label,
                            there: there(),
                        });
                    }
                    found = Some(chip);
                }
                Ok(_) => {}
                Err(error) => denied = denied.or(Some(error)),
            }
        }
        // A chip that cannot be asked for its label may be the one that is meant.
        match (found, denied) {
            (Some(chip), _) => Ok(Some(chip)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    fn open(path: &Path) -> Result<Self, GpioError> {
        let chip = Chip::from_path(path).map_err(|e| GpioError::of_device(path, e))?;
        let info = chip.info().map_err(|e| GpioError::of_device(path, e))?;
        Ok(Self {
            chip,
            label: info.label,
            lines: info.num_lines,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.chip.path()
    }

    /// Where the line is on the chip.
    pub(super) fn offset(&self, line: &LineName) -> Result<u32, GpioError> {
        match line {
            LineName::Offset(offset) if *offset < self.lines => Ok(*offset),
            LineName::Offset(offset) => Err(GpioError::NoOffset {
                offset: *offset,
                chip: self.in_words(),
                count: self.lines,
            }),
            LineName::Name(name) => self.named(name),
        }
    }

    fn named(&self, wanted: &str) -> Result<u32, GpioError> {
        let infos = self
            .chip
            .line_info_iter()
            .and_then(Iterator::collect::<gpiocdev::Result<Vec<_>>>)
            .map_err(|e| GpioError::of_device(self.path(), e))?;
        let mut found = infos.iter().filter(|info| info.name == wanted);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only.offset),
            (Some(first), Some(second)) => Err(GpioError::LineNameTwice {
                name: wanted.to_owned(),
                chip: self.in_words(),
                first: first.offset,
                second: second.offset,
            }),
            (None, _) => Err(GpioError::NoLineName {
                wanted: wanted.to_owned(),
                chip: self.in_words(),
                nearest: nearest(wanted, infos.iter().map(|info| info.name.as_str())),
            }),
        }
    }

    /// Refuses a line that the kernel has given to somebody.
    pub(super) fn refuse_used(&self, offset: u32) -> Result<(), GpioError> {
        let info = self
            .chip
            .line_info(offset)
            .map_err(|e| self.failed(offset, "tell of", e))?;
        if !info.used {
            return Ok(());
        }
        Err(GpioError::InUse {
            offset,
            chip: self.in_words(),
            holder: holder::in_words(&info.consumer, &self.chip.name(), offset),
        })
    }

    /// Why a request for a line was refused.
    pub(super) fn not_had(&self, offset: u32, error: gpiocdev::Error) -> GpioError {
        let source = cause(error);
        if source.kind() == io::ErrorKind::ResourceBusy
            && let Err(in_use) = self.refuse_used(offset)
        {
            return in_use;
        }
        GpioError::Refused {
            deed: "give us",
            offset,
            chip: self.in_words(),
            source,
        }
    }

    /// What went wrong with a line.
    pub(super) fn failed(
        &self,
        offset: u32,
        deed: &'static str,
        error: gpiocdev::Error,
    ) -> GpioError {
        GpioError::Refused {
            deed,
            offset,
            chip: self.in_words(),
            source: cause(error),
        }
    }

    fn in_words(&self) -> String {
        format!("`{}` ({})", self.path().display(), self.label)
    }
}

/// The paths of all chips; none where they cannot be listed.
fn paths() -> Vec<PathBuf> {
    gpiocdev::chip::chips().unwrap_or_default()
}

/// The chips that there are, in words.
pub(super) fn there() -> String {
    let chips: Vec<String> = paths()
        .iter()
        .map(|path| match OpenChip::open(path) {
            Ok(chip) => format!("{} with {} lines", chip.in_words(), chip.lines),
            Err(error) => format!("`{}` ({error})", path.display()),
        })
        .collect();
    if chips.is_empty() {
        return "this machine has none".to_owned();
    }
    format!("there is {}", chips.join(", "))
}

/// The names that a mistyped one may have meant.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let nearest = names
        .filter(|name| !name.is_empty())
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("the nearest is `{name}`"),
        None => "its lines have no names, so name one by its offset".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_that_is_not_there_is_named_with_those_that_are() {
        let error = OpenChip::find("/dev/gpiochip-none")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no GPIO chip `/dev/gpiochip-none`: th"),
            "{error}"
        );
    }

    #[test]
    fn a_device_that_is_no_gpio_chip_is_refused() {
        let error = OpenChip::find("/dev/null").unwrap_err();
        assert_eq!(error.to_string(), "cannot use the GPIO chip `/dev/null`");
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let names = ["", "GPIO27", "GPIO17", "SDA1"];
        assert_eq!(
            nearest("GPIO_17", names.into_iter()),
            "the nearest is `GPIO17`"
        );
        assert_eq!(
            nearest("GPIO17", [""].into_iter()),
            "its lines have no names, so name one by its offset"
        );
    }
}
