//! Random choices: seeded where a run must be repeatable, the system's where nobody may guess.

use std::io::Read;

/// A repeatable sequence (SplitMix64, public domain).
#[derive(Clone, Debug)]
pub(super) struct Sequence(u64);

impl Sequence {
    /// The sequence of a seed; different numbers give unrelated sequences of one seed.
    pub(super) fn new(seed: u64, number: u64) -> Sequence {
        let mut sequence = Sequence(seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        sequence.next();
        sequence
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next number below a bound; 0 where the bound is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// So many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// 128 bits that nobody can guess, as 22 characters that need no escaping in a URL.
pub(super) fn token() -> std::io::Result<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let bits = u128::from_le_bytes(bytes);
    Ok((0..22)
        .map(|digit| char::from(DIGITS[(bits >> (6 * digit)) as usize & 63]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_short_fits_a_url_and_is_never_the_same() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!(one.len(), 22);
        assert!(
            one.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert_ne!(one, other);
    }

    #[test]
    fn a_seed_repeats_itself_and_no_other() {
        let of = |seed, number| Sequence::new(seed, number).bytes(64);
        assert_eq!(of(1, 1), of(1, 1));
        assert_ne!(of(1, 1), of(1, 2));
        assert_ne!(of(1, 1), of(2, 1));
    }
}
