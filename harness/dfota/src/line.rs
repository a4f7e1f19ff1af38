//! Splits what the module sends into lines.
//!
//! Holds bytes back until their line ending arrives, or until the power goes, when
//! what is held comes out as a line cut short. What a line means is `message`'s affair.

use std::time::Duration;

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
