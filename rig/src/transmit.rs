//! Our transmit line, which must not feed a module without power.
//!
//! A UART's line idles high. With the module's supply gone, that level flows through the module's
//! input protection into its rails: what seems cut may live on, and charge in it may hold what a
//! loss of power should have destroyed. So the line is let go of when the supply goes, and taken
//! back when the module's rail is up.

use crate::Rig;
use crate::config::Gates;
use crate::console::ConsoleError;
use crate::line::LineError;

/// How the transmit line was let go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetGo {
    /// By the level shifter's output enable.
    ByConsoleEnable(Gates),
    /// By a break: the line is held low, and a low line feeds nothing.
    ByBreak,
    /// Not at all: this bench cannot. Why.
    Impossible(String),
}

/// Why the transmit line could not be switched.
#[derive(Debug, thiserror::Error)]
pub enum TransmitError {
    /// The output enable failed.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The console failed.
    #[error(transparent)]
    Console(#[from] ConsoleError),
}

impl Rig {
    /// Lets go of the transmit line, by what the bench has for that.
    pub fn let_go_of_transmit(&mut self) -> Result<LetGo, TransmitError> {
        if let Some(line) = &mut self.console_enable {
            line.release()?;
            return Ok(LetGo::ByConsoleEnable(self.console_gates));
        }
        Ok(match self.console.hold_low()? {
            None => LetGo::ByBreak,
            Some(why) => LetGo::Impossible(why),
        })
    }

    /// Takes the transmit line back.
    pub fn take_transmit(&mut self) -> Result<(), TransmitError> {
        match &mut self.console_enable {
            Some(line) => line.assert()?,
            None => self.console.let_idle()?,
        }
        Ok(())
    }
}
