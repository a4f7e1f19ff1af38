//! The supply and the lines beside it, as a session switches them: each deed with what proves it.
//!
//! A cut is more than an edge. The edge comes first and waits for nothing. Then we let go of our
//! transmit line, which would feed the module; the bulk capacitor holds VBAT for milliseconds
//! (VDD_EXT falls 5 ms after it or later: BC26 hardware manual p. 22, figure 9), so microseconds
//! after the edge there is nothing to feed yet, and an output enable that is a program or a USB
//! transfer does not move the cut. Where nobody waits for the edge, the line goes first. It is
//! taken back when the module's rail is up.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use dfota::reader::What;
use dfota::timeline::{Event, Pin, Power, ReadBack, ReleasedBy, Transmit};
use rig::config::Gates;
use rig::transmit::LetGo;

use super::{Session, Stop};
use crate::safety::Supply;

/// How long bytes may still arrive after the supply was switched: what the adapter and the
/// kernel had under way. An FTDI adapter holds bytes back for up to 16 ms.
const IN_FLIGHT: Duration = Duration::from_millis(50);

impl Session<'_> {
    /// Switches the supply on, when it has been off for as long as it must. VBAT alone boots
    /// nothing: PWRKEY follows by itself, and our transmit line is still let go of.
    pub(in crate::runner) fn supply_on(&mut self) -> Result<(), Stop> {
        self.pass(self.rig.supply.off_left())?;
        // What is left in the tty was said in another life of the module.
        self.rig.console.clear()?;
        self.last_deed = Instant::now();
        self.rig.supply.assert()?;
        let at = self.now();
        let read_back = read_back(self.rig.supply.read()?, true);
        self.done(
            at,
            Event::Supply {
                to: Power::On,
                read_back,
            },
        )
    }

    /// Switches the supply off.
    pub(in crate::runner) fn supply_off(&mut self) -> Result<(), Stop> {
        self.let_go_of_transmit()?;
        let acted = self.cut()?;
        self.supply_went_off(acted, None)
    }

    /// The edge, and straight after it the transmit line; says when the edge was.
    pub(super) fn cut(&mut self) -> Result<Duration, Stop> {
        self.last_deed = Instant::now();
        self.rig.supply.cut()?;
        let acted = self.now();
        if self.transmits {
            let how = self.rig.let_go_of_transmit()?;
            self.transmits = matches!(how, LetGo::Impossible(_));
            self.let_go = Some((self.now(), let_go(how)));
        }
        Ok(acted)
    }

    /// Lines that end while bytes are still in flight were said before the cut, and stand
    /// before it in the timeline; what comes later stands after it and is evidence that the
    /// module lived on. `line` is where in the timeline the line stands, or will stand, that the
    /// cut answers to.
    pub(super) fn supply_went_off(
        &mut self,
        acted: Duration,
        line: Option<usize>,
    ) -> Result<(), Stop> {
        self.standing.supply = Supply::Off;
        self.tell_guardian();
        let off = Event::Supply {
            to: Power::Off,
            read_back: read_back(self.rig.supply.read()?, false),
        };
        self.folder.wire(acted, What::Event(off.clone()))?;
        let let_go = self.let_go.take();
        if let Some((at, event)) = &let_go {
            self.folder.wire(*at, What::Event(event.clone()))?;
        }
        let quiet = acted + IN_FLIGHT;
        let mut over = false;
        while !over {
            let left = self.left(quiet);
            over = left.is_zero();
            let woken = self.rig.console.wait(self.inbox.waker().as_fd(), left)?;
            if woken.other {
                self.take_reports()?;
            }
            if !woken.console {
                continue;
            }
            let n = self.rig.console.read(&mut self.chunk)?;
            if self.flooded_by(n).is_some() {
                continue; // that it floods is said by then, and its power goes all the same
            }
            let at = self.now();
            self.folder
                .wire(at, What::Chunk(self.chunk[..n].to_vec()))?;
            self.bytes_read += n;
            for line in self.splitter.push(at, &self.chunk[..n]) {
                self.received(line, Some(acted))?;
            }
        }
        if let Some(line) = self.splitter.cut_short() {
            self.received(line, Some(acted))?;
        }
        self.understanding.power_lost();
        self.met_by_unfinished = false;
        self.overrun = line.and_then(|from| self.overrun_since(from));
        self.happened_at(acted, off)?;
        if let Some((at, event)) = let_go {
            self.happened_at(at, event)?;
        }
        self.forget_the_past();
        self.rig.supply.remember()?;
        self.sense().map(drop)
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
    pub(in crate::runner) fn overrun(&mut self) -> Option<String> {
        self.overrun.take()
    }

    /// Lets go of our transmit line, unless that has been done.
    fn let_go_of_transmit(&mut self) -> Result<(), Stop> {
        if !self.transmits {
            return Ok(());
        }
        let how = self.rig.let_go_of_transmit()?;
        self.transmits = matches!(how, LetGo::Impossible(_));
        self.done(self.now(), let_go(how))
    }

    /// Takes our transmit line back, unless it is ours.
    pub(in crate::runner) fn take_transmit(&mut self) -> Result<(), Stop> {
        if self.transmits {
            return Ok(());
        }
        self.rig.take_transmit()?;
        self.transmits = true;
        self.done(self.now(), Event::Transmit(Transmit::Restored))
    }

    /// Whether our transmit line is let go of.
    pub(in crate::runner) fn has_let_go(&self) -> bool {
        !self.transmits
    }

    pub(super) fn pin(&mut self, pin: Pin) -> Result<&mut rig::line::Line, Stop> {
        let (line, name) = match pin {
            Pin::Pwrkey => (&mut self.rig.pwrkey, "PWRKEY"),
            Pin::ResetN => (&mut self.rig.reset, "RESET_N"),
            Pin::ConsoleEnable => (&mut self.rig.console_enable, "console enable"),
        };
        line.as_mut()
            .ok_or_else(|| Stop::Refused(format!("this rig has no {name}")))
    }

    /// Asserts or releases a line beside the supply.
    pub(in crate::runner) fn set_pin(&mut self, pin: Pin, asserted: bool) -> Result<(), Stop> {
        self.last_deed = Instant::now();
        let line = self.pin(pin)?;
        if asserted {
            line.assert()?;
        } else {
            line.release()?;
        }
        self.done(self.now(), Event::Pin { pin, asserted })
    }
}

/// How it stands in the timeline that our transmit line was let go of.
fn let_go(how: LetGo) -> Event {
    Event::Transmit(match how {
        LetGo::ByConsoleEnable(gates) => Transmit::Released {
            by: ReleasedBy::ConsoleEnable,
            deaf: gates == Gates::Both,
        },
        LetGo::ByBreak => Transmit::Released {
            by: ReleasedBy::Break,
            deaf: false,
        },
        LetGo::Impossible(why) => Transmit::Driven(why),
    })
}

fn read_back(level: Option<bool>, commanded: bool) -> ReadBack {
    match level {
        Some(level) if level == commanded => ReadBack::Agrees,
        Some(_) => ReadBack::Differs,
        None => ReadBack::Unavailable,
    }
}
