//! Downloads, the hand-over to the bootloader, and the results it leaves.

use std::time::Duration;

use super::{App, Update};
use crate::virtual_module::board::{Board, Event, Output};
use crate::virtual_module::download::{Download, Loss, Standing};
use crate::virtual_module::http;
use crate::virtual_module::layout::{Control, Saved};
use crate::virtual_module::url::{Place, Url};
use crate::virtual_module::voice;
use crate::virtual_module::{Defect, Rate};

/// From `HTTPEND,0` to `START`.
const HAND_OVER: Duration = Duration::from_millis(100);
/// From `START` to the reset: the firmware's reboot timer.
const START_TO_RESET: Duration = Duration::from_secs(2);
/// From a lawful deed to the unlawful one that follows.
const MISBEHAVE: Duration = Duration::from_millis(400);

impl App {
    /// The connection came about.
    pub(in crate::virtual_module) fn connected(&mut self, board: &mut Board) {
        match (&mut self.update, &board.memory.url) {
            (Update::Downloading(download), _) => download.connected(board),
            (
                _,
                Some(Url {
                    place: Place::Http { host, path, .. },
                    ..
                }),
            ) => {
                // Only a module that connects again when all is over comes here.
                let request = http::request(host, path, 0);
                board.outputs.push_back(Output::Send(request));
            }
            _ => {}
        }
    }

    /// Bytes came from the connection.
    pub(in crate::virtual_module) fn received(&mut self, board: &mut Board, bytes: &[u8]) {
        let Update::Downloading(download) = &mut self.update else {
            return;
        };
        let standing = download.received(board, bytes);
        let every = board.make.manner.downloads_every_percent;
        loop {
            let Update::Downloading(download) = &mut self.update else {
                return;
            };
            let Some(percent) = download.next_percent(every) else {
                break;
            };
            self.say_downloading(board, percent);
        }
        self.settle(board, standing);
    }

    /// The connection ended, or did not come about.
    pub(in crate::virtual_module) fn disconnected(&mut self, board: &mut Board, loss: Loss) {
        if let Update::Downloading(download) = &mut self.update {
            let standing = download.lost(board, loss);
            self.settle(board, standing);
        }
    }

    /// Whether a loss of power now interrupts a download.
    pub(in crate::virtual_module) fn is_downloading(&self) -> bool {
        matches!(self.update, Update::Downloading(_))
    }

    /// Whether a loss of power now interrupts something.
    pub(in crate::virtual_module) fn is_updating(&self) -> bool {
        !matches!(self.update, Update::Idle)
    }

    /// Straight after `OK`, before the network is looked at.
    pub(super) fn start_download(&mut self, board: &mut Board, url: Url) {
        let manner = board.make.manner;
        if let Update::Downloading(download) = &mut self.update {
            download.close(board);
            board.cancel(Event::PollBearer);
        }
        if !board.has(Defect::M06) && !board.has(Defect::M107) {
            self.speak(board, voice::http_start(&manner));
        }
        if board.has(Defect::M60) {
            let trigger = Control::Trigger { package_len: 0 };
            for operation in board.layout.replace_control(trigger) {
                board.write(operation, None);
            }
        }
        board.memory.url = Some(url.clone());
        board.memory.unchecked = false;
        let worn_out = board.has(Defect::M33) && self.failures >= 20
            || board.has(Defect::M63) && board.memory.interrupted >= 9;
        let mut download = Download::new(url, self.partial.take());
        let standing = if worn_out {
            Standing::Ended(voice::HTTP_DOWNLOAD_FAILED)
        } else {
            download.poll_bearer(board, self.registered)
        };
        self.update = Update::Downloading(download);
        self.settle(board, standing);
    }

    /// A module that lost its update in a cut, and begins it again by itself.
    pub(super) fn download_again(&mut self, board: &mut Board) {
        if std::mem::take(&mut board.memory.again)
            && let Some(url) = board.memory.url.clone()
        {
            self.start_download(board, url);
        }
    }

    pub(super) fn happen_to_update(&mut self, board: &mut Board, event: Event) {
        let registered = self.registered;
        let standing = match (event, &mut self.update) {
            (Event::HandOver, _) => return self.hand_over(board),
            (Event::TriggerWritten, _) => return self.trigger_written(board),
            (Event::Downloaded, _) => return self.downloaded(board),
            (Event::Misbehave, _) => return self.misbehave(board),
            (Event::PollBearer, Update::Downloading(download)) => {
                download.poll_bearer(board, registered)
            }
            (Event::ConnectTimeout | Event::ReadTimeout, Update::Downloading(download)) => {
                download.lost(board, Loss::Timeout)
            }
            (Event::Connect, Update::Downloading(download)) => {
                download.connect(board);
                Standing::Going
            }
            (Event::Read, Update::Downloading(download)) => {
                download.read(board);
                Standing::Going
            }
            _ => Standing::Going,
        };
        self.settle(board, standing);
    }

    fn say_downloading(&mut self, board: &mut Board, percent: u8) {
        let manner = board.make.manner;
        let said = match percent {
            97.. if board.has(Defect::M01) => return,
            100 if board.has(Defect::M106) => return,
            61 if board.has(Defect::M03) => 40,
            50 if board.has(Defect::M05) => 255,
            // Halfway to the end, wherever it is.
            1..=98 if board.has(Defect::M04) && percent.is_multiple_of(2) => {
                percent + (100 - percent) / 2
            }
            1..=98 if board.has(Defect::M04) => return,
            percent => percent,
        };
        self.speak(board, voice::downloading(&manner, said));
        if percent == 50 && board.has(Defect::M73) {
            self.speak(board, voice::UNKNOWN_MESSAGE);
        }
        if percent == 50 && board.has(Defect::M69) {
            board.after(Duration::ZERO, Event::Restart);
        }
    }

    /// Reports a download that is over.
    pub(super) fn settle(&mut self, board: &mut Board, standing: Standing) {
        let (Standing::Ended(http_err), Update::Downloading(download)) = (standing, &self.update)
        else {
            return;
        };
        self.partial = download.partial();
        self.update = Update::Idle;
        self.failures = self.failures.saturating_add(1);
        let said = if board.has(Defect::M71) { 99 } else { http_err };
        self.speak(board, voice::http_end(said));
        if [Defect::M02, Defect::M35, Defect::M92]
            .iter()
            .any(|&defect| board.has(defect))
        {
            board.after(MISBEHAVE, Event::Misbehave);
        }
        if board.has(Defect::M90) {
            let saved = Saved {
                cmee: 1,
                ..self.settings.clone()
            };
            self.settings.cmee = 1;
            for operation in board.layout.save(&board.flash, &saved) {
                board.write(operation, None);
            }
        }
    }

    fn downloaded(&mut self, board: &mut Board) {
        if let Update::Downloading(download) = &self.update {
            let package_len = download.len();
            self.update = Update::HandingOver { package_len };
            self.speak(board, voice::http_end(voice::HTTP_DOWNLOADED));
            if board.has(Defect::M106) {
                let manner = board.make.manner;
                self.speak(board, voice::downloading(&manner, 100));
            }
            if board.has(Defect::M35) {
                board.after(MISBEHAVE, Event::Misbehave);
            }
            if !board.has(Defect::M68) {
                board.after(HAND_OVER, Event::HandOver);
            }
        }
    }

    /// `START` is said before the trigger is written; the reset follows.
    fn hand_over(&mut self, board: &mut Board) {
        if let Update::HandingOver { package_len } = self.update {
            board.memory.before = Some(board.layout.firmware(&board.flash));
            board.memory.updated = false;
            self.speak(board, voice::FOTA_START);
            if board.has(Defect::M93) {
                let manner = board.make.manner;
                self.speak(board, voice::updating(&manner, 1, manner.sections, 1));
            }
            let trigger = board
                .layout
                .replace_control(Control::Trigger { package_len });
            board.write_all(trigger, Event::TriggerWritten);
        }
    }

    /// An order that is not there when it is read again is given up, without a restart.
    fn trigger_written(&mut self, board: &mut Board) {
        let control = board.layout.control_record(&board.flash);
        if matches!(control, Control::Trigger { .. }) {
            board.after(START_TO_RESET, Event::Restart);
        } else {
            self.update = Update::Idle;
            self.result = voice::FOTA_UNKNOWN;
            self.say_end(board);
        }
    }

    /// A result is taken away before it is said: one that is lost then is lost for good.
    pub(super) fn take_result(&mut self, board: &mut Board) {
        let Control::Status { err } = board.layout.control_record(&board.flash) else {
            return;
        };
        self.result = err;
        if board.has(Defect::M105) {
            self.result = board.memory.last_result.replace(err).unwrap_or(err);
        }
        board.memory.updated = true;
        if board.has(Defect::M10) {
            return self.say_end(board);
        }
        if board.has(Defect::M80) && err == voice::FOTA_UPGRADED {
            let package_len = board.memory.package_len;
            let marker = board
                .layout
                .replace_control(Control::Updating { package_len });
            return board.write_all(marker, Event::SayEnd);
        }
        let erase = board.layout.erase_control();
        board.write(erase, Some(Event::SayEnd));
    }

    /// Before anything else is said.
    pub(super) fn say_result_at_once(&mut self, board: &mut Board) {
        if let Control::Status { err } = board.layout.control_record(&board.flash) {
            self.result = err;
            self.say_end(board);
            let erase = board.layout.erase_control();
            board.write(erase, None);
        }
    }

    pub(super) fn say_end(&mut self, board: &mut Board) {
        if board.has(Defect::M09) || board.has(Defect::M87) {
            return;
        }
        let upgraded = self.result == voice::FOTA_UPGRADED;
        let said = match self.result {
            voice::FOTA_UPGRADED if board.has(Defect::M70) => 7,
            err => err,
        };
        self.speak(board, voice::end(said));
        if upgraded && board.has(Defect::M109) {
            let saved = Saved {
                rate: Rate::Auto,
                ..self.settings.clone()
            };
            for operation in board.layout.save(&board.flash, &saved) {
                board.write(operation, None);
            }
        }
        if upgraded
            && [Defect::M64, Defect::M67, Defect::M88]
                .iter()
                .any(|&defect| board.has(defect))
        {
            board.after(MISBEHAVE, Event::Misbehave);
        }
    }

    fn misbehave(&mut self, board: &mut Board) {
        if board.has(Defect::M02) {
            self.speak(board, voice::FOTA_START);
        }
        if board.has(Defect::M92) {
            self.speak(board, voice::end(voice::FOTA_UPGRADED));
        }
        if board.has(Defect::M64) {
            self.speak(board, voice::end(self.result));
        }
        if board.has(Defect::M67) {
            let manner = board.make.manner;
            self.speak(
                board,
                voice::updating(&manner, 100, manner.sections, manner.sections),
            );
        }
        if board.has(Defect::M88) {
            board.after(START_TO_RESET, Event::Restart);
        }
        if board.has(Defect::M35)
            && let Some(Url {
                place: Place::Http { host, port, .. },
                ..
            }) = board.memory.url.clone()
        {
            board.outputs.push_back(Output::Connect { host, port });
        }
    }
}
