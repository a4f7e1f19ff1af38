//! The downloader: one package, several attempts, on a slow link.
//!
//! The figures are those of the firmware BC26NBR01A03 and A05; the guide gives none.

use std::time::Duration;

use super::board::{Board, Event, Output};
use super::flash::Operation;
use super::http::{Answer, BadHead, Head, request};
use super::layout::{PACKAGE_LEN_MAX, Saved, pages};
use super::url::{Place, Url};
use super::voice;
use super::{Circumstance, Defect};
use crate::delta::SECTOR;

/// Requests in all, without a pause between them.
const ATTEMPTS: u8 = 8;
/// The firmware's read buffer.
const READ_LEN_MAX: usize = 516;
/// How long one read waits for bytes.
const READ_TIMEOUT: Duration = Duration::from_secs(180);
/// How long a connection may take to come about. Eight of them make the two minutes of silence
/// that users report of a blocked port.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// There and back on the radio link in good coverage.
const ROUND_TRIP: Duration = Duration::from_millis(400);
/// Peak rate of Cat NB1 downlink, in bits a second.
const LINK_RATE: u64 = 25_500;
/// How often the bearer is looked at before it is given up.
const BEARER_POLLS: u8 = 60;
/// The longest URL of a defective module: the SDK's line buffer has 255 bytes for the whole command.
const URL_LEN_HELD: usize = 240;
const BEARER_POLL: Duration = Duration::from_secs(1);

/// What is remembered of a download that failed, in RAM: the same URL goes on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    url: String,
    position: usize,
    erased: usize,
}

/// A download under way.
#[derive(Clone, Debug)]
pub(super) struct Download {
    url: Url,
    position: usize,
    /// Sectors of the package region that are erased for this download.
    erased: usize,
    percent: u8,
    attempts: u8,
    polls: u8,
    exchange: Exchange,
    /// Whether bytes from the connection can be taken now.
    reads: bool,
}

#[derive(Clone, Debug)]
enum Exchange {
    None,
    Connecting,
    Head(Head),
    Body {
        total: usize,
    },
    /// A body without end, as no healthy module reads one: what comes is the package.
    Endless,
    Complete,
}

/// How a connection was lost, or did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The peer ended it in order.
    Ended,
    /// The peer, or the network, broke it.
    Reset,
    /// It was waited for too long.
    Timeout,
}

/// How a download stands after something happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Going,
    /// Over, with the `<http_err>` to report.
    Ended(u8),
}

impl Download {
    pub(super) fn new(url: Url, partial: Option<Partial>) -> Self {
        let (position, erased) = partial
            .filter(|partial| partial.url == url.text)
            .map_or((0, 0), |partial| (partial.position, partial.erased));
        Self {
            url,
            position,
            erased,
            percent: 0,
            attempts: 0,
            polls: 0,
            exchange: Exchange::None,
            reads: false,
        }
    }

    /// What to remember if it ends here.
    pub(super) fn partial(&self) -> Option<Partial> {
        (self.position > 0).then(|| Partial {
            url: self.url.text.clone(),
            position: self.position,
            erased: self.erased,
        })
    }

    /// The length of the package, once it is complete.
    pub(super) fn len(&self) -> u32 {
        self.position as u32
    }

    /// How many bytes of the connection can be taken now.
    pub(super) fn appetite(&self, board: &Board) -> usize {
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

    /// Looks whether the network is there, and connects if so.
    pub(super) fn poll_bearer(&mut self, board: &mut Board, attached: bool) -> Standing {
        if attached {
            return self.attempt(board);
        }
        self.polls += 1;
        if self.polls > BEARER_POLLS {
            return Standing::Ended(if board.is_in(Circumstance::Activating) {
                voice::HTTP_NETWORK_ACTIVATING
            } else {
                voice::HTTP_NETWORK_DEACTIVATED
            });
        }
        board.after(BEARER_POLL, Event::PollBearer);
        Standing::Going
    }

    /// The time has come to ask for a connection.
    pub(super) fn connect(&mut self, board: &mut Board) {
        if let Place::Http { host, port, .. } = &self.url.place {
            board.outputs.push_back(Output::Connect {
                host: host.clone(),
                port: *port,
            });
            if !board.has(Defect::M23) {
                board.after(CONNECT_TIMEOUT, Event::ConnectTimeout);
            }
        }
    }

    pub(super) fn connected(&mut self, board: &mut Board) {
        if let (Exchange::Connecting, Place::Http { host, path, .. }) =
            (&self.exchange, &self.url.place)
        {
            board.cancel(Event::ConnectTimeout);
            let too_many = usize::from(self.position > 0 && board.has(Defect::M104));
            let request = request(host, path, self.position + too_many);
            board.outputs.push_back(Output::Send(request));
            self.exchange = Exchange::Head(Head::default());
            board.after(ROUND_TRIP, Event::Read);
        }
    }

    pub(super) fn read(&mut self, board: &mut Board) {
        self.reads = true;
        if !board.has(Defect::M22) {
            board.after(READ_TIMEOUT, Event::ReadTimeout);
        }
    }

    pub(super) fn received(&mut self, board: &mut Board, bytes: &[u8]) -> Standing {
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
            Exchange::Body { total } => total - self.position,
            Exchange::Endless => PACKAGE_LEN_MAX - self.position,
            _ => return Standing::Going,
        };
        let take = rest.len().min(left);
        self.store(board, &rest[..take]);
        let link = on_the_link(bytes.len());
        match self.exchange {
            Exchange::Body { total } if self.position == total => {
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

    /// What an answer is good for, or how the download stands without it.
    fn judge_answer(&mut self, board: &mut Board, answer: Answer) -> Result<Exchange, Standing> {
        match answer.status {
            404 if board.has(Defect::M25) => {
                let Some(total) = answer.content_length.filter(|&len| len > 0) else {
                    self.complete(board, Duration::ZERO);
                    return Err(Standing::Going);
                };
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
                let total = (self.position + len).min(PACKAGE_LEN_MAX);
                return Ok(Exchange::Body { total });
            }
            206 if self.position > 0 => {
                board.memory.unchecked = board.has(Defect::M26);
            }
            _ => {}
        }
        if board.has(Defect::M46)
            && answer
                .content_length
                .is_some_and(|len| len > PACKAGE_LEN_MAX)
        {
            let factory = Saved::factory(board.make.factory_rate);
            let saved = board
                .layout
                .saved(&board.flash)
                .unwrap_or_else(|| factory.clone());
            let apn = factory.apn.chars().rev().collect();
            for operation in board.layout.save(&board.flash, &Saved { apn, ..saved }) {
                board.write(operation, None);
            }
        }
        match self.total(answer) {
            Some(total) => Ok(Exchange::Body { total }),
            None => Err(self.failed(board)),
        }
    }

    /// All is here, once the link and the flash are through with it.
    fn complete(&mut self, board: &mut Board, link: Duration) {
        self.close(board);
        self.exchange = Exchange::Complete;
        board.after(board.work_left().max(link), Event::Downloaded);
    }

    fn store_beyond(&mut self, board: &mut Board, bytes: &[u8]) {
        let room = PACKAGE_LEN_MAX - self.position;
        self.store(board, &bytes[..bytes.len().min(room)]);
    }

    /// The next percentage to say, if one is due: each, or the latest only.
    pub(super) fn next_percent(&mut self, every: bool) -> Option<u8> {
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

    /// The connection came to nothing, or to its end: another attempt, while there are any.
    pub(super) fn lost(&mut self, board: &mut Board, loss: Loss) -> Standing {
        let taken_for_complete = match (&self.exchange, loss) {
            (Exchange::Endless, _) => true,
            (Exchange::Body { .. }, Loss::Ended) => board.has(Defect::M20),
            (Exchange::Body { .. }, Loss::Reset) => board.has(Defect::M21),
            _ => false,
        };
        if taken_for_complete {
            self.complete(board, Duration::ZERO);
            return Standing::Going;
        }
        self.failed(board)
    }

    fn failed(&mut self, board: &mut Board) -> Standing {
        if matches!(self.exchange, Exchange::None | Exchange::Complete) {
            return Standing::Going;
        }
        self.close(board);
        self.attempt(board)
    }

    /// Leaves the connection.
    pub(super) fn close(&mut self, board: &mut Board) {
        for event in [
            Event::Connect,
            Event::ConnectTimeout,
            Event::Read,
            Event::ReadTimeout,
        ] {
            board.cancel(event);
        }
        self.reads = false;
        self.exchange = Exchange::None;
        board.outputs.push_back(Output::Close);
    }

    fn attempt(&mut self, board: &mut Board) -> Standing {
        if self.url.place == (Place::OutOfReach { secure: true }) && board.has(Defect::M15) {
            return Standing::Going;
        }
        let too_long = board.has(Defect::M110) && self.url.text.len() > URL_LEN_HELD;
        let out_of_reach = too_long || matches!(self.url.place, Place::OutOfReach { .. });
        if self.attempts == ATTEMPTS || out_of_reach {
            return Standing::Ended(voice::HTTP_DOWNLOAD_FAILED);
        }
        self.attempts += 1;
        self.exchange = Exchange::Connecting;
        board.after(ROUND_TRIP, Event::Connect);
        Standing::Going
    }

    /// What an answer makes of the package's length, if its body can be used. A 200 begins again,
    /// a 206 goes on at the position asked for: its `Content-Range` is not looked at.
    fn total(&mut self, answer: Answer) -> Option<usize> {
        let len = answer.content_length.filter(|&len| len > 0)?;
        let (position, total) = match answer.status {
            200 => (0, len),
            206 => (self.position, self.position.checked_add(len)?),
            _ => return None,
        };
        if total > PACKAGE_LEN_MAX {
            return None;
        }
        if position < self.position {
            self.erased = 0;
            self.percent = 0;
        }
        self.position = position;
        Some(total)
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
