//! Firmware images: a header that says the version, and a body that a digest protects.

use sha2::{Digest, Sha256};

use super::{PAGE, SECTOR};

/// The length of the images in `fixtures/packages`: 32 sectors, a few seconds of link time as a
/// delta, and finely enough divided that every percent of an update is written at its own moment.
pub const IMAGE_LEN: usize = 128 * 1024;

const MAGIC: &[u8; 8] = b"HILIMAGE";
const LEN_AT: usize = 8;
const VERSION_AT: usize = 16;
const VERSION_LEN_MAX: usize = 31;
const DIGEST_AT: usize = 48;
const BODY_AT: usize = 80;

/// Makes the image of one version, always the same for the same arguments.
///
/// Versions of one `seed` are relatives: most of their pages are equal, one page in sixteen is
/// the version's own, and a quarter of the image is moved by a few pages from one version to
/// the next, as code is when something before it grows.
///
/// # Panics
///
/// When `version` is empty, longer than 31 bytes or not ASCII, or `len` is not a whole number of
/// sectors: an image is made by a developer, not read from a file.
pub fn image(version: &str, seed: u64, len: usize) -> Vec<u8> {
    assert!(
        (1..=VERSION_LEN_MAX).contains(&version.len()) && version.is_ascii(),
        "a version is 1 to {VERSION_LEN_MAX} ASCII characters: `{version}`"
    );
    assert!(
        len > 0 && len.is_multiple_of(SECTOR) && u32::try_from(len).is_ok(),
        "an image is a whole number of sectors of {SECTOR} bytes: {len}"
    );
    let own = version
        .bytes()
        .fold(seed ^ 0x9E37_79B9_7F4A_7C15, |hash, byte| {
            mix(hash ^ u64::from(byte))
        });
    let pages = len / PAGE;
    let mut image = Vec::with_capacity(len);
    for page in 0..pages as u64 {
        let moved = (pages as u64 / 4..pages as u64 / 2).contains(&page);
        let key = if page % 16 == own % 16 {
            mix(own ^ page)
        } else if moved {
            mix(seed ^ (page + own / 16 % 4))
        } else {
            mix(seed ^ page)
        };
        let mut state = key;
        for _ in 0..PAGE / 8 {
            state = mix(state);
            image.extend_from_slice(&state.to_le_bytes());
        }
    }
    image[..BODY_AT].fill(0);
    image[..MAGIC.len()].copy_from_slice(MAGIC);
    image[LEN_AT..LEN_AT + 4].copy_from_slice(&(len as u32).to_le_bytes());
    image[VERSION_AT..VERSION_AT + version.len()].copy_from_slice(version.as_bytes());
    let digest = digest(&image);
    image[DIGEST_AT..BODY_AT].copy_from_slice(&digest);
    image
}

/// The version an image says it is, if it has a header at all. The body may be torn.
pub fn version(image: &[u8]) -> Option<&str> {
    declared_len(image)?;
    let field = &image[VERSION_AT..DIGEST_AT];
    let len = field.iter().position(|&byte| byte == 0)?;
    let version = str::from_utf8(&field[..len]).ok()?;
    version
        .bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then_some(version)
        .filter(|version| !version.is_empty())
}

/// The length an image's header declares, where it has a header.
fn declared_len(image: &[u8]) -> Option<usize> {
    let header = image.get(..BODY_AT)?;
    let len = u32::from_le_bytes(header[LEN_AT..LEN_AT + 4].try_into().ok()?) as usize;
    (header.starts_with(MAGIC) && len >= BODY_AT).then_some(len)
}

/// Whether there is an image at the start of `flash`, undamaged from its first to its last byte.
pub fn is_whole(flash: &[u8]) -> bool {
    whole(flash).is_some()
}

/// The image at the start of `flash`, when it is there from the first to the last byte.
pub(crate) fn whole(flash: &[u8]) -> Option<&[u8]> {
    let image = flash.get(..declared_len(flash)?)?;
    (image[DIGEST_AT..BODY_AT] == digest(image)).then_some(image)
}

fn digest(image: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(&image[..DIGEST_AT])
        .chain_update([0; BODY_AT - DIGEST_AT])
        .chain_update(&image[BODY_AT..])
        .finalize()
        .into()
}

/// One step of splitmix64 (public domain, Sebastiano Vigna): enough to look like code.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_version_and_is_whole() {
        let image = image("BC26NBR01A01", 1, IMAGE_LEN);
        assert_eq!(image.len(), IMAGE_LEN);
        assert_eq!(version(&image), Some("BC26NBR01A01"));
        assert!(whole(&image).is_some());
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed() {
        let image = image("BC26NBR01A01", 1, SECTOR);
        for at in 0..image.len() {
            let mut torn = image.clone();
            torn[at] ^= 0x10;
            assert!(whole(&torn).is_none(), "byte {at}");
        }
    }

    #[test]
    fn erased_flash_has_no_version() {
        assert_eq!(version(&[0xFF; SECTOR]), None);
        assert_eq!(version(&[]), None);
    }
}
