//! One line of a rig: asserted or released, and read back where that is possible.
//!
//! We say assert and release, never high and low: what level that is on the wire is the
//! driver's affair, and stands in the rig file.

#[cfg(target_os = "linux")]
mod chip;
mod command;
mod file;
#[cfg(target_os = "linux")]
mod gpio_error;
#[cfg(target_os = "linux")]
pub mod gpiochip;
#[cfg(target_os = "linux")]
mod holder;
#[cfg(target_os = "linux")]
pub mod rppal;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

pub use self::command::CommandLine;
pub use self::file::FileLine;
#[cfg(target_os = "linux")]
pub use self::gpio_error::GpioError;
use crate::config::{Gates, InputLine, OutputLine};
use crate::virtual_module::{Lines as VirtualLines, RailWatch};

/// What switches a line. One implementation a driver.
pub trait Driver: fmt::Debug + Send {
    /// Asserts or releases the line, and returns when it is done.
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind>;

    /// What the line is now; `None` where this driver cannot know.
    fn read(&mut self) -> Result<Option<bool>, LineErrorKind>;

    /// What changed on an input since this was last asked, oldest first and no more than
    /// [`EDGES_KEPT`]: of more, the latest. `None`: this driver sees levels alone.
    fn edges(&mut self) -> Result<Option<Vec<Edge>>, LineErrorKind> {
        Ok(None)
    }

    /// How long after the end of a process an act of its may still come: a program that switches
    /// the line outlives who started it.
    fn lingers(&self) -> Duration {
        Duration::ZERO
    }

    /// What keeps the line driven when this process ends, if another one holds it too: the
    /// kernel's line request, of the `gpiochip` driver alone.
    fn request(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// How many edges are kept of a line that nobody asks about: the kernel's own measure.
pub const EDGES_KEPT: usize = 16;

/// A change of an input, with the moment when it happened and not that at which somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// What the line became.
    pub asserted: bool,
    /// When.
    pub at: Instant,
}

/// What becomes of a wire when we take it as an output.
///
/// Taking VBAT as [`Claim::Released`] is a cut: a module that is powered goes off, whatever it was
/// doing. `file` and `command` lines stay as they are until they are first driven, either way:
/// that the file can be written and the program is there is all that is looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is released from the first moment, and was never asserted by us.
    Released,
    /// It stays at the level that it has: for whoever takes over from another process.
    AsIs,
}

/// A line with its name on the rig.
#[derive(Debug)]
pub struct Line {
    name: &'static str,
    driver: Box<dyn Driver>,
}

impl Line {
    /// Gives a driver its name on the rig: `supply`, `pwrkey`, …
    #[must_use]
    pub fn new(name: &'static str, driver: Box<dyn Driver>) -> Self {
        Self { name, driver }
    }

    /// Takes an output of a rig file.
    pub fn output(name: &'static str, line: &OutputLine, claim: Claim) -> Result<Self, LineError> {
        let driver = match line {
            OutputLine::Command { on, off } => command::find(on)
                .and_then(|()| command::find(off))
                .map(|()| boxed(CommandLine::new(on, off, &[]))),
            OutputLine::File(file) => FileLine::output(file).map(boxed),
            #[cfg(target_os = "linux")]
            OutputLine::Rppal(pin) => rppal::RppalOutput::claim(pin, claim).map(boxed),
            #[cfg(target_os = "linux")]
            OutputLine::Gpiochip { chip, pin } => {
                gpiochip::GpiochipOutput::claim(name, chip, pin, claim).map(boxed)
            }
            #[cfg(not(target_os = "linux"))]
            OutputLine::Rppal(_) | OutputLine::Gpiochip { .. } => {
                let _ = claim;
                Err(LineErrorKind::NotLinux)
            }
        };
        driver
            .map(|driver| Self::new(name, driver))
            .map_err(|kind| LineError::new(name, kind))
    }

    /// Takes an input of a rig file, and reads it once: one that cannot be read is no input.
    pub fn input(name: &'static str, line: &InputLine) -> Result<Self, LineError> {
        let driver = match line {
            InputLine::Command { read } => Ok(boxed(CommandLine::new(&[], &[], read))),
            InputLine::File(file) => Ok(boxed(FileLine::new(&file.path, &file.on, &file.off))),
            #[cfg(target_os = "linux")]
            InputLine::Rppal(pin) => rppal::RppalInput::claim(pin).map(boxed),
            #[cfg(target_os = "linux")]
            InputLine::Gpiochip { chip, pin } => {
                gpiochip::GpiochipInput::claim(name, chip, pin).map(boxed)
            }
            #[cfg(not(target_os = "linux"))]
            InputLine::Rppal(_) | InputLine::Gpiochip { .. } => Err(LineErrorKind::NotLinux),
        };
        let mut line = driver
            .map(|driver| Self::new(name, driver))
            .map_err(|kind| LineError::new(name, kind))?;
        line.read()?;
        Ok(line)
    }

    /// The name on the rig.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Asserts the line.
    pub fn assert(&mut self) -> Result<(), LineError> {
        self.drive(true)
    }

    /// Releases the line.
    pub fn release(&mut self) -> Result<(), LineError> {
        self.drive(false)
    }

    fn drive(&mut self, asserted: bool) -> Result<(), LineError> {
        self.driver.drive(asserted).map_err(|kind| self.error(kind))
    }

    /// What the line is now; `None` where its driver cannot know.
    pub fn read(&mut self) -> Result<Option<bool>, LineError> {
        self.driver.read().map_err(|kind| self.error(kind))
    }

    /// What changed on an input since this was last asked, oldest first, [`EDGES_KEPT`] at most;
    /// `None` where its driver sees levels alone.
    pub fn edges(&mut self) -> Result<Option<Vec<Edge>>, LineError> {
        self.driver.edges().map_err(|kind| self.error(kind))
    }

    /// How long after the end of a process an act of its may still come on this line.
    #[must_use]
    pub fn lingers(&self) -> Duration {
        self.driver.lingers()
    }

    /// The kernel's line request behind it, to be shared with another process; `None` where
    /// there is no such thing, and the line stays as it is when its process ends.
    #[must_use]
    pub fn request(&self) -> Option<BorrowedFd<'_>> {
        self.driver.request()
    }

    fn error(&self, kind: LineErrorKind) -> LineError {
        LineError::new(self.name, kind)
    }
}

fn boxed(driver: impl Driver + 'static) -> Box<dyn Driver> {
    Box::new(driver)
}

/// Which line, and what went wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("line `{line}`")]
pub struct LineError {
    line: &'static str,
    #[source]
    kind: LineErrorKind,
}

impl LineError {
    /// An error of the line `line`.
    #[must_use]
    pub fn new(line: &'static str, kind: LineErrorKind) -> Self {
        Self { line, kind }
    }

    /// The line's name on the rig, which is its section in the rig file.
    #[must_use]
    pub fn line(&self) -> &'static str {
        self.line
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &LineErrorKind {
        &self.kind
    }
}

/// What went wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineErrorKind {
    /// The file cannot be opened, written or read.
    #[error("cannot {deed} `{path}`")]
    File {
        /// What was tried.
        deed: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A FIFO has no reader: nothing is behind this line.
    #[error("nobody reads the FIFO `{path}`: start what it drives first")]
    NoReader {
        /// The FIFO.
        path: PathBuf,
    },
    /// What was read is neither of the line's two values.
    #[error("read `{found}`, wanted `{asserted}` or `{released}`")]
    NeitherValue {
        /// What was read.
        found: String,
        /// What stands for asserted.
        asserted: String,
        /// What stands for released.
        released: String,
    },
    /// A program cannot be started.
    #[error("cannot start `{program}`")]
    Program {
        /// The program.
        program: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A program said no.
    #[error("`{program}` ended with {status}: {said}")]
    Refused {
        /// The program and its arguments.
        program: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it wrote to standard error, escaped.
        said: String,
    },
    /// A program did not end.
    #[error("`{program}` did not end within {limit:?}, and was ended")]
    Overdue {
        /// The program and its arguments.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// The rig file gives no command for this.
    #[error("no `{key}` command in the rig file")]
    NoCommand {
        /// The key that is missing.
        key: &'static str,
    },
    /// A GPIO line cannot be had, driven or read.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// GPIO lines are Linux's.
    #[cfg(not(target_os = "linux"))]
    #[error("`gpiochip` and `rppal` are Linux's: `command` and `file` can stand in for them")]
    NotLinux,
    /// An input was to be driven.
    #[error("it is an input: the module drives it")]
    Input,
}

impl LineErrorKind {
    /// The key of the rig file that names what is not there; `None` where what it names is
    /// there and is not to be had: somebody has it, or we may not.
    #[must_use]
    pub fn names_what_is_not_there(&self) -> Option<&'static str> {
        let absent = |source: &std::io::Error| source.kind() == std::io::ErrorKind::NotFound;
        match self {
            Self::File { source, .. } if absent(source) => Some("path"),
            Self::Program { source, .. } if absent(source) => Some("on"),
            #[cfg(target_os = "linux")]
            Self::Gpio(error) => error.names_what_is_not_there(),
            _ => None,
        }
    }
}

/// A line of the virtual module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtualLine {
    /// VBAT.
    Supply,
    /// PWRKEY.
    Pwrkey,
    /// RESET_N.
    Reset,
    /// VDD_EXT, an input.
    PowerGood,
    /// The output enable of the level shifter between the UARTs.
    ConsoleEnable(Gates),
}

/// Drives one line of a virtual module.
#[derive(Debug)]
pub struct VirtualDriver {
    which: VirtualLine,
    module: VirtualLines,
    rail: RailWatch,
}

impl VirtualDriver {
    /// Takes the line `which` of `module`.
    #[must_use]
    pub fn new(which: VirtualLine, module: VirtualLines) -> Self {
        Self {
            which,
            rail: module.watch_vdd_ext(),
            module,
        }
    }
}

impl Driver for VirtualDriver {
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind> {
        match self.which {
            VirtualLine::Supply => self.module.set_vbat(asserted),
            VirtualLine::Pwrkey => self.module.set_pwrkey(asserted),
            VirtualLine::Reset => self.module.set_reset(asserted),
            VirtualLine::PowerGood => {
                return Err(LineErrorKind::Input);
            }
            VirtualLine::ConsoleEnable(gates) => {
                self.module.set_to_module(asserted);
                if gates == Gates::Both {
                    self.module.set_to_host(asserted);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        if self.which == VirtualLine::PowerGood {
            self.module.catch_up();
        }
        Ok(Some(match self.which {
            VirtualLine::Supply => self.module.vbat(),
            VirtualLine::Pwrkey => self.module.pwrkey(),
            VirtualLine::Reset => self.module.reset(),
            VirtualLine::PowerGood => self.module.vdd_ext(),
            VirtualLine::ConsoleEnable(_) => self.module.to_module(),
        }))
    }

    fn edges(&mut self) -> Result<Option<Vec<Edge>>, LineErrorKind> {
        if self.which != VirtualLine::PowerGood {
            return Ok(None);
        }
        self.module.catch_up();
        Ok(Some(self.rail.edges()))
    }
}
