//! Lawful variations: the ways in which one firmware differs from another and is right.

use std::fmt;
use std::str::FromStr;

use super::layout::PACKAGE_LEN_MAX;

/// 778 240 bytes, as in the firmware BC26NBR01A05.
const PACKAGE_LEN_MAX_OF_A05: usize = 0xB_E000;

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

/// Something that befalls a module which does nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Circumstance {
    /// The network begins to take the module in, and never ends.
    Activating,
    /// The sector of the flash that holds the order for an update takes no more writes.
    FlashWorn,
}

impl Circumstance {
    /// Every circumstance.
    pub const ALL: [Self; 2] = [Self::Activating, Self::FlashWorn];

    /// The name a scenario gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Activating => "activating",
            Self::FlashWorn => "flash-worn",
        }
    }
}

impl fmt::Display for Circumstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Circumstance {
    type Err = UnknownCircumstance;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|circumstance| circumstance.name() == name)
            .ok_or_else(|| UnknownCircumstance {
                found: name.to_owned(),
            })
    }
}

/// A name that no circumstance has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown circumstance `{found}`: write `activating` or `flash-worn`")]
pub struct UnknownCircumstance {
    found: String,
}

/// How many numbers an `UPDATING` line has. A property of the bootloader's revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpdateFields {
    /// The percentage.
    One,
    /// The percentage, the number of programs, and the current one.
    Three,
}

/// Which percentages of an update are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Density {
    /// Each, as the guide prints them.
    Every,
    /// One after each sector, from 20 on: `20 + 80·i/n` of the firmware A03.
    FromTwenty,
    /// Now and then, as a BC660K was heard.
    Gaps,
}

/// What one personality means, point by point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// §3.1 spells it `HTTPSTART`, §4.1 `HTTPTART`.
    pub(super) http_start: &'static str,
    /// What follows each comma before a number.
    pub(super) space: &'static str,
    /// `DOWNLOADING,100` comes out of a buffer of 31 characters without its sign.
    pub(super) hundred_lacks_sign: bool,
    /// Whether each percent of the download is said, or only one a read.
    pub(super) downloads_every_percent: bool,
    pub(super) update_fields: UpdateFields,
    /// `UPDATING` ends in LF CR, with nothing before it.
    pub(super) update_ends_lf_cr: bool,
    pub(super) update_density: Density,
    /// How many programs an update has; the percentage starts again in each.
    pub(super) sections: u8,
    /// Whether the bootloader says `START` when it goes on after a power cut.
    pub(super) start_on_resume: bool,
    /// Whether the application says `RDY` and `+CFUN: 1`.
    pub(super) says_rdy: bool,
    /// Whether it says `+CPIN: READY` and, when registered, `+IP: …`.
    pub(super) says_cpin_and_ip: bool,
    /// What a package is called whose digest is wrong: invalid by the guide, a mismatch by the
    /// firmware of 2018.
    pub(super) damaged_body: u8,
    /// The largest package that it takes, in bytes.
    pub(super) package_len_max: usize,
}

impl Personality {
    /// The points of this personality.
    pub(super) fn manner(self) -> Manner {
        let guide = Manner {
            http_start: "HTTPSTART",
            space: "",
            hundred_lacks_sign: false,
            downloads_every_percent: true,
            update_fields: UpdateFields::Three,
            update_ends_lf_cr: false,
            update_density: Density::Every,
            sections: 1,
            start_on_resume: true,
            says_rdy: true,
            says_cpin_and_ip: false,
            damaged_body: super::voice::FOTA_PACKAGE_INVALID,
            package_len_max: PACKAGE_LEN_MAX,
        };
        match self {
            Self::Guide => guide,
            Self::Example => Manner {
                http_start: "HTTPTART",
                ..guide
            },
            Self::Typo => Manner {
                http_start: "HTTPTART",
                space: " ",
                ..guide
            },
            Self::A03 => Manner {
                hundred_lacks_sign: true,
                downloads_every_percent: false,
                update_fields: UpdateFields::One,
                update_ends_lf_cr: true,
                update_density: Density::FromTwenty,
                start_on_resume: false,
                says_rdy: false,
                says_cpin_and_ip: true,
                damaged_body: super::voice::FOTA_PACKAGE_MISMATCH,
                ..guide
            },
            Self::A05 => Manner {
                hundred_lacks_sign: true,
                downloads_every_percent: false,
                sections: 2,
                start_on_resume: false,
                says_rdy: false,
                says_cpin_and_ip: true,
                damaged_body: super::voice::FOTA_PACKAGE_MISMATCH,
                package_len_max: PACKAGE_LEN_MAX_OF_A05,
                ..guide
            },
            Self::Bc660k => Manner {
                downloads_every_percent: false,
                update_density: Density::Gaps,
                says_cpin_and_ip: true,
                ..guide
            },
        }
    }
}
