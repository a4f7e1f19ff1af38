//! Splits what the module sends into lines.
//!
//! Holds bytes back until their line ending arrives, or until the power goes, when
//! what is held comes out as a line cut short. What a line means is `message`'s affair.

use std::time::Duration;

/// The longest line that is kept whole. The longest lawful line is the echo of a command
/// with a 255-byte URL (§3.1); scenarios send longer ones on purpose, and a module that
/// floods without line endings must not fill the memory.
pub const LONGEST: usize = 2048;

/// One line, without its ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When its last byte was read, since the run began.
    pub at: Duration,
    /// The bytes between two line endings; never empty.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// CR, LF, CRLF or LFCR.
    Whole,
    /// The power went, or the rate changed, before its ending came.
    CutShort,
    /// It reached the longest length a line may have.
    TooLong,
}

/// Bytes in, lines out.
///
/// CR and LF each end a line and an empty line is none, so CR, LF, CRLF, LFCR and the
/// `\r\r\n` of some modules are all one ending, in however many chunks they come.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    pending: Vec<u8>,
    last_byte: Duration,
}

impl Splitter {
    /// A splitter that holds nothing.
    #[must_use]
    pub fn new() -> Splitter {
        Splitter::default()
    }

    /// Takes the bytes read at `at`; gives the lines that they finish.
    pub fn push(&mut self, at: Duration, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                if !self.pending.is_empty() {
                    lines.push(self.take(at, Ending::Whole));
                }
                continue;
            }
            self.pending.push(byte);
            if self.pending.len() == LONGEST {
                lines.push(self.take(at, Ending::TooLong));
            }
        }
        if !bytes.is_empty() {
            self.last_byte = at;
        }
        lines
    }

    /// The power went or the rate changed: what is held comes out as a line cut short,
    /// stamped with the arrival of its last byte.
    pub fn cut_short(&mut self) -> Option<Line> {
        if self.pending.is_empty() {
            return None;
        }
        Some(self.take(self.last_byte, Ending::CutShort))
    }

    /// The beginning of the line that is not finished yet.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    fn take(&mut self, at: Duration, ending: Ending) -> Line {
        Line {
            at,
            bytes: std::mem::take(&mut self.pending),
            ending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, Ending)> {
        let mut splitter = Splitter::new();
        let mut lines = Vec::new();
        for chunk in chunks {
            lines.extend(splitter.push(Duration::ZERO, chunk));
        }
        lines.extend(splitter.cut_short());
        lines
            .into_iter()
            .map(|line| (line.bytes, line.ending))
            .collect()
    }

    fn whole(texts: &[&str]) -> Vec<(Vec<u8>, Ending)> {
        texts
            .iter()
            .map(|text| (text.as_bytes().to_vec(), Ending::Whole))
            .collect()
    }

    #[test]
    fn a_line_ending_may_arrive_in_a_later_chunk() {
        assert_eq!(
            split(&[b"\r\nRD", b"Y\r", b"\n+CFUN: 1\r\n"]),
            whole(&["RDY", "+CFUN: 1"])
        );
    }

    #[test]
    fn cr_lf_crlf_and_lfcr_are_all_line_endings() {
        assert_eq!(
            split(&[b"a\rb\nc\r\nd\n\re\r\r\n"]),
            whole(&["a", "b", "c", "d", "e"])
        );
    }

    #[test]
    fn what_is_held_when_the_power_goes_is_a_line_cut_short() {
        assert_eq!(
            split(&[b"OK\r\n+QIND: \"FO"]),
            [
                (b"OK".to_vec(), Ending::Whole),
                (b"+QIND: \"FO".to_vec(), Ending::CutShort)
            ]
        );
    }

    #[test]
    fn a_line_cut_short_is_stamped_with_its_last_byte() {
        let mut splitter = Splitter::new();
        splitter.push(Duration::from_millis(1), b"ab");
        splitter.push(Duration::from_millis(2), b"c");
        splitter.push(Duration::from_millis(9), b"");
        assert_eq!(
            splitter.cut_short().map(|line| line.at),
            Some(Duration::from_millis(2))
        );
        assert_eq!(splitter.cut_short(), None);
    }

    #[test]
    fn a_flood_without_line_endings_comes_out_in_bounded_pieces() {
        let flood = vec![b'x'; LONGEST * 2 + 3];
        let lines = split(&[&flood]);
        assert_eq!(
            lines
                .iter()
                .map(|(bytes, ending)| (bytes.len(), *ending))
                .collect::<Vec<_>>(),
            [
                (LONGEST, Ending::TooLong),
                (LONGEST, Ending::TooLong),
                (3, Ending::CutShort)
            ]
        );
    }

    proptest! {
        #[test]
        fn any_rechunking_gives_the_same_lines_and_loses_no_byte(
            runs in proptest::collection::vec(
                (prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], prop_oneof![9 => Just(1), 1 => 1..LONGEST + 9]),
                0..40,
            ),
            cuts in proptest::collection::vec(0usize..3000, 0..20),
        ) {
            let bytes: Vec<u8> = runs.into_iter().flat_map(|(byte, times)| vec![byte; times]).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            chunks.push(&bytes[from..]);
            let lines = split(&chunks);
            prop_assert_eq!(&lines, &split(&[&bytes]));
            let kept: Vec<u8> = lines.into_iter().flat_map(|(line, _)| line).collect();
            let expected: Vec<u8> = bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
