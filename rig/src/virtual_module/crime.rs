//! Unlawful behaviour, on request: what a judge must be able to catch.
//!
//! Another type than the manners of [`super::manner`], so that none is switched on by accident.
//! `M` is a defect of the module, `H` a lie of the rig around it. Ids are stable: add, never
//! renumber. What each does is done where the lawful deed is done, behind a question for it.

use std::fmt;
use std::str::FromStr;

use super::url::Url;
use crate::delta::{self, SECTOR};

macro_rules! defects {
    ($($id:ident $description:literal)*) => {
        /// A defect that the module, or the rig it lives in, can be given, by its id (`M20`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Defect {
            $(#[doc = $description] $id,)*
        }

        impl Defect {
            /// Every defect that there is.
            pub const ALL: &'static [Self] = &[$(Self::$id,)*];

            /// The id, such as `M20`.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$id => stringify!($id),)*
                }
            }

            /// What is wrong with a module that has it, in one line.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$id => $description,)*
                }
            }
        }
    };
}

defects! {
    // Messages.
    M01 "`HTTPEND,0` comes although `DOWNLOADING` never reached 100"
    M02 "`START` comes after a failed download"
    M03 "the percentage falls within a download"
    M04 "the percentage runs ahead of what was downloaded"
    M05 "a percentage of 255"
    M06 "no `HTTPSTART`"
    M07 "`AT+QFOTADL` is answered after more than 300 ms"
    M08 "`<total_num>` and `<current_bin>` are not 1"
    M09 "no `END` at a fixed rate"
    M10 "`END` comes again at every later boot"
    M11 "`END` comes before `RDY`"
    M12 "with autobaud the result is lost and the version cannot be read either"
    M13 "a URL of 256 bytes is accepted"
    M14 "`HTTP://` is refused, and the port is 8080 where none is given"
    M15 "an `https` URL is accepted and then nothing happens"
    M16 "a second `AT+QFOTADL` during a download begins a second download"
    // Download.
    M20 "a connection that ends early counts as a complete download"
    M21 "a connection that is reset counts as a complete download"
    M22 "no limit to the wait for bytes"
    M23 "no limit to the wait for a connection"
    M24 "redirects are followed for ever"
    M25 "the body of a 404 is downloaded, and what is no package is written over the firmware"
    M26 "a download that was gone on with is installed unchecked"
    M27 "a server that ignores the range has its whole answer appended"
    M29 "the chunk headers of a chunked answer end up in the package"
    M30 "bytes beyond the declared length end up in the package"
    M32 "a header beyond bounds restarts the module"
    M33 "after 20 failed downloads every download fails"
    M35 "it connects again after the download is over"
    // Integrity.
    M40 "no digest and no base is checked"
    M41 "the header is checked, the rest of the package is not"
    M42 "the base is not checked"
    M43 "254 and 255 are exchanged"
    M44 "`END,0` comes and the old firmware is still there"
    M46 "a package that is too large destroys the saved settings"
    // Power.
    M50 "after a cut in `UPDATING` the old firmware is back and nothing is said"
    M51 "after a cut in `UPDATING` the package is downloaded again"
    M53 "the sector that a cut tore is not written again"
    M54 "a cut while one certain sector is written is the end"
    M55 "a second cut, while the update goes on after a first, is the end"
    M56 "a sector is marked as written before it is"
    M57 "a sector that a cut tore is patched again from what it has become"
    M60 "a cut in `DOWNLOADING` is followed by an update from half a package"
    M62 "an interrupted update resets the APN"
    M63 "after nine interrupted updates every download fails"
    // More of each.
    M64 "`END` comes twice"
    M65 "a URL of 255 bytes is refused"
    M66 "the percentage falls within one boot of an update"
    M67 "`UPDATING` goes on after `END`"
    M68 "nothing follows `HTTPEND,0`"
    M69 "it restarts in the middle of a download"
    M70 "a good update ends with an undocumented `<err>`"
    M71 "a failed download ends with an undocumented `<http_err>`"
    M72 "`AT+QFOTADL` has no final result code"
    M73 "an unknown message comes in the middle of a download"
    M74 "an update changes the IMEI"
    M75 "after an update it is not registered any more, and its radio is off"
    M76 "`UPDATING` comes before a package for another base is refused"
    M77 "a package for another base ends with `END,0`"
    M79 "the second start after an update is on the old firmware again"
    M80 "the resume marker is not cleared: the next start updates once more"
    M82 "the spelling of `UPDATING` changes in the middle"
    M83 "`AT+QFOTADL=?` is refused"
    M84 "ports 0 and 65536 are accepted"
    M85 "a URL without quotes is accepted"
    M87 "`END` comes without a restart after the last `UPDATING`"
    M88 "it restarts once more after `END`"
    M89 "`ATI` and `AT+CGMR` tell different versions"
    M90 "a failed update leaves error reports switched on"
    M91 "the lines of the boot banner come out of order"
    M92 "a failed download is followed by `END,0`"
    M93 "`UPDATING` comes before the restart that leads to it"
    M94 "`AT+QFOTADL` has two final result codes"
    M95 "after an update the version is neither the old one nor the new one"
    M96 "`ATI` tells the version that it told first, in whatever command line"
    M99 "a pulse of PWRKEY restarts it while it runs"
    M100 "an `https` URL is downloaded all the same, without TLS"
    M101 "the bootloader talks to its makers between the lines of an update"
    M102 "its watchdog restarts it in the middle of an update, which then goes on"
    M103 "after a failed download every other command for one is refused until the next start"
    M104 "a download that goes on asks for one byte too few"
    M105 "`END` tells the result of the update before"
    M106 "the last `DOWNLOADING` comes after `HTTPEND,0`"
    M107 "`HTTPSTART` comes before `OK`"
    M108 "after a cut in `DOWNLOADING` the download begins anew by itself"
    M109 "an update leaves the saved rate at autobaud"
    M110 "a URL of more than 240 bytes is accepted, and its download fails"
    M111 "a reset in `UPDATING` ends the update with the old firmware"
    // The rig, and the harness's own server.
    H01 "the relay is stuck on: VBAT is never cut, and reads back as connected"
    H03 "the module is fed through a pin that nobody lets go of: it lives on without VBAT"
    H04 "VBAT is cut three seconds late"
    H05 "the server's plans meet no request"
    H06 "the server serves a stale package: another one of the manifest"
    H07 "the console drops bytes"
    H10 "the answer to `ATI` comes from a cache"
    H14 "the module has the next firmware already"
    H15 "it is another module: its IMEI is another"
    H16 "the module is fed through its UART: it lives on without VBAT while our line is driven"
    H17 "capacitors hold the module: it lives on for minutes without VBAT"
    H18 "the adapter holds back the last line before a cut until the power is back"
    H19 "RESET_N leads nowhere"
    H20 "PWRKEY's line takes the supply of a module that is on"
    H21 "the module has the result of an earlier update to report"
    H22 "the console is pulled while the module updates"
    H23 "the server serves a package that was made anew: it updates as well, and is not the one of the manifest"
    H24 "a stranger fetches the run's own path beside the module"
    H25 "a scanner tries the server while the module downloads"
    H26 "a crowd at the module's own address takes its place at the server"
    H27 "a person ends the run while the module updates"
}

/// What a defective module remembers outside of its flash, over any loss of power. A healthy
/// one never looks at it.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Updates that a loss of power interrupted.
    pub(super) interrupted: u8,
    /// Whether the package that waits is not to be checked.
    pub(super) unchecked: bool,
    /// Where the last package came from.
    pub(super) url: Option<Url>,
    /// Whether to download it again at the next start.
    pub(super) again: bool,
    /// The firmware before the last update.
    pub(super) before: Option<Vec<u8>>,
    /// The length of the last package.
    pub(super) package_len: u32,
    /// Whether an update has gone on after a cut already.
    pub(super) resumed: bool,
    /// What `ATI` answered first.
    pub(super) ati: Option<String>,
    /// Whether an update has ended in this life.
    pub(super) updated: bool,
    /// How the update before ended.
    pub(super) last_result: Option<u8>,
    /// Whether the last start was one by RESET_N.
    pub(super) was_reset: bool,
}

/// The firmware after `image`: its version counted up, its body made anew.
pub(super) fn next_firmware(image: &[u8]) -> Vec<u8> {
    /// The seed of the images in `fixtures/packages`, so that theirs is met.
    const SEED: u64 = 26;
    let version = delta::version(image).unwrap_or("BC26NBR01A00");
    let (stem, digit) = version.split_at(version.len() - 1);
    let next = digit.parse().map_or(1, |digit: u8| (digit + 1) % 10);
    let len = image.len().next_multiple_of(SECTOR).max(SECTOR);
    delta::image(&format!("{stem}{next}"), SEED, len)
}

/// A package that does what `package` does, and is not it: its padding is another.
pub fn made_anew(package: &[u8]) -> Vec<u8> {
    delta::with_other_padding(package)
}

/// An IMEI that is not this one, of the same length.
pub(super) fn other_imei(imei: &str) -> String {
    imei.chars()
        .map(|digit| {
            if digit == '9' {
                '0'
            } else {
                char::from(digit as u8 + 1)
            }
        })
        .collect()
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|defect| defect.id() == id)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_belongs_to_one_defect() {
        for (index, defect) in Defect::ALL.iter().enumerate() {
            assert_eq!(defect.to_string().parse(), Ok(*defect));
            assert!(
                Defect::ALL[..index]
                    .iter()
                    .all(|other| other.id() != defect.id())
            );
        }
        assert_eq!(
            "M00".parse::<Defect>().unwrap_err().to_string(),
            "unknown defect `M00`: `hil module --list-defects` prints those there are"
        );
    }
}
