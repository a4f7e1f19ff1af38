//! Plays a script to one peer, and proves what was delivered.
//!
//! Written is not delivered, so everything here goes by what the peer's TCP has acknowledged:
//! an operation has fired when the bytes that it changed are acknowledged, and a reset comes
//! when the kernel has nothing left to deliver.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Limits;
use super::interference::Interference;
use super::pace::{Next, Pace, Pacer};
use super::random::Sequence;
use super::record::{Fired, Sample};
use super::script::{Move, Script};
use super::tcp_info::{Delivery, delivery};
use super::wire_plan::EndHow;

/// The send buffer while a fault or a rate is at work, in bytes: so small that the kernel cannot
/// swallow a package (it doubles the number for its own needs).
const SEND_BUFFER: usize = 4 * 1024;
/// How often acknowledgements are looked at, while there are news and while there are none.
const LOOK_OFTEN: Duration = Duration::from_millis(1);
const LOOK_SELDOM: Duration = Duration::from_millis(20);
/// How often a peer that has closed its side is asked whether it is there at all.
const LOOK_FOR_RESET: Duration = Duration::from_millis(250);
/// The least time between two samples, unless a hundredth of the reply has gone in between.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// The most samples of a connection.
const SAMPLES_MAX: usize = 4_000;
/// How much a peer may send after its head. It is not heeded, and whoever sends more is no module.
const MORE_MAX: u64 = 64 * 1024;
/// How long a peer may take to close its side after ours.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How much is written at a time where no pace says so.
const WRITE_MAX: usize = 64 * 1024;

/// What a playout tells while it goes on.
pub(super) trait Watcher {
    /// Bytes of the reply were acknowledged: so many, head and body; and so many have left.
    fn acked(&mut self, bytes: u64, sent: u64);
    /// An operation has fired.
    fn fired(&mut self, fired: &Fired);
}

/// How a connection came to its end.
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
            Left::System(kind) => format!("given up: {kind}"),
        }
    }

    fn of(error: &io::Error) -> Left {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => Left::PeerReset,
            io::ErrorKind::TimedOut => Left::NoProgress,
            kind => Left::System(kind),
        }
    }
}

/// A connection that is being played to.
pub(super) struct Playout<'a, W> {
    stream: &'a TcpStream,
    watcher: W,
    interference: &'a Interference,
    gone: watch::Receiver<bool>,
    limits: Limits,
    accepted: Instant,
    /// When something was last acknowledged, or was not yet on its way.
    progress: Instant,
    look_every: Duration,
    input: Input,
    /// Where a stall goes on once it is known whether the peer has only closed its side.
    doubt: Option<Doubt>,
    /// Whether the stall just made was told of already, by how the peer took it.
    stall_told: bool,
    /// Operations that fire once so many bytes are acknowledged.
    pending: VecDeque<(u64, String)>,
    last_sample: Instant,
    of: u64,
    pub(super) played: Played,
}

/// What was played so far.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) written: u64,
    pub(super) acked: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) fired: Vec<Fired>,
    pub(super) more_received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// The peer has closed its side. Some clients do so behind their request, and read on.
    Closed,
}

/// The peer has sent FIN in a stall. It may have left, or read on with its own side closed, and
/// only a byte can tell: whoever has left resets at it.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    stall_until: Instant,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Goal {
    /// A time, or the peer's FIN.
    TimeOrFin(Instant),
    /// A time, and what the peer does meanwhile shows at the next write.
    Time(Instant),
    Acknowledged,
    Writable,
    /// The peer's FIN.
    PeerLeaves,
    /// Anything from the peer, beyond what was heard of it, or its FIN.
    PeerSpeaks {
        heard: u64,
    },
}

impl<'a, W: Watcher> Playout<'a, W> {
    pub(super) fn new(
        stream: &'a TcpStream,
        accepted: Instant,
        limits: Limits,
        gone: watch::Receiver<bool>,
        interference: &'a Interference,
        watcher: W,
    ) -> Playout<'a, W> {
        Playout {
            stream,
            watcher,
            interference,
            gone,
            limits,
            accepted,
            progress: Instant::now(),
            look_every: LOOK_OFTEN,
            input: Input::Open,
            doubt: None,
            stall_told: false,
            pending: VecDeque::new(),
            last_sample: accepted,
            of: 0,
            played: Played::default(),
        }
    }

    /// Plays a script, and returns who ended the connection and how.
    pub(super) async fn play(&mut self, script: &Script, random: Sequence) -> String {
        let socket = SockRef::from(self.stream);
        if !script.is_plain() && socket.set_send_buffer_size(SEND_BUFFER).is_err() {
            return "given up: the system refuses a small send buffer".to_owned();
        }
        self.of = script
            .moves
            .iter()
            .map(|it| {
                if let Move::Say(bytes) = it {
                    bytes.len() as u64
                } else {
                    0
                }
            })
            .sum();
        self.progress = Instant::now();
        if let Err(left) = self.take_input() {
            return left.text();
        }
        let how = match self.make_moves(script, random).await {
            Ok(()) => self.end(script).await,
            Err(left) => Err(left),
        };
        self.look();
        self.sample(true);
        match how {
            Ok(how) => how,
            Err(left) => {
                let behind = self.body_acked(script);
                format!("{} after {behind} bytes of the body", left.text())
            }
        }
    }

    async fn make_moves(&mut self, script: &Script, random: Sequence) -> Result<(), Left> {
        let mut pacer = Pacer::new(Pace::Free, Duration::ZERO, random.clone());
        let mut segment = None;
        let mut endless = random.clone();
        for it in &script.moves {
            match it {
                Move::Say(bytes) => self.say(bytes, &mut pacer, segment).await?,
                Move::Pace(pace) => {
                    pacer = Pacer::new(*pace, self.accepted.elapsed(), random.clone())
                }
                Move::Segment(bytes) => segment = Some(*bytes as usize),
                Move::Settle => self.wait(Goal::Acknowledged).await?,
                Move::Fired(what) => {
                    if !std::mem::take(&mut self.stall_told) {
                        self.pending.push_back((self.played.written, what.clone()));
                    }
                }
                Move::OutOfBand(byte) => self.say_out_of_band(*byte).await?,
                Move::Stall(how_long) => self.stall(*how_long).await?,
                Move::Endless(what) => loop {
                    let more = what.more(&mut endless);
                    self.say(&more, &mut pacer, segment).await?;
                },
            }
        }
        Ok(())
    }

    async fn say(
        &mut self,
        bytes: &Bytes,
        pacer: &mut Pacer,
        segment: Option<usize>,
    ) -> Result<(), Left> {
        let mut left = &bytes[..];
        while !left.is_empty() {
            let next = match pacer.next(self.accepted.elapsed(), left.len()) {
                Next::At(time) => {
                    self.wait(Goal::Time(self.accepted + time)).await?;
                    continue;
                }
                Next::Send(_) if self.doubt.is_some() => &left[..1],
                Next::Send(count) => {
                    &left[..count.min(segment.unwrap_or(WRITE_MAX)).min(WRITE_MAX)]
                }
            };
            match self.stream.try_write(next) {
                Ok(count) => {
                    self.played.written += count as u64;
                    pacer.took(count);
                    left = &left[count..];
                    self.look();
                    if segment.is_some() || self.doubt.is_some() {
                        self.wait(Goal::Acknowledged).await?;
                    }
                    if let Some(Doubt { stall_until }) = self.doubt.take() {
                        self.wait(Goal::Time(stall_until)).await?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Goal::Writable).await?
                }
                Err(error) => return Err(Left::of(&error)),
            }
        }
        Ok(())
    }

    async fn say_out_of_band(&mut self, byte: u8) -> Result<(), Left> {
        let socket = SockRef::from(self.stream);
        loop {
            match socket.send_out_of_band(&[byte]) {
                Ok(_one) => {
                    self.played.written += 1;
                    return Ok(());
                }
                // It is not tokio that wrote, so tokio does not know that there is no room.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Goal::Acknowledged).await?;
                }
                Err(error) => return Err(Left::of(&error)),
            }
        }
    }

    /// A stall has fired when it is over, or when the peer has had enough of it.
    async fn stall(&mut self, how_long: Option<Duration>) -> Result<(), Left> {
        self.wait(Goal::Acknowledged).await?;
        let began = Instant::now();
        let Some(how_long) = how_long else {
            self.fire(&format!("stall for ever at byte {}", self.played.written));
            return self.wait(Goal::PeerLeaves).await;
        };
        let stall_until = began + how_long;
        let waited = self.wait(Goal::TimeOrFin(stall_until)).await;
        let how = match waited {
            Err(Left::PeerClosed) => "closed its side",
            Err(Left::PeerReset) => "left",
            waited => return waited,
        };
        let lasted = began.elapsed().as_secs_f64();
        self.fire(&format!("stall: the peer {how} after {lasted:.1} s of it"));
        if waited == Err(Left::PeerClosed) {
            self.doubt = Some(Doubt { stall_until });
            self.stall_told = true;
            return Ok(());
        }
        waited
    }

    async fn end(&mut self, script: &Script) -> Result<String, Left> {
        // FIN comes to the peer behind all that was written before it, so there is nothing to
        // wait for; RST overtakes what it has not read.
        let after = script.end.after;
        if let Some(Doubt { stall_until }) = self.doubt.take() {
            self.wait(Goal::Time(stall_until)).await?;
        }
        let at_once = matches!(script.end.how, EndHow::Close | EndHow::ResetUndrained);
        if !at_once || !after.is_zero() {
            self.wait(Goal::Acknowledged).await?;
        }
        if !after.is_zero() {
            self.wait(Goal::Time(Instant::now() + after)).await?;
        }
        match script.end.how {
            EndHow::Close => self.close(script).await,
            EndHow::Reset | EndHow::ResetUndrained => self.reset(script),
            EndHow::Hang => self.hang(script).await,
            EndHow::Forgotten => self.forget(script).await,
            EndHow::Vanish => self.vanish(script).await,
        }
    }

    async fn close(&mut self, script: &Script) -> Result<String, Left> {
        let socket = SockRef::from(self.stream);
        socket
            .shutdown(std::net::Shutdown::Write)
            .map_err(|error| Left::of(&error))?;
        self.wait(Goal::Acknowledged).await?;
        if script.end_is_planned {
            let behind = self.body_acked(script);
            self.fire(&format!(
                "FIN after {behind} bytes of the body, all acknowledged"
            ));
        }
        Ok(self.until_the_peer_closes().await)
    }

    fn reset(&mut self, script: &Script) -> Result<String, Left> {
        self.look();
        let behind = self.body_acked(script);
        let lost = self.played.written - self.played.acked;
        SockRef::from(self.stream)
            .set_linger(Some(Duration::ZERO))
            .map_err(|error| Left::System(error.kind()))?;
        self.fire(&format!(
            "RST after {behind} bytes of the body, {lost} more not acknowledged"
        ));
        Ok(format!("reset by us after {behind} bytes of the body"))
    }

    async fn hang(&mut self, script: &Script) -> Result<String, Left> {
        let behind = self.body_acked(script);
        self.fire(&format!(
            "held open after {behind} bytes of the body, all acknowledged"
        ));
        let left = self.wait(Goal::PeerLeaves).await;
        let left = left.err().unwrap_or(Left::PeerClosed).text();
        Ok(format!(
            "held open, {left} after {behind} bytes of the body"
        ))
    }

    /// Says nothing until the peer does, and then RST.
    async fn forget(&mut self, script: &Script) -> Result<String, Left> {
        let behind = self.body_acked(script);
        let heard = self.played.more_received;
        let began = Instant::now();
        match self.wait(Goal::PeerSpeaks { heard }).await {
            Ok(()) | Err(Left::PeerClosed) => {}
            Err(left) => return Err(left),
        }
        SockRef::from(self.stream)
            .set_linger(Some(Duration::ZERO))
            .map_err(|error| Left::System(error.kind()))?;
        let said = match self.input {
            Input::Open => "data",
            Input::Closed => "FIN",
        };
        let lasted = began.elapsed().as_secs_f64();
        self.fire(&format!(
            "forgotten after {behind} bytes of the body: {said} that came {lasted:.1} s later was answered by RST"
        ));
        Ok(format!("reset by us after {behind} bytes of the body"))
    }

    /// Says nothing any more, and hears nothing. Our FIN is the packet that proves it.
    async fn vanish(&mut self, script: &Script) -> Result<String, Left> {
        let system = |error: io::Error| Left::System(error.kind());
        let behind = self.body_acked(script);
        let peer = self.stream.peer_addr().map_err(|error| Left::of(&error))?;
        // It starts a program and waits for it.
        tokio::task::block_in_place(|| self.interference.cut_off(peer)).map_err(system)?;
        let socket = SockRef::from(self.stream);
        socket
            .shutdown(std::net::Shutdown::Write)
            .map_err(|error| Left::of(&error))?;
        let until = Instant::now() + CLOSE_WITHIN;
        let mut stopped = 0;
        while stopped == 0 && Instant::now() < until {
            stopped =
                tokio::task::block_in_place(|| self.interference.stopped(peer)).map_err(system)?;
            self.wait(Goal::Time(Instant::now() + LOOK_SELDOM)).await?;
        }
        // What would tell the peer that we are gone is stopped as well.
        socket.set_linger(Some(Duration::ZERO)).map_err(system)?;
        if stopped > 0 {
            self.fire(&format!(
                "cut off after {behind} bytes of the body, all acknowledged: {stopped} packets stopped so far"
            ));
        }
        Ok(format!("cut off by us after {behind} bytes of the body"))
    }

    fn body_acked(&self, script: &Script) -> u64 {
        self.played.acked.saturating_sub(script.head_length)
    }

    /// Reads on after our FIN, so that what the peer still sends does not make a reset of it.
    async fn until_the_peer_closes(&mut self) -> String {
        let all = "closed by us after everything was acknowledged";
        if self.input == Input::Closed {
            return all.to_owned();
        }
        let waited = tokio::time::timeout(CLOSE_WITHIN, self.wait(Goal::PeerLeaves)).await;
        match waited {
            Ok(Err(Left::PeerClosed) | Ok(())) => all.to_owned(),
            Ok(Err(left)) => format!("{all}, then {}", left.text()),
            Err(_) => format!("{all}, the peer's side is open still"),
        }
    }

    /// Waits for a goal; looks at what is acknowledged meanwhile.
    async fn wait(&mut self, goal: Goal) -> Result<(), Left> {
        let lasts_until = self.accepted + self.limits.connection_within;
        loop {
            self.look();
            let now = Instant::now();
            if *self.gone.borrow() {
                return Err(Left::Withdrawn);
            }
            if now >= lasts_until {
                return Err(Left::TooLong);
            }
            let on_its_way = self.played.acked < self.played.written;
            if !on_its_way {
                self.progress = now;
            } else if now - self.progress >= self.limits.progress_within {
                return Err(Left::NoProgress);
            }
            let mut until = lasts_until;
            match goal {
                Goal::Acknowledged if !on_its_way => return Ok(()),
                Goal::TimeOrFin(time) | Goal::Time(time) if now >= time => return Ok(()),
                Goal::TimeOrFin(time) | Goal::Time(time) => until = until.min(time),
                Goal::PeerSpeaks { heard } if self.played.more_received > heard => return Ok(()),
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
            if !reads && self.peer_is_gone() {
                return Err(Left::PeerReset);
            }
        }
    }

    /// Whether a connection whose input is closed has been reset since.
    fn peer_is_gone(&self) -> bool {
        matches!(
            SockRef::from(self.stream).take_error(),
            Ok(Some(_)) | Err(_)
        )
    }

    /// Takes what the peer sent after its head, and does not heed it.
    fn take_input(&mut self) -> Result<(), Left> {
        let mut bytes = [0; 4_096];
        loop {
            match self.stream.try_read(&mut bytes) {
                Ok(0) => {
                    self.input = Input::Closed;
                    return Ok(());
                }
                Ok(count) => self.played.more_received += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Left::of(&error)),
            }
            if self.played.more_received > MORE_MAX {
                return Err(Left::Flood);
            }
        }
    }

    /// Looks at what is acknowledged, and lets fire what is due.
    fn look(&mut self) {
        // Our FIN counts as a byte that was acknowledged.
        let written = self.played.written;
        let Delivery { acked, unsent } = delivery(self.stream).unwrap_or(Delivery {
            acked: self.played.acked,
            unsent: 0,
        });
        let acked = acked.min(written);
        if acked > self.played.acked {
            self.played.acked = acked;
            self.progress = Instant::now();
            self.look_every = LOOK_OFTEN;
            self.watcher
                .acked(acked, written.saturating_sub(unsent).max(acked));
            self.sample(false);
        } else {
            self.look_every = (self.look_every * 2).min(LOOK_SELDOM);
        }
        while self
            .pending
            .front()
            .is_some_and(|(at, _)| *at <= self.played.acked)
        {
            if let Some((at, what)) = self.pending.pop_front() {
                self.fire_at(at, what);
            }
        }
    }

    fn fire(&mut self, what: &str) {
        self.fire_at(self.played.written, what.to_owned());
    }

    fn fire_at(&mut self, at_byte: u64, what: String) {
        let fired = Fired {
            what,
            at_byte,
            ms: milliseconds(self.accepted.elapsed()),
            acked: self.played.acked,
        };
        self.watcher.fired(&fired);
        self.played.fired.push(fired);
    }

    fn sample(&mut self, last: bool) {
        let before = self.played.samples.last().map_or(0, |sample| sample.acked);
        let step = self.played.acked - before.min(self.played.acked);
        let worth_it = step * 100 >= self.of.max(1) || self.last_sample.elapsed() >= SAMPLE_EVERY;
        if (last || worth_it) && self.played.samples.len() < SAMPLES_MAX {
            self.last_sample = Instant::now();
            self.played.samples.push(Sample {
                ms: milliseconds(self.accepted.elapsed()),
                written: self.played.written,
                acked: self.played.acked,
            });
        }
    }
}

/// As evidence has it.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
