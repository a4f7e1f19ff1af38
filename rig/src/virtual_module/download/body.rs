//! The bytes of an answer: taken as the link brings them, and stored as the flash takes them.

use std::time::Duration;

use super::{Download, Exchange, Standing};
use crate::delta::SECTOR;
use crate::virtual_module::Defect;
use crate::virtual_module::board::{Board, Event};
use crate::virtual_module::flash::Operation;
use crate::virtual_module::http::BadHead;
use crate::virtual_module::layout::{PACKAGE_LEN_MAX, pages};

/// The firmware's read buffer.
const READ_LEN_MAX: usize = 516;
/// How long one read waits for bytes.
const READ_TIMEOUT: Duration = Duration::from_secs(180);
/// Peak rate of Cat NB1 downlink, in bits a second.
const LINK_RATE: u64 = 25_500;

impl Download {
    /// How many bytes of the connection can be taken now.
    pub(in crate::virtual_module) fn appetite(&self, board: &Board) -> usize {
        if !self.reads {
            return 0;
        }
        match self.exchange {
            Exchange::Body { total } if board.make.manner.downloads_every_percent => {
                // Up to the next percent, so that each is said at its moment.
                let next = ((usize::from(self.percent) + 1) * total).div_ceil(100);
                next.saturating_sub(self.position).clamp(1, READ_LEN_MAX)
            }
            _ => READ_LEN_MAX,
        }
    }

    /// Waits for bytes.
    pub(in crate::virtual_module) fn read(&mut self, board: &mut Board) {
        self.reads = true;
        if !board.has(Defect::M22) {
            board.after(READ_TIMEOUT, Event::ReadTimeout);
        }
    }

    /// Bytes came.
    pub(in crate::virtual_module) fn received(
        &mut self,
        board: &mut Board,
        bytes: &[u8],
    ) -> Standing {
        self.reads = false;
        board.cancel(Event::ReadTimeout);
        let mut rest = bytes;
        if let Exchange::Head(head) = &mut self.exchange {
            let answer = loop {
                let Some((&byte, after)) = rest.split_first() else {
                    self.read_on(board, bytes.len());
                    return Standing::Going;
                };
                rest = after;
                match head.push(byte) {
                    Ok(None) => {}
                    Ok(Some(answer)) => break answer,
                    Err(BadHead::TooLong) if board.has(Defect::M32) => {
                        board.after(Duration::ZERO, Event::Restart);
                        return Standing::Going;
                    }
                    Err(_) => return self.failed(board),
                }
            };
            match self.judge_answer(board, answer) {
                Ok(exchange) => self.exchange = exchange,
                Err(standing) => return standing,
            }
        }
        // Bytes beyond the declared length are no part of the package.
        let left = match self.exchange {
            Exchange::Body { total } => total.saturating_sub(self.position),
            Exchange::Endless => PACKAGE_LEN_MAX - self.position,
            _ => return Standing::Going,
        };
        let take = rest.len().min(left);
        self.store(board, &rest[..take]);
        let link = on_the_link(bytes.len());
        match self.exchange {
            Exchange::Body { total } if self.position >= total => {
                if board.has(Defect::M30) {
                    self.store_beyond(board, &rest[take..]);
                    self.exchange = Exchange::Endless;
                    self.read_on(board, bytes.len());
                } else {
                    self.complete(board, link);
                }
            }
            _ => self.read_on(board, bytes.len()),
        }
        Standing::Going
    }

    /// All is here, once the link and the flash are through with it.
    pub(super) fn complete(&mut self, board: &mut Board, link: Duration) {
        self.close(board);
        self.exchange = Exchange::Complete;
        board.after(board.work_left().max(link), Event::Downloaded);
    }

    /// The next percentage to say, if one is due: each, or the latest only.
    pub(in crate::virtual_module) fn next_percent(&mut self, every: bool) -> Option<u8> {
        let total = match self.exchange {
            Exchange::Body { total } => total,
            Exchange::Complete | Exchange::Endless => self.position,
            _ => return None,
        };
        let reached = (self.position * 100 / total.max(1)) as u8;
        if reached <= self.percent {
            return None;
        }
        self.percent = if every { self.percent + 1 } else { reached };
        Some(self.percent)
    }

    fn store_beyond(&mut self, board: &mut Board, bytes: &[u8]) {
        let room = PACKAGE_LEN_MAX - self.position;
        self.store(board, &bytes[..bytes.len().min(room)]);
    }

    fn store(&mut self, board: &mut Board, bytes: &[u8]) {
        let region = board.layout.package();
        let end = self.position + bytes.len();
        while self.erased * SECTOR < end {
            let sector = region + self.erased;
            board.write(Operation::Erase { sector }, None);
            self.erased += 1;
        }
        for program in pages(region * SECTOR + self.position, bytes) {
            board.write(program, None);
        }
        self.position = end;
    }

    /// Reads again when the link has brought these bytes and the flash has taken them.
    fn read_on(&mut self, board: &mut Board, len: usize) {
        board.after(board.work_left().max(on_the_link(len)), Event::Read);
    }
}

fn on_the_link(len: usize) -> Duration {
    Duration::from_micros(len as u64 * 8 * 1_000_000 / LINK_RATE)
}
