//! What a line means, given the command that it may answer.

use crate::urc::Urc;

/// The meaning of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Our own command line coming back.
    Echo,
    /// A line that answers the pending command, before its final result code.
    Information(String),
    /// Ends a command.
    FinalResult(FinalResult),
    /// Not an answer.
    Urc(Urc),
    /// What the boot ROM and the bootloader print; not AT.
    BootText(BootText),
    /// Anything else; its bytes are in the line.
    Unrecognised,
}

/// A final result code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalResult {
    /// `OK`
    Ok,
    /// `ERROR`
    Error,
    /// `+CME ERROR: n`; `None` where it is spelled in words.
    CmeError(Option<u32>),
}

/// A line of the boot banner, matched by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootText {
    /// `F1: 0000 0000`: the first line of a boot.
    First,
    /// `V0: …` to `T0: …`, and what bootloaders add.
    Register,
    /// `Leaving the BROM`: the last line of the banner.
    LeavingTheBrom,
}
