//! What runs before the application: it decides whether there is an update to do, and does it.
//!
//! Whether an update begins or goes on after a power cut is the same code: what is done is read
//! from the marks in the flash, and everything else is done again. The order of its writes is
//! that of the firmware BC26NBR01A03, with that firmware's windows in which a cut loses a
//! result (between the two halves of each [`super::layout::Layout::replace_control`]).

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Defect;
use super::board::{Board, Event};
use super::flash::Operation;
use super::layout::{Control, Mark, Saved};
use super::manner::{Density, UpdateFields};
use super::voice::{self, BOOT_RATE};
use crate::delta::{self, PAGE, Package, PackageError, PageSource, SECTOR};

const PAGES_PER_SECTOR: usize = SECTOR / PAGE;
/// From the reset to the boot ROM's first byte.
pub(super) const ROM: Duration = Duration::from_millis(300);
/// From the banner to the bootloader's first look at the flash.
pub(super) const LOAD: Duration = Duration::from_millis(100);
/// From the bootloader's last deed to the application's first.
const APP_LOAD: Duration = Duration::from_millis(1400);
/// Reading and hashing the package and the image.
const CHECK: Duration = Duration::from_millis(600);
const VERIFY: Duration = Duration::from_millis(500);
/// Unpacking a page, or reading it back, for each page written. It makes the whole update of a
/// 128 KiB image about 32 s long; the real figure is not published.
const PAGE_WORK: Duration = Duration::from_millis(28);
/// Passing over a page that an earlier start has already written.
const PAGE_SKIP: Duration = Duration::from_micros(500);
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

#[derive(Clone, Debug)]
struct Update {
    package: Package,
    sector: usize,
    next: Next,
    /// The new content of `sector`.
    content: Box<[u8; SECTOR]>,
    /// Page writes done or passed over, of all that the update takes.
    done: usize,
    said: Option<(u8, u8)>,
    /// With gaps: the percentage from which on one is said again.
    speaks_from: u8,
}

/// What is to be done to the current sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Enter,
    KeepPage(usize),
    MarkKept,
    Erase,
    WritePage(usize),
    MarkWritten,
}

impl Bootloader {
    /// Looks for something to do.
    pub(super) fn load(&mut self, board: &mut Board) -> Boot {
        match board.layout.control_record(&board.flash) {
            Control::Updating { .. } if self.gives_up(board) => return Boot::Dead,
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
            self.pretend(board);
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
                self.pretend(board);
            }
            let err = if board.has(Defect::M77) {
                voice::FOTA_UPGRADED
            } else {
                voice::FOTA_PACKAGE_MISMATCH
            };
            return self.finish(board, err);
        }
        self.update = Some(Update {
            package,
            sector: 0,
            next: Next::Enter,
            content: Box::new([0xFF; SECTOR]),
            done: 0,
            said: None,
            speaks_from: 1,
        });
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
            update.progress(board, 1);
            board.after(PAGE_WORK, Event::Patch);
        }
    }

    /// The image has been read again, whole.
    pub(super) fn verify(&mut self, board: &mut Board) {
        let Some(update) = self.update.take() else {
            return;
        };
        let firmware = board.layout.firmware(&board.flash);
        let right = update.package.target().is_at_start_of(&firmware);
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
        let err = match err {
            voice::FOTA_PACKAGE_MISMATCH if board.has(Defect::M43) => voice::FOTA_PACKAGE_INVALID,
            voice::FOTA_PACKAGE_INVALID if board.has(Defect::M43) => voice::FOTA_PACKAGE_MISMATCH,
            err => err,
        };
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

    /// Speaks of an update that there is not.
    fn pretend(&self, board: &mut Board) {
        let manner = board.make.manner;
        for percent in 1..=3 {
            board.say(
                voice::updating(&manner, percent, manner.sections, 1),
                BOOT_RATE,
            );
        }
    }

    /// Whether an interrupted update is where this module cannot go on.
    fn gives_up(&self, board: &Board) -> bool {
        let layout = board.layout;
        let fatal = layout.firmware_sectors * 2 / 3;
        let torn = layout.is_marked(&board.flash, fatal, Mark::Kept)
            && !layout.is_marked(&board.flash, fatal, Mark::Written);
        board.has(Defect::M54) && torn || board.has(Defect::M55) && board.memory.resumed
    }

    pub(super) fn result_written(&mut self, board: &mut Board) {
        board.after(RESTART, Event::Restart);
    }
}

impl Update {
    fn sectors(&self) -> usize {
        self.package.pages().div_ceil(PAGES_PER_SECTOR)
    }

    fn step(&mut self, board: &mut Board) {
        if self.done == 0 && board.make.manner.update_density == Density::FromTwenty {
            self.say(board, 20);
        }
        let layout = board.layout;
        let sector = self.sector;
        match self.next {
            Next::Enter if sector == self.sectors() => board.after(VERIFY, Event::Verify),
            Next::Enter if layout.is_marked(&board.flash, sector, Mark::Written) => {
                self.sector += 1;
                self.pass_over(board, 2 * PAGES_PER_SECTOR);
            }
            Next::Enter
                if layout.is_marked(&board.flash, sector, Mark::Kept) && board.has(Defect::M53) =>
            {
                self.sector += 1;
                self.pass_over(board, 2 * PAGES_PER_SECTOR);
            }
            Next::Enter
                if layout.is_marked(&board.flash, sector, Mark::Kept)
                    && !board.has(Defect::M57) =>
            {
                *self.content = *board.flash.sector(layout.scratch());
                self.next = Next::Erase;
                self.pass_over(board, PAGES_PER_SECTOR);
            }
            Next::Enter => {
                self.unpack(board);
                self.next = Next::KeepPage(0);
                let erase = Operation::Erase {
                    sector: layout.scratch(),
                };
                board.write(erase, Some(Event::Patch));
            }
            Next::KeepPage(page) => {
                self.next = if page + 1 < PAGES_PER_SECTOR {
                    Next::KeepPage(page + 1)
                } else {
                    Next::MarkKept
                };
                self.write_page(board, layout.scratch(), page);
            }
            Next::MarkKept => {
                self.next = Next::Erase;
                if board.has(Defect::M56) {
                    board.write(layout.set_mark(sector, Mark::Written), None);
                }
                board.write(layout.set_mark(sector, Mark::Kept), Some(Event::Patch));
            }
            Next::Erase => {
                self.next = Next::WritePage(0);
                board.write(Operation::Erase { sector }, Some(Event::Patch));
            }
            Next::WritePage(page) => {
                self.next = if page + 1 < PAGES_PER_SECTOR {
                    Next::WritePage(page + 1)
                } else {
                    Next::MarkWritten
                };
                self.write_page(board, sector, page);
            }
            Next::MarkWritten => {
                self.sector += 1;
                self.next = Next::Enter;
                board.write(layout.set_mark(sector, Mark::Written), Some(Event::Patch));
            }
        }
    }

    /// Puts the current sector's new content together from the package and from the base, of
    /// which this sector and all after it are still there.
    fn unpack(&mut self, board: &Board) {
        self.content.fill(0xFF);
        let first = self.sector * PAGES_PER_SECTOR;
        for (number, page) in self.content.chunks_exact_mut(PAGE).enumerate() {
            match self.package.page(first + number) {
                Some(PageSource::Copy(from)) => page.copy_from_slice(board.flash.page(from)),
                Some(PageSource::Literal(bytes)) => page.copy_from_slice(bytes),
                None => {}
            }
        }
    }

    fn write_page(&mut self, board: &mut Board, sector: usize, page: usize) {
        let start = page * PAGE;
        let program = Operation::Program {
            at: sector * SECTOR + start,
            bytes: self.content[start..start + PAGE].to_vec(),
        };
        board.write(program, Some(Event::PageWritten));
    }

    fn pass_over(&mut self, board: &mut Board, pages: usize) {
        if board.make.manner.sections > 1 {
            // A program that is up to date is finished without a word, as A03 does with the one
            // it knows.
            self.done += pages;
        } else {
            self.progress(board, pages);
        }
        board.after(PAGE_SKIP * pages as u32, Event::Patch);
    }

    /// Counts pages, and says what percentage that makes, in the manner of this bootloader.
    fn progress(&mut self, board: &mut Board, pages: usize) {
        let before = self.done;
        self.done += pages;
        let manner = board.make.manner;
        let all = self.sectors() * 2 * PAGES_PER_SECTOR;
        match manner.update_density {
            Density::FromTwenty => {
                let chunks = |done: usize| done / (2 * PAGES_PER_SECTOR);
                if chunks(self.done) > chunks(before) {
                    let percent = 20 + 80 * chunks(self.done) / self.sectors();
                    self.say(board, percent as u8);
                }
            }
            Density::Every => {
                // Each section has its own hundred percent.
                let sections = usize::from(manner.sections);
                let (from, to) = (
                    before * sections * 100 / all,
                    self.done * sections * 100 / all,
                );
                for step in from + 1..=to {
                    let section = (step - 1) / 100 + 1;
                    let percent = (step - 1) % 100 + 1;
                    self.say_in(board, percent as u8, section as u8);
                }
            }
            Density::Gaps => {
                let percent = (self.done * 100 / all) as u8;
                if percent >= self.speaks_from || (percent == 100 && before < all) {
                    self.speaks_from = percent + 7 + (board.random() % 17) as u8;
                    self.say(board, percent);
                }
            }
        }
    }

    fn say(&mut self, board: &mut Board, percent: u8) {
        self.say_in(board, percent, 1);
    }

    fn say_in(&mut self, board: &mut Board, percent: u8, section: u8) {
        if self.said == Some((section, percent)) {
            return;
        }
        self.said = Some((section, percent));
        let mut manner = board.make.manner;
        let percent = match percent {
            61 if board.has(Defect::M66) => 40,
            percent => percent,
        };
        let (total, current) = if board.has(Defect::M08) {
            (3, 2)
        } else {
            (manner.sections, section)
        };
        if percent > 50 && board.has(Defect::M82) {
            manner.update_fields = UpdateFields::One;
        }
        board.say(voice::updating(&manner, percent, total, current), BOOT_RATE);
        if percent == 50 && board.has(Defect::M101) {
            board.say(voice::DEBUG_LINE, BOOT_RATE);
        }
        if percent == 50 && board.has(Defect::M102) && !board.memory.resumed {
            board.after(Duration::ZERO, Event::Restart);
        }
    }
}

/// Puts the firmware back that was there before the update, in no time, as only a defect can.
fn restore(board: &mut Board) {
    if let Some(before) = board.memory.before.take() {
        board.flash.install(0, &before);
    }
}

fn reset_apn(board: &mut Board) {
    if let Some(saved) = board.layout.saved(&board.flash) {
        let apn = String::from("reset");
        for operation in board.layout.save(&board.flash, &Saved { apn, ..saved }) {
            board.flash.perform(&operation);
        }
    }
}

fn digest_is_skipped(board: &Board) -> bool {
    board.has(Defect::M40) || board.has(Defect::M41) || board.memory.unchecked
}

/// Whether what was written is taken on trust.
fn installs_unchecked(board: &Board) -> bool {
    digest_is_skipped(board)
        || [Defect::M42, Defect::M53, Defect::M56, Defect::M57]
            .iter()
            .any(|&defect| board.has(defect))
}

impl delta::Side {
    /// Whether the firmware region begins with this image.
    fn is_at_start_of(&self, firmware: &[u8]) -> bool {
        firmware
            .get(..self.len)
            .is_some_and(|image| Sha256::digest(image)[..] == self.sha256)
    }
}
