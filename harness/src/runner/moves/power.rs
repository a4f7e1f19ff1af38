//! The power of a module, switched as its hardware wants it.

use std::time::Duration;

use dfota::timeline::Pin;

use super::super::session::{Session, Stop};

impl Session<'_> {
    /// VBAT, then PWRKEY, then our transmit line; where PWRKEY is tied, VBAT boots.
    pub(in crate::runner) fn power_on(&mut self) -> Result<(), Stop> {
        self.supply_on()?;
        self.pass(self.pace(self.rig.timing.vbat_stable))?;
        if self.rig.pwrkey.is_some() {
            self.pulse(Pin::Pwrkey, None)?;
        } else {
            self.pass(self.pace(self.rig.timing.rail_up))?;
            self.take_transmit()?;
        }
        self.sense().map(drop)
    }

    /// VBAT alone: it boots nothing, unless PWRKEY is tied. That the module says nothing can only
    /// be heard where our side listens, so the transmit line is taken back with VBAT.
    pub(in crate::runner) fn vbat_on(&mut self) -> Result<(), Stop> {
        self.supply_on()?;
        self.pass(self.pace(self.rig.timing.vbat_stable))?;
        self.take_transmit()?;
        self.sense().map(drop)
    }

    /// VBAT off for as long as the rig file says, at least.
    pub(in crate::runner) fn power_off(&mut self) -> Result<(), Stop> {
        self.supply_off()?;
        self.stay_off(None)
    }

    /// Waits with the power off, and for the rail to be down.
    pub(in crate::runner) fn stay_off(&mut self, off_for: Option<Duration>) -> Result<(), Stop> {
        let least = self.rig.timing.off_for;
        let time = off_for.map_or(least, |time| time.max(least));
        self.stay_off_until(self.now() + self.pace(time))
    }

    /// Asserts a line, waits, releases it.
    pub(in crate::runner) fn pulse(
        &mut self,
        pin: Pin,
        width: Option<Duration>,
    ) -> Result<(), Stop> {
        let asserted = self.set_pin(pin, true);
        self.release_after(asserted, pin, width)
    }

    /// The rest of a pulse. Whatever ends it early, an interrupt, a line, a disk: a module is left
    /// with its key pressed by nobody, and held in reset by nobody.
    pub(in crate::runner) fn release_after(
        &mut self,
        asserted: Result<(), Stop>,
        pin: Pin,
        width: Option<Duration>,
    ) -> Result<(), Stop> {
        let waited = asserted.and_then(|()| self.keep_asserted(pin, width));
        let released = self.set_pin(pin, false);
        waited.and(released)
    }

    /// Waits for as long as a pulse lasts. With PWRKEY the module's rail comes up, and with that
    /// the time for our transmit line.
    fn keep_asserted(&mut self, pin: Pin, width: Option<Duration>) -> Result<(), Stop> {
        let width = width.unwrap_or(match pin {
            Pin::ResetN => self.rig.timing.reset_pulse,
            Pin::Pwrkey | Pin::ConsoleEnable => self.rig.timing.pwrkey_pulse,
        });
        let until = self.now() + self.pace(width);
        if pin == Pin::Pwrkey && self.has_let_go() {
            self.pass(self.pace(self.rig.timing.rail_up))?;
            self.take_transmit()?;
        }
        self.pass(until.saturating_sub(self.now()))?;
        if pin == Pin::Pwrkey {
            // A line that takes the supply of a module, instead of its PWRKEY, shows now.
            self.sense()?;
        }
        Ok(())
    }
}
