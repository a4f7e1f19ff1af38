//! What the firmware runs on: time, flash that is busy for a while, a UART that takes its time,
//! and the way out to the host and the network.

use std::collections::VecDeque;
use std::time::Duration;

use super::crime::Memory;
use super::flash::{Flash, Noise, Operation};
use super::layout::Layout;
use super::manner::Manner;
use super::{Circumstance, Defect, Rate};

/// How a module differs from the next one on the shelf.
#[derive(Clone, Debug)]
pub(super) struct Make {
    pub(super) manner: Manner,
    pub(super) imei: String,
    pub(super) registered: bool,
    pub(super) factory_rate: Rate,
    pub(super) circumstances: Vec<Circumstance>,
    pub(super) defects: Vec<Defect>,
}

/// Something the module does to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes on TXD, at this rate.
    Host {
        /// What leaves.
        bytes: Vec<u8>,
        /// The module's rate, in baud.
        rate: u32,
    },
    /// VDD_EXT rises or falls.
    VddExt(bool),
    /// A TCP connection is asked of the network.
    Connect {
        /// Name or address, as it stands in the URL.
        host: String,
        /// The port.
        port: u16,
    },
    /// Bytes for the connection.
    Send(Vec<u8>),
    /// The connection is closed.
    Close,
    /// The connection is gone without a word: the power went.
    Vanish,
}

/// What can fall due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// PWRKEY has been asserted long enough.
    SwitchOn,
    /// VDD_EXT follows PWRKEY.
    RailUp,
    /// VDD_EXT dips early in a reset.
    RailDip,
    /// Without VBAT, VDD_EXT's capacitor is empty.
    RailDown,
    /// RESET_N has been asserted long enough.
    ResetTakes,
    /// `AT+QPOWD` or its like takes effect.
    SwitchOff,
    /// The processor starts again by itself.
    Restart,
    /// The boot ROM says its piece.
    Banner,
    /// The bootloader reads the control record.
    Load,
    /// The bootloader has read the package.
    Check,
    /// The bootloader does the next thing to the firmware.
    Patch,
    /// A page of the update is in the flash.
    PageWritten,
    /// All pages are written; the bootloader has read the whole image again.
    Verify,
    /// The bootloader's result is in the flash.
    ResultWritten,
    /// The application takes over.
    AppStart,
    /// `+CFUN: 1` is due.
    SayCfun,
    /// `+CPIN: READY` is due.
    SayCpin,
    /// `+IP: …` is due.
    SayIp,
    /// The application looks for a result to report.
    TakeResult,
    /// The result has been taken, and is said.
    SayEnd,
    /// The network has taken the module in.
    Registered,
    /// The next command line is answered.
    Answer,
    /// What a command had to save is saved.
    CommandSaved,
    /// The bearer is looked at again.
    PollBearer,
    /// A TCP connection is asked for.
    Connect,
    /// The connection did not come about in time.
    ConnectTimeout,
    /// The link has delivered what was read; the next read may follow.
    Read,
    /// Nothing was received for too long.
    ReadTimeout,
    /// The last byte of the package is stored.
    Downloaded,
    /// The application hands the package to the bootloader.
    HandOver,
    /// The trigger is in the flash.
    TriggerWritten,
    /// Something unlawful is due.
    Misbehave,
}

#[derive(Clone, Debug)]
struct Speech {
    starts: Duration,
    ends: Duration,
    bytes: Vec<u8>,
    rate: u32,
}

/// The hardware, its time, and what waits on it.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) make: Make,
    pub(super) flash: Flash,
    pub(super) layout: Layout,
    pub(super) memory: Memory,
    pub(super) now: Duration,
    pub(super) outputs: VecDeque<Output>,
    noise: Noise,
    agenda: Vec<(Duration, Event)>,
    work: VecDeque<(Operation, Option<Event>)>,
    /// When the operation at the front of `work` began.
    work_since: Duration,
    operations: u64,
    speech: VecDeque<Speech>,
    vdd_ext: bool,
}

/// A bound on what waits to be said; a UART has no more room either.
const SPEECH_MAX: usize = 1024;

impl Board {
    pub(super) fn new(make: Make, flash: Flash, layout: Layout, seed: u64) -> Self {
        Self {
            make,
            flash,
            layout,
            memory: Memory::default(),
            now: Duration::ZERO,
            outputs: VecDeque::new(),
            noise: Noise(seed),
            agenda: Vec::new(),
            work: VecDeque::new(),
            work_since: Duration::ZERO,
            operations: 0,
            speech: VecDeque::new(),
            vdd_ext: false,
        }
    }

    /// Lets `event` fall due after `delay`.
    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.agenda.push((self.now + delay, event));
    }

    /// Forgets `event`.
    pub(super) fn cancel(&mut self, event: Event) {
        self.agenda.retain(|(_, waiting)| *waiting != event);
    }

    /// The next moment at which something happens by itself.
    pub(super) fn due(&self) -> Option<Duration> {
        let agenda = self.agenda.iter().map(|(at, _)| *at).min();
        let work = self
            .work
            .front()
            .map(|(operation, _)| self.work_since + operation.duration());
        let speech = self.speech.front().map(|speech| speech.ends);
        [agenda, work, speech].into_iter().flatten().min()
    }

    /// Lets what is due at `now` happen, one thing; the event is the firmware's to act on.
    pub(super) fn happen(&mut self, now: Duration) -> Option<Event> {
        self.now = now;
        if self.speech.front().is_some_and(|speech| speech.ends <= now) {
            let speech = self.speech.pop_front()?;
            self.outputs.push_back(Output::Host {
                bytes: speech.bytes,
                rate: speech.rate,
            });
            return None;
        }
        let over = |(operation, _): &(Operation, _)| self.work_since + operation.duration() <= now;
        if self.work.front().is_some_and(over) {
            let (operation, then) = self.work.pop_front()?;
            self.carry_out(&operation);
            self.begin_work();
            return then;
        }
        // The earliest, and among equals the one asked for first.
        let (index, _) = self
            .agenda
            .iter()
            .enumerate()
            .min_by_key(|(_, (at, _))| *at)
            .filter(|(_, (at, _))| *at <= now)?;
        Some(self.agenda.remove(index).1)
    }

    /// Has the flash do something, after what it is doing already.
    pub(super) fn write(&mut self, operation: Operation, then: Option<Event>) {
        self.work.push_back((operation, then));
        if self.work.len() == 1 {
            self.begin_work();
        }
    }

    /// Has the flash do several things in order; `then` follows the last.
    pub(super) fn write_all(
        &mut self,
        operations: impl IntoIterator<Item = Operation>,
        then: Event,
    ) {
        let mut operations = operations.into_iter().peekable();
        while let Some(operation) = operations.next() {
            let last = operations.peek().is_none();
            self.write(operation, last.then_some(then));
        }
    }

    /// Whether `event` follows from something that the flash is yet to do.
    pub(super) fn is_to_happen(&self, event: Event) -> bool {
        self.work.iter().any(|(_, then)| *then == Some(event))
    }

    /// How long the flash is busy yet.
    pub(super) fn work_left(&self) -> Duration {
        let all: Duration = self
            .work
            .iter()
            .map(|(operation, _)| operation.duration())
            .sum();
        (self.work_since + all).saturating_sub(self.now)
    }

    /// The operation under way, with when it began and when it ends; its number tells it from
    /// others.
    pub(super) fn operation(&self) -> Option<(u64, Duration, Duration)> {
        let (operation, _) = self.work.front()?;
        Some((
            self.operations,
            self.work_since,
            self.work_since + operation.duration(),
        ))
    }

    /// Says bytes on the UART, after what is being said already. Ten bits a byte: 8N1.
    pub(super) fn say(&mut self, bytes: impl Into<Vec<u8>>, rate: u32) {
        let bytes = bytes.into();
        if bytes.is_empty() || self.speech.len() >= SPEECH_MAX {
            return;
        }
        let starts = self
            .speech
            .back()
            .map_or(self.now, |last| last.ends.max(self.now));
        let bits = bytes.len() as u64 * 10;
        let ends = starts + Duration::from_micros(bits * 1_000_000 / u64::from(rate.max(1)));
        self.speech.push_back(Speech {
            starts,
            ends,
            bytes,
            rate,
        });
    }

    pub(super) fn set_vdd_ext(&mut self, up: bool) {
        if self.vdd_ext != up {
            self.vdd_ext = up;
            self.outputs.push_back(Output::VddExt(up));
        }
    }

    fn carry_out(&mut self, operation: &Operation) {
        let control = self.layout.control();
        if !(self.is_in(Circumstance::FlashWorn) && operation.sector() == control) {
            self.flash.perform(operation);
        }
    }

    /// Whether this befalls the module.
    pub(super) fn is_in(&self, circumstance: Circumstance) -> bool {
        self.make.circumstances.contains(&circumstance)
    }

    /// Whether this is wrong with the module.
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.make.defects.contains(&defect)
    }

    pub(super) fn random(&mut self) -> u64 {
        self.noise.next()
    }

    /// The power is gone, now: what was under way in the flash is torn.
    pub(super) fn lose_power(&mut self) {
        if let Some((operation, _)) = self.work.front() {
            let duration = operation.duration().as_nanos();
            let spent = (self.now - self.work_since).as_nanos();
            let done = (spent * 1000 / duration.max(1)) as u32;
            if done > 0 {
                let seed = self.noise.next();
                self.flash.tear(operation, done, seed);
            }
        }
        self.stop();
    }

    /// The processor is reset, now. The flash keeps its supply and ends what it was told to do.
    pub(super) fn lose_processor(&mut self) {
        if let Some((operation, _)) = self.work.pop_front() {
            self.carry_out(&operation);
        }
        self.stop();
    }

    fn stop(&mut self) {
        self.work.clear();
        self.agenda.clear();
        self.cut_speech_short();
        self.outputs.push_back(Output::Vanish);
    }

    /// What of the line being said has left already, leaves; the rest never will.
    fn cut_speech_short(&mut self) {
        if let Some(mut speech) = self.speech.pop_front()
            && speech.starts < self.now
        {
            let whole = (speech.ends - speech.starts).as_nanos().max(1);
            let spent = (self.now - speech.starts).as_nanos();
            let said = (speech.bytes.len() as u128 * spent / whole) as usize;
            speech.bytes.truncate(said);
            if said > 0 {
                self.outputs.push_back(Output::Host {
                    bytes: speech.bytes,
                    rate: speech.rate,
                });
            }
        }
        self.speech.clear();
    }

    fn begin_work(&mut self) {
        self.work_since = self.now;
        if !self.work.is_empty() {
            self.operations += 1;
        }
    }
}
