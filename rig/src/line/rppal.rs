//! The `rppal` driver: a pin of a Raspberry Pi's header, through the chip's registers.
//!
//! The kernel knows nothing of it, so that it can neither keep another program off the pin nor
//! give the pin back when we end. Hence two choices:
//!
//! - A pin that the kernel has given to somebody, or that a peripheral has, is refused. Two
//!   programs that both use registers are not seen by each other; the rig's lock keeps two of
//!   ours apart.
//! - A pin is left as it was last driven, however we end (`rppal` would make it what it was
//!   before, an input as a rule, in a normal end alone). What power has to be when a run is
//!   over is decided by whoever ends it, and not by the order in which values are dropped.

use std::path::Path;

use rppal::gpio::{Error, Gpio, IoPin, Level as PinLevel, Mode, OutputPin, Pin};

use super::chip::{self, OpenChip};
use super::gpio_error::GpioError;
use super::{Claim, Driver, LineErrorKind};
use crate::config::{Bias, GpioPin, Level};

/// The device that `rppal` falls back to where a kernel has no device for the pins alone.
const DEV_MEM: &str = "/dev/mem";

/// A pin that we drive.
#[derive(Debug)]
pub struct RppalOutput {
    pin: OutputPin,
    active: Level,
}

/// A pin that we read.
#[derive(Debug)]
pub struct RppalInput {
    pin: IoPin,
    active: Level,
}

impl RppalOutput {
    /// Takes a pin as an output. Its level is set before it becomes one, so that a rail that is
    /// off stays off without a glitch.
    pub fn claim(of: &GpioPin, claim: Claim) -> Result<Self, LineErrorKind> {
        let pin = pin(of.line)?;
        let level = match claim {
            Claim::Released => level(of.active, false),
            Claim::AsIs => pin.read(),
        };
        let mut pin = match (level, pin.mode()) {
            // It has that level already, and its latch is not to be touched.
            (_, Mode::Output) if claim == Claim::AsIs => pin.into_output(),
            (PinLevel::High, _) => pin.into_output_high(),
            (PinLevel::Low, _) => pin.into_output_low(),
        };
        pin.set_reset_on_drop(false);
        Ok(Self {
            pin,
            active: of.active,
        })
    }
}

impl Driver for RppalOutput {
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind> {
        self.pin.write(level(self.active, asserted));
        Ok(())
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        // The level of the pin itself, not of the latch behind it: a short would show.
        let is = if self.pin.is_set_high() {
            PinLevel::High
        } else {
            PinLevel::Low
        };
        Ok(Some(is == level(self.active, true)))
    }
}

impl RppalInput {
    /// Takes a pin as an input.
    pub fn claim(of: &GpioPin) -> Result<Self, LineErrorKind> {
        // `into_input` would switch the pull off, which `bias = "as-is"` does not say.
        let mut pin = pin(of.line)?.into_io(Mode::Input);
        if let Some(bias) = bias(of.bias) {
            pin.set_bias(bias);
        }
        pin.set_reset_on_drop(false);
        Ok(Self {
            pin,
            active: of.active,
        })
    }
}

impl Driver for RppalInput {
    fn drive(&mut self, _asserted: bool) -> Result<(), LineErrorKind> {
        Err(LineErrorKind::Input)
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        Ok(Some(self.pin.read() == level(self.active, true)))
    }
}

fn pin(number: u8) -> Result<Pin, GpioError> {
    let gpio = Gpio::new().map_err(|e| from_rppal(number, e))?;
    let pin = gpio.get(number).map_err(|e| from_rppal(number, e))?;
    if let Some(chip) = OpenChip::of_pi()? {
        chip.refuse_used(u32::from(number))?;
    }
    match pin.mode() {
        Mode::Input | Mode::Output | Mode::Null => Ok(pin),
        mode => Err(GpioError::Peripheral {
            pin: number,
            mode: mode.to_string(),
        }),
    }
}

fn from_rppal(pin: u8, error: Error) -> GpioError {
    match error {
        Error::UnknownModel => GpioError::NotAPi {
            there: chip::there(),
        },
        Error::PinUsed(_) => GpioError::PinTwice { pin },
        Error::PinNotAvailable(_) => GpioError::NoPin { pin },
        Error::PermissionDenied(path) if path == DEV_MEM => GpioError::DevMem,
        Error::PermissionDenied(path) => GpioError::denied(Path::new(&path)),
        Error::Io(source) => GpioError::Registers(source),
        Error::ThreadPanic => GpioError::Registers(std::io::Error::other(Error::ThreadPanic)),
    }
}

fn level(active: Level, asserted: bool) -> PinLevel {
    PinLevel::from((active == Level::High) == asserted)
}

/// What is to be done with the pin's pull; `None`: nothing.
fn bias(bias: Bias) -> Option<rppal::gpio::Bias> {
    match bias {
        Bias::AsIs => None,
        Bias::Disabled => Some(rppal::gpio::Bias::Off),
        Bias::PullUp => Some(rppal::gpio::Bias::PullUp),
        Bias::PullDown => Some(rppal::gpio::Bias::PullDown),
    }
}
