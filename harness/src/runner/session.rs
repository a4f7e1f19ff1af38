//! One case on one rig, as it happens: every byte, edge and report becomes an entry of the
//! timeline, and a wait ends with an act by the thread that read the message.
//!
//! There is one thread. It waits in one `poll` for the console, the package server and the
//! interrupt; so nothing has to be armed elsewhere, and between the last byte that decides an
//! expectation and the edge that answers it lie one `read`, one comparison and one `write`.
//! Book-keeping comes after the act.

mod care;
mod power;

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use dfota::line::{Line, Splitter};
use dfota::message::Understanding;
use dfota::monitor::{Monitor, Phase};
use dfota::reader::What;
use dfota::timeline::{Entry, Event, Pin, Purpose};
use dfota::transcript::escape;
use dfota::urc;
use rig::Rig;
use rig::console::{CHUNK_LEN_MAX, ConsoleError};
use rig::line::LineError;
use rig::transmit::TransmitError;

use super::fresh::Fresh;
use super::inbox::{self, Inbox};
use crate::contamination::StateError;
use crate::evidence::CaseFolder;
use crate::guardian::{BEAT, Guardian};
use crate::interrupt::{Interrupt, Urgency};
use crate::package_server::ServerError;
use crate::package_server::record::Seen;
use crate::safety::{Standing, Supply};
use crate::scenario::Expectation;

/// Most bytes that a case takes from its module. A module that says more floods, and is judged
/// on what it said so far.
const BYTES_MAX: usize = 8 << 20;
/// Most entries of a timeline that the module may fill.
const ENTRIES_MAX: usize = 200_000;
/// And so many more for what is done and said about it then: that it floods, that its power went.
const ENTRIES_RESERVE: usize = 10_000;

/// Why a session cannot go on. What the module did wrong is never here: that is a finding.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// The console failed.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// A line failed.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Our transmit line could not be switched.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
    /// The evidence cannot be written.
    #[error("cannot write evidence")]
    Evidence(#[from] io::Error),
    /// The module said more than a case may hold.
    #[error("the module floods: {0}")]
    Flood(&'static str),
    /// The package server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A step cannot be done on this rig.
    #[error("{0}")]
    Refused(String),
    /// Nobody would act for this process any more, so it ends while it can.
    #[error("the guardian of this run is gone: see `guardian.jsonl`, and who ended it")]
    Unguarded,
    /// What the rig remembers cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The harness has a defect.
    #[error("the runner panicked: {0}")]
    Panicked(String),
    /// The person at the terminal, or the system, asked the run to end.
    #[error("interrupted")]
    Interrupted(Urgency),
}

impl Stop {
    /// What a panic was about.
    pub(super) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panicked(text.unwrap_or("without a word").to_owned())
    }
}

/// What is done the moment an expectation is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The supply is switched off.
    Cut,
    /// A line is asserted.
    Assert(Pin),
    /// Bytes are sent.
    Send(Vec<u8>),
}

/// What a wait ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// It came, and the act that was ready has been done.
    Came,
    /// Something came that rules it out: the line.
    RuledOut(String),
    /// Its deadline passed.
    Overdue,
}

/// A case under way.
pub(super) struct Session<'a> {
    /// The rig, for what is not a wait.
    pub rig: &'a mut Rig,
    /// The module's IMEI, once it has told it.
    pub imei: Option<String>,
    /// What somebody must know who ends this case.
    standing: Standing,
    /// Who ends it when this process cannot.
    guardian: Option<&'a mut Guardian>,
    /// What an earlier run left may be at its flash.
    assume_updating: bool,
    /// That the guardian is gone was said.
    unguarded: bool,
    /// Whether our transmit line is driven, as it may be at the beginning.
    transmits: bool,
    /// That it was let go of, with a cut that is not in the timeline yet.
    let_go: Option<(Duration, Event)>,
    /// A rail that stayed up as long as it was waited for is not waited for again.
    rail_is_stuck: bool,
    inbox: &'a Inbox,
    interrupt: &'a Interrupt,
    /// Once an interrupt has been heeded, only a more urgent one is heeded again.
    heeded: Urgency,
    folder: CaseFolder,
    start: Instant,
    timeline: Vec<Entry>,
    /// Each phase that the update was in, with the entry that brought it there.
    phases: Vec<(usize, Phase)>,
    monitor: Monitor,
    splitter: Splitter,
    understanding: Understanding,
    bytes_read: usize,
    /// What the last read brought.
    chunk: Box<[u8; CHUNK_LEN_MAX]>,
    /// Entries before this are behind the last expectation that was met.
    cursor: usize,
    /// The last expectation was met by a line that had not ended yet.
    met_by_unfinished: bool,
    /// Where in the timeline the line stands, or will stand, that the next cut answers to.
    trigger: Option<usize>,
    /// How the last cut came too late to be the one that was planned, if it did.
    overrun: Option<String>,
    /// Lines that were never sent; `None` once the module has refused such a line.
    pub(super) fresh: Option<Fresh>,
    observer: &'a mut (dyn FnMut(&Entry, &Monitor) + Send),
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("entries", &self.timeline.len())
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

/// What a case leaves when it is over.
#[derive(Debug)]
pub(super) struct Over {
    /// Everything that happened.
    pub timeline: Vec<Entry>,
    /// The judge, with all of it observed.
    pub monitor: Monitor,
    /// The folder, for the documents that conclude the case.
    pub folder: CaseFolder,
}

impl<'a> Session<'a> {
    /// Begins a case; its clock starts now.
    pub(super) fn new(
        rig: &'a mut Rig,
        inbox: &'a Inbox,
        interrupt: &'a Interrupt,
        folder: CaseFolder,
        monitor: Monitor,
        observer: &'a mut (dyn FnMut(&Entry, &Monitor) + Send),
    ) -> Self {
        Self {
            rig,
            imei: None,
            standing: Standing::default(),
            guardian: None,
            assume_updating: false,
            unguarded: false,
            transmits: true,
            let_go: None,
            rail_is_stuck: false,
            inbox,
            interrupt,
            heeded: Urgency::None,
            folder,
            start: Instant::now(),
            timeline: Vec::new(),
            phases: Vec::new(),
            monitor,
            splitter: Splitter::default(),
            understanding: Understanding::default(),
            bytes_read: 0,
            chunk: Box::new([0; CHUNK_LEN_MAX]),
            cursor: 0,
            met_by_unfinished: false,
            trigger: None,
            overrun: None,
            fresh: Some(Fresh::new()),
            observer,
        }
    }

    /// Ends the case.
    pub(super) fn over(mut self) -> Result<Over, Stop> {
        if let Some(line) = self.splitter.cut_short() {
            self.received(line, None)?;
        }
        self.folder.close()?;
        Ok(Over {
            timeline: self.timeline,
            monitor: self.monitor,
            folder: self.folder,
        })
    }

    /// Since the case began, in whole microseconds: what is stored is what was judged.
    pub(super) fn now(&self) -> Duration {
        self.moment(Instant::now())
    }

    fn moment(&self, instant: Instant) -> Duration {
        let since = instant.saturating_duration_since(self.start);
        Duration::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// Whether the supply was last switched on.
    pub(super) fn powered(&self) -> bool {
        self.standing.supply != Supply::Off
    }

    /// How many bytes the module has said in this case.
    pub(super) fn bytes_heard(&self) -> usize {
        self.bytes_read
    }

    /// Whether the module has said a byte in this case.
    pub(super) fn has_heard(&self) -> bool {
        self.bytes_read > 0
    }

    /// That a virtual module's thread ended is not a module's silence.
    pub(super) fn check_alive(&self) -> Result<(), Stop> {
        if self.rig.is_alive() {
            return Ok(());
        }
        let why = "the virtual module's thread has ended on an error of its own";
        Err(Stop::Refused(why.to_owned()))
    }

    /// The judge so far.
    pub(super) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Everything so far.
    pub(super) fn timeline(&self) -> &[Entry] {
        &self.timeline
    }

    /// Adds to the timeline what happened just now.
    pub(super) fn happened(&mut self, event: Event) -> Result<(), Stop> {
        let at = self.now();
        self.happened_at(at, event)
    }

    fn happened_at(&mut self, at: Duration, event: Event) -> Result<(), Stop> {
        if self.timeline.len() >= ENTRIES_MAX + ENTRIES_RESERVE {
            return Err(Stop::Flood("more events than a case may hold"));
        }
        // Clocks do not go back, but a line's last byte may be older than the entry before it.
        let at = self.timeline.last().map_or(at, |last| at.max(last.at));
        let entry = Entry { at, event };
        self.folder.entry(&entry)?;
        self.monitor.observe(&entry);
        let phase = self.monitor.phase();
        if self.phases.last().is_none_or(|(_, last)| *last != phase) {
            self.phases.push((self.timeline.len(), phase));
        }
        let has_pwrkey = self.rig.pwrkey.is_some();
        let assumed = match self.assume_updating {
            true => Phase::Updating { percent: None },
            false => phase,
        };
        if self.standing.observe(&entry.event, assumed, has_pwrkey) {
            self.tell_guardian();
        }
        (self.observer)(&entry, &self.monitor);
        self.timeline.push(entry);
        Ok(())
    }

    /// From here on, only what comes later meets an expectation.
    pub(super) fn forget_the_past(&mut self) {
        self.cursor = self.timeline.len();
    }

    /// Waits until `within` has passed for what is expected, and does `act` the moment it is
    /// there. Messages that came after the last one that was awaited count.
    pub(super) fn await_message(
        &mut self,
        expectation: &Expectation,
        within: Duration,
        act: Option<&Act>,
    ) -> Result<Awaited, Stop> {
        let until = self.now() + within;
        if let Some(awaited) = self.already(expectation) {
            if awaited == Awaited::Came
                && let Some(act) = act
            {
                let seen = self.now();
                let acted = self.act(act)?;
                self.trigger = Some(match self.met_by_unfinished {
                    true => self.timeline.len(),
                    false => self.cursor - 1,
                });
                self.settle(act, Some(seen), acted)?;
                self.trigger = None;
            }
            return Ok(awaited);
        }
        loop {
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(Awaited::Overdue);
            }
            if let Some(awaited) = self.listen(left, Some((expectation, act)))? {
                return Ok(awaited);
            }
        }
    }

    /// Looks for what is expected among what came since the last expectation was met.
    fn already(&mut self, expectation: &Expectation) -> Option<Awaited> {
        for index in self.cursor..self.timeline.len() {
            let Event::Received { line, message } = &self.timeline[index].event else {
                continue;
            };
            if expectation.met_by(message, Some(&line.bytes)) {
                self.cursor = index + 1;
                return Some(Awaited::Came);
            }
            if expectation.ruled_out_by(message) {
                let what = escape(&line.bytes);
                self.cursor = index + 1;
                return Some(Awaited::RuledOut(what));
            }
        }
        self.cursor = self.timeline.len();
        if !self.met_by_unfinished
            && let Some(message) = urc::decided(self.splitter.pending())
            && expectation.met_by(&message, None)
        {
            self.met_by_unfinished = true;
            return Some(Awaited::Came);
        }
        None
    }

    /// Waits until the judge sees a phase that satisfies `reached`, or has seen one since the
    /// entry `from`, at most `within`.
    pub(super) fn await_phase(
        &mut self,
        within: Duration,
        from: usize,
        reached: impl Fn(Phase) -> bool,
    ) -> Result<Awaited, Stop> {
        let until = self.now() + within;
        loop {
            let passed = self.phases.iter().rev();
            let mut passed = passed.take_while(|(entry, _)| *entry >= from);
            if reached(self.monitor.phase()) || passed.any(|(_, phase)| reached(*phase)) {
                self.forget_the_past();
                return Ok(Awaited::Came);
            }
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(Awaited::Overdue);
            }
            self.listen(left, None)?;
        }
    }

    /// Waits until the pending command has its final result code, at most `within`: until then
    /// the module does not listen to another.
    pub(super) fn await_answered(&mut self, within: Duration) -> Result<(), Stop> {
        let until = self.now() + within;
        while self.understanding.pending().is_some() {
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                break;
            }
            self.listen(left, None)?;
        }
        Ok(())
    }

    /// Lets time pass; what arrives is recorded.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), Stop> {
        let until = self.now() + time;
        loop {
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(());
            }
            self.listen(left, None)?;
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
        let at = self.now();
        if n == 0 {
            return Ok(None);
        }
        if let Some(what) = self.flooded_by(n) {
            return Err(Stop::Flood(what));
        }
        let mut acted = None;
        // A command is not sent before the lines that came ahead of it are understood.
        if let Some((expectation, Some(act @ (Act::Cut | Act::Assert(_))))) = sought
            && self.splitter.pending().is_empty()
            && !self.met_by_unfinished
            && expectation.met_at_once(&self.chunk[..n])
        {
            acted = Some((act, self.act(act)?));
        }
        let lines = self.splitter.push(at, &self.chunk[..n]);
        let mut found = None;
        let mut heard = Vec::with_capacity(lines.len());
        for line in lines {
            let message = self.understanding.line(&line);
            let stale = std::mem::take(&mut self.met_by_unfinished);
            if let Some((expectation, _)) = sought
                && found.is_none()
                && !stale
            {
                if expectation.met_by(&message, Some(&line.bytes)) {
                    found = Some((heard.len() + 1, Awaited::Came));
                } else if expectation.ruled_out_by(&message) {
                    let what = escape(&line.bytes);
                    found = Some((heard.len() + 1, Awaited::RuledOut(what)));
                }
            }
            heard.push((line, message, stale));
        }
        let mut unfinished = false;
        if let Some((expectation, _)) = sought
            && found.is_none()
            && !self.met_by_unfinished
            && let Some(message) = urc::decided(self.splitter.pending())
            && expectation.met_by(&message, None)
        {
            found = Some((heard.len(), Awaited::Came));
            unfinished = true;
        }
        if acted.is_some() && found.is_none() {
            // What was done is told, whatever the whole line turned out to be.
            found = Some((heard.len(), Awaited::Came));
        }
        if let (Some((_, Awaited::Came)), Some((_, Some(act))), None) = (&found, sought, &acted) {
            acted = Some((act, self.act(act)?));
        }

        self.folder
            .wire(at, What::Chunk(self.chunk[..n].to_vec()))?;
        self.bytes_read += n;
        // What the server had seen by now stands before what the module says of it.
        self.take_reports()?;
        let before = self.timeline.len();
        for (line, message, stale) in heard {
            self.happened_at(at, Event::Received { line, message })?;
            if stale {
                // Its unfinished form has met an expectation already.
                self.cursor = self.cursor.max(self.timeline.len());
            }
        }
        if let Some((lines, _)) = &found {
            self.cursor = before + lines;
        }
        self.met_by_unfinished |= unfinished;
        if let Some((act, acted)) = acted {
            self.trigger = Some(match unfinished {
                true => self.timeline.len(),
                false => self.cursor - 1,
            });
            self.settle(act, Some(at), acted)?;
            self.trigger = None;
        }
        Ok(found.map(|(_, awaited)| awaited))
    }

    /// Whether `n` bytes more are too many, and how. Asked before they are kept anywhere, so that
    /// the two records of the wire end at the same byte; a line has at least one byte.
    fn flooded_by(&self, n: usize) -> Option<&'static str> {
        if self.bytes_read + n > BYTES_MAX {
            Some("more bytes than a case may hold")
        } else if self.timeline.len() + n > ENTRIES_MAX {
            Some("more lines than a case may hold")
        } else {
            None
        }
    }

    fn received(&mut self, line: Line, at_most: Option<Duration>) -> Result<(), Stop> {
        let message = self.understanding.line(&line);
        let at = at_most.map_or(line.at, |most| most.min(line.at));
        self.happened_at(at, Event::Received { line, message })
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

    /// Keeps the books of an act.
    fn settle(&mut self, act: &Act, seen: Option<Duration>, acted: Duration) -> Result<(), Stop> {
        match act {
            Act::Cut => self.supply_went_off(acted)?,
            Act::Assert(pin) => {
                let (pin, asserted) = (*pin, true);
                self.done(acted, Event::Pin { pin, asserted })?;
            }
            Act::Send(bytes) => self.went_out(acted, bytes, Purpose::Step)?,
        }
        if let Some(seen) = seen {
            self.happened_at(acted, Event::Reaction { seen, acted })?;
        }
        Ok(())
    }

    /// Sends to the module.
    pub(super) fn send(&mut self, bytes: &[u8], purpose: Purpose) -> Result<(), Stop> {
        self.understanding.sent(bytes);
        // Stamped before the bytes leave: an answer cannot be older than its command.
        let at = self.now();
        self.rig.console.write(bytes)?;
        self.went_out(at, bytes, purpose)
    }

    fn went_out(&mut self, at: Duration, bytes: &[u8], purpose: Purpose) -> Result<(), Stop> {
        let bytes = bytes.to_vec();
        self.done(at, Event::Sent { bytes, purpose })
    }

    /// Something was done to the module: it stands in both logs.
    fn done(&mut self, at: Duration, event: Event) -> Result<(), Stop> {
        self.folder.wire(at, What::Event(event.clone()))?;
        self.happened_at(at, event)
    }

    /// Whether the update went on to another phase between the line that a cut answers to,
    /// which is the first one from `from` on, and the cut. A runner that was starved reads old
    /// bytes late, and its own reaction looks as quick as ever; what the module said meanwhile
    /// tells.
    fn overrun_since(&self, from: usize) -> Option<String> {
        let line = (from..self.timeline.len())
            .find(|index| matches!(self.timeline[*index].event, Event::Received { .. }))?;
        let (_, then) = self.phases.iter().rev().find(|(entry, _)| *entry <= line)?;
        let (then, now) = (then.word(), self.monitor.phase().word());
        (then != now).then(|| format!("wanted while {then}, done while {now}"))
    }

    /// How the last cut came too late to be the one that was planned, if it did.
    pub(super) fn overrun(&mut self) -> Option<String> {
        self.overrun.take()
    }

    /// Changes the console's own rate. What was held back at the old one is cut short.
    pub(super) fn set_baud(&mut self, baud: u32) -> Result<(), Stop> {
        if let Some(line) = self.splitter.cut_short() {
            self.received(line, None)?;
            if std::mem::take(&mut self.met_by_unfinished) {
                // It has met an expectation already.
                self.forget_the_past();
            }
        }
        self.rig.console.set_baud(baud)?;
        self.done(self.now(), Event::Rate(baud))
    }

    /// Adds what the server saw to the timeline, and the records of its connections to the
    /// evidence.
    pub(super) fn take_reports(&mut self) -> Result<(), Stop> {
        self.inbox.waker().rest();
        while let Some(report) = self.inbox.take() {
            let at = self.moment(report.at);
            if let Seen::Closed { record, .. } | Seen::Stranger { record, .. } = &report.seen {
                self.folder.http(record)?;
            }
            self.happened_at(at, inbox::event(report.seen))?;
        }
        Ok(())
    }

    fn heed_interrupt(&mut self) -> Result<(), Stop> {
        let urgency = self.interrupt.urgency();
        if urgency <= self.heeded {
            return Ok(());
        }
        self.heeded = urgency;
        self.happened(Event::Interrupted)?;
        Err(Stop::Interrupted(urgency))
    }
}
