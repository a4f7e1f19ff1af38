//! The loop of the module's thread: what host, network and lines do goes in, each at its moment,
//! and what the module does comes out.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::clock::Clock;
use super::deeds::{Line, What};
use super::flash_file::FlashFile;
use super::lines::Lines;
use super::wake::wait_for;
use crate::virtual_module::Settings;
use crate::virtual_module::board::Output;
use crate::virtual_module::lies::Lies;
use crate::virtual_module::link::{Link, News};
use crate::virtual_module::module::{Module, Network};
use crate::virtual_module::pty::Pty;
use crate::virtual_module::stranger::Strangers;
use crate::virtual_module::voice;

/// The least time it stands still after a message: the kernel brings the bytes to the host's
/// side only after a moment, and the host takes a moment to act.
const HOLD_MIN: Duration = Duration::from_micros(100);
/// How often it looks whether the host has read.
const HOLD_STEP: Duration = Duration::from_micros(50);

#[derive(Debug)]
pub(super) struct Life {
    module: Module,
    clock: Clock,
    pty: Pty,
    link: Link,
    flash_file: Option<FlashFile>,
    lines: Lines,
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

impl Drop for Life {
    fn drop(&mut self) {
        self.lines.has_ended();
    }
}

impl Life {
    pub(super) fn new(settings: &Settings, pty: Pty, lines: Lines) -> io::Result<Self> {
        let (module, flash_file) = FlashFile::power_up(settings)?;
        let speed = settings.speed.max(1);
        Ok(Self {
            module,
            clock: Clock::new(speed),
            pty,
            link: Link::new(lines.wake().clone(), Strangers::new(&settings.defects)),
            flash_file,
            lines,
            hold_max: settings.waits_for_host,
            unread: false,
            shifter: Shifter {
                to_module: true,
                to_host: true,
            },
            lies: Lies::new(&settings.defects, speed),
        })
    }

    /// Lives until it is told to stop.
    pub(super) fn live(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while !self.lines.is_to_stop() {
            self.lines.wake().rest();
            let now = self.follow_bench(&mut buffer)?;
            self.hear(now, &mut buffer)?;
            let spoke = self.live_until(self.clock.at(now))?;
            self.keep_flash()?;
            if spoke {
                self.hold()?;
            } else {
                self.lines.has_lived_to(now);
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Lets the module feel what the bench did, each deed at its moment, and gives the time:
    /// nothing that is yet to be done is earlier.
    fn follow_bench(&mut self, buffer: &mut [u8]) -> io::Result<Instant> {
        let (deeds, now) = self.lines.take_deeds();
        if deeds.iter().any(|deed| deed.what != What::Sent) {
            self.pty.forget_exclusive_host()?;
        }
        for deed in deeds {
            let at = self.clock.at(deed.at);
            self.live_through(at)?;
            match deed.what {
                What::Level(line, level) => self.follow(line, level, at)?,
                What::Sent => self.hear_host(at, buffer)?,
            }
        }
        if let Some(at) = self.lies.late_cut_by(self.clock.at(now)) {
            self.live_through(at)?;
            self.cut_power()?;
        }
        Ok(now)
    }

    /// Takes what the network has sent, and a host that does not say when it sends. It was sent
    /// before anything that the module has yet to do, so it is heard before that, however late
    /// this thread has its turn.
    fn hear(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<()> {
        let now = self.clock.at(now);
        self.hear_host(now, buffer)?;
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

    fn hear_host(&mut self, now: Duration, buffer: &mut [u8]) -> io::Result<()> {
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
        Ok(())
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
                    self.lines.stop();
                    return Ok(false);
                }
                // Before the bytes: who reads them finds when they were said.
                self.lines.says(self.clock.when(self.module.now()));
                let host_rate = self.pty.host_rate()?;
                if host_rate == rate {
                    self.pty.write(&bytes)?;
                } else {
                    self.pty.write(&voice::garbled(&bytes, rate, host_rate))?;
                }
                return Ok(true);
            }
            Output::VddExt(up) => {
                let at = self.clock.when(self.module.now());
                self.lines.change_vdd_ext(up, at);
            }
            Output::Connect { host, port } => self.link.connect(&host, port),
            Output::Send(bytes) => self.link.send(&bytes),
            Output::Close => self.link.close(),
            Output::Vanish => self.link.vanish(),
        }
        Ok(false)
    }

    /// Stands still until the host has read, or done something, or it has been long enough.
    fn hold(&mut self) -> io::Result<()> {
        self.lines.stands_still();
        let life = self.module.now();
        let since = Instant::now();
        if self.unread && self.pty.is_read()? {
            self.unread = false;
        }
        while !self.unread {
            let mut fds = [self.lines.poll_fd()];
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
        // It has stood still until the first deed, not until this thread had its turn: the deeds
        // keep their distances.
        self.clock.set(life, self.lines.goes_on());
        Ok(())
    }

    fn wait(&self) -> io::Result<()> {
        let mut host = PollFlags::IN;
        if self.pty.has_backlog() {
            host |= PollFlags::OUT;
        }
        let mut fds = vec![
            self.lines.poll_fd(),
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
            due.map(|due| self.clock.when(due).saturating_duration_since(now))
        };
        wait_for(&mut fds, timeout)?;
        Ok(())
    }

    fn keep_flash(&mut self) -> io::Result<()> {
        let flash = self.module.flash_mut();
        match &self.flash_file {
            Some(file) => file.keep(flash),
            None => {
                flash.take_changed();
                Ok(())
            }
        }
    }
}
