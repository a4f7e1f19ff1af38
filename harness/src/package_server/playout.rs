//! Plays a script to one peer, and proves what was delivered.
//!
//! Written is not delivered, so everything here goes by what the peer's TCP has acknowledged:
//! an operation has fired when the bytes that it changed are acknowledged, and a reset comes
//! when the kernel has nothing left to deliver. Who waits is [`peer`]; what is known is in
//! [`books`]; how it ends, in [`end`].

mod books;
mod end;
mod peer;

use std::time::Duration;

use tokio::time::Instant;

pub(super) use self::books::{Played, Watcher};
pub(super) use self::peer::Peer;
use self::peer::{Goal, Left};
use super::interference::Interference;
use super::pace::{Next, Pace, Pacer};
use super::random::Sequence;
use super::script::{Move, Script};

/// How much is written at a time where no pace says so.
const WRITE_MAX: usize = 64 * 1024;

/// A script that is being played to a peer.
pub(super) struct Playout<'a, W> {
    script: &'a Script,
    peer: Peer<'a, W>,
    interference: &'a Interference,
    pacer: Pacer,
    /// The most bytes of a segment, once that is said.
    segment: Option<usize>,
    /// Where a stall goes on once it is known whether the peer has only closed its side.
    doubt: Option<Doubt>,
    /// Whether the stall just made was told of already, by how the peer took it.
    stall_told: bool,
}

/// The peer has sent FIN in a stall. It may have left, or read on with its own side closed, and
/// only a byte can tell: whoever has left resets at it.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    stall_until: Instant,
}

/// A playout that is over.
#[derive(Debug)]
pub(super) struct Finished {
    /// Who ended the connection and how.
    pub(super) how: String,
    pub(super) played: Played,
}

impl<'a, W: Watcher> Playout<'a, W> {
    pub(super) fn new(
        script: &'a Script,
        mut peer: Peer<'a, W>,
        interference: &'a Interference,
    ) -> Playout<'a, W> {
        peer.books
            .expect(script.said().map(|bytes| bytes.len() as u64).sum());
        Playout {
            script,
            peer,
            interference,
            pacer: Pacer::new(Pace::Free, Duration::ZERO, Sequence::new(0, 0)),
            segment: None,
            doubt: None,
            stall_told: false,
        }
    }

    /// Plays the script to its end, or to where the peer makes an end of it.
    pub(super) async fn play(mut self, random: Sequence) -> Finished {
        let how = self.moves_and_end(&random).await;
        self.peer.look();
        self.peer.books.sample();
        let how = how.unwrap_or_else(|left| {
            let behind = self.body_acked();
            format!("{} after {behind} bytes of the body", left.text())
        });
        Finished {
            how,
            played: self.peer.books.played,
        }
    }

    async fn moves_and_end(&mut self, random: &Sequence) -> Result<String, Left> {
        if !self.script.is_plain() {
            let small = self.peer.keep_the_buffer_small();
            small.map_err(|error| Left::System(error.kind()))?;
        }
        self.peer.take_input()?;
        self.make_moves(random).await?;
        self.end().await
    }

    async fn make_moves(&mut self, random: &Sequence) -> Result<(), Left> {
        let script = self.script;
        let mut endless = random.clone();
        for it in &script.moves {
            match it {
                Move::Say(bytes) => self.say(bytes).await?,
                Move::Pace(pace) => {
                    let now = self.peer.accepted.elapsed();
                    self.pacer = Pacer::new(*pace, now, random.clone());
                }
                Move::Segment(bytes) => self.segment = Some(*bytes as usize),
                Move::Settle => self.peer.wait(Goal::Acknowledged).await?,
                Move::Fired(what) => {
                    if !std::mem::take(&mut self.stall_told) {
                        self.peer.books.fire_when_acknowledged(what.clone());
                    }
                }
                Move::OutOfBand(byte) => {
                    // It is not tokio that writes, so tokio does not know where there is no room.
                    while !self.peer.write_out_of_band(*byte)? {
                        self.peer.wait(Goal::Acknowledged).await?;
                    }
                }
                Move::Stall(None) => return self.stall_for_ever().await,
                Move::Stall(Some(how_long)) => self.stall(*how_long).await?,
                Move::Endless(what) => loop {
                    self.say(&what.more(&mut endless)).await?;
                },
            }
        }
        Ok(())
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Left> {
        let mut left = bytes;
        while !left.is_empty() {
            let now = self.peer.accepted.elapsed();
            let next = match self.pacer.next(now, left.len()) {
                Next::At(time) => {
                    self.peer
                        .wait(Goal::Time(self.peer.accepted + time))
                        .await?;
                    continue;
                }
                Next::Send(_) if self.doubt.is_some() => &left[..1],
                Next::Send(count) => {
                    &left[..count.min(self.segment.unwrap_or(WRITE_MAX)).min(WRITE_MAX)]
                }
            };
            let Some(count) = self.peer.write(next)? else {
                self.peer.wait(Goal::Writable).await?;
                continue;
            };
            self.pacer.took(count);
            left = &left[count..];
            if self.segment.is_some() || self.doubt.is_some() {
                self.peer.wait(Goal::Acknowledged).await?;
            }
            self.resolve_doubt().await?;
        }
        Ok(())
    }

    /// A stall has fired when it is over, or when the peer has had enough of it.
    async fn stall(&mut self, how_long: Duration) -> Result<(), Left> {
        self.peer.wait(Goal::Acknowledged).await?;
        let began = Instant::now();
        let stall_until = began + how_long;
        let waited = self.peer.wait(Goal::TimeOrFin(stall_until)).await;
        let how = match waited {
            Err(Left::PeerClosed) => "closed its side",
            Err(Left::PeerReset) => "left",
            waited => return waited,
        };
        let lasted = began.elapsed().as_secs_f64();
        self.peer
            .books
            .fire(format!("stall: the peer {how} after {lasted:.1} s of it"));
        if waited == Err(Left::PeerClosed) {
            self.doubt = Some(Doubt { stall_until });
            self.stall_told = true;
            return Ok(());
        }
        waited
    }

    /// It has fired when it begins, since it has no end.
    async fn stall_for_ever(&mut self) -> Result<(), Left> {
        self.peer.wait(Goal::Acknowledged).await?;
        let written = self.peer.books.played.written;
        self.peer
            .books
            .fire(format!("stall for ever at byte {written}"));
        self.peer.wait(Goal::PeerLeaves).await
    }

    /// Goes on with the stall in which the peer closed its side, if there is one.
    async fn resolve_doubt(&mut self) -> Result<(), Left> {
        match self.doubt.take() {
            Some(Doubt { stall_until }) => self.peer.wait(Goal::Time(stall_until)).await,
            None => Ok(()),
        }
    }

    fn body_acked(&self) -> u64 {
        self.peer
            .books
            .played
            .acked
            .saturating_sub(self.script.head_length)
    }
}
