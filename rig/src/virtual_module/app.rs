//! The application: it answers commands, fetches packages, and reports results.

use std::collections::VecDeque;
use std::time::Duration;

use super::board::{Board, Event};
use super::command::Command;
use super::download::{Download, Partial};
use super::layout::Saved;
use super::url::Url;
use super::voice::{self, CmeError};
use super::{Defect, Rate};

mod commands;
mod update;

/// From a command line's CR to its answer.
const ANSWER: Duration = Duration::from_millis(20);
/// Longer than the guide allows for `AT+QFOTADL`, and so long that a module that lives two hundred
/// times faster is late, too: the guide's time is counted on the wire.
const LATE_ANSWER: Duration = Duration::from_secs(120);
/// From one start-up message to the next.
const SAY_NEXT: Duration = Duration::from_millis(20);
/// From the application's start to its look for a result to report.
const TAKE_RESULT: Duration = Duration::from_millis(300);
/// From the application's start to registration, in good coverage.
const REGISTER: Duration = Duration::from_secs(2);
/// The longest command line. The SDK's release notes tell of a UART that hung beyond it.
const LINE_LEN_MAX: usize = 1400;
/// Lines that may wait for their answer.
const LINES_MAX: usize = 16;

/// The application's RAM.
#[derive(Clone, Debug)]
pub(super) struct App {
    settings: Saved,
    /// With autobaud: the rate it has recognised since the start.
    recognised: Option<u32>,
    /// With autobaud, before that: the last byte heard, and the rate it came at.
    heard: Option<(u32, u8)>,
    line: Vec<u8>,
    lines: VecDeque<Vec<u8>>,
    running: Option<Running>,
    functionality: u8,
    registered: bool,
    /// `AT+CEREG=<n>`: from 1 on, a change is said.
    registration_reports: u8,
    update: Update,
    partial: Option<Partial>,
    result: u8,
    /// Downloads that failed since the start; a healthy module does not count them.
    failures: u8,
}

/// The command line that is being answered.
#[derive(Clone, Debug)]
struct Running {
    commands: VecDeque<Result<Command, CmeError>>,
    afterwards: Option<Deed>,
}

/// What happens after the `OK`.
#[derive(Clone, Debug)]
enum Deed {
    Reset,
    PowerDown,
    SetRate(Rate),
    Download(Url),
}

#[derive(Clone, Debug)]
enum Update {
    Idle,
    Downloading(Download),
    /// The package, of this length, is complete and on its way to the bootloader.
    HandingOver {
        package_len: u32,
    },
}

impl App {
    /// Comes up: what was saved is in force, everything else is as new.
    pub(super) fn start(board: &mut Board) -> Self {
        let settings = board
            .layout
            .saved(&board.flash)
            .unwrap_or_else(|| Saved::factory(board.make.factory_rate));
        let mut app = Self {
            settings,
            recognised: None,
            heard: None,
            line: Vec::new(),
            lines: VecDeque::new(),
            running: None,
            functionality: 1,
            registered: false,
            registration_reports: 0,
            update: Update::Idle,
            partial: None,
            result: 0,
            failures: 0,
        };
        let manner = board.make.manner;
        if board.has(Defect::M11) {
            app.say_result_at_once(board);
        }
        if manner.says_rdy {
            app.speak(board, voice::RDY);
            board.after(SAY_NEXT, Event::SayCfun);
        }
        if manner.says_cpin_and_ip {
            board.after(SAY_NEXT * 5, Event::SayCpin);
        }
        board.after(TAKE_RESULT, Event::TakeResult);
        if board.has(Defect::M75) && board.memory.updated {
            app.functionality = 0;
        }
        if board.make.registered && app.functionality == 1 {
            board.after(REGISTER, Event::Registered);
        }
        app.download_again(board);
        app
    }

    /// Something that the application waited for.
    pub(super) fn happen(&mut self, board: &mut Board, event: Event) {
        match event {
            Event::SayCfun => self.speak(board, voice::CFUN_1),
            Event::SayCpin => self.speak(board, voice::CPIN_READY),
            Event::SayIp => self.speak(board, voice::IP),
            Event::Registered => {
                self.registered = self.functionality == 1;
                self.report_registration(board);
                if self.registered && board.make.manner.says_cpin_and_ip {
                    board.after(SAY_NEXT, Event::SayIp);
                }
            }
            Event::TakeResult => self.take_result(board),
            Event::SayEnd => self.say_end(board),
            Event::Answer => self.answer(board),
            Event::CommandSaved => self.go_on(board),
            _ => self.happen_to_update(board, event),
        }
    }

    /// How many bytes from the network can be taken now.
    pub(super) fn appetite(&self, board: &Board) -> usize {
        match &self.update {
            Update::Downloading(download) => download.appetite(board),
            _ => 0,
        }
    }

    /// Bytes from the host, in the way the host's UART sent them: at this rate.
    pub(super) fn hear(&mut self, board: &mut Board, bytes: &[u8], rate: u32) {
        match self.rate() {
            Some(own) if own == rate => self.take(board, bytes),
            Some(own) => self.take(board, &voice::garbled(bytes, rate, own)),
            None => self.recognise(board, bytes, rate),
        }
    }

    /// The rate it speaks at; none while it has to recognise one first.
    fn rate(&self) -> Option<u32> {
        match self.settings.rate {
            Rate::Fixed(rate) => Some(rate),
            Rate::Auto => self.recognised,
        }
    }

    /// Says something, if it may: with autobaud, what comes before an `AT` is lost.
    fn speak(&self, board: &mut Board, bytes: impl Into<Vec<u8>>) {
        if let Some(rate) = self.rate() {
            board.say(bytes, rate);
        }
    }

    /// Looks for `AT` or `at` in what the host sends at a rate that can be told.
    fn recognise(&mut self, board: &mut Board, bytes: &[u8], rate: u32) {
        for (at, &byte) in bytes.iter().enumerate() {
            let pair = self.heard.filter(|(before, _)| *before == rate);
            let pair = pair.map(|(_, before)| [before, byte]);
            if let Some(pair @ ([b'A', b'T'] | [b'a', b't'])) = pair
                && voice::DETECTABLE_RATES.contains(&rate)
            {
                self.recognised = Some(rate);
                self.take(board, &pair);
                self.take(board, &bytes[at + 1..]);
                return;
            }
            self.heard = Some((rate, byte));
        }
    }

    fn take(&mut self, board: &mut Board, bytes: &[u8]) {
        if self.settings.echo {
            self.speak(board, bytes);
        }
        for &byte in bytes {
            match byte {
                b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    self.line_ended(board, line);
                }
                b'\n' => {}
                // One byte more than a line may have stands for any number of them.
                _ if self.line.len() > LINE_LEN_MAX => {}
                _ => self.line.push(byte),
            }
        }
    }

    /// A command line begins with `AT`, whatever stands before it.
    fn line_ended(&mut self, board: &mut Board, mut line: Vec<u8>) {
        let at = line
            .windows(2)
            .position(|pair| pair.eq_ignore_ascii_case(b"AT"));
        let Some(at) = at.filter(|_| self.lines.len() < LINES_MAX) else {
            return;
        };
        line.drain(..at);
        self.lines.push_back(line);
        if self.lines.len() == 1 && self.running.is_none() {
            self.answer_soon(board);
        }
    }
}
