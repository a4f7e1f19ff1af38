//! The `gpiochip` driver on chips that the kernel simulates: `just gpio-sim` runs these. Without
//! such a chip each says that it was skipped.

mod edges;
mod holder;
mod naming;
mod wire;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rig::config::{Bias, Drive, GpioLine, InputLine, Level, LineName, OutputLine};
use rig::line::{Claim, Line, LineError};

/// The simulated chip, for one test at a time.
struct Sim {
    /// Its path.
    chip: String,
    /// Where the simulator shows its lines.
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Sim {
    /// The chip; where there is none, that is said.
    fn get() -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let (Ok(chip), Ok(folder)) = (
            std::env::var("GPIO_SIM_CHIP"),
            std::env::var("GPIO_SIM_DIR"),
        ) else {
            // Not by `eprintln!`: libtest keeps back what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no simulated GPIO chip: `just gpio-sim` brings one"
            );
            return None;
        };
        Some(Self {
            chip,
            folder: PathBuf::from(folder),
            // A test that failed has left nothing that the next one could not undo.
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// The level on the wire, as the other end would see it.
    fn level(&self, line: u32) -> bool {
        let path = self.folder.join(format!("sim_gpio{line}/value"));
        match fs::read_to_string(path).unwrap().trim() {
            "0" => false,
            "1" => true,
            other => panic!("the simulator says `{other}`"),
        }
    }

    /// What the wire is when nobody drives it.
    fn pull(&self, line: u32, up: bool) {
        let path = self.folder.join(format!("sim_gpio{line}/pull"));
        fs::write(path, if up { "pull-up" } else { "pull-down" }).unwrap();
    }

    fn output(&self, line: &GpioLine, claim: Claim) -> Result<Line, LineError> {
        let line = OutputLine::Gpiochip {
            chip: self.chip.clone(),
            pin: line.clone(),
        };
        Line::output("supply", &line, claim)
    }

    fn input(&self, line: &GpioLine) -> Line {
        let line = InputLine::Gpiochip {
            chip: self.chip.clone(),
            pin: line.clone(),
        };
        Line::input("power_good", &line).unwrap()
    }
}

fn line(offset: u32, active: Level) -> GpioLine {
    GpioLine {
        line: LineName::Offset(offset),
        active,
        bias: Bias::AsIs,
        drive: Drive::PushPull,
    }
}

fn named(name: &str) -> GpioLine {
    GpioLine {
        line: LineName::Name(name.to_owned()),
        ..line(0, Level::High)
    }
}

/// An error and its causes, as a person reads them.
fn in_words(error: &LineError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words += &format!(": {cause}");
        source = cause.source();
    }
    words
}

fn refusal(claimed: Result<Line, LineError>) -> String {
    in_words(&claimed.expect_err("the line was given to us"))
}
