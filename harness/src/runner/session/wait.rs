//! Waiting for a message, a phase or a time, and the act that answers a message.

use std::os::fd::AsFd as _;
use std::time::Duration;

use dfota::line::Line;
use dfota::message::Message;
use dfota::monitor::Phase;
use dfota::reader::What;
use dfota::timeline::{Event, Pin, Purpose};
use dfota::transcript::escape;
use dfota::urc;

use super::{Session, Stop};
use crate::guardian::BEAT;
use crate::scenario::Expectation;

/// How long a virtual module's thread may be kept from its turn; beyond it, the module counts as
/// silent.
const LATE_AT_MOST: Duration = Duration::from_secs(60);
/// How often it is looked whether it has had it.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What is done the moment an expectation is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::runner) enum Act {
    /// The supply is switched off.
    Cut,
    /// A line is asserted.
    Assert(Pin),
    /// Bytes are sent.
    Send(Vec<u8>),
}

/// What a wait ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::runner) enum Awaited {
    /// It came, and the act that was ready has been done.
    Came,
    /// Something came that rules it out: the line.
    RuledOut(String),
    /// Its deadline passed.
    Overdue,
}

/// What one read brought.
struct Hearing {
    lines: Vec<Heard>,
    /// After how many of the lines a wait ended, and how.
    ended: Option<(usize, Awaited)>,
    /// It was ended by a line that has not ended itself.
    by_unfinished: bool,
}

/// A line that has ended.
struct Heard {
    line: Line,
    message: Message,
    /// Its unfinished form has met an expectation already.
    stale: bool,
}

/// How a line ends the wait for what is expected, if it does.
fn verdict_on(expectation: &Expectation, line: &Line, message: &Message) -> Option<Awaited> {
    if expectation.met_by(message, Some(&line.bytes)) {
        Some(Awaited::Came)
    } else if expectation.ruled_out_by(message) {
        Some(Awaited::RuledOut(escape(&line.bytes)))
    } else {
        None
    }
}

impl Session<'_> {
    /// From here on, only what comes later meets an expectation.
    pub(in crate::runner) fn forget_the_past(&mut self) {
        self.cursor = self.timeline.len();
    }

    /// Waits until `within` has passed for what is expected, and does `act` the moment it is
    /// there. Messages that came after the last one that was awaited count.
    pub(in crate::runner) fn await_message(
        &mut self,
        expectation: &Expectation,
        within: Duration,
        act: Option<&Act>,
    ) -> Result<Awaited, Stop> {
        let until = self.now() + within;
        if let Some(awaited) = self.already(expectation) {
            if let (Awaited::Came, Some(act)) = (&awaited, act) {
                let seen = self.now();
                let acted = self.act(act)?;
                self.settle(act, seen, acted)?;
            }
            return Ok(awaited);
        }
        loop {
            let left = self.left(until);
            if let Some(awaited) = self.listen(left, Some((expectation, act)))? {
                return Ok(awaited);
            }
            if left.is_zero() {
                return Ok(Awaited::Overdue);
            }
        }
    }

    /// How long to listen yet where a wait ends at the moment `until`: nothing once it has come,
    /// and then once more for what has arrived by then. On a busy machine a virtual module's
    /// thread may not have had its turn by then: that is not the module's silence, and is waited
    /// for.
    pub(super) fn left(&self, until: Duration) -> Duration {
        let now = self.now();
        let late = now.saturating_sub(until);
        if now < until {
            until - now
        } else if late < LATE_AT_MOST && !self.rig.is_up_to(self.start + until) {
            LOOK_EVERY
        } else {
            Duration::ZERO
        }
    }

    /// Looks for what is expected among what came since the last expectation was met.
    fn already(&mut self, expectation: &Expectation) -> Option<Awaited> {
        for index in self.cursor..self.timeline.len() {
            if let Event::Received { line, message } = &self.timeline[index].event
                && let Some(awaited) = verdict_on(expectation, line, message)
            {
                self.cursor = index + 1;
                return Some(awaited);
            }
        }
        self.cursor = self.timeline.len();
        if self.unfinished_meets(expectation) {
            self.met_by_unfinished = true;
            return Some(Awaited::Came);
        }
        None
    }

    /// Waits until the judge sees a phase that satisfies `reached`, or has seen one since the
    /// entry `from`, at most `within`.
    pub(in crate::runner) fn await_phase(
        &mut self,
        within: Duration,
        from: usize,
        reached: impl Fn(Phase) -> bool,
    ) -> Result<Awaited, Stop> {
        let until = self.now() + within;
        let mut over = false;
        loop {
            let passed = self.phases.iter().rev();
            let mut passed = passed.take_while(|(entry, _)| *entry >= from);
            if reached(self.monitor.phase()) || passed.any(|(_, phase)| reached(*phase)) {
                self.forget_the_past();
                return Ok(Awaited::Came);
            }
            if over {
                return Ok(Awaited::Overdue);
            }
            let left = self.left(until);
            self.listen(left, None)?;
            over = left.is_zero();
        }
    }

    /// Waits until the pending command has its final result code, at most `within`: until then
    /// the module does not listen to another.
    pub(in crate::runner) fn await_answered(&mut self, within: Duration) -> Result<(), Stop> {
        let until = self.now() + within;
        while self.understanding.pending().is_some() {
            let left = self.left(until);
            self.listen(left, None)?;
            if left.is_zero() {
                break;
            }
        }
        Ok(())
    }

    /// Lets time pass between two deeds; what arrives is recorded.
    pub(in crate::runner) fn pass(&mut self, time: Duration) -> Result<(), Stop> {
        let until = self.now() + time;
        loop {
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(());
            }
            self.listen(left, None)?;
        }
    }

    /// Lets time pass, and hears all that the module has to say within it.
    pub(in crate::runner) fn hear_out(&mut self, time: Duration) -> Result<(), Stop> {
        let until = self.now() + time;
        loop {
            let left = self.left(until);
            self.listen(left, None)?;
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// One wait, at most `limit`, and everything that it brings.
    fn listen(
        &mut self,
        limit: Duration,
        sought: Option<(&Expectation, Option<&Act>)>,
    ) -> Result<Option<Awaited>, Stop> {
        self.heed_interrupt()?;
        self.beat()?;
        let limit = limit.min(BEAT);
        let woken = self.rig.console.wait(self.inbox.waker().as_fd(), limit)?;
        let mut awaited = None;
        if woken.console {
            awaited = self.hear(sought)?;
        }
        if woken.other {
            self.take_reports()?;
        }
        self.folder.flush()?;
        Ok(awaited)
    }

    /// Reads what has arrived; decides, acts, and only then keeps the books.
    fn hear(
        &mut self,
        sought: Option<(&Expectation, Option<&Act>)>,
    ) -> Result<Option<Awaited>, Stop> {
        let n = self.rig.console.read(&mut self.chunk)?;
        let read = self.now();
        if n == 0 {
            return Ok(None);
        }
        if let Some(what) = self.flooded_by(n) {
            return Err(Stop::Flood(what));
        }
        let (expectation, act) = sought.unzip();
        let act = act.flatten();
        let mut acted = None;
        // A command is not sent before the lines that came ahead of it are understood.
        if let (Some(expectation), Some(act @ (Act::Cut | Act::Assert(_)))) = (expectation, act)
            && self.splitter.pending().is_empty()
            && !self.met_by_unfinished
            && expectation.met_at_once(&self.chunk[..n])
        {
            acted = Some((act, self.act(act)?));
        }
        let at = self.said_at(read);
        let mut heard = self.understand(at, n, expectation);
        if acted.is_some() && heard.ended.is_none() {
            // What was done is told, whatever the whole line turned out to be.
            heard.ended = Some((heard.lines.len(), Awaited::Came));
        }
        if let (Some((_, Awaited::Came)), Some(act), None) = (&heard.ended, act, &acted) {
            acted = Some((act, self.act(act)?));
        }

        self.folder
            .wire(at, What::Chunk(self.chunk[..n].to_vec()))?;
        self.bytes_read += n;
        // What the server had seen by now stands before what the module says of it.
        self.take_reports()?;
        let before = self.timeline.len();
        for Heard {
            line,
            message,
            stale,
        } in heard.lines
        {
            self.happened_at(at, Event::Received { line, message })?;
            if stale {
                self.cursor = self.cursor.max(self.timeline.len());
            }
        }
        if let Some((lines, _)) = &heard.ended {
            self.cursor = before + lines;
        }
        self.met_by_unfinished |= heard.by_unfinished;
        if let Some((act, acted)) = acted {
            self.settle(act, read, acted)?;
        }
        Ok(heard.ended.map(|(_, awaited)| awaited))
    }

    /// When the bytes were said that were read at the moment `read`. A virtual module knows; that
    /// a busy machine brings them late is not the module's lateness.
    fn said_at(&self, read: Duration) -> Duration {
        let last = self.timeline.last().map_or(Duration::ZERO, |last| last.at);
        self.rig
            .said_at()
            .map_or(read, |said| self.moment(said).max(last).min(read))
    }

    /// What the `n` bytes that were read say, and whether that ends a wait.
    fn understand(&mut self, at: Duration, n: usize, expectation: Option<&Expectation>) -> Hearing {
        let mut hearing = Hearing {
            lines: Vec::new(),
            ended: None,
            by_unfinished: false,
        };
        for line in self.splitter.push(at, &self.chunk[..n]) {
            let message = self.understanding.line(&line);
            let stale = std::mem::take(&mut self.met_by_unfinished);
            if let Some(expectation) = expectation
                && hearing.ended.is_none()
                && !stale
            {
                let through = hearing.lines.len() + 1;
                hearing.ended = verdict_on(expectation, &line, &message).map(|how| (through, how));
            }
            hearing.lines.push(Heard {
                line,
                message,
                stale,
            });
        }
        if let Some(expectation) = expectation
            && hearing.ended.is_none()
            && self.unfinished_meets(expectation)
        {
            hearing.ended = Some((hearing.lines.len(), Awaited::Came));
            hearing.by_unfinished = true;
        }
        hearing
    }

    /// Whether the line that has not ended yet meets it, for the first time.
    fn unfinished_meets(&self, expectation: &Expectation) -> bool {
        !self.met_by_unfinished
            && urc::decided(self.splitter.pending())
                .is_some_and(|message| expectation.met_by(&message, None))
    }

    /// Does an act, and nothing else; says when it was done.
    fn act(&mut self, act: &Act) -> Result<Duration, Stop> {
        match act {
            Act::Cut => return self.cut(),
            Act::Assert(pin) => self.pin(*pin)?.assert()?,
            Act::Send(bytes) => {
                self.understanding.sent(bytes);
                self.rig.console.write(bytes)?;
            }
        }
        Ok(self.now())
    }

    /// Keeps the books of an act that answers the last expectation that was met.
    fn settle(&mut self, act: &Act, seen: Duration, acted: Duration) -> Result<(), Stop> {
        match act {
            Act::Cut => {
                // The line that it answers to stands in the timeline, or will stand next.
                let line = match self.met_by_unfinished {
                    true => self.timeline.len(),
                    false => self.cursor.saturating_sub(1),
                };
                self.supply_went_off(acted, Some(line))?;
            }
            Act::Assert(pin) => {
                let (pin, asserted) = (*pin, true);
                self.done(acted, Event::Pin { pin, asserted })?;
            }
            Act::Send(bytes) => self.went_out(acted, bytes, Purpose::Step)?,
        }
        self.happened_at(acted, Event::Reaction { seen, acted })
    }
}
