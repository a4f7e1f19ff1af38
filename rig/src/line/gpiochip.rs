//! The `gpiochip` driver: a line of a Linux GPIO character device.
//!
//! What is held is the kernel's line request, as a file. For as long as any process has it open the
//! line is driven and nobody else can take it; when the last one closes it, killed or not, the
//! kernel gives the line back, and what it does then is the chip driver's affair: mainline makes
//! it an input, so that the pull on the wire decides; the kernel of Raspberry Pi OS leaves it as
//! it was unless `strict_gpiod` is set. A bench must be wired so that an input means: power off.
//!
//! [`GpiochipLine::request`] lends the file, and [`GpiochipLine::from_request`] makes a line of
//! one that another process has sent (`SCM_RIGHTS`): so a line can outlive who claimed it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use gpiocdev::Request;
use gpiocdev::line::{self, Value};
use gpiocdev_uapi::v2::{self, LineValues};

use super::chip::OpenChip;
use super::gpio_error::GpioError;
use super::{Claim, Driver, LineErrorKind};
use crate::config::{Bias, Drive, GpioLine, Level};

/// A line request has one line here, so it is the first of its values.
const ONLY: usize = 0;

/// A line of a gpiochip that is ours.
#[derive(Debug)]
pub struct GpiochipLine {
    request: File,
    direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Input,
    Output,
}

impl GpiochipLine {
    /// Takes a line as an output; `name` is the line's on the rig, for whoever finds it taken.
    ///
    /// With [`Claim::Released`] the released level is set before the line becomes an output, so
    /// that a rail that is off stays off, without a glitch; one that was on is off from then on.
    /// With [`Claim::AsIs`] it is driven at the level that it has.
    pub fn output(
        name: &str,
        chip: &str,
        line: &GpioLine,
        claim: Claim,
    ) -> Result<Self, LineErrorKind> {
        let chip = OpenChip::find(chip)?;
        let offset = chip.offset(&line.line)?;
        let request = match claim {
            Claim::Released => {
                let mut config = config(line);
                config.direction = Some(line::Direction::Output);
                config.value = Some(Value::Inactive);
                request(&chip, offset, name, &config)?
            }
            Claim::AsIs => {
                // Asked for without a direction the line keeps what it has, and can be read.
                let as_is = line::Config {
                    active_low: line.active == Level::Low,
                    ..line::Config::default()
                };
                let request = request(&chip, offset, name, &as_is)?;
                let now = request
                    .value(offset)
                    .map_err(|e| chip.failed(offset, "read", e))?;
                let mut config = request.config();
                config
                    .from_line_config(&self::config(line))
                    .with_line(offset)
                    .as_output(now);
                request
                    .reconfigure(&config)
                    .map_err(|e| chip.failed(offset, "drive", e))?;
                request
            }
        };
        Self::holding(request.as_fd(), Direction::Output)
    }

    /// Takes a line as an input.
    pub fn input(name: &str, chip: &str, line: &GpioLine) -> Result<Self, LineErrorKind> {
        let chip = OpenChip::find(chip)?;
        let offset = chip.offset(&line.line)?;
        let mut config = config(line);
        config.direction = Some(line::Direction::Input);
        let request = request(&chip, offset, name, &config)?;
        Self::holding(request.as_fd(), Direction::Input)
    }

    /// An output of which another process has sent the request: it is driven at the level that
    /// it has, and is ours for as long as either of us holds it.
    #[must_use]
    pub fn from_request(request: OwnedFd) -> Self {
        Self {
            request: File::from(request),
            direction: Direction::Output,
        }
    }

    /// The kernel's request, to be sent to another process.
    #[must_use]
    pub fn request(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }

    fn holding(request: BorrowedFd<'_>, direction: Direction) -> Result<Self, LineErrorKind> {
        let request = request
            .try_clone_to_owned()
            .map_err(|source| GpioError::Request {
                deed: "keep",
                source,
            })?;
        Ok(Self {
            request: File::from(request),
            direction,
        })
    }
}

impl Driver for GpiochipLine {
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind> {
        if self.direction == Direction::Input {
            return Err(LineErrorKind::Input);
        }
        let mut values = LineValues::default();
        values.set(ONLY, asserted);
        v2::set_line_values(&self.request, &values).map_err(|e| request_failed("drive", &e).into())
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        let mut values = LineValues::default();
        values.set(ONLY, false);
        v2::get_line_values(&self.request, &mut values).map_err(|e| request_failed("read", &e))?;
        Ok(values.get(ONLY))
    }

    fn request(&self) -> Option<BorrowedFd<'_>> {
        Some(self.request.as_fd())
    }
}

/// All but the direction, which depends on what the line is for.
fn config(line: &GpioLine) -> line::Config {
    line::Config {
        active_low: line.active == Level::Low,
        bias: match line.bias {
            Bias::AsIs => None,
            Bias::Disabled => Some(line::Bias::Disabled),
            Bias::PullUp => Some(line::Bias::PullUp),
            Bias::PullDown => Some(line::Bias::PullDown),
        },
        drive: match line.drive {
            Drive::PushPull => None,
            Drive::OpenDrain => Some(line::Drive::OpenDrain),
            Drive::OpenSource => Some(line::Drive::OpenSource),
        },
        ..line::Config::default()
    }
}

fn request(
    chip: &OpenChip,
    offset: u32,
    name: &str,
    config: &line::Config,
) -> Result<Request, GpioError> {
    Request::builder()
        .on_chip(chip.path())
        .with_consumer(format!("hil {name} (pid {})", std::process::id()))
        .from_line_config(config)
        .with_line(offset)
        .request()
        .map_err(|e| chip.not_had(offset, e))
}

fn request_failed(deed: &'static str, error: &gpiocdev_uapi::Error) -> GpioError {
    let source = match error {
        gpiocdev_uapi::Error::Os(errno) => io::Error::from_raw_os_error(errno.0),
        other => io::Error::other(other.to_string()),
    };
    GpioError::Request { deed, source }
}
