//! The thread that lends a [`Module`] a clock, a pty, a socket and a file.
//!
//! The module's time is real time, `speed` times over, with one liberty: it stands still while
//! the host has not yet read what the module said. A host that acts on a message acts on the
//! moment of that message then, however busy the machine is, and a module a hundred times
//! faster than a real one does not run away from it. It stands still only so long (see
//! [`Settings::waits_for_host`]): a module does not wait for a host that is not there.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::board::Output;
use super::flash::Flash;
use super::lies::Lies;
use super::link::{Link, News};
use super::module::{Module, Network};
use super::pty::Pty;
use super::stranger::Strangers;
use super::{Defect, FlashStore, Settings, voice};
use crate::delta::SECTOR;

/// How long the module's time may stand still for a host that does not read: longer than a busy
/// machine keeps a thread waiting, and paid once by a host that never reads.
pub(super) const HOLD_MAX: Duration = Duration::from_millis(500);
/// The least time it stands still after a message: the kernel brings the bytes to the host's
/// side only after a moment, and the host takes a moment to act.
const HOLD_MIN: Duration = Duration::from_micros(100);
/// How often it looks whether the host has read.
const HOLD_STEP: Duration = Duration::from_micros(50);
/// Line changes that may wait for the thread.
const CHANGES_MAX: usize = 1024;

/// Wakes the thread from any other.
#[derive(Debug)]
pub(super) struct Wake(OwnedFd);

impl Wake {
    fn new() -> io::Result<Self> {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Self(eventfd(0, flags)?))
    }

    pub(super) fn wake(&self) {
        // It fails only when 2^64 wake-ups are pending: then the thread is awake.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    fn rest(&self) {
        // It fails only when nobody has woken us: then there is nothing to take back.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Vbat,
    Pwrkey,
    Reset,
    /// The level shifter lets the host's bytes through.
    ToModule,
    /// And the module's.
    ToHost,
}

#[derive(Debug)]
struct Levels {
    vbat: bool,
    pwrkey: bool,
    reset: bool,
    to_module: bool,
    to_host: bool,
    /// The relay of VBAT does not open any more.
    stuck: bool,
    changes: VecDeque<(Instant, Line, bool)>,
}

#[derive(Debug)]
struct Shared {
    levels: Mutex<Levels>,
    vdd_ext: AtomicBool,
    stop: AtomicBool,
    wake: Arc<Wake>,
}

impl Shared {
    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// VBAT, PWRKEY and RESET_N as the bench holds them, the level shifter between the UARTs, and
/// VDD_EXT as the bench sees it.
///
/// `true` means powered for VBAT and asserted (held low) for PWRKEY and RESET_N. The shifter is
/// on until it is switched.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Shared>);

impl Lines {
    /// Connects or cuts the supply. A cut holds from the moment of this call.
    pub fn set_vbat(&self, on: bool) {
        self.set(Line::Vbat, on);
    }

    /// Asserts or releases PWRKEY.
    pub fn set_pwrkey(&self, asserted: bool) {
        self.set(Line::Pwrkey, asserted);
    }

    /// Asserts or releases RESET_N.
    pub fn set_reset(&self, asserted: bool) {
        self.set(Line::Reset, asserted);
    }

    /// Enables or disables the way from the host's TXD to the module's RXD.
    pub fn set_to_module(&self, enabled: bool) {
        self.set(Line::ToModule, enabled);
    }

    /// Enables or disables the way from the module's TXD to the host's RXD.
    pub fn set_to_host(&self, enabled: bool) {
        self.set(Line::ToHost, enabled);
    }

    /// Whether what the host sends reaches the module's pin.
    pub fn to_module(&self) -> bool {
        self.0.levels().to_module
    }

    /// Whether the supply is connected.
    pub fn vbat(&self) -> bool {
        let levels = self.0.levels();
        levels.vbat || levels.stuck
    }

    /// Whether PWRKEY is asserted.
    pub fn pwrkey(&self) -> bool {
        self.0.levels().pwrkey
    }

    /// Whether RESET_N is asserted.
    pub fn reset(&self) -> bool {
        self.0.levels().reset
    }

    /// Whether the module's 1.8 V rail is up.
    pub fn vdd_ext(&self) -> bool {
        self.0.vdd_ext.load(Ordering::Acquire)
    }

    fn set(&self, line: Line, level: bool) {
        {
            let mut levels = self.0.levels();
            let held = match line {
                Line::Vbat => &mut levels.vbat,
                Line::Pwrkey => &mut levels.pwrkey,
                Line::Reset => &mut levels.reset,
                Line::ToModule => &mut levels.to_module,
                Line::ToHost => &mut levels.to_host,
            };
            if *held == level {
                return;
            }
            *held = level;
            if levels.changes.len() == CHANGES_MAX {
                // Of this many changes of five lines, the oldest is followed by another of its
                // line: what is lost is a pulse that nobody could have seen.
                levels.changes.pop_front();
            }
            // Stamped under the lock, so that the thread has not yet lived beyond it.
            levels.changes.push_back((Instant::now(), line, level));
        }
        self.0.wake.wake();
    }
}

/// A module's thread, ended when dropped.
#[derive(Debug)]
pub(super) struct Shell {
    lines: Lines,
    console_path: PathBuf,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

impl Shell {
    pub(super) fn start(settings: &Settings) -> io::Result<Self> {
        let (module, store) = power_up(settings)?;
        let pty = Pty::open()?;
        let console_path = pty.path().to_owned();
        let wake = Arc::new(Wake::new()?);
        let shared = Arc::new(Shared {
            levels: Mutex::new(Levels {
                vbat: false,
                pwrkey: false,
                reset: false,
                to_module: true,
                to_host: true,
                stuck: settings.defects.contains(&Defect::H01),
                changes: VecDeque::new(),
            }),
            vdd_ext: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            wake: wake.clone(),
        });
        let mut life = Life {
            module,
            clock: Clock {
                speed: settings.speed.max(1),
                real: Instant::now(),
                life: Duration::ZERO,
            },
            pty,
            link: Link::new(wake, Strangers::new(&settings.defects)),
            store,
            shared: shared.clone(),
            hold_max: settings.waits_for_host,
            unread: false,
            shifter: Shifter {
                to_module: true,
                to_host: true,
            },
            lies: Lies::new(&settings.defects, settings.speed.max(1)),
        };
        let thread = thread::Builder::new()
            .name(String::from("virtual module"))
            .spawn(move || life.live())?;
        Ok(Self {
            lines: Lines(shared),
            console_path,
            thread: Some(thread),
        })
    }

    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    pub(super) fn console_path(&self) -> &std::path::Path {
        &self.console_path
    }

    pub(super) fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the thread and tells what it died of, if it died.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.lines.0.stop.store(true, Ordering::Release);
        self.lines.0.wake.wake();
        match self.thread.take().map(thread::JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(io::Error::other("the virtual module's thread panicked")),
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `stop`.
        let _ = self.stop();
    }
}

/// Real time to the module's, and back.
#[derive(Debug)]
struct Clock {
    speed: u32,
    real: Instant,
    life: Duration,
}

impl Clock {
    fn at(&self, real: Instant) -> Duration {
        self.life + real.saturating_duration_since(self.real) * self.speed
    }

    /// How long until the module's time is `life`.
    fn until(&self, life: Duration, now: Instant) -> Duration {
        life.saturating_sub(self.at(now)) / self.speed
    }

    /// The module's time was `life` at `real`.
    fn set(&mut self, life: Duration, real: Instant) {
        self.life = life;
        self.real = real;
    }
}

#[derive(Debug)]
struct Life {
    module: Module,
    clock: Clock,
    pty: Pty,
    link: Link,
    store: Option<File>,
    shared: Arc<Shared>,
    hold_max: Duration,
    /// The host let that pass: no more is waited until it has read everything.
    unread: bool,
    shifter: Shifter,
    lies: Lies,
}

/// The level shifter between the two UARTs: what it does not let through is lost.
#[derive(Clone, Copy, Debug)]
struct Shifter {
    to_module: bool,
    to_host: bool,
}

impl Life {
    fn live(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while !self.shared.stop.load(Ordering::Acquire) {
            self.shared.wake.rest();
            let now = self.follow_lines()?;
            self.hear(now, &mut buffer)?;
            let spoke = self.live_until(self.clock.at(now))?;
            self.keep_flash()?;
            if spoke {
                self.hold()?;
            } else {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Takes what host and network have sent. It was sent before anything that the module has
    /// yet to do, so it is heard before that, however late this thread has its turn.
    fn hear(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<()> {
        let now = self.clock.at(now);
        let heard = self.pty.read(buffer)?;
        if !heard.is_empty() && self.shifter.to_module {
            let rate = self.pty.host_rate()?;
            match self.lies.answer(heard) {
                Some(answer) => self.pty.write(&answer)?,
                None => {
                    self.module.idle(now);
                    self.module.hear(heard, rate);
                }
            }
        }
        self.pty.write_backlog()?;
        if let Some(news) = self.link.poll(self.module.appetite(), buffer) {
            self.module.idle(now);
            self.module.network(match news {
                News::Connected => Network::Connected,
                News::Received(bytes) => Network::Received(bytes),
                News::Disconnected => Network::Disconnected,
                News::Broken => Network::Broken,
            });
        }
        Ok(())
    }

    /// Lets the module feel what happened to its lines, each change at its moment, and gives
    /// the time: no change that is yet to come is earlier.
    fn follow_lines(&mut self) -> io::Result<Instant> {
        let (changes, now) = {
            let mut levels = self.shared.levels();
            (std::mem::take(&mut levels.changes), Instant::now())
        };
        if !changes.is_empty() {
            self.pty.forget_exclusive_host()?;
        }
        for (stamp, line, level) in changes {
            let at = self.clock.at(stamp);
            self.live_through(at)?;
            self.follow(line, level, at)?;
        }
        if let Some(at) = self.lies.late_cut_by(self.clock.at(now)) {
            self.live_through(at)?;
            self.cut_power()?;
        }
        Ok(now)
    }

    fn follow(&mut self, line: Line, level: bool, at: Duration) -> io::Result<()> {
        match (line, level) {
            (Line::ToModule, _) => {
                self.shifter.to_module = level;
                if !level && self.lies.feeding_ends() {
                    self.cut_power()?;
                }
            }
            (Line::ToHost, _) => self.shifter.to_host = level,
            (Line::Pwrkey, _) if self.lies.pwrkey_is_supply && level && self.module.is_on() => {
                self.cut_power()?;
                self.lies.pwrkey_holds_supply = true;
            }
            (Line::Pwrkey, false) if self.lies.pwrkey_holds_supply => {
                self.lies.pwrkey_holds_supply = false;
                self.module.set_vbat(true);
            }
            (Line::Pwrkey, _) => self.module.set_pwrkey(level),
            (Line::Reset, _) if self.lies.reset_goes_nowhere => {}
            (Line::Reset, _) => self.module.set_reset(level),
            (Line::Vbat, true) => {
                self.lies.supply_is_back();
                self.module.set_vbat(true);
                if let Some(stale) = self.lies.stale() {
                    self.pty.write(&stale)?;
                }
            }
            (Line::Vbat, false) => {
                if self.lies.cuts(at, self.shifter.to_module) {
                    self.cut_power()?;
                }
            }
        }
        Ok(())
    }

    fn cut_power(&mut self) -> io::Result<()> {
        self.module.set_vbat(false);
        self.live_through(self.module.now())?;
        self.unread = false;
        self.pty.clear()
    }

    /// Lives until `at`, or until the module has said something.
    fn live_until(&mut self, at: Duration) -> io::Result<bool> {
        while let Some(output) = self.module.run(at) {
            if self.perform(output)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn live_through(&mut self, at: Duration) -> io::Result<()> {
        while self.live_until(at)? {}
        Ok(())
    }

    /// Does what the module wants done; tells whether the host has something to read now.
    fn perform(&mut self, output: Output) -> io::Result<bool> {
        match output {
            Output::Host { .. } if !self.shifter.to_host => {}
            Output::Host { bytes, rate } => {
                let bytes = self.lies.on_the_console(bytes);
                if self.lies.console_is_gone() {
                    self.shared.stop.store(true, Ordering::Release);
                    return Ok(false);
                }
                let host_rate = self.pty.host_rate()?;
                if host_rate == rate {
                    self.pty.write(&bytes)?;
                } else {
                    self.pty.write(&voice::garbled(&bytes, rate, host_rate))?;
                }
                return Ok(true);
            }
            Output::VddExt(up) => self.shared.vdd_ext.store(up, Ordering::Release),
            Output::Connect { host, port } => self.link.connect(&host, port),
            Output::Send(bytes) => self.link.send(&bytes),
            Output::Close => self.link.close(),
            Output::Vanish => self.link.vanish(),
        }
        Ok(false)
    }

    /// Stands still until the host has read, a line has changed, or it has been long enough.
    fn hold(&mut self) -> io::Result<()> {
        let life = self.module.now();
        let since = Instant::now();
        if self.unread && self.pty.is_read()? {
            self.unread = false;
        }
        while !self.unread {
            let mut fds = [PollFd::new(&self.shared.wake.0, PollFlags::IN)];
            if wait_for(&mut fds, Some(HOLD_STEP))? > 0 {
                break;
            }
            self.pty.write_backlog()?;
            let held = since.elapsed();
            if held >= HOLD_MIN && self.pty.is_read()? {
                break;
            }
            self.unread = held >= self.hold_max;
        }
        // It has stood still until the first change of a line, not until this thread had its
        // turn: the changes keep their distances.
        let changed = self.shared.levels().changes.front().map(|change| change.0);
        self.clock.set(life, changed.unwrap_or_else(Instant::now));
        Ok(())
    }

    fn wait(&self) -> io::Result<()> {
        let mut host = PollFlags::IN;
        if self.pty.has_backlog() {
            host |= PollFlags::OUT;
        }
        let mut fds = vec![
            PollFd::new(&self.shared.wake.0, PollFlags::IN),
            PollFd::from_borrowed_fd(self.pty.fd(), host),
        ];
        if let Some((socket, flags)) = self.link.interest(self.module.appetite()) {
            fds.push(PollFd::from_borrowed_fd(socket, flags));
        }
        let now = Instant::now();
        let timeout = if self.link.has_news() {
            Some(Duration::ZERO)
        } else {
            let due = [self.module.due(), self.lies.next_cut()]
                .into_iter()
                .flatten()
                .min();
            due.map(|due| self.clock.until(due, now))
        };
        wait_for(&mut fds, timeout)?;
        Ok(())
    }

    fn keep_flash(&mut self) -> io::Result<()> {
        let flash = self.module.flash_mut();
        let changed = flash.take_changed();
        if let Some(file) = &self.store {
            for sector in changed {
                file.write_all_at(flash.sector(sector), (sector * SECTOR) as u64)?;
            }
        }
        Ok(())
    }
}

/// A module with its flash as the settings want it, and the file that keeps it.
fn power_up(settings: &Settings) -> io::Result<(Module, Option<File>)> {
    let mut module = Module::new(settings);
    let FlashStore::File(path) = &settings.flash else {
        return Ok((module, None));
    };
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let sectors = module.flash().sectors();
    match file.metadata()?.len() {
        0 => {
            for sector in 0..sectors {
                file.write_all_at(module.flash().sector(sector), (sector * SECTOR) as u64)?;
            }
            module.flash_mut().take_changed();
        }
        len if len == (sectors * SECTOR) as u64 => {
            let mut bytes = vec![0; sectors * SECTOR];
            file.read_exact_at(&mut bytes, 0)?;
            let mut flash = Flash::new(sectors);
            flash.install(0, &bytes);
            flash.take_changed();
            module = Module::with_flash(settings, flash);
        }
        len => {
            let path = path.display();
            let wanted = sectors * SECTOR;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "`{path}` has {len} bytes and is no flash of this module, which has {wanted}: \
                     name another file, or remove this one"
                ),
            ));
        }
    }
    Ok((module, Some(file)))
}

/// Waits for a descriptor or a time; an interrupted wait is over.
fn wait_for(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs().min(3600) as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(fds, timeout.as_ref()) {
        Ok(ready) => Ok(ready),
        Err(rustix::io::Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
