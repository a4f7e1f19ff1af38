//! The application: it answers commands, fetches packages, and reports results.

use std::collections::VecDeque;
use std::time::Duration;

use super::Rate;
use super::board::{Board, Event};
use super::command::{self, Command, Question};
use super::download::{Download, Partial, Standing};
use super::layout::{Control, Saved};
use super::url::Url;
use super::voice::{self, CmeError};

/// From a command line's CR to its answer.
const ANSWER: Duration = Duration::from_millis(20);
/// From one start-up message to the next.
const SAY_NEXT: Duration = Duration::from_millis(20);
/// From the application's start to its look for a result to report.
const TAKE_RESULT: Duration = Duration::from_millis(300);
/// From the application's start to registration, in good coverage.
const REGISTER: Duration = Duration::from_secs(2);
/// From `OK` to the reset of `AT+QRST=1`.
const RESET: Duration = Duration::from_millis(300);
/// From `OK` to darkness, after `AT+QPOWD=0`.
const POWER_DOWN: Duration = Duration::from_secs(1);
/// From `HTTPEND,0` to `START`.
const HAND_OVER: Duration = Duration::from_millis(100);
/// From `START` to the reset: the firmware's reboot timer.
const START_TO_RESET: Duration = Duration::from_secs(2);
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
    update: Update,
    partial: Option<Partial>,
    result: u8,
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
        let app = Self {
            settings,
            recognised: None,
            heard: None,
            line: Vec::new(),
            lines: VecDeque::new(),
            running: None,
            functionality: 1,
            registered: false,
            update: Update::Idle,
            partial: None,
            result: 0,
        };
        let manner = board.make.manner;
        if manner.says_rdy {
            app.speak(board, voice::RDY);
            board.after(SAY_NEXT, Event::SayCfun);
        }
        if manner.says_cpin_and_ip {
            board.after(SAY_NEXT * 5, Event::SayCpin);
        }
        board.after(TAKE_RESULT, Event::TakeResult);
        if board.make.registered {
            board.after(REGISTER, Event::Registered);
        }
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
                if self.registered && board.make.manner.says_cpin_and_ip {
                    board.after(SAY_NEXT, Event::SayIp);
                }
            }
            Event::TakeResult => self.take_result(board),
            Event::SayEnd => self.speak(board, voice::end(self.result)),
            Event::Answer => self.answer(board),
            Event::CommandSaved => self.go_on(board),
            Event::HandOver => self.hand_over(board),
            Event::TriggerWritten => board.after(START_TO_RESET, Event::Restart),
            Event::Downloaded => self.downloaded(board),
            _ => self.happen_to_download(board, event),
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

    /// The connection came about.
    pub(super) fn connected(&mut self, board: &mut Board) {
        if let Update::Downloading(download) = &mut self.update {
            download.connected(board);
        }
    }

    /// Bytes came from the connection.
    pub(super) fn received(&mut self, board: &mut Board, bytes: &[u8]) {
        let Update::Downloading(download) = &mut self.update else {
            return;
        };
        let standing = download.received(board, bytes);
        let manner = board.make.manner;
        loop {
            let Update::Downloading(download) = &mut self.update else {
                return;
            };
            let Some(percent) = download.next_percent(manner.downloads_every_percent) else {
                break;
            };
            self.speak(board, voice::downloading(&manner, percent));
        }
        self.settle(board, standing);
    }

    /// The connection ended, or did not come about.
    pub(super) fn disconnected(&mut self, board: &mut Board) {
        if let Update::Downloading(download) = &mut self.update {
            let standing = download.failed(board);
            self.settle(board, standing);
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
            board.after(ANSWER, Event::Answer);
        }
    }

    fn answer(&mut self, board: &mut Board) {
        let Some(line) = self.lines.pop_front() else {
            return;
        };
        let commands = if line.len() > LINE_LEN_MAX {
            vec![Err(CmeError::IncorrectParameters)]
        } else {
            command::read(&line)
        };
        self.running = Some(Running {
            commands: commands.into(),
            afterwards: None,
        });
        self.go_on(board);
    }

    /// Carries out the commands of the line, until one has to wait for the flash.
    fn go_on(&mut self, board: &mut Board) {
        while let Some(running) = &mut self.running {
            match running.commands.pop_front() {
                None => {
                    let deed = running.afterwards.take();
                    self.running = None;
                    self.speak(board, voice::OK);
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
            board.after(ANSWER, Event::Answer);
        }
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
                let text = self.tell(board, question);
                self.speak(board, voice::information(&text));
                None
            }
            Command::Identify => {
                let version = board.layout.version(&board.flash).unwrap_or_default();
                self.speak(board, voice::ati(&version));
                None
            }
            Command::Echo(echo) => {
                self.settings.echo = echo;
                None
            }
            Command::SetCmee(cmee) => {
                self.settings.cmee = cmee;
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
                Update::Idle => Some(Deed::Download(url)),
                _ => return Err(CmeError::NotAllowed),
            },
        };
        if let (Some(deed), Some(running)) = (afterwards, &mut self.running) {
            running.afterwards = Some(deed);
        }
        Ok(())
    }

    fn save(&self, board: &mut Board, saved: Saved) {
        let operations = board.layout.save(&board.flash, &saved);
        board.write_all(operations, Event::CommandSaved);
    }

    fn tell(&self, board: &Board, question: Question) -> String {
        let registered = self.registered;
        match question {
            Question::Revision => {
                let version = board.layout.version(&board.flash).unwrap_or_default();
                format!("Revision: {version}")
            }
            Question::Imei => format!("+CGSN: {}", board.make.imei),
            Question::ImeiAlone => board.make.imei.clone(),
            Question::SignalQuality if registered => String::from("+CESQ: 47,6,255,255,0,54"),
            Question::SignalQuality => String::from("+CESQ: 99,99,255,255,255,255"),
            Question::Registration if registered => String::from("+CEREG: 0,1"),
            Question::Registration if self.functionality == 1 => String::from("+CEREG: 0,2"),
            Question::Registration => String::from("+CEREG: 0,0"),
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

    fn set_functionality(&mut self, board: &mut Board, functionality: u8) {
        self.functionality = functionality;
        board.cancel(Event::Registered);
        if functionality != 1 {
            self.registered = false;
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
            Deed::Download(url) => {
                // Straight after `OK`, before the network is looked at.
                let manner = board.make.manner;
                self.speak(board, voice::http_start(&manner));
                let mut download = Download::new(url, self.partial.take());
                let standing = download.poll_bearer(board, self.registered);
                self.update = Update::Downloading(download);
                self.settle(board, standing);
            }
        }
    }

    fn happen_to_download(&mut self, board: &mut Board, event: Event) {
        let registered = self.registered;
        let Update::Downloading(download) = &mut self.update else {
            return;
        };
        let standing = match event {
            Event::PollBearer => download.poll_bearer(board, registered),
            Event::ConnectTimeout | Event::ReadTimeout => download.failed(board),
            Event::Connect => {
                download.connect(board);
                Standing::Going
            }
            Event::Read => {
                download.read(board);
                Standing::Going
            }
            _ => Standing::Going,
        };
        self.settle(board, standing);
    }

    /// Reports a download that is over.
    fn settle(&mut self, board: &mut Board, standing: Standing) {
        let (Standing::Ended(http_err), Update::Downloading(download)) = (standing, &self.update)
        else {
            return;
        };
        self.partial = download.partial();
        self.update = Update::Idle;
        self.speak(board, voice::http_end(http_err));
    }

    fn downloaded(&mut self, board: &mut Board) {
        if let Update::Downloading(download) = &self.update {
            let package_len = download.len();
            self.update = Update::HandingOver { package_len };
            self.speak(board, voice::http_end(voice::HTTP_DOWNLOADED));
            board.after(HAND_OVER, Event::HandOver);
        }
    }

    /// `START` is said before the trigger is written; the reset follows.
    fn hand_over(&mut self, board: &mut Board) {
        if let Update::HandingOver { package_len } = self.update {
            self.speak(board, voice::FOTA_START);
            let trigger = board
                .layout
                .replace_control(Control::Trigger { package_len });
            board.write_all(trigger, Event::TriggerWritten);
        }
    }

    /// A result is taken away before it is said: one that is lost then is lost for good.
    fn take_result(&mut self, board: &mut Board) {
        if let Control::Status { err } = board.layout.control_record(&board.flash) {
            self.result = err;
            let erase = board.layout.erase_control();
            board.write(erase, Some(Event::SayEnd));
        }
    }
}
