//! What the head of an answer is good for.

use std::time::Duration;

use super::{Download, Exchange, Standing};
use crate::virtual_module::Defect;
use crate::virtual_module::board::Board;
use crate::virtual_module::http::Answer;
use crate::virtual_module::layout::{PACKAGE_LEN_MAX, Saved};
use crate::virtual_module::voice;

impl Download {
    /// What an answer is good for, or how the download stands without it.
    pub(super) fn judge_answer(
        &mut self,
        board: &mut Board,
        answer: Answer,
    ) -> Result<Exchange, Standing> {
        match answer.status {
            404 if board.has(Defect::M25) => {
                let Some(total) = answer.content_length.filter(|&len| len > 0) else {
                    self.complete(board, Duration::ZERO);
                    return Err(Standing::Going);
                };
                let total = total.min(PACKAGE_LEN_MAX);
                return Ok(Exchange::Body { total });
            }
            404 => {
                self.close(board);
                return Err(Standing::Ended(voice::HTTP_DOWNLOAD_FAILED));
            }
            300..400 if board.has(Defect::M24) => self.attempts = 0,
            200 | 206 if answer.chunked && board.has(Defect::M29) => return Ok(Exchange::Endless),
            200 if self.position > 0 && board.has(Defect::M27) => {
                let len = answer.content_length.unwrap_or(0);
                let total = self.position.saturating_add(len).min(PACKAGE_LEN_MAX);
                return Ok(Exchange::Body { total });
            }
            206 if self.position > 0 => {
                board.memory.unchecked = board.has(Defect::M26);
            }
            _ => {}
        }
        if board.has(Defect::M46) && answer.content_length > Some(PACKAGE_LEN_MAX) {
            destroy_settings(board);
        }
        match self.total(answer, board.make.manner.package_len_max) {
            Some(total) => Ok(Exchange::Body { total }),
            None => Err(self.failed(board)),
        }
    }

    /// What an answer makes of the package's length, if its body can be used. A 200 begins again,
    /// a 206 goes on at the position asked for: its `Content-Range` is not looked at.
    fn total(&mut self, answer: Answer, len_max: usize) -> Option<usize> {
        let len = answer.content_length.filter(|&len| len > 0)?;
        let (position, total) = match answer.status {
            200 => (0, len),
            206 => (self.position, self.position.checked_add(len)?),
            _ => return None,
        };
        if total > len_max {
            return None;
        }
        if position < self.position {
            self.erased = 0;
            self.percent = 0;
        }
        // What is there already was said when it came.
        self.percent = self.percent.max((position * 100 / total) as u8);
        self.position = position;
        Some(total)
    }
}

/// As only a defect does: the saved APN is another afterwards.
fn destroy_settings(board: &mut Board) {
    let factory = Saved::factory(board.make.factory_rate);
    let saved = board.layout.saved(&board.flash);
    let apn = factory.apn.chars().rev().collect();
    let destroyed = Saved {
        apn,
        ..saved.unwrap_or(factory)
    };
    for operation in board.layout.save(&board.flash, &destroyed) {
        board.write(operation, None);
    }
}
