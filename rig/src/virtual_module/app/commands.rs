//! Command lines, answered.

use std::time::Duration;

use super::{ANSWER, App, Deed, LATE_ANSWER, LINE_LEN_MAX, REGISTER, Running, Update};
use crate::virtual_module::board::{Board, Event};
use crate::virtual_module::command::{self, Command, Question};
use crate::virtual_module::download::Standing;
use crate::virtual_module::layout::Saved;
use crate::virtual_module::url::Limits;
use crate::virtual_module::voice::{self, CmeError};
use crate::virtual_module::{Defect, Rate};

/// From `OK` to the reset of `AT+QRST=1`.
const RESET: Duration = Duration::from_millis(300);
/// From `OK` to darkness, after `AT+QPOWD=0`. Source: BC26 hardware manual, VDD_EXT.
const POWER_DOWN: Duration = Duration::from_millis(1020);

impl App {
    pub(super) fn answer(&mut self, board: &mut Board) {
        let Some(line) = self.lines.pop_front() else {
            return;
        };
        let commands = if line.len() > LINE_LEN_MAX {
            vec![Err(CmeError::IncorrectParameters)]
        } else {
            command::read(&line, &limits(board))
        };
        self.running = Some(Running {
            commands: commands.into(),
            afterwards: None,
        });
        self.go_on(board);
    }

    /// Carries out the commands of the line, until one has to wait for the flash.
    pub(super) fn go_on(&mut self, board: &mut Board) {
        while let Some(running) = &mut self.running {
            match running.commands.pop_front() {
                None => {
                    let deed = running.afterwards.take();
                    self.running = None;
                    let downloads = matches!(deed, Some(Deed::Download(_)));
                    if downloads && board.has(Defect::M107) {
                        let manner = board.make.manner;
                        self.speak(board, voice::http_start(&manner));
                    }
                    if !(downloads && board.has(Defect::M72)) {
                        self.speak(board, voice::OK);
                    }
                    if downloads && board.has(Defect::M94) {
                        self.speak(board, voice::OK);
                    }
                    if let Some(deed) = deed {
                        self.do_afterwards(board, deed);
                    }
                }
                Some(Ok(command)) => {
                    if let Err(refusal) = self.carry_out(board, command) {
                        self.refuse(board, refusal);
                    } else if board.is_to_happen(Event::CommandSaved) {
                        return;
                    }
                }
                Some(Err(refusal)) => self.refuse(board, refusal),
            }
        }
        if !self.lines.is_empty() {
            self.answer_soon(board);
        }
    }

    pub(super) fn answer_soon(&self, board: &mut Board) {
        let late = board.has(Defect::M07)
            && self.lines.front().is_some_and(|line| {
                line.windows(7)
                    .any(|word| word.eq_ignore_ascii_case(b"QFOTADL"))
            });
        board.after(if late { LATE_ANSWER } else { ANSWER }, Event::Answer);
    }

    fn refuse(&mut self, board: &mut Board, refusal: CmeError) {
        self.running = None;
        self.speak(board, voice::refusal(self.settings.cmee, refusal));
    }

    fn carry_out(&mut self, board: &mut Board, command: Command) -> Result<(), CmeError> {
        let afterwards = match command {
            Command::Attention | Command::Accept => None,
            Command::Say(text) => {
                self.speak(board, voice::information(text));
                None
            }
            Command::Ask(question) => {
                if question == Question::Revision {
                    self.check_version_readable(board)?;
                }
                let text = self.tell(board, question);
                self.speak(board, voice::information(&text));
                None
            }
            Command::Identify => {
                self.check_version_readable(board)?;
                let mut version = version(board);
                if board.has(Defect::M96) {
                    version = board.memory.ati.get_or_insert(version).clone();
                }
                self.speak(board, voice::ati(&version));
                None
            }
            Command::TestDownload if board.has(Defect::M83) => {
                return Err(CmeError::NotSupported);
            }
            Command::TestDownload => None,
            Command::Echo(echo) => {
                self.settings.echo = echo;
                None
            }
            Command::SetCmee(cmee) => {
                self.settings.cmee = cmee;
                None
            }
            Command::ReportRegistration(n) => {
                self.registration_reports = n;
                None
            }
            Command::SetCfun(functionality) => {
                self.set_functionality(board, functionality);
                None
            }
            Command::SaveProfile => {
                self.save(board, self.settings.clone());
                None
            }
            Command::SetApn(apn) => {
                // The APN is kept at once; the rest of what is saved stays as it was.
                self.settings.apn.clone_from(&apn);
                let saved = board
                    .layout
                    .saved(&board.flash)
                    .unwrap_or_else(|| Saved::factory(board.make.factory_rate));
                self.save(board, Saved { apn, ..saved });
                None
            }
            Command::SetRate(rate) => Some(Deed::SetRate(rate)),
            Command::Reset => Some(Deed::Reset),
            Command::PowerDown => Some(Deed::PowerDown),
            Command::Download(url) => match self.update {
                Update::Idle if self.failures > 0 && board.has(Defect::M103) => {
                    return Err(CmeError::NotAllowed);
                }
                Update::Idle => Some(Deed::Download(url)),
                Update::Downloading(_) if board.has(Defect::M16) => Some(Deed::Download(url)),
                _ => return Err(CmeError::NotAllowed),
            },
        };
        if let (Some(deed), Some(running)) = (afterwards, &mut self.running) {
            running.afterwards = Some(deed);
        }
        Ok(())
    }

    pub(super) fn save(&self, board: &mut Board, saved: Saved) {
        let operations = board.layout.save(&board.flash, &saved);
        board.write_all(operations, Event::CommandSaved);
    }

    fn tell(&self, board: &Board, question: Question) -> String {
        let registered = self.registered;
        match question {
            Question::Revision if board.has(Defect::M89) => String::from("Revision: BC26NBR01A00"),
            Question::Revision => format!("Revision: {}", version(board)),
            Question::Imei => format!("+CGSN: {}", imei(board)),
            Question::ImeiAlone => imei(board),
            Question::SignalQuality if registered => String::from("+CESQ: 47,6,255,255,0,54"),
            Question::SignalQuality => String::from("+CESQ: 99,99,255,255,255,255"),
            Question::Registration => {
                let n = self.registration_reports;
                format!("+CEREG: {n},{}", self.registration())
            }
            Question::Attachment => format!("+CGATT: {}", u8::from(registered)),
            Question::Address if registered => String::from("+CGPADDR: 1,101.43.5.1"),
            Question::Address => String::from("+CGPADDR: 1"),
            Question::Sim => String::from("+CPIN: READY"),
            Question::Operator if registered => String::from("+COPS: 0,2,\"46011\",9"),
            Question::Operator => String::from("+COPS: 0"),
            Question::Functionality => format!("+CFUN: {}", self.functionality),
            Question::ErrorFormat => format!("+CMEE: {}", self.settings.cmee),
            Question::Rate => match self.settings.rate {
                Rate::Auto => String::from("+IPR: 0"),
                Rate::Fixed(rate) => format!("+IPR: {rate}"),
            },
            Question::Apn => format!("+CGDCONT: 1,\"IP\",\"{}\",,0,0", self.settings.apn),
            Question::DefaultApn => format!("+QCGDEFCONT: \"IP\",\"{}\"", self.settings.apn),
            Question::Connection => format!("+CSCON: 0,{}", u8::from(registered)),
        }
    }

    /// `<stat>`, and from `<n>` 2 on where it is registered.
    fn registration(&self) -> &'static str {
        match (self.registered, self.functionality) {
            (true, _) if self.registration_reports >= 2 => "1,\"1A2B\",\"01A2B3C4\",9",
            (true, _) => "1",
            (false, 1) => "2",
            (false, _) => "0",
        }
    }

    pub(super) fn report_registration(&self, board: &mut Board) {
        if self.registration_reports > 0 {
            let report = format!("+CEREG: {}", self.registration());
            self.speak(board, voice::information(&report));
        }
    }

    /// With autobaud and this defect, an update leaves nobody able to read the version.
    fn check_version_readable(&self, board: &Board) -> Result<(), CmeError> {
        let hidden =
            board.has(Defect::M12) && board.memory.updated && self.settings.rate == Rate::Auto;
        if hidden {
            Err(CmeError::NotSupported)
        } else {
            Ok(())
        }
    }

    fn set_functionality(&mut self, board: &mut Board, functionality: u8) {
        self.functionality = functionality;
        board.cancel(Event::Registered);
        if functionality != 1 {
            if std::mem::take(&mut self.registered) {
                self.report_registration(board);
            }
            if let Update::Downloading(download) = &mut self.update {
                download.close(board);
                self.settle(board, Standing::Ended(voice::HTTP_NETWORK_DEACTIVATED));
            }
        } else if board.make.registered && !self.registered {
            board.after(REGISTER, Event::Registered);
        }
    }

    fn do_afterwards(&mut self, board: &mut Board, deed: Deed) {
        match deed {
            Deed::Reset => board.after(RESET, Event::Restart),
            Deed::PowerDown => board.after(POWER_DOWN, Event::SwitchOff),
            Deed::SetRate(rate) => {
                // With autobaud, the rate in use counts as recognised until the next start.
                self.recognised = self.rate();
                self.settings.rate = rate;
            }
            Deed::Download(url) => self.start_download(board, url),
        }
    }
}

fn version(board: &Board) -> String {
    if board.has(Defect::M95) && board.memory.updated {
        return String::from("BC26NBR01A77");
    }
    board.layout.version(&board.flash).unwrap_or_default()
}

fn imei(board: &Board) -> String {
    let imei = &board.make.imei;
    if board.has(Defect::M74) && board.memory.updated {
        imei.chars().rev().collect()
    } else {
        imei.clone()
    }
}

/// What a URL may be: as the guide says, unless something is wrong with this module.
fn limits(board: &Board) -> Limits {
    let lawful = Limits::default();
    Limits {
        len_max: match () {
            () if board.has(Defect::M13) => lawful.len_max + 1,
            () if board.has(Defect::M65) => lawful.len_max - 1,
            () => lawful.len_max,
        },
        upper_case: !board.has(Defect::M14),
        port_default: if board.has(Defect::M14) {
            8080
        } else {
            lawful.port_default
        },
        any_port: board.has(Defect::M84),
        unquoted: board.has(Defect::M85),
        secure_is_plain: board.has(Defect::M100),
    }
}
