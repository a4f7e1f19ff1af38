//! The container: a header that names base and target, a digest, and one record per page.
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 8 | `HILDELTA` |
//! | 8 | 4 | length of the whole package |
//! | 12 | 4 | length of the base image |
//! | 16 | 4 | length of the target image |
//! | 20 | 32 | version of the base, padded with zeros |
//! | 52 | 32 | version of the target, padded with zeros |
//! | 84 | 32 | SHA-256 of the base image |
//! | 116 | 32 | SHA-256 of the target image |
//! | 148 | 32 | SHA-256 of the whole package, with this field zero |
//! | 180 | … | one record per page of the target |
//!
//! A record is `00` and a page of bytes, or `01` and the number of a page of the base (two
//! bytes). Numbers are little-endian. The target is written over the base sector by sector from
//! the start, so a record may only name pages that are still there: those of its own sector, which
//! the writer holds in RAM, and of the sectors after it.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{PAGE, SECTOR, image};

const MAGIC: &[u8; 8] = b"HILDELTA";
const DIGEST_AT: usize = 148;
const RECORDS_AT: usize = 180;
const VERSION_LEN: usize = 32;
const LITERAL: u8 = 0;
const COPY: u8 = 1;
const PAGES_PER_SECTOR: usize = SECTOR / PAGE;
/// Bounds what a hostile header can make a reader do: 4 MiB, the module's whole flash.
const IMAGE_LEN_MAX: usize = 4 * 1024 * 1024;

/// A delta package that could be read. Whether its digest is right is asked apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    bytes: Vec<u8>,
    base: Side,
    target: Side,
    records: Vec<Record>,
}

/// The image on one side of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Its version, as `ATI` prints it.
    pub version: String,
    /// Its length in bytes.
    pub len: usize,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Copy { page: usize },
    Literal { at: usize },
}

/// Where a page of the target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSource<'a> {
    /// This page of the base.
    Copy(usize),
    /// These bytes.
    Literal(&'a [u8]),
}

/// Why bytes are not a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// The header is absent or contradicts itself.
    #[error("not a delta package: {0}")]
    Header(&'static str),
    /// The records do not make up the target.
    #[error("damaged delta package: page {page} of the target {what}")]
    Record {
        /// The page whose record is wrong.
        page: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The package is not the one that was made.
    #[error("damaged delta package: its digest does not match")]
    Digest,
}

/// Why a package cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {side} is not a whole firmware image of {PAGE}-byte pages")]
pub struct NotAnImage {
    side: &'static str,
}

/// Makes the package that turns `base` into `target`, always the same for the same images.
pub fn make(base: &[u8], target: &[u8]) -> Result<Vec<u8>, NotAnImage> {
    let sides = [("base", base), ("target", target)];
    for (side, bytes) in sides {
        let whole = image::whole(bytes).is_some_and(|image| image.len() == bytes.len());
        if !whole || !bytes.len().is_multiple_of(PAGE) || bytes.len() > IMAGE_LEN_MAX {
            return Err(NotAnImage { side });
        }
    }
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (number, page) in base.chunks_exact(PAGE).enumerate() {
        places.entry(page).or_default().push(number);
    }

    let mut package = vec![0; RECORDS_AT];
    package[..8].copy_from_slice(MAGIC);
    package[12..16].copy_from_slice(&(base.len() as u32).to_le_bytes());
    package[16..20].copy_from_slice(&(target.len() as u32).to_le_bytes());
    for (number, (_, bytes)) in sides.into_iter().enumerate() {
        let version = image::version(bytes).unwrap_or_default();
        let at = 20 + number * VERSION_LEN;
        package[at..at + version.len()].copy_from_slice(version.as_bytes());
        let at = 84 + number * 32;
        package[at..at + 32].copy_from_slice(&Sha256::digest(bytes));
    }
    for (number, page) in target.chunks_exact(PAGE).enumerate() {
        let sector_start = number / PAGES_PER_SECTOR * PAGES_PER_SECTOR;
        let still_there = places
            .get(page)
            .and_then(|places| places.iter().find(|&&place| place >= sector_start))
            .and_then(|&place| u16::try_from(place).ok());
        match still_there {
            Some(place) => {
                package.push(COPY);
                package.extend_from_slice(&place.to_le_bytes());
            }
            None => {
                package.push(LITERAL);
                package.extend_from_slice(page);
            }
        }
    }
    let len = package.len() as u32;
    package[8..12].copy_from_slice(&len.to_le_bytes());
    let digest = digest(&package);
    package[DIGEST_AT..RECORDS_AT].copy_from_slice(&digest);
    Ok(package)
}

impl Package {
    /// Reads a package and checks all of it: header, digest, records.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        let (base, target) = header(bytes)?;
        if bytes[DIGEST_AT..RECORDS_AT] != digest(bytes) {
            return Err(PackageError::Digest);
        }
        Self::with_records(bytes, base, target)
    }

    /// Reads a package and takes its word for being undamaged.
    pub fn parse_without_digest(bytes: &[u8]) -> Result<Self, PackageError> {
        let (base, target) = header(bytes)?;
        Self::with_records(bytes, base, target)
    }

    fn with_records(bytes: &[u8], base: Side, target: Side) -> Result<Self, PackageError> {
        let records = records(bytes, &base, &target)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            base,
            target,
            records,
        })
    }

    /// The image that must be in the flash.
    pub fn base(&self) -> &Side {
        &self.base
    }

    /// The image that will be.
    pub fn target(&self) -> &Side {
        &self.target
    }

    /// How many pages the target has.
    pub fn pages(&self) -> usize {
        self.records.len()
    }

    /// Where a page of the target comes from; `None` beyond its end.
    pub fn page(&self, number: usize) -> Option<PageSource<'_>> {
        Some(match *self.records.get(number)? {
            Record::Copy { page } => PageSource::Copy(page),
            Record::Literal { at } => PageSource::Literal(&self.bytes[at..at + PAGE]),
        })
    }

    /// The target, made from the whole base at once; `None` when `base` is another image.
    pub fn apply(&self, base: &[u8]) -> Option<Vec<u8>> {
        if base.len() != self.base.len || Sha256::digest(base)[..] != self.base.sha256 {
            return None;
        }
        let mut target = Vec::with_capacity(self.target.len);
        for record in &self.records {
            let page = match *record {
                Record::Copy { page } => base.get(page * PAGE..(page + 1) * PAGE)?,
                Record::Literal { at } => self.bytes.get(at..at + PAGE)?,
            };
            target.extend_from_slice(page);
        }
        (Sha256::digest(&target)[..] == self.target.sha256).then_some(target)
    }
}

fn header(bytes: &[u8]) -> Result<(Side, Side), PackageError> {
    let header = bytes
        .get(..RECORDS_AT)
        .ok_or(PackageError::Header("shorter than a header"))?;
    if !header.starts_with(MAGIC) {
        return Err(PackageError::Header("it does not begin with `HILDELTA`"));
    }
    let number = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
    };
    if number(8) != bytes.len() {
        return Err(PackageError::Header(
            "its length is not the one it declares",
        ));
    }
    let side = |index: usize| {
        let len = number(12 + 4 * index);
        if len == 0 || len > IMAGE_LEN_MAX || !len.is_multiple_of(PAGE) {
            return Err(PackageError::Header("an image length is impossible"));
        }
        let version = &header[20 + index * VERSION_LEN..][..VERSION_LEN];
        let version_len = version.iter().position(|&byte| byte == 0);
        let version = version_len
            .and_then(|len| str::from_utf8(&version[..len]).ok())
            .filter(|version| version.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or(PackageError::Header("a version is not a word"))?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&header[84 + index * 32..][..32]);
        Ok(Side {
            version: version.to_owned(),
            len,
            sha256,
        })
    };
    Ok((side(0)?, side(1)?))
}

fn records(bytes: &[u8], base: &Side, target: &Side) -> Result<Vec<Record>, PackageError> {
    let base_pages = base.len / PAGE;
    let pages = target.len / PAGE;
    let mut records = Vec::with_capacity(pages);
    let mut at = RECORDS_AT;
    for page in 0..pages {
        let wrong = |what| PackageError::Record { page, what };
        let (record, next) = match bytes.get(at) {
            Some(&LITERAL) => (Record::Literal { at: at + 1 }, at + 1 + PAGE),
            Some(&COPY) => {
                let field = bytes.get(at + 1..at + 3).ok_or(wrong("is cut short"))?;
                let from = usize::from(u16::from_le_bytes([field[0], field[1]]));
                if from >= base_pages {
                    return Err(wrong("is copied from beyond the base"));
                }
                if from / PAGES_PER_SECTOR < page / PAGES_PER_SECTOR {
                    return Err(wrong("is copied from what is already overwritten"));
                }
                (Record::Copy { page: from }, at + 3)
            }
            Some(_) => return Err(wrong("has a record of no known kind")),
            None => return Err(wrong("is missing")),
        };
        if next > bytes.len() {
            return Err(wrong("is cut short"));
        }
        records.push(record);
        at = next;
    }
    if at != bytes.len() {
        return Err(PackageError::Record {
            page: pages,
            what: "does not exist, yet bytes follow",
        });
    }
    Ok(records)
}

/// A package that reads the same and is another, whole with its digest: what pads the base's
/// version is not all zeros. Bytes without a header are left as they are.
pub(crate) fn with_other_padding(package: &[u8]) -> Vec<u8> {
    let mut package = package.to_vec();
    if package.len() >= RECORDS_AT {
        package[20 + VERSION_LEN - 1] ^= 0x55;
        let digest = digest(&package);
        package[DIGEST_AT..RECORDS_AT].copy_from_slice(&digest);
    }
    package
}

fn digest(package: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(&package[..DIGEST_AT])
        .chain_update([0; RECORDS_AT - DIGEST_AT])
        .chain_update(&package[RECORDS_AT..])
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::IMAGE_LEN;
    use proptest::prelude::*;

    fn firmware(version: &str) -> Vec<u8> {
        image::image(version, 26, IMAGE_LEN)
    }

    #[test]
    fn a_package_makes_the_target_of_its_base_and_of_nothing_else() {
        let [a, b, c] = ["BC26NBR01A01", "BC26NBR01A02", "BC26NBR01A03"].map(firmware);
        for (base, target) in [(&a, &b), (&b, &a), (&c, &b)] {
            let package = Package::parse(&make(base, target).unwrap()).unwrap();
            assert_eq!(package.apply(base).as_ref(), Some(target));
        }
        let package = Package::parse(&make(&c, &b).unwrap()).unwrap();
        assert_eq!(package.apply(&a), None);
    }

    #[test]
    fn a_package_is_much_smaller_than_the_image() {
        let package = make(&firmware("BC26NBR01A01"), &firmware("BC26NBR01A02")).unwrap();
        assert!(
            (15_000..32_000).contains(&package.len()),
            "{}",
            package.len()
        );
    }

    #[test]
    fn a_package_with_other_padding_is_another_and_does_the_same() {
        let [a, b] = ["BC26NBR01A01", "BC26NBR01A02"].map(firmware);
        let package = make(&a, &b).unwrap();
        let other = with_other_padding(&package);
        assert_ne!(other, package);
        assert_eq!(Package::parse(&other).unwrap().apply(&a), Some(b));
        assert_eq!(with_other_padding(b"html"), b"html");
    }

    #[test]
    fn what_is_not_an_image_is_refused() {
        let a = firmware("BC26NBR01A01");
        assert_eq!(make(&a[1..], &a), Err(NotAnImage { side: "base" }));
        assert_eq!(make(&a, b"html"), Err(NotAnImage { side: "target" }));
    }

    proptest! {
        #[test]
        fn a_damaged_package_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut package = make(&image::image("A", 1, SECTOR), &image::image("B", 1, SECTOR)).unwrap();
            let at = at.index(package.len());
            package[at] ^= 1 << bit;
            prop_assert!(Package::parse(&package).is_err());
        }

        #[test]
        fn any_bytes_can_be_asked(bytes in prop::collection::vec(any::<u8>(), 0..600), keep in 0..300usize) {
            let _ = Package::parse(&bytes);
            // The same behind a lawful header, so that the records are reached.
            let mut package = make(&image::image("A", 1, SECTOR), &image::image("B", 1, SECTOR)).unwrap();
            package.truncate(keep.max(RECORDS_AT));
            package.extend_from_slice(&bytes);
            let len = package.len() as u32;
            package[8..12].copy_from_slice(&len.to_le_bytes());
            if let Ok(package) = Package::parse_without_digest(&package) {
                let _ = package.apply(&image::image("A", 1, SECTOR));
            }
        }
    }
}
