//! What runs before the application: it decides whether there is an update to do, and does it.
//!
//! Whether an update begins or goes on after a power cut is the same code: what is done is read
//! from the marks in the flash, and everything else is done again. The order of its writes is
//! that of the firmware BC26NBR01A03, with that firmware's windows in which a cut loses a
//! result (between the two halves of each [`super::layout::Layout::replace_control`]). One thing is
//! not: the resume marker is written after the package was found to be for this base, and never
//! before, where a cut would have a package for another base go on.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Defect;
use super::board::{Board, Event};
use super::flash::Operation;
use super::layout::Control;
use super::voice::{self, BOOT_RATE};
use crate::delta::{self, PAGE, Package, PackageError, SECTOR};

mod patch;
mod progress;
mod unlawful;

use self::patch::Update;
use self::unlawful::{
    digest_is_skipped, gives_up, installs_unchecked, pretend, reset_apn, restore,
};

const PAGES_PER_SECTOR: usize = SECTOR / PAGE;
/// From the reset to the boot ROM's first byte.
pub(super) const ROM: Duration = Duration::from_millis(300);
/// From the banner to the bootloader's first look at the flash.
pub(super) const LOAD: Duration = Duration::from_millis(100);
/// From the bootloader's last deed to the application's first.
const APP_LOAD: Duration = Duration::from_millis(1400);
/// Reading and hashing the package and the image.
const CHECK: Duration = Duration::from_millis(600);
/// From the stored result to the reset.
const RESTART: Duration = Duration::from_millis(200);

/// What the bootloader knows while it runs; all of it is gone after a reset.
#[derive(Clone, Debug, Default)]
pub(super) struct Bootloader {
    resumes: bool,
    package_len: u32,
    update: Option<Update>,
}

/// What became of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boot {
    /// The bootloader has more to do, when the next event comes.
    Busy,
    /// There is no firmware that could be started.
    Dead,
}

impl Bootloader {
    /// Looks for something to do.
    pub(super) fn load(&mut self, board: &mut Board) -> Boot {
        match board.layout.control_record(&board.flash) {
            Control::Updating { .. } if gives_up(board) => return Boot::Dead,
            Control::Updating { .. } if board.has(Defect::M50) || board.has(Defect::M51) => {
                restore(board);
                board.memory.again = board.has(Defect::M51);
                board.flash.perform(&board.layout.erase_control());
                board.after(APP_LOAD, Event::AppStart);
            }
            Control::Updating { .. } if board.has(Defect::M111) && board.memory.was_reset => {
                restore(board);
                self.finish(board, voice::FOTA_UNKNOWN);
            }
            Control::Updating { package_len } => {
                board.memory.resumed = true;
                if board.has(Defect::M80) {
                    restore(board);
                }
                if board.has(Defect::M62) {
                    reset_apn(board);
                }
                self.resumes = true;
                self.package_len = package_len;
                if board.make.manner.start_on_resume {
                    board.say(voice::FOTA_START, BOOT_RATE);
                }
                board.after(CHECK, Event::Check);
            }
            Control::Trigger { package_len } => {
                self.package_len = package_len;
                board.after(CHECK, Event::Check);
            }
            control @ (Control::Nothing | Control::Status { .. }) => {
                if control == Control::Nothing && board.has(Defect::M79) && board.memory.updated {
                    restore(board);
                }
                let firmware = board.layout.firmware(&board.flash);
                let unchecked = installs_unchecked(board) && delta::version(&firmware).is_some();
                if delta::is_whole(&firmware) || unchecked {
                    board.after(APP_LOAD, Event::AppStart);
                } else {
                    return Boot::Dead;
                }
            }
        }
        Boot::Busy
    }

    /// The package has been read: is there anything to do, and may it be done?
    pub(super) fn check(&mut self, board: &mut Board) {
        let bytes = board.flash.read(
            board.layout.package() * SECTOR,
            (self.package_len as usize).min(super::layout::PACKAGE_LEN_MAX),
        );
        board.memory.package_len = self.package_len;
        if self.package_len == 0 && board.has(Defect::M60) {
            pretend(board);
            return self.finish(board, voice::FOTA_PACKAGE_INVALID);
        }
        let parse = if digest_is_skipped(board) {
            Package::parse_without_digest
        } else {
            Package::parse
        };
        let package = match parse(&bytes) {
            Ok(package) => package,
            Err(PackageError::Header(_)) if board.has(Defect::M25) => {
                board.flash.perform(&Operation::Erase { sector: 0 });
                return board.after(RESTART, Event::Restart);
            }
            Err(PackageError::Header(_)) => return self.finish(board, voice::FOTA_PACKAGE_INVALID),
            Err(PackageError::Digest | PackageError::Record { .. }) => {
                let err = board.make.manner.damaged_body;
                return self.finish(board, err);
            }
        };
        let firmware = board.layout.firmware(&board.flash);
        if package.target().is_at_start_of(&firmware) {
            return self.finish(board, voice::FOTA_UPGRADED);
        }
        if package.target().len > firmware.len() {
            return self.finish(board, voice::FOTA_PACKAGE_INVALID);
        }
        // An update that goes on finds neither base nor target, and asks for neither.
        let is_for_us = package.base().is_at_start_of(&firmware);
        if !self.resumes && !is_for_us && !board.has(Defect::M40) && !board.has(Defect::M42) {
            if board.has(Defect::M76) {
                pretend(board);
            }
            let err = if board.has(Defect::M77) {
                voice::FOTA_UPGRADED
            } else {
                voice::FOTA_PACKAGE_MISMATCH
            };
            return self.finish(board, err);
        }
        self.update = Some(Update::new(package));
        if self.resumes {
            board.after(Duration::ZERO, Event::Patch);
        } else {
            let package_len = self.package_len;
            let marker = board
                .layout
                .replace_control(Control::Updating { package_len });
            board.write_all(marker, Event::Patch);
        }
    }

    /// Does the next thing to the firmware.
    pub(super) fn patch(&mut self, board: &mut Board) {
        if let Some(update) = &mut self.update {
            update.step(board);
        }
    }

    /// A page has been written, or passed over.
    pub(super) fn page_written(&mut self, board: &mut Board) {
        if let Some(update) = &mut self.update {
            update.page_written(board);
        }
    }

    /// The image has been read again, whole.
    pub(super) fn verify(&mut self, board: &mut Board) {
        let Some(update) = self.update.take() else {
            return;
        };
        let firmware = board.layout.firmware(&board.flash);
        let right = update.target().is_at_start_of(&firmware);
        let err = if right || installs_unchecked(board) {
            voice::FOTA_UPGRADED
        } else {
            voice::FOTA_CHUNK_DIGEST
        };
        self.finish(board, err);
    }

    /// Whether a loss of power now interrupts something.
    pub(super) fn is_updating(&self) -> bool {
        self.update.is_some()
    }

    /// Leaves a result for the application.
    fn finish(&mut self, board: &mut Board, err: u8) {
        let err = unlawful::result(board, err);
        if board.has(Defect::M44) {
            restore(board);
        }
        if board.has(Defect::M87) {
            board.say(voice::end(err), BOOT_RATE);
        }
        board.memory.resumed = false;
        let status = board.layout.replace_control(Control::Status { err });
        board.write_all(status, Event::ResultWritten);
    }

    pub(super) fn result_written(&mut self, board: &mut Board) {
        board.after(RESTART, Event::Restart);
    }
}

impl delta::Side {
    /// Whether the firmware region begins with this image.
    fn is_at_start_of(&self, firmware: &[u8]) -> bool {
        firmware
            .get(..self.len)
            .is_some_and(|image| Sha256::digest(image)[..] == self.sha256)
    }
}
