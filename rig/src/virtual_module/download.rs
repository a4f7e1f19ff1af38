//! The downloader: one package, several attempts, on a slow link.
//!
//! The figures are those of the firmware BC26NBR01A03 and A05; the guide gives none.

use std::time::Duration;

use super::board::{Board, Event, Output};
use super::http::{Head, request};
use super::url::{Place, Url};
use super::voice;
use super::{Circumstance, Defect};

mod answer;
mod body;

/// Requests in all, without a pause between them.
const ATTEMPTS: u8 = 8;
/// How long a connection may take to come about. Eight of them make the two minutes of silence
/// that users report of a blocked port.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// There and back on the radio link in good coverage.
const ROUND_TRIP: Duration = Duration::from_millis(400);
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
}
