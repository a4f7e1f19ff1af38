//! Where things are in the flash, and the small records among them.
//!
//! | what | sectors |
//! |---|---|
//! | firmware | as many as the image has |
//! | scratch: the new content of the sector being rewritten | 1 |
//! | control: trigger, resume marker with its marks, or result | 1 |
//! | saved settings, twice | 2 |
//! | delta package | 224 |

use sha2::{Digest, Sha256};

use super::Rate;
use super::flash::{Flash, Operation};
use crate::delta::{self, PAGE, SECTOR};

/// The largest package that fits: 917 504 bytes, as in the firmware BC26NBR01A03.
pub(super) const PACKAGE_LEN_MAX: usize = 0xE_0000;

const CHECK_LEN: usize = 4;
/// The marks begin here in the control sector: two bytes a sector, one for each half of its
/// journey (see [`Mark`]).
const MARKS_AT: usize = 1024;
const APN_LEN_MAX: usize = 100;

/// The map of one module's flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) firmware_sectors: usize,
}

impl Layout {
    pub(super) fn for_image(len: usize) -> Self {
        let most = (SECTOR - MARKS_AT) / 2;
        Self {
            firmware_sectors: len.div_ceil(SECTOR).clamp(1, most),
        }
    }

    pub(super) fn scratch(self) -> usize {
        self.firmware_sectors
    }

    /// Where the control record is.
    pub(super) fn control(self) -> usize {
        self.firmware_sectors + 1
    }

    fn settings(self, copy: usize) -> usize {
        self.firmware_sectors + 2 + copy
    }

    pub(super) fn package(self) -> usize {
        self.firmware_sectors + 4
    }

    pub(super) fn sectors(self) -> usize {
        self.package() + PACKAGE_LEN_MAX / SECTOR
    }

    /// The firmware region as it is, whole or not.
    pub(super) fn firmware(self, flash: &Flash) -> Vec<u8> {
        flash.read(0, self.firmware_sectors * SECTOR)
    }

    /// The version in the firmware's header.
    pub(super) fn version(self, flash: &Flash) -> Option<String> {
        delta::version(flash.sector(0)).map(str::to_owned)
    }

    /// What the bootloader and the application left for each other.
    pub(super) fn control_record(self, flash: &Flash) -> Control {
        let [tag, n0, n1, n2, n3, check @ ..] = flash.sector(self.control());
        let number = [*n0, *n1, *n2, *n3];
        if !check.starts_with(&digest_start(&[&[*tag], &number])) {
            return Control::Nothing;
        }
        let number = u32::from_le_bytes(number);
        match tag {
            b'T' => Control::Trigger {
                package_len: number,
            },
            b'U' => Control::Updating {
                package_len: number,
            },
            b'S' => Control::Status { err: number as u8 },
            _ => Control::Nothing,
        }
    }

    /// Replaces the control record: an erase, which also clears the marks, and a program. Between
    /// the two there is none, as in the firmware of the field.
    pub(super) fn replace_control(self, control: Control) -> [Operation; 2] {
        let (tag, number) = match control {
            Control::Nothing => (0xFF, u32::MAX),
            Control::Trigger { package_len } => (b'T', package_len),
            Control::Updating { package_len } => (b'U', package_len),
            Control::Status { err } => (b'S', u32::from(err)),
        };
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&digest_start(&[&bytes]));
        [
            self.erase_control(),
            Operation::Program {
                at: self.control() * SECTOR,
                bytes,
            },
        ]
    }

    pub(super) fn erase_control(self) -> Operation {
        Operation::Erase {
            sector: self.control(),
        }
    }

    /// Whether a mark is set. A torn one is not.
    pub(super) fn is_marked(self, flash: &Flash, sector: usize, mark: Mark) -> bool {
        let at = MARKS_AT + 2 * sector + mark as usize;
        flash.sector(self.control()).get(at) == Some(&0)
    }

    pub(super) fn set_mark(self, sector: usize, mark: Mark) -> Operation {
        Operation::Program {
            at: self.control() * SECTOR + MARKS_AT + 2 * sector + mark as usize,
            bytes: vec![0],
        }
    }

    /// The settings last saved; the newer of the copies that are whole.
    pub(super) fn saved(self, flash: &Flash) -> Option<Saved> {
        [0, 1]
            .into_iter()
            .filter_map(|copy| Saved::read(flash.sector(self.settings(copy))))
            .max_by_key(|(sequence, _)| *sequence)
            .map(|(_, saved)| saved)
    }

    /// Saves settings over the older copy, so that a cut leaves the newer one.
    pub(super) fn save(self, flash: &Flash, saved: &Saved) -> Vec<Operation> {
        let sequences =
            [0, 1].map(|copy| Saved::read(flash.sector(self.settings(copy))).map(|(n, _)| n));
        let older = usize::from(sequences[1] < sequences[0]);
        let newest = sequences.into_iter().flatten().max().unwrap_or(0);
        let sector = self.settings(older);
        let mut operations = vec![Operation::Erase { sector }];
        operations.extend(pages(sector * SECTOR, &saved.write(newest.wrapping_add(1))));
        operations
    }
}

/// Cuts a write into operations that each stay within their page.
pub(super) fn pages(at: usize, bytes: &[u8]) -> impl Iterator<Item = Operation> {
    let first = (PAGE - at % PAGE).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    let head = (!head.is_empty()).then_some((at, head));
    let rest = rest
        .chunks(PAGE)
        .enumerate()
        .map(move |(number, page)| (at + first + number * PAGE, page));
    head.into_iter()
        .chain(rest)
        .map(|(at, page)| Operation::Program {
            at,
            bytes: page.to_vec(),
        })
}

/// The one record of the control sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// None, or one that was torn.
    Nothing,
    /// The application asks the bootloader for an update.
    Trigger { package_len: u32 },
    /// The bootloader is rewriting the firmware: the forced upgrade of §3.1 note 1.
    Updating { package_len: u32 },
    /// The bootloader has finished; the application has not said so yet.
    Status { err: u8 },
}

/// How far one sector of the firmware has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Its new content is whole in the scratch sector.
    Kept = 0,
    /// Its new content is whole in its place.
    Written = 1,
}

/// What `AT&W` and the APN commands keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) rate: Rate,
    pub(super) echo: bool,
    pub(super) cmee: u8,
    pub(super) apn: String,
}

impl Saved {
    pub(super) fn factory(rate: Rate) -> Self {
        Self {
            rate,
            echo: true,
            cmee: 0,
            apn: String::from("cmnbiot"),
        }
    }

    fn write(&self, sequence: u32) -> Vec<u8> {
        let rate = match self.rate {
            Rate::Auto => 0,
            Rate::Fixed(rate) => rate,
        };
        let apn = &self.apn.as_bytes()[..self.apn.len().min(APN_LEN_MAX)];
        let mut bytes = sequence.to_le_bytes().to_vec();
        bytes.extend_from_slice(&rate.to_le_bytes());
        bytes.extend_from_slice(&[u8::from(self.echo), self.cmee, apn.len() as u8]);
        bytes.extend_from_slice(apn);
        bytes.extend_from_slice(&digest_start(&[&bytes]));
        bytes
    }

    fn read(sector: &[u8]) -> Option<(u32, Self)> {
        let apn_len = usize::from(*sector.get(10)?);
        let len = 11 + apn_len;
        let (record, rest) = sector.split_at_checked(len)?;
        if rest.get(..CHECK_LEN)? != digest_start(&[record]) {
            return None;
        }
        let number = |at: usize| Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?));
        let rate = match number(4)? {
            0 => Rate::Auto,
            rate => Rate::Fixed(rate),
        };
        let saved = Self {
            rate,
            echo: record[8] == 1,
            cmee: record[9],
            apn: String::from_utf8(record[11..].to_vec()).ok()?,
        };
        Some((number(0)?, saved))
    }
}

/// Enough of a digest to tell a record from a torn one.
fn digest_start(parts: &[&[u8]]) -> [u8; CHECK_LEN] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let digest = hash.finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_save_leaves_the_settings_before_it() {
        let layout = Layout::for_image(SECTOR);
        let mut flash = Flash::new(layout.sectors());
        let mut saved = Saved::factory(Rate::Auto);
        for rate in [4800, 9600, 57600, 115_200] {
            let before = layout.saved(&flash);
            saved.rate = Rate::Fixed(rate);
            let operations = layout.save(&flash, &saved);
            let mut torn = flash.clone();
            for operation in &operations {
                let mut cut = torn.clone();
                cut.tear(operation, 500, 7);
                assert_eq!(layout.saved(&cut), before, "{operation:?}");
                torn.perform(operation);
            }
            flash = torn;
            assert_eq!(layout.saved(&flash).as_ref(), Some(&saved));
        }
    }

    #[test]
    fn a_torn_control_record_is_none() {
        let layout = Layout::for_image(SECTOR);
        let mut flash = Flash::new(layout.sectors());
        let [erase, program] = layout.replace_control(Control::Trigger { package_len: 77 });
        flash.perform(&erase);
        for done in (0..1000).step_by(50) {
            let mut torn = flash.clone();
            torn.tear(&program, done, 3);
            assert_eq!(layout.control_record(&torn), Control::Nothing, "{done}");
        }
        flash.perform(&program);
        assert_eq!(
            layout.control_record(&flash),
            Control::Trigger { package_len: 77 }
        );
    }

    #[test]
    fn a_write_is_cut_at_page_ends() {
        let pieces: Vec<_> = pages(250, &[1; 516])
            .map(|operation| match operation {
                Operation::Program { at, bytes } => (at, bytes.len()),
                Operation::Erase { .. } => unreachable!("pages only programs"),
            })
            .collect();
        assert_eq!(pieces, [(250, 6), (256, 256), (512, 254)]);
    }
}
