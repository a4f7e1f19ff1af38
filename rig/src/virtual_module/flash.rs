//! NOR flash, as a value: erasing sets a sector, programming only clears bits, and both take
//! time, so that a power cut can land inside them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::delta::{PAGE, SECTOR};

/// Typical time to erase one sector. Source: data sheets of the 1.8 V serial NOR of this class
/// (45 ms typical); the part inside a BC26 is not published.
const ERASE: Duration = Duration::from_millis(45);
/// Typical time to program one page, from the same data sheets.
const PROGRAM: Duration = Duration::from_micros(700);

static ERASED: [u8; SECTOR] = [0xFF; SECTOR];

/// The whole flash. A clone shares its sectors until one of the two writes them, so that trying
/// what would happen costs little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    sectors: Vec<Option<Arc<[u8; SECTOR]>>>,
    changed: BTreeSet<usize>,
}

/// One thing that flash can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sets every bit of one sector.
    Erase {
        /// Which sector, counted from the start of the flash.
        sector: usize,
    },
    /// Clears bits within one page.
    Program {
        /// The address of the first byte.
        at: usize,
        /// What is to stand there; bits that are 0 already stay 0.
        bytes: Vec<u8>,
    },
}

impl Operation {
    /// The sector that it writes.
    pub fn sector(&self) -> usize {
        match self {
            Self::Erase { sector } => *sector,
            Self::Program { at, .. } => at / SECTOR,
        }
    }

    /// How long the flash is busy with it.
    pub fn duration(&self) -> Duration {
        match self {
            Self::Erase { .. } => ERASE,
            Self::Program { .. } => PROGRAM,
        }
    }
}

impl Flash {
    /// An erased flash.
    pub fn new(sectors: usize) -> Self {
        Self {
            sectors: vec![None; sectors],
            changed: BTreeSet::new(),
        }
    }

    /// How many sectors it has.
    pub fn sectors(&self) -> usize {
        self.sectors.len()
    }

    /// The content of one sector; one beyond the end reads as erased.
    pub fn sector(&self, number: usize) -> &[u8; SECTOR] {
        match self.sectors.get(number) {
            Some(Some(sector)) => sector,
            _ => &ERASED,
        }
    }

    /// Copies `len` bytes out.
    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len);
        let mut at = at;
        while bytes.len() < len {
            let start = at % SECTOR;
            let take = (SECTOR - start).min(len - bytes.len());
            bytes.extend_from_slice(&self.sector(at / SECTOR)[start..start + take]);
            at += take;
        }
        bytes
    }

    /// One page's content.
    pub fn page(&self, number: usize) -> &[u8] {
        let start = number * PAGE % SECTOR;
        &self.sector(number * PAGE / SECTOR)[start..start + PAGE]
    }

    /// Puts bytes where a factory would, in no time.
    pub fn install(&mut self, at: usize, bytes: &[u8]) {
        let mut at = at;
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = at % SECTOR;
            let take = (SECTOR - start).min(rest.len());
            if let Some(sector) = self.writable(at / SECTOR) {
                sector[start..start + take].copy_from_slice(&rest[..take]);
            }
            rest = &rest[take..];
            at += take;
        }
    }

    /// Carries an operation out to its end.
    pub fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Erase { sector } => {
                if let Some(slot) = self.sectors.get_mut(*sector) {
                    *slot = None;
                    self.changed.insert(*sector);
                }
            }
            Operation::Program { at, bytes } => self.program(*at, bytes),
        }
    }

    /// Carries an operation out until the power went: `done` of it, out of 1000.
    ///
    /// A program leaves a prefix, and one byte with some of its bits; an erase leaves some of
    /// the bits set, all over the sector, the more the later the cut.
    pub fn tear(&mut self, operation: &Operation, done: u32, seed: u64) {
        let mut noise = Noise(seed);
        match operation {
            Operation::Erase { sector } => {
                if let Some(sector) = self.writable(*sector) {
                    for byte in sector.iter_mut() {
                        for bit in 0..8 {
                            if noise.next() % 1000 < u64::from(done) {
                                *byte |= 1 << bit;
                            }
                        }
                    }
                }
            }
            Operation::Program { at, bytes } => {
                let whole = bytes.len() * done as usize / 1000;
                let mut torn = bytes[..whole].to_vec();
                if let Some(half) = bytes.get(whole) {
                    torn.push(half | noise.next() as u8);
                }
                self.program(*at, &torn);
            }
        }
    }

    /// The sectors that changed since the last call, for whoever keeps a copy.
    pub fn take_changed(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.changed)
    }

    fn program(&mut self, at: usize, bytes: &[u8]) {
        let start = at % SECTOR;
        debug_assert!(
            start % PAGE + bytes.len() <= PAGE,
            "a program stays within its page"
        );
        if let Some(sector) = self.writable(at / SECTOR) {
            for (cell, byte) in sector[start..].iter_mut().zip(bytes) {
                *cell &= byte;
            }
        }
    }

    fn writable(&mut self, number: usize) -> Option<&mut [u8; SECTOR]> {
        let slot = self.sectors.get_mut(number)?;
        self.changed.insert(number);
        Some(Arc::make_mut(slot.get_or_insert_with(|| Arc::new(ERASED))))
    }
}

/// A small generator of repeatable noise (xorshift64*).
#[derive(Clone, Debug)]
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// The next 32 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        let mut x = self.0 | 1 << 63;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn programming_only_clears_bits() {
        let mut flash = Flash::new(1);
        for bytes in [vec![0xF0], vec![0x3C]] {
            flash.perform(&Operation::Program { at: 7, bytes });
        }
        assert_eq!(flash.read(6, 3), [0xFF, 0x30, 0xFF]);
        flash.perform(&Operation::Erase { sector: 0 });
        assert_eq!(flash.read(6, 3), [0xFF; 3]);
    }

    proptest! {
        #[test]
        fn a_torn_operation_lies_between_before_and_after(
            old in any::<[u8; 8]>(), new in any::<[u8; 8]>(), done in 0..1000u32, seed in any::<u64>(),
        ) {
            let mut before = Flash::new(1);
            before.install(0, &old);
            let program = Operation::Program { at: 0, bytes: new.to_vec() };
            for operation in [Operation::Erase { sector: 0 }, program] {
                let (mut torn, mut after) = (before.clone(), before.clone());
                torn.tear(&operation, done, seed);
                after.perform(&operation);
                for ((before, torn), after) in before.read(0, 8).iter().zip(torn.read(0, 8)).zip(after.read(0, 8)) {
                    // Every bit is as it was or as it was to be.
                    prop_assert_eq!((before ^ torn) & !(before ^ after), 0);
                }
            }
        }
    }
}
