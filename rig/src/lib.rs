//! Everything that touches a wire: a console, a supply, and the lines that a bench has.
//!
//! What a module's words mean is nobody's affair here, and what a lawful module says even
//! less: this package cannot name the judge.

#![forbid(unsafe_code)]

pub mod config;
pub mod console;
pub mod delta;
pub mod duration;
pub mod line;
pub mod lock;
pub mod virtual_module;
pub mod written;

use std::io;
use std::time::Duration;

use self::config::{Bench, OutputLine, PulsedLine, RealBench, RigFile, VirtualBench};
use self::console::{Console, ConsoleError};
use self::line::{Claim, Line, LineError, VirtualDriver, VirtualLine};
use self::lock::{LockError, RigLock};
use self::virtual_module::{Settings, VirtualModule};

/// VBAT must have been stable for so long before PWRKEY is asserted (M95 hardware design; the
/// BC26 and BC20 manuals give no figure).
const VBAT_STABLE: Duration = Duration::from_millis(30);
/// PWRKEY and RESET_N where a bench has no such line and so no width of its own.
const NO_PULSE: Duration = Duration::ZERO;

/// A bench that is ours: its console is open and its lines are claimed.
#[derive(Debug)]
pub struct Rig {
    /// The UART.
    pub console: Console,
    /// The rate at which we talk when no scenario says otherwise, in baud.
    pub baud: u32,
    /// VBAT.
    pub supply: Line,
    /// PWRKEY; `None`: it is tied, and VBAT alone boots.
    pub pwrkey: Option<Line>,
    /// RESET_N.
    pub reset: Option<Line>,
    /// The level shifter's output enable.
    pub console_enable: Option<Line>,
    /// VDD_EXT or a divider on VBAT: an input.
    pub power_good: Option<Line>,
    /// How long things take on this bench, in the module's time.
    pub timing: Timing,
    /// How many times faster than a module of the field this one lives; 1 on hardware.
    pub speed: u32,
    // Dropped last, and in this order: the module goes when nobody holds its lines, and the
    // lock when nothing of the rig is left.
    module: Option<VirtualModule>,
    _lock: Option<RigLock>,
}

/// How long things take on a bench, in the module's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From VBAT to PWRKEY.
    pub vbat_stable: Duration,
    /// The PWRKEY pulse.
    pub pwrkey_pulse: Duration,
    /// The RESET_N pulse.
    pub reset_pulse: Duration,
    /// The least time without VBAT.
    pub off_for: Duration,
}

/// Why a rig cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// Somebody else has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its console cannot be opened.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// One of its lines cannot be claimed or released.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The virtual module cannot be started.
    #[error("cannot start the virtual module")]
    VirtualModule(#[source] io::Error),
}

impl Rig {
    /// Takes the bench of a rig file. A virtual module is made as `settings` says, with the rig
    /// file's speed and manners where a scenario asks for no others.
    pub fn open(file: &RigFile, settings: Settings) -> Result<Self, RigError> {
        match &file.bench {
            Bench::Virtual(bench) => Self::open_virtual(file, bench, settings),
            Bench::Real(bench) => Self::open_real(file, bench),
        }
    }

    /// Whether what is behind the rig can still do anything: a virtual module's thread may have
    /// ended on an error of its own, and that is not the module's silence.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.module.as_ref().is_none_or(VirtualModule::is_alive)
    }

    fn open_virtual(
        file: &RigFile,
        bench: &VirtualBench,
        settings: Settings,
    ) -> Result<Self, RigError> {
        let speed = settings.speed;
        let module = VirtualModule::start(settings).map_err(RigError::VirtualModule)?;
        let line =
            |name, which| Line::new(name, Box::new(VirtualDriver::new(which, module.lines())));
        Ok(Self {
            console: Console::open(module.console_path(), file.baud.rate())?,
            baud: file.baud.rate(),
            supply: line("supply", VirtualLine::Supply),
            pwrkey: bench.pwrkey.map(|_| line("pwrkey", VirtualLine::Pwrkey)),
            reset: bench.reset.map(|_| line("reset", VirtualLine::Reset)),
            console_enable: None,
            power_good: bench
                .power_good
                .then(|| line("power_good", VirtualLine::PowerGood)),
            timing: Timing {
                vbat_stable: VBAT_STABLE,
                pwrkey_pulse: bench.pwrkey.unwrap_or(NO_PULSE),
                reset_pulse: bench.reset.unwrap_or(NO_PULSE),
                off_for: file.off_for,
            },
            speed,
            module: Some(module),
            _lock: None,
        })
    }

    fn open_real(file: &RigFile, bench: &RealBench) -> Result<Self, RigError> {
        let lock = RigLock::take(&bench.console)?;
        let console = Console::open(&bench.console, file.baud.rate())?;
        let output = |name, line: &OutputLine| Line::output(name, line, Claim::Released);
        let pulsed = |name, line: &Option<PulsedLine>| {
            line.as_ref().map(|p| output(name, &p.line)).transpose()
        };
        Ok(Self {
            console,
            baud: file.baud.rate(),
            supply: output("supply", &bench.supply)?,
            pwrkey: pulsed("pwrkey", &bench.pwrkey)?,
            reset: pulsed("reset", &bench.reset)?,
            console_enable: bench
                .console_enable
                .as_ref()
                .map(|line| output("console_enable", line))
                .transpose()?,
            power_good: bench
                .power_good
                .as_ref()
                .map(|line| Line::input("power_good", line))
                .transpose()?,
            timing: Timing {
                vbat_stable: VBAT_STABLE,
                pwrkey_pulse: bench.pwrkey.as_ref().map_or(NO_PULSE, |p| p.pulse),
                reset_pulse: bench.reset.as_ref().map_or(NO_PULSE, |p| p.pulse),
                off_for: file.off_for,
            },
            speed: 1,
            module: None,
            _lock: Some(lock),
        })
    }
}
