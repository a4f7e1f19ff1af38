//! What of a rig outlives its runner: whoever has it can end a run in the runner's stead.
//!
//! A gpiochip's line falls when the last descriptor of its request is closed, a tty drops what
//! was not read at its last close, and a lock goes with its last holder. So these are shared,
//! and last as long as either process. Lines of the other drivers stay as they were driven last,
//! and are taken anew.

use std::io;
use std::os::fd::OwnedFd;

use serialport::SerialPort as _;

use crate::config::{OutputLine, PulsedLine, RealBench, RigFile};
use crate::line::{Claim, Line, LineError};
use crate::lock::RigLock;
use crate::supply::Supply;
use crate::wire::Wire;
use crate::{Rig, Timing, supply, timing_of};

/// A descriptor, and what it keeps: `console`, `lock`, or the name of a line.
#[derive(Debug)]
pub struct Shared {
    /// What it keeps.
    pub name: String,
    /// The descriptor.
    pub fd: OwnedFd,
}

/// The outputs, console and lock of a real bench.
#[derive(Debug)]
pub struct Custody {
    /// The UART, at the rate at which the runner left it.
    pub wire: Option<Wire>,
    /// VBAT.
    pub supply: Supply,
    /// PWRKEY, where wired.
    pub pwrkey: Option<Line>,
    /// RESET_N, where wired.
    pub reset: Option<Line>,
    /// The level shifter's output enable, where wired.
    pub console_enable: Option<Line>,
    /// How long things take on this bench.
    pub timing: Timing,
    /// Nobody else takes the rig while this is kept.
    pub lock: RigLock,
}

impl Rig {
    /// What a second process must keep, so that it can act on this rig when this process is
    /// gone. Nothing for a virtual module: that goes with its process.
    pub fn share(&self) -> io::Result<Vec<Shared>> {
        let Some(lock) = &self.lock else {
            return Ok(Vec::new());
        };
        let named = |name: &str, fd| Shared {
            name: name.to_owned(),
            fd,
        };
        let mut shared = vec![named("console", self.console.share()?)];
        shared.extend(lock.share()?.into_iter().map(|fd| named("lock", fd)));
        let outputs = [&self.pwrkey, &self.reset, &self.console_enable];
        let outputs = outputs.into_iter().flatten();
        for line in [self.supply.line()].into_iter().chain(outputs) {
            if let Some(request) = line.request() {
                shared.push(named(line.name(), request.try_clone_to_owned()?));
            }
        }
        Ok(shared)
    }
}

impl Custody {
    /// Takes the outputs of `bench`, some of them by what a runner shared, without changing any.
    pub fn take(file: &RigFile, bench: &RealBench, shared: Vec<Shared>) -> Result<Self, LineError> {
        let mut kept = Kept(shared);
        let pulsed = |name: &'static str, line: &Option<PulsedLine>, kept: &mut Kept| {
            line.as_ref()
                .map(|pulsed| kept.line(name, &pulsed.line))
                .transpose()
        };
        Ok(Self {
            wire: kept
                .pick("console")
                .map(|fd| Wire::new(&bench.console, fd.into())),
            supply: supply(
                kept.line("supply", &bench.supply)?,
                file,
                bench,
                &crate::lock::state_dir(),
            ),
            pwrkey: pulsed("pwrkey", &bench.pwrkey, &mut kept)?,
            reset: pulsed("reset", &bench.reset, &mut kept)?,
            console_enable: bench
                .console_enable
                .as_ref()
                .map(|line| kept.line("console_enable", line))
                .transpose()?,
            timing: timing_of(file, bench),
            lock: RigLock::inherit(std::iter::from_fn(|| kept.pick("lock")).collect()),
        })
    }
}

impl Custody {
    /// Ends the break by which the runner may hold our transmit line low. serialport must open
    /// the tty for that, which the runner locked.
    pub fn end_break(&self) -> Result<(), String> {
        let Some(wire) = &self.wire else {
            return Ok(());
        };
        if wire.is_pty() {
            return Ok(()); // it has no line to hold low
        }
        let why = |e: &dyn std::fmt::Display| format!("cannot end a break: {e}");
        let rate = wire.unlock().map_err(|e| why(&e))?;
        let port = serialport::new(wire.path().to_string_lossy(), rate)
            .open_native()
            .map_err(|e| why(&e))?;
        port.clear_break().map_err(|e| why(&e))
    }
}

struct Kept(Vec<Shared>);

impl Kept {
    fn pick(&mut self, name: &str) -> Option<OwnedFd> {
        let at = self.0.iter().position(|shared| shared.name == name)?;
        Some(self.0.swap_remove(at).fd)
    }

    fn line(&mut self, name: &'static str, line: &OutputLine) -> Result<Line, LineError> {
        match self.pick(name) {
            #[cfg(target_os = "linux")]
            Some(request) => {
                let driver = crate::line::gpiochip::GpiochipOutput::from_request(request);
                Ok(Line::new(name, Box::new(driver)))
            }
            _ => Line::output(name, line, Claim::AsIs),
        }
    }
}
