//! What a bootloader with a defect does beside the lawful: each behind a question for it, asked
//! where the lawful deed is done.

use super::Defect;
use crate::virtual_module::board::Board;
use crate::virtual_module::layout::{Mark, Saved};
use crate::virtual_module::voice::{self, BOOT_RATE};

/// Puts the firmware back that was there before the update, in no time, as only a defect can.
pub(super) fn restore(board: &mut Board) {
    if let Some(before) = board.memory.before.take() {
        board.flash.install(0, &before);
    }
}

pub(super) fn reset_apn(board: &mut Board) {
    if let Some(saved) = board.layout.saved(&board.flash) {
        let apn = String::from("reset");
        for operation in board.layout.save(&board.flash, &Saved { apn, ..saved }) {
            board.flash.perform(&operation);
        }
    }
}

/// Speaks of an update that there is not.
pub(super) fn pretend(board: &mut Board) {
    let manner = board.make.manner;
    for percent in 1..=3 {
        board.say(
            voice::updating(&manner, percent, manner.sections, 1),
            BOOT_RATE,
        );
    }
}

/// Whether an interrupted update is where this module cannot go on.
pub(super) fn gives_up(board: &Board) -> bool {
    let layout = board.layout;
    let fatal = layout.firmware_sectors * 2 / 3;
    let torn = layout.is_marked(&board.flash, fatal, Mark::Kept)
        && !layout.is_marked(&board.flash, fatal, Mark::Written);
    board.has(Defect::M54) && torn || board.has(Defect::M55) && board.memory.resumed
}

pub(super) fn digest_is_skipped(board: &Board) -> bool {
    board.has(Defect::M40) || board.has(Defect::M41) || board.memory.unchecked
}

/// Whether what was written is taken on trust.
pub(super) fn installs_unchecked(board: &Board) -> bool {
    digest_is_skipped(board)
        || [Defect::M42, Defect::M53, Defect::M56, Defect::M57]
            .iter()
            .any(|&defect| board.has(defect))
}

/// The result that is left, of the one that it came to.
pub(super) fn result(board: &Board, err: u8) -> u8 {
    match err {
        voice::FOTA_PACKAGE_MISMATCH if board.has(Defect::M43) => voice::FOTA_PACKAGE_INVALID,
        voice::FOTA_PACKAGE_INVALID if board.has(Defect::M43) => voice::FOTA_PACKAGE_MISMATCH,
        err => err,
    }
}
