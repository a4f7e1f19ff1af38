//! Lawful variations: the ways in which one firmware differs from another and is right.

use std::fmt;
use std::str::FromStr;

/// Whose ways the module has. Each is a firmware that exists, or the guide read literally.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Personality {
    /// The 2019 guide: three fields in `UPDATING`, `RDY`, `START` on a resume, `HTTPSTART`.
    #[default]
    Guide,
    /// The guide's worked example of §4.1 to the letter: as `guide`, with its `HTTPTART`.
    Example,
    /// The guides' odd spellings together: `HTTPTART`, and the spaces of the note in §3.1.
    Typo,
    /// The firmware BC26NBR01A03 of 2018.
    A03,
    /// The firmware BC26NBR01A05 of 2018, with its sections.
    A05,
    /// The ways of the sister module BC660K: wide gaps between percentages.
    Bc660k,
}

impl Personality {
    /// Every personality, the default first.
    pub const ALL: [Self; 6] = [
        Self::Guide,
        Self::Example,
        Self::Typo,
        Self::A03,
        Self::A05,
        Self::Bc660k,
    ];

    /// The name a rig file gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Example => "example",
            Self::Typo => "typo",
            Self::A03 => "a03",
            Self::A05 => "a05",
            Self::Bc660k => "bc660k",
        }
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Personality {
    type Err = UnknownPersonality;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|personality| personality.name() == name)
            .ok_or_else(|| UnknownPersonality {
                found: name.to_owned(),
            })
    }
}

/// A name that no personality has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown personality `{found}`: write one of {}", names())]
pub struct UnknownPersonality {
    found: String,
}

fn names() -> String {
    Personality::ALL
        .map(|personality| format!("`{personality}`"))
        .join(", ")
}
