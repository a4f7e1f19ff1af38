//! Everything that touches a wire: a console, a supply, and the lines that a bench has.
//!
//! What a module's words mean is nobody's affair here, and what a lawful module says even
//! less: this package cannot name the judge.

#![forbid(unsafe_code)]

pub mod config;
pub mod console;
pub mod custody;
pub mod delta;
pub mod durable;
pub mod duration;
pub mod line;
pub mod lock;
pub mod supply;
pub mod timing;
pub mod transmit;
pub mod virtual_module;
pub mod wire;
pub mod written;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use self::config::{Bench, Gates, OutputLine, PulsedLine, RealBench, RigFile, VirtualBench};
use self::console::{Console, ConsoleError};
use self::line::{Claim, Line, LineError, VirtualDriver, VirtualLine};
use self::lock::{LockError, RigLock};
use self::supply::Supply;
pub use self::timing::Timing;
use self::virtual_module::{Settings, VirtualModule};

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
    pub supply: Supply,
    /// PWRKEY; `None`: it is tied, and VBAT alone boots.
    pub pwrkey: Option<Line>,
    /// RESET_N.
    pub reset: Option<Line>,
    /// The level shifter's output enable.
    pub console_enable: Option<Line>,
    /// Which ways it cuts, where there is one.
    pub console_gates: Gates,
    /// VDD_EXT or a divider on VBAT: an input.
    pub power_good: Option<Line>,
    /// How long things take on this bench, in the module's time.
    pub timing: Timing,
    /// How many times faster than a module of the field this one lives; 1 on hardware.
    pub speed: u32,
    // Dropped last, and in this order: the module goes when nobody holds its lines, and the
    // lock when nothing of the rig is left.
    module: Option<VirtualModule>,
    lock: Option<RigLock>,
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

impl RigError {
    /// Whether the rig file names what this machine does not have, so that it is the file that
    /// is wrong; otherwise the bench is, or somebody else has it.
    #[must_use]
    pub fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Line(e) if e.kind().names_what_is_not_there().is_some())
    }
}

impl Rig {
    /// Takes the bench of a rig file. A virtual module is made as `settings` says, with the rig
    /// file's speed and manners where a scenario asks for no others.
    pub fn open(file: &RigFile, settings: Settings) -> Result<Self, RigError> {
        match &file.bench {
            Bench::Virtual(bench) => Self::open_virtual(file, bench, settings),
            Bench::Real(bench) => Self::open_with_state(file, bench, &lock::state_dir()),
        }
    }

    /// Takes a real bench whose lock and time off are kept in the folder `state`, wherever those
    /// of other benches are.
    pub fn open_with_state(
        file: &RigFile,
        bench: &RealBench,
        state: &Path,
    ) -> Result<Self, RigError> {
        Self::open_real(file, bench, Claim::Released, state)
    }

    /// Takes a real bench and leaves its lines at the level that they have: its module may be in
    /// the middle of an update.
    pub fn open_as_is(file: &RigFile, bench: &RealBench) -> Result<Self, RigError> {
        Self::open_real(file, bench, Claim::AsIs, &lock::state_dir())
    }

    /// Whether what is behind the rig can still do anything: a virtual module's thread may have
    /// ended on an error of its own, and that is not the module's silence.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.module.as_ref().is_none_or(VirtualModule::is_alive)
    }

    /// Whether what is behind the rig has lived up to a moment, and has said all that it had to say
    /// by then. Hardware has; a virtual module's thread may have been kept from it by a busy
    /// machine, and that is not the module's silence. It goes on by itself: ask again.
    #[must_use]
    pub fn is_up_to(&self, moment: Instant) -> bool {
        self.module
            .as_ref()
            .is_none_or(|module| module.lines().is_up_to(moment))
    }

    /// When what is behind the rig last said something, where that is known: a virtual module knows
    /// it, and hardware's bytes are as old as they are when they are read.
    #[must_use]
    pub fn said_at(&self) -> Option<Instant> {
        self.module.as_ref()?.lines().said_at()
    }

    fn open_virtual(
        file: &RigFile,
        bench: &VirtualBench,
        settings: Settings,
    ) -> Result<Self, RigError> {
        let speed = settings.speed;
        let module = VirtualModule::start(settings).map_err(RigError::VirtualModule)?;
        if bench.pwrkey.is_none() {
            module.lines().set_pwrkey(true); // tied: VBAT boots it
        }
        let line =
            |name, which| Line::new(name, Box::new(VirtualDriver::new(which, module.lines())));
        let mut console_enable = bench
            .console_enable
            .map(|gates| line("console_enable", VirtualLine::ConsoleEnable(gates)));
        if let Some(line) = &mut console_enable {
            line.release()?; // as a line on a bench is where nobody drives it
        }
        Ok(Self {
            console: Console::open_virtual(&module, file.baud.rate())?,
            baud: file.baud.rate(),
            supply: Supply::without_record(line("supply", VirtualLine::Supply)),
            pwrkey: bench.pwrkey.map(|_| line("pwrkey", VirtualLine::Pwrkey)),
            reset: bench.reset.map(|_| line("reset", VirtualLine::Reset)),
            console_enable,
            console_gates: bench.console_enable.unwrap_or_default(),
            power_good: bench
                .power_good
                .then(|| line("power_good", VirtualLine::PowerGood)),
            timing: timing(file, bench.pwrkey, bench.reset),
            speed,
            module: Some(module),
            lock: None,
        })
    }

    /// All lines are claimed before any is asserted: what is missing is found while the module
    /// is off, and what was claimed by then is given back released.
    fn open_real(
        file: &RigFile,
        bench: &RealBench,
        claim: Claim,
        state: &Path,
    ) -> Result<Self, RigError> {
        let lock = RigLock::take_in(state, &bench.console)?;
        let console = Console::open(&bench.console, file.baud.rate())?;
        let output = |name, line: &OutputLine| Line::output(name, line, claim);
        let pulsed = |name, line: &Option<PulsedLine>| {
            line.as_ref().map(|p| output(name, &p.line)).transpose()
        };
        Ok(Self {
            console,
            baud: file.baud.rate(),
            supply: supply(output("supply", &bench.supply)?, file, bench, state),
            pwrkey: pulsed("pwrkey", &bench.pwrkey)?,
            reset: pulsed("reset", &bench.reset)?,
            console_enable: bench
                .console_enable
                .as_ref()
                .map(|line| output("console_enable", line))
                .transpose()?,
            console_gates: bench.console_gates,
            power_good: bench
                .power_good
                .as_ref()
                .map(|line| Line::input("power_good", line))
                .transpose()?,
            timing: timing_of(file, bench),
            speed: 1,
            module: None,
            lock: Some(lock),
        })
    }
}

/// The supply of a real bench, with what earlier processes left of it.
fn supply(line: Line, file: &RigFile, bench: &RealBench, state: &Path) -> Supply {
    let name = format!("{}.supply", lock::bench_name(&bench.console));
    Supply::with_record(line, file.off_for, state.join(name))
}

fn timing_of(file: &RigFile, bench: &RealBench) -> Timing {
    let pulse = |line: &Option<PulsedLine>| line.as_ref().map(|pulsed| pulsed.pulse);
    timing(file, pulse(&bench.pwrkey), pulse(&bench.reset))
}

fn timing(file: &RigFile, pwrkey: Option<Duration>, reset: Option<Duration>) -> Timing {
    Timing {
        vbat_stable: file.vbat_stable,
        pwrkey_pulse: pwrkey.unwrap_or(NO_PULSE),
        rail_up: timing::figures(file.module.model).rail_up,
        reset_pulse: reset.unwrap_or(NO_PULSE),
        off_for: file.off_for,
        boots_within: file.boots_within,
    }
}
