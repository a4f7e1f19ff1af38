//! How a connection ends: each way, and what proves that it was gone.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::Playout;
use super::books::Watcher;
use super::peer::{Goal, Input, Left};
use crate::package_server::wire_plan::EndHow;

/// How long a peer may take to close its side after ours, or to show that it is cut off.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether a peer that is cut off was heard.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl<W: Watcher> Playout<'_, W> {
    /// Ends the connection as the script says; who ended it and how.
    pub(super) async fn end(&mut self) -> Result<String, Left> {
        self.resolve_doubt().await?;
        // FIN comes to the peer behind all that was written before it, so there is nothing to
        // wait for; RST overtakes what it has not read.
        let (how, after) = (self.script.end.how, self.script.end.after);
        let at_once = matches!(how, EndHow::Close | EndHow::ResetUndrained);
        // A module that has what it wants sends its FIN with its last acknowledgement. One that came
        // before it is that of a client which closes its side behind its request, and reads on.
        let was_open = self.peer.input == Input::Open;
        if !at_once || !after.is_zero() {
            self.peer.wait(Goal::Acknowledged).await?;
        }
        if !after.is_zero() {
            self.peer.wait(Goal::Time(Instant::now() + after)).await?;
        }
        let has_left = was_open && self.peer.input == Input::Closed;
        match how {
            EndHow::Close => self.close().await,
            EndHow::Reset | EndHow::ResetUndrained => self.reset(),
            EndHow::Hang => self.hang(has_left).await,
            EndHow::Forgotten => self.forget(has_left).await,
            EndHow::Vanish => self.vanish().await,
        }
    }

    async fn close(&mut self) -> Result<String, Left> {
        self.peer.close_our_side()?;
        self.peer.wait(Goal::Acknowledged).await?;
        if self.script.end_is_planned {
            let behind = self.body_acked();
            self.peer.books.fire(format!(
                "FIN after {behind} bytes of the body, all acknowledged"
            ));
        }
        Ok(self.until_the_peer_closes().await)
    }

    fn reset(&mut self) -> Result<String, Left> {
        self.peer.look();
        let behind = self.body_acked();
        let lost = self.peer.books.played.written - self.peer.books.played.acked;
        self.peer.reset_when_dropped()?;
        self.peer.books.fire(format!(
            "RST after {behind} bytes of the body, {lost} more not acknowledged"
        ));
        Ok(format!("reset by us after {behind} bytes of the body"))
    }

    async fn hang(&mut self, has_left: bool) -> Result<String, Left> {
        let behind = self.body_acked();
        self.peer.books.fire(format!(
            "held open after {behind} bytes of the body, all acknowledged"
        ));
        let mut left = Left::PeerClosed;
        if !has_left && let Err(otherwise) = self.peer.wait(Goal::PeerLeaves).await {
            left = otherwise;
        }
        let left = left.text();
        Ok(format!(
            "held open, {left} after {behind} bytes of the body"
        ))
    }

    /// Says nothing until the peer does, and then RST.
    async fn forget(&mut self, has_left: bool) -> Result<String, Left> {
        let behind = self.body_acked();
        let heard = self.peer.books.played.more_received;
        let began = Instant::now();
        if !has_left {
            match self.peer.wait(Goal::PeerSpeaks { heard }).await {
                Ok(()) | Err(Left::PeerClosed) => {}
                Err(left) => return Err(left),
            }
        }
        self.peer.reset_when_dropped()?;
        let said = match self.peer.input {
            Input::Open => "data",
            Input::Closed => "FIN",
        };
        let lasted = began.elapsed().as_secs_f64();
        self.peer.books.fire(format!(
            "forgotten after {behind} bytes of the body: {said} that came {lasted:.1} s later was answered by RST"
        ));
        Ok(format!("reset by us after {behind} bytes of the body"))
    }

    /// Says nothing any more, and hears nothing. Our FIN is the packet that proves it.
    async fn vanish(&mut self) -> Result<String, Left> {
        let system = |error: io::Error| Left::System(error.kind());
        let behind = self.body_acked();
        let peer = self.peer.stream.peer_addr();
        let peer = peer.map_err(|error| Left::of(&error))?;
        // It starts a program and waits for it.
        tokio::task::block_in_place(|| self.interference.cut_off(peer)).map_err(system)?;
        self.peer.close_our_side()?;
        let until = Instant::now() + CLOSE_WITHIN;
        let mut stopped = 0;
        while stopped == 0 && Instant::now() < until {
            stopped =
                tokio::task::block_in_place(|| self.interference.stopped(peer)).map_err(system)?;
            self.peer
                .wait(Goal::Time(Instant::now() + LOOK_EVERY))
                .await?;
        }
        // What would tell the peer that we are gone is stopped as well.
        self.peer.reset_when_dropped()?;
        if stopped > 0 {
            self.peer.books.fire(format!(
                "cut off after {behind} bytes of the body, all acknowledged: {stopped} packets stopped so far"
            ));
        }
        Ok(format!("cut off by us after {behind} bytes of the body"))
    }

    /// Reads on after our FIN, so that what the peer still sends does not make a reset of it.
    async fn until_the_peer_closes(&mut self) -> String {
        let all = "closed by us after everything was acknowledged";
        if self.peer.input == Input::Closed {
            return all.to_owned();
        }
        let waited = tokio::time::timeout(CLOSE_WITHIN, self.peer.wait(Goal::PeerLeaves)).await;
        match waited {
            Ok(Err(Left::PeerClosed) | Ok(())) => all.to_owned(),
            Ok(Err(left)) => format!("{all}, then {}", left.text()),
            Err(_) => format!("{all}, the peer's side is open still"),
        }
    }
}
