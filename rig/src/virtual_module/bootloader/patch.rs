//! The firmware, rewritten sector by sector, so that a cut at any place can be gone on from.
//!
//! The new content of a sector is put together from the package and from the base, written to the
//! scratch sector and marked as kept; only then is the sector erased, written, and marked as
//! written. So the content of each is always whole somewhere.

use std::time::Duration;

use super::progress::Progress;
use super::{Defect, PAGES_PER_SECTOR};
use crate::delta::{self, PAGE, Package, PageSource, SECTOR};
use crate::virtual_module::board::{Board, Event};
use crate::virtual_module::flash::Operation;
use crate::virtual_module::layout::Mark;

/// Reading the whole image again, when all is written.
const VERIFY: Duration = Duration::from_millis(500);
/// Unpacking a page, or reading it back, for each page written. It makes the whole update of a
/// 128 KiB image about 32 s long; the real figure is not published.
const PAGE_WORK: Duration = Duration::from_millis(28);
/// Passing over a page that an earlier start has already written.
const PAGE_SKIP: Duration = Duration::from_micros(500);

/// An update under way.
#[derive(Clone, Debug)]
pub(super) struct Update {
    package: Package,
    sector: usize,
    next: Next,
    /// The new content of `sector`.
    content: Box<[u8; SECTOR]>,
    progress: Progress,
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

impl Update {
    pub(super) fn new(package: Package) -> Self {
        let sectors = package.pages().div_ceil(PAGES_PER_SECTOR);
        Self {
            package,
            sector: 0,
            next: Next::Enter,
            content: Box::new([0xFF; SECTOR]),
            progress: Progress::new(sectors),
        }
    }

    /// What the firmware is to become.
    pub(super) fn target(&self) -> &delta::Side {
        self.package.target()
    }

    /// A page has been written, or passed over.
    pub(super) fn page_written(&mut self, board: &mut Board) {
        self.progress.advance(board, 1);
        board.after(PAGE_WORK, Event::Patch);
    }

    /// Does the next thing.
    pub(super) fn step(&mut self, board: &mut Board) {
        self.progress.begin(board);
        let layout = board.layout;
        let sector = self.sector;
        match self.next {
            Next::Enter if sector == self.progress.sectors() => board.after(VERIFY, Event::Verify),
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
        self.progress.pass_over(board, pages);
        board.after(PAGE_SKIP * pages as u32, Event::Patch);
    }
}
