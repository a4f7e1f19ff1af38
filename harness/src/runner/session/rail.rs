//! The module's rail, where the rig can sense it: looked at, and told of by its edges.
//!
//! A look says what the rail is then. The kernel notes an edge when it happens, so that a fall is
//! dated though we were busy, and a rail that came up between two looks is seen; it may tell of it
//! only after we have looked.

use std::time::Duration;

use dfota::timeline::{Event, Power};

use super::{Session, Stop};

/// How often the rail is looked at until it is down.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a rail may take to fall beyond the bench's time off. What is up then stays up.
const DOWN_WITHIN: Duration = Duration::from_secs(30);
/// And with a fast virtual module, at least: its thread needs its turn on a busy machine.
const DOWN_FLOOR: Duration = Duration::from_secs(1);
/// How long the kernel may take to tell of an edge of a line that has moved: its tick, and more.
const TOLD_WITHIN: Duration = Duration::from_millis(50);

impl Session<'_> {
    /// Notes what the rail is, and what it did since the last deed, where the rig can tell.
    pub(in crate::runner) fn sense(&mut self) -> Result<Option<bool>, Stop> {
        let Some(line) = &mut self.rig.power_good else {
            return Ok(None);
        };
        // In this order: what moves in between shows in the level.
        let edges = line.edges()?.unwrap_or_default();
        let is = line.read()?;
        let mut told = None;
        // What was before the last deed does not answer to it.
        let deed = self.last_deed;
        for edge in edges.iter().filter(|edge| edge.at >= deed) {
            let since = Some(self.moment(edge.at));
            let up = edge.asserted;
            self.happened(Event::Rail { up, since })?;
            told = Some(up);
        }
        if let Some(up) = is
            && told != is
        {
            self.happened(Event::Rail { up, since: None })?;
        }
        Ok(is)
    }

    fn look_at_rail(&mut self) -> Result<Option<bool>, Stop> {
        match &mut self.rig.power_good {
            Some(line) => Ok(line.read()?),
            None => Ok(None),
        }
    }

    /// Lets the power be off until the moment `until`, and then until the rail is down, where
    /// that is sensed, but not for ever: a rail that stays up stands in the timeline as it is,
    /// right before whatever follows, and no cut is proved by it.
    pub(in crate::runner) fn stay_off_until(&mut self, until: Duration) -> Result<(), Stop> {
        let bound = self.pace(DOWN_WITHIN).max(DOWN_FLOOR);
        let given_up = match self.rail_is_stuck {
            true => until,
            false => until + bound,
        };
        if self.look_at_rail()? == Some(true) {
            while self.look_at_rail()? == Some(true) && self.now() < given_up {
                self.pass(LOOK_EVERY)?;
            }
            self.rail_is_stuck = self.sense()? == Some(true);
        }
        self.pass(until.saturating_sub(self.now()))?;
        self.sense().map(drop)
    }

    /// When the rail fell, after the supply was last switched off, by its edge; `None` where it
    /// did not, or its edges are not told of.
    pub(in crate::runner) fn rail_fell(&mut self) -> Result<Option<Duration>, Stop> {
        self.pass(TOLD_WITHIN)?;
        self.sense()?;
        let mut since_off = self
            .timeline
            .iter()
            .rev()
            .take_while(|entry| !matches!(entry.event, Event::Supply { to: Power::Off, .. }));
        Ok(since_off.find_map(|entry| match entry.event {
            Event::Rail { up: false, since } => since,
            _ => None,
        }))
    }
}
