//! The phases of an update as seen from outside.

use crate::urc::{FotaErr, HttpErr};

/// Where an update stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No update was asked for.
    #[default]
    Idle,
    /// `AT+QFOTADL` was sent; `HTTPSTART` has not come.
    Commanded,
    /// The module downloads.
    Downloading {
        /// The last percentage, if one came.
        percent: Option<u32>,
    },
    /// `HTTPEND,0` came; `START` has not.
    Downloaded,
    /// From `START` on the flash may change; also after a cut, until the module is through.
    Updating {
        /// The last percentage, if one came.
        percent: Option<u32>,
    },
    /// The module boots after the last `UPDATING`; `END` is awaited.
    Restarting,
    /// It is over.
    Ended(End),
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The command was refused.
    Refused,
    /// The power went before `START`: nothing is left of the command.
    Dropped,
    /// `HTTPEND` with an error: final, no `END` follows.
    HttpEnd(HttpErr),
    /// `END`.
    End(FotaErr),
    /// The application runs again and has not said how it ended; `END` may still come.
    Unreported,
}

impl Phase {
    /// The glossary's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Commanded => "commanded",
            Phase::Downloading { .. } => "downloading",
            Phase::Downloaded => "downloaded",
            Phase::Updating { .. } => "updating",
            Phase::Restarting => "restarting",
            Phase::Ended(_) => "ended",
        }
    }

    /// Whether the module may be changing its flash.
    #[must_use]
    pub fn is_at_its_flash(self) -> bool {
        matches!(self, Phase::Updating { .. } | Phase::Restarting)
    }

    /// Whether an update is under way, so that a second command finds the module busy.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        !matches!(self, Phase::Idle | Phase::Ended(_))
    }
}
