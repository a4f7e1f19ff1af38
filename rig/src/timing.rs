//! How long things take on a bench, in the module's time, and what the hardware manuals ask for.
//!
//! Pages are as printed in Quectel's hardware design manuals: "BC26 硬件设计手册 V1.0" and "BC20
//! 硬件设计手册 V1.0 Preliminary" (2018-10-30).

use std::time::Duration;

use crate::config::Model;

/// What a model's hardware manual says of its power, and what it leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// VBAT must have been stable for so long before PWRKEY is asserted. Neither manual has a
    /// figure; it is that of the M95's hardware design.
    pub vbat_stable: Duration,
    /// PWRKEY switches on when it has been low for so long, at least.
    pub pwrkey_least: Duration,
    /// VDD_EXT is up so long after PWRKEY has gone low.
    pub rail_up: Duration,
    /// RESET_N resets when it has been low for so long, at least.
    pub reset_least: Duration,
    /// From the start to a module that answers. Neither manual has a figure; integrators wait for
    /// two to five seconds, and this is some more.
    pub boots_within: Duration,
}

/// BC26: PWRKEY p. 21 (§3.6.1, table 7), VDD_EXT p. 22 (figure 8), RESET_N p. 23 (§3.6.3, table 8).
pub const BC26: Figures = Figures {
    vbat_stable: Duration::from_millis(30),
    pwrkey_least: Duration::from_millis(500),
    rail_up: Duration::from_millis(42),
    reset_least: Duration::from_millis(50),
    boots_within: Duration::from_secs(8),
};

/// BC20: PWRKEY p. 20 (§3.7.1, table 5), VDD_EXT p. 21 (figure 8), RESET_N p. 22 (§3.7.3, table 6).
/// The figures are the BC26's today; they stand here by themselves so that they may differ.
pub const BC20: Figures = Figures {
    vbat_stable: Duration::from_millis(30),
    pwrkey_least: Duration::from_millis(500),
    rail_up: Duration::from_millis(42),
    reset_least: Duration::from_millis(50),
    boots_within: Duration::from_secs(8),
};

/// The figures of a model; where a rig file names none, those of the BC26.
#[must_use]
pub fn figures(model: Option<Model>) -> &'static Figures {
    match model {
        Some(Model::Bc20) => &BC20,
        Some(Model::Bc26) | None => &BC26,
    }
}

/// How long things take on a bench, in the module's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From VBAT to PWRKEY.
    pub vbat_stable: Duration,
    /// The PWRKEY pulse; nothing where PWRKEY is tied.
    pub pwrkey_pulse: Duration,
    /// From PWRKEY, or where that is tied from VBAT, to VDD_EXT: before it is up, a level on a pin
    /// would feed the module (`VIHmax` is VDD_EXT + 0.2 V: BC20 manual, table 2).
    pub rail_up: Duration,
    /// The RESET_N pulse; nothing where there is no such line.
    pub reset_pulse: Duration,
    /// The least time without VBAT.
    pub off_for: Duration,
    /// From the start to a module that answers.
    pub boots_within: Duration,
}
