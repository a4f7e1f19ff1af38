//! The peer of one connection: what is written to it, what is waited for, and why it may be
//! impossible to go on. Every wait of a playout is here, and each looks at what is acknowledged.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::books::{Books, Watcher};
use crate::package_server::Limits;
use crate::package_server::tcp_info::delivery;

/// The send buffer while a fault or a rate is at work, in bytes: so small that the kernel cannot
/// swallow a package (it doubles the number for its own needs).
const SEND_BUFFER: usize = 4 * 1024;
/// How often acknowledgements are looked at, while there are news and while there are none.
const LOOK_OFTEN: Duration = Duration::from_millis(1);
const LOOK_SELDOM: Duration = Duration::from_millis(20);
/// How often a peer that has closed its side is asked whether it is there at all.
const LOOK_FOR_RESET: Duration = Duration::from_millis(250);
/// How much a peer may send after its head. It is not heeded, and whoever sends more is no module.
const MORE_MAX: u64 = 64 * 1024;

/// Why a playout cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The peer sent FIN while we had more to say.
    PeerClosed,
    /// The peer sent RST.
    PeerReset,
    /// Nothing was acknowledged for too long.
    NoProgress,
    /// The connection has lasted too long.
    TooLong,
    /// The offer was withdrawn.
    Withdrawn,
    /// The peer sent more than anybody may.
    Flood,
    /// As many bytes as may be sent within a day were sent.
    Spent,
    /// The system refused something that it should not.
    System(io::ErrorKind),
}

impl Left {
    /// In a few words.
    pub(super) fn text(self) -> String {
        match self {
            Left::PeerClosed => "closed by the peer".to_owned(),
            Left::PeerReset => "reset by the peer".to_owned(),
            Left::NoProgress => "given up: the peer acknowledged nothing for too long".to_owned(),
            Left::TooLong => "given up: the connection lasted too long".to_owned(),
            Left::Withdrawn => "ended with the offer".to_owned(),
            Left::Flood => "given up: the peer sent too much".to_owned(),
            Left::Spent => "given up: no more bytes may be sent today".to_owned(),
            Left::System(kind) => format!("given up: {kind}"),
        }
    }

    /// What an error of the socket says of the peer.
    pub(super) fn of(error: &io::Error) -> Left {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => Left::PeerReset,
            io::ErrorKind::TimedOut => Left::NoProgress,
            kind => Left::System(kind),
        }
    }
}

/// The peer's side of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    /// The peer has closed its side. Some clients do so behind their request, and read on.
    Closed,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// A time, or the peer's FIN.
    TimeOrFin(Instant),
    /// A time, and what the peer does meanwhile shows at the next write.
    Time(Instant),
    /// That all that was written is acknowledged.
    Acknowledged,
    /// Room to write.
    Writable,
    /// The peer's FIN.
    PeerLeaves,
    /// Anything from the peer, beyond what was heard of it, or its FIN.
    PeerSpeaks { heard: u64 },
}

/// The other end of a connection.
pub(in crate::package_server) struct Peer<'a, W> {
    pub(super) stream: &'a TcpStream,
    pub(super) accepted: Instant,
    pub(super) books: Books<W>,
    pub(super) input: Input,
    limits: Limits,
    /// Tells that the offer is withdrawn.
    gone: watch::Receiver<bool>,
    /// When something was last acknowledged, or was not yet on its way.
    progress: Instant,
    look_every: Duration,
}

impl<'a, W: Watcher> Peer<'a, W> {
    /// The peer of a connection that was accepted then.
    pub(in crate::package_server) fn new(
        stream: &'a TcpStream,
        accepted: Instant,
        limits: Limits,
        gone: watch::Receiver<bool>,
        watcher: W,
    ) -> Peer<'a, W> {
        Peer {
            stream,
            accepted,
            books: Books::new(accepted, watcher),
            input: Input::Open,
            limits,
            gone,
            progress: Instant::now(),
            look_every: LOOK_OFTEN,
        }
    }

    /// Lets the kernel hold no more than little that the peer has not acknowledged.
    pub(super) fn keep_the_buffer_small(&self) -> io::Result<()> {
        SockRef::from(self.stream).set_send_buffer_size(SEND_BUFFER)
    }

    /// Lets the connection end by RST when it is dropped.
    pub(super) fn reset_when_dropped(&self) -> Result<(), Left> {
        SockRef::from(self.stream)
            .set_linger(Some(Duration::ZERO))
            .map_err(|error| Left::System(error.kind()))
    }

    /// Sends FIN.
    pub(super) fn close_our_side(&self) -> Result<(), Left> {
        SockRef::from(self.stream)
            .shutdown(std::net::Shutdown::Write)
            .map_err(|error| Left::of(&error))
    }

    /// Writes as much as there is room for; `None` where there is none.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, Left> {
        match self.stream.try_write(bytes) {
            Ok(count) => {
                let may_go_on = self.books.wrote(count);
                self.look();
                may_go_on.then_some(Some(count)).ok_or(Left::Spent)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(Left::of(&error)),
        }
    }

    /// Writes a byte of urgent data; whether there was room for it.
    pub(super) fn write_out_of_band(&mut self, byte: u8) -> Result<bool, Left> {
        match SockRef::from(self.stream).send_out_of_band(&[byte]) {
            Ok(_one) => self.books.wrote(1).then_some(true).ok_or(Left::Spent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(Left::of(&error)),
        }
    }

    /// Waits for a goal; looks at what is acknowledged meanwhile.
    pub(super) async fn wait(&mut self, goal: Goal) -> Result<(), Left> {
        let lasts_until = self.accepted + self.limits.connection_within;
        loop {
            self.look();
            let now = Instant::now();
            self.may_go_on(now, lasts_until)?;
            let on_its_way = self.books.is_on_its_way();
            let mut until = lasts_until;
            match goal {
                Goal::Acknowledged if !on_its_way => return Ok(()),
                Goal::TimeOrFin(time) | Goal::Time(time) if now >= time => return Ok(()),
                Goal::TimeOrFin(time) | Goal::Time(time) => until = until.min(time),
                Goal::PeerSpeaks { heard } if self.books.played.more_received > heard => {
                    return Ok(());
                }
                Goal::Acknowledged
                | Goal::Writable
                | Goal::PeerLeaves
                | Goal::PeerSpeaks { .. } => {}
            }
            if on_its_way {
                until = until.min(now + self.look_every);
            }
            let waits_to_write = matches!(goal, Goal::Writable);
            let reads = self.input == Input::Open;
            if !reads {
                until = until.min(now + LOOK_FOR_RESET);
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                _ = self.gone.changed() => {}
                ready = self.stream.writable(), if waits_to_write => {
                    return ready.map_err(|error| Left::of(&error));
                }
                ready = self.stream.readable(), if reads => {
                    ready.map_err(|error| Left::of(&error))?;
                    self.take_input()?;
                    let leaves = matches!(
                        goal,
                        Goal::TimeOrFin(_) | Goal::PeerLeaves | Goal::PeerSpeaks { .. }
                    );
                    if self.input == Input::Closed && leaves {
                        return Err(Left::PeerClosed);
                    }
                }
            }
            if !reads && self.is_gone() {
                return Err(Left::PeerReset);
            }
        }
    }

    /// Whether nothing forbids to wait any longer.
    fn may_go_on(&mut self, now: Instant, lasts_until: Instant) -> Result<(), Left> {
        if *self.gone.borrow() {
            return Err(Left::Withdrawn);
        }
        if now >= lasts_until {
            return Err(Left::TooLong);
        }
        if !self.books.is_on_its_way() {
            self.progress = now;
        } else if now - self.progress >= self.limits.progress_within {
            return Err(Left::NoProgress);
        }
        Ok(())
    }

    /// Whether a connection whose input is closed has been reset since.
    fn is_gone(&self) -> bool {
        matches!(
            SockRef::from(self.stream).take_error(),
            Ok(Some(_)) | Err(_)
        )
    }

    /// Takes what the peer sent after its head, and does not heed it.
    pub(super) fn take_input(&mut self) -> Result<(), Left> {
        let mut bytes = [0; 4_096];
        loop {
            match self.stream.try_read(&mut bytes) {
                Ok(0) => {
                    self.input = Input::Closed;
                    return Ok(());
                }
                Ok(count) => self.books.played.more_received += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Left::of(&error)),
            }
            if self.books.played.more_received > MORE_MAX {
                return Err(Left::Flood);
            }
        }
    }

    /// Looks at what is acknowledged: often, while there are news.
    pub(super) fn look(&mut self) {
        // A kernel that does not tell has no news.
        let is_news = delivery(self.stream).is_ok_and(|told| self.books.delivered(told));
        if is_news {
            self.progress = Instant::now();
            self.look_every = LOOK_OFTEN;
        } else {
            self.look_every = (self.look_every * 2).min(LOOK_SELDOM);
        }
    }
}
