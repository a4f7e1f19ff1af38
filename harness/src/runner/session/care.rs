//! Where a session's module stands, for whoever must end the case: this process, or its guardian.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use dfota::message::Message;
use rig::console::CHUNK_LEN_MAX;

use super::{Session, Stop};
use crate::guardian::Guardian;
use crate::interrupt::Urgency;
use crate::safety::{Standing, Supply};
use crate::systemd;

impl<'a> Session<'a> {
    /// From now on `guardian` is told where the module stands.
    pub(in crate::runner) fn guarded_by(&mut self, guardian: Option<&'a mut Guardian>) {
        self.guardian = guardian;
    }

    /// How long the power is held of a module that updates, in its own time.
    pub(in crate::runner) fn hold_at_most(&mut self, time: Duration) {
        self.hold_max = time;
    }

    /// The moment until which it is held, from now.
    pub(in crate::runner) fn held_until(&self) -> Duration {
        self.now() + self.deadline(self.hold_max)
    }

    /// Whether an earlier run may have left the module at its flash, so that it is cared for as
    /// one that updates, whatever this case has seen so far.
    pub(in crate::runner) fn assume_updating(&mut self, it_may: bool) {
        self.assume_updating = it_may;
    }

    /// The module was switched on before this case.
    pub(in crate::runner) fn is_on(&mut self) {
        self.standing.supply = Supply::On;
        self.tell_guardian();
    }

    /// Where the module stands, for whoever must end the case.
    pub(in crate::runner) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// A pulse that was begun and never ended would hold the module in reset, or switch it on. A line
    /// that refuses shows by what becomes of the module.
    pub(in crate::runner) fn end_pulses(&mut self) {
        let pins = [&mut self.rig.reset, &mut self.rig.pwrkey];
        for line in pins.into_iter().flatten() {
            let _ = line.release();
        }
    }

    /// Whether what happens is still kept.
    pub(in crate::runner) fn keeps_evidence(&self) -> bool {
        self.lost.is_none()
    }

    /// The evidence can be written no more, because of `error`, and the module is still to be cared
    /// for.
    pub(in crate::runner) fn give_up_evidence(&mut self, error: io::Error) {
        self.folder.give_up();
        self.lost.get_or_insert(error);
    }

    /// Why there is no more evidence, if there is none.
    pub(in crate::runner) fn lost_evidence(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// Waits for the module or an interrupt, at most `limit`, and hears what the module says
    /// without keeping it: for when the case is beyond evidence. A console that is gone says
    /// nothing.
    pub(in crate::runner) fn overhear(&mut self, limit: Duration) -> Result<Vec<Message>, Urgency> {
        let urgency = self.interrupt.urgency();
        if urgency > self.heeded {
            self.heeded = urgency;
            return Err(urgency);
        }
        let _ = self.beat();
        let mut chunk = [0; CHUNK_LEN_MAX];
        let woken = self.rig.console.wait(self.inbox.waker().as_fd(), limit);
        let n = match woken {
            Ok(woken) if woken.console => self.rig.console.read(&mut chunk),
            other => other.map(|_| 0),
        };
        self.inbox.waker().rest();
        let Ok(n) = n else {
            std::thread::sleep(limit);
            self.rig.console.open_again();
            return Ok(Vec::new());
        };
        let lines = self.splitter.push(self.now(), &chunk[..n]);
        Ok(lines
            .iter()
            .map(|line| self.understanding.line(line))
            .collect())
    }

    /// Asks whether the application runs, for who overhears the answer.
    pub(in crate::runner) fn ask_unheard(&mut self) {
        self.understanding.sent(b"AT\r");
        // A console that is gone is not asked.
        let _ = self.rig.console.write(b"AT\r");
    }

    /// Tells the guardian, if there is one, where the module stands.
    pub(super) fn tell_guardian(&mut self) {
        if let Some(guardian) = &mut self.guardian {
            guardian.tell(&self.standing);
        }
    }

    /// Says that this process lives, to whoever would act for it if it did not.
    pub(super) fn beat(&mut self) -> Result<(), Stop> {
        systemd::alive();
        let Some(guardian) = &mut self.guardian else {
            return Ok(());
        };
        guardian.beat(&self.standing);
        if guardian.is_gone() && !std::mem::replace(&mut self.unguarded, true) {
            return Err(Stop::Unguarded);
        }
        Ok(())
    }
}
