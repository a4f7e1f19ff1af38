//! How far an update is, and what is said of it: a percentage, in the manner of the bootloader.

use std::time::Duration;

use super::{Defect, PAGES_PER_SECTOR};
use crate::virtual_module::board::{Board, Event};
use crate::virtual_module::manner::{Density, UpdateFields};
use crate::virtual_module::voice::{self, BOOT_RATE};

/// Each page of a sector is written twice: to the scratch sector, and to its place.
const PAGES_OF_SECTOR: usize = 2 * PAGES_PER_SECTOR;

#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// Sectors that the update rewrites.
    sectors: usize,
    /// Page writes done or passed over, of all that the update takes.
    done: usize,
    /// The section and the percentage that were said last.
    said: Option<(u8, u8)>,
    /// With gaps: the percentage from which on one is said again.
    speaks_from: u8,
}

impl Progress {
    pub(super) fn new(sectors: usize) -> Self {
        Self {
            sectors,
            done: 0,
            said: None,
            speaks_from: 1,
        }
    }

    pub(super) fn sectors(&self) -> usize {
        self.sectors
    }

    /// A03 says something before it has done anything.
    pub(super) fn begin(&mut self, board: &mut Board) {
        if self.done == 0 && board.make.manner.update_density == Density::FromTwenty {
            self.say(board, 20);
        }
    }

    /// Counts pages that an earlier start has written.
    pub(super) fn pass_over(&mut self, board: &mut Board, pages: usize) {
        if board.make.manner.sections > 1 {
            // A program that is up to date is finished without a word, as A03 does with the one
            // it knows.
            self.done += pages;
        } else {
            self.advance(board, pages);
        }
    }

    /// Counts pages, and says what percentage that makes, in the manner of this bootloader.
    pub(super) fn advance(&mut self, board: &mut Board, pages: usize) {
        let before = self.done;
        self.done += pages;
        let manner = board.make.manner;
        let all = self.sectors * PAGES_OF_SECTOR;
        match manner.update_density {
            Density::FromTwenty => {
                let chunks = |done: usize| done / PAGES_OF_SECTOR;
                if chunks(self.done) > chunks(before) {
                    let percent = 20 + 80 * chunks(self.done) / self.sectors;
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
