//! One case on one rig, as it happens: every byte, edge and report becomes an entry of the
//! timeline, and a wait ends with an act by the thread that read the message.
//!
//! There is one thread. It waits in one `poll` for the console, the package server and the
//! interrupt; so nothing has to be armed elsewhere, and between the last byte that decides an
//! expectation and the edge that answers it lie one `read`, one comparison and one `write`.
//! Book-keeping comes after the act.

mod care;
mod power;
mod rail;
mod stop;
mod wait;

use std::io;
use std::time::{Duration, Instant};

use dfota::line::{Line, Splitter};
use dfota::message::Understanding;
use dfota::monitor::{Monitor, Phase};
use dfota::reader::What;
use dfota::timeline::{Entry, Event, Purpose};
use rig::Rig;
use rig::console::CHUNK_LEN_MAX;

pub(super) use self::stop::Stop;
pub(super) use self::wait::{Act, Awaited};
use super::fresh::Fresh;
use super::inbox::{self, Inbox};
use crate::evidence::CaseFolder;
use crate::guardian::Guardian;
use crate::interrupt::{Interrupt, Urgency};
use crate::package_server::record::Seen;
use crate::safety::{HOLD_MAX, Standing, Supply};

/// Most bytes that a case takes from its module. A module that says more floods, and is judged
/// on what it said so far.
const BYTES_MAX: usize = 8 << 20;
/// Most entries of a timeline that the module may fill.
const ENTRIES_MAX: usize = 200_000;
/// And so many more for what is done and said about it then: that it floods, that its power went.
const ENTRIES_RESERVE: usize = 10_000;

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
    /// How long the power is held of a module that updates.
    hold_max: Duration,
    /// That the guardian is gone was said.
    unguarded: bool,
    /// Whether our transmit line is driven, as it may be at the beginning.
    transmits: bool,
    /// That it was let go of, with a cut that is not in the timeline yet.
    let_go: Option<(Duration, Event)>,
    /// When a line of the rig was last switched, or was about to be.
    last_deed: Instant,
    /// A rail that stayed up as long as it was waited for is not waited for again.
    rail_is_stuck: bool,
    inbox: &'a Inbox,
    interrupt: &'a Interrupt,
    /// Once an interrupt has been heeded, only a more urgent one is heeded again.
    heeded: Urgency,
    folder: CaseFolder,
    /// Why nothing more is kept there, if that is so.
    lost: Option<io::Error>,
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
            hold_max: HOLD_MAX,
            unguarded: false,
            transmits: true,
            let_go: None,
            last_deed: Instant::now(),
            rail_is_stuck: false,
            inbox,
            interrupt,
            heeded: Urgency::None,
            folder,
            lost: None,
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
