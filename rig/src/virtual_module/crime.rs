//! Unlawful behaviour, on request: what a judge must be able to catch.
//!
//! Another type than the manners of [`super::manner`], so that none is switched on by accident.

use std::fmt;
use std::str::FromStr;

/// A defect that the module can be given, by its stable id (`M20`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Defect {
    id: &'static str,
    description: &'static str,
}

impl Defect {
    /// Every defect that there is.
    pub const ALL: &'static [Self] = &[];

    /// The id, such as `M20`.
    pub fn id(self) -> &'static str {
        self.id
    }

    /// What is wrong with a module that has it, in one line.
    pub fn description(self) -> &'static str {
        self.description
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|defect| defect.id == id)
            .ok_or_else(|| UnknownDefect {
                found: id.to_owned(),
            })
    }
}

/// An id that no defect has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown defect `{found}`: `hil module --list-defects` prints those there are")]
pub struct UnknownDefect {
    found: String,
}
