//! How the rig around the module lies: what stands between the module and its host, and is not
//! what it seems. Each lie is a [`Defect`] whose id begins with `H`, and none is told unasked.

use std::time::Duration;

use super::Defect;

/// How late a late cut is. A relay does not live faster with the module.
const LATE: Duration = Duration::from_secs(3);
/// How long capacitors hold a module that a cut should have ended, in its own time.
const HELD: Duration = Duration::from_secs(20 * 60);
/// Of so many bytes a console that drops some drops one.
const DROPS_ONE_IN: usize = 97;
/// What a cache answers from, and what ends an answer.
const CACHED: &[u8] = b"ATI\r";
const ANSWER_ENDS: &[u8] = b"\r\nOK\r\n";
/// Most bytes of an answer that are remembered.
const ANSWER_LEN_MAX: usize = 1024;
/// The console is pulled with the first line that has this.
const PULLED_AT: &[u8] = b"\"UPDATING\"";

#[derive(Debug)]
pub(super) struct Lies {
    /// VBAT is never cut.
    powered_for_ever: bool,
    /// VBAT is cut so much late, in the module's time.
    cuts_late_by: Option<Duration>,
    /// When it is to be cut, in the module's time.
    late_cut: Option<Duration>,
    /// A host's line that is driven feeds the module.
    fed_by_uart: bool,
    /// It does so now, and nothing else does.
    is_fed: bool,
    drops_bytes: bool,
    bytes: usize,
    /// RESET_N leads nowhere.
    pub(super) reset_goes_nowhere: bool,
    /// PWRKEY's line opens the supply of a module that is on.
    pub(super) pwrkey_is_supply: bool,
    /// And does so now.
    pub(super) pwrkey_holds_supply: bool,
    /// What the adapter holds back; the last that was said.
    stale: Option<Vec<u8>>,
    cache: Option<Cache>,
    pulls_console: bool,
    is_pulled: bool,
}

/// Something between host and module that remembers an answer.
#[derive(Debug, Default)]
struct Cache {
    asked: bool,
    answer: Vec<u8>,
    whole: bool,
}

impl Lies {
    pub(super) fn new(defects: &[Defect], speed: u32) -> Self {
        let has = |defect| defects.contains(&defect);
        let late = has(Defect::H04).then_some(LATE * speed);
        Self {
            powered_for_ever: has(Defect::H01) || has(Defect::H03),
            cuts_late_by: late.or(has(Defect::H17).then_some(HELD)),
            late_cut: None,
            fed_by_uart: has(Defect::H16),
            is_fed: false,
            drops_bytes: has(Defect::H07),
            bytes: 0,
            reset_goes_nowhere: has(Defect::H19),
            pwrkey_is_supply: has(Defect::H20),
            pwrkey_holds_supply: false,
            stale: has(Defect::H18).then(Vec::new),
            cache: has(Defect::H10).then(Cache::default),
            pulls_console: has(Defect::H22),
            is_pulled: false,
        }
    }

    /// VBAT is cut at `at`, with the host's line driven or not: whether that takes the power now.
    pub(super) fn cuts(&mut self, at: Duration, driven: bool) -> bool {
        if self.powered_for_ever {
            return false;
        }
        self.late_cut = self.cuts_late_by.map(|late| at + late);
        self.is_fed = self.fed_by_uart && driven;
        self.late_cut.is_none() && !self.is_fed
    }

    /// The host's line is let go of: whether the module was living by it.
    pub(super) fn feeding_ends(&mut self) -> bool {
        std::mem::take(&mut self.is_fed)
    }

    pub(super) fn supply_is_back(&mut self) {
        self.late_cut = None;
        self.is_fed = false;
    }

    /// When a late cut comes.
    pub(super) fn next_cut(&self) -> Option<Duration> {
        self.late_cut
    }

    /// The late cut that has come by `now`, once.
    pub(super) fn late_cut_by(&mut self, now: Duration) -> Option<Duration> {
        self.late_cut.take_if(|at| *at <= now)
    }

    /// What the adapter has held back from before the cut.
    pub(super) fn stale(&mut self) -> Option<Vec<u8>> {
        self.stale.as_mut().map(std::mem::take)
    }

    /// The answer to what the host has sent, where it never reaches the module.
    pub(super) fn answer(&mut self, sent: &[u8]) -> Option<Vec<u8>> {
        let cache = self.cache.as_mut()?;
        if sent != CACHED {
            cache.asked = false;
            return None;
        }
        if cache.whole {
            return Some(cache.answer.clone());
        }
        cache.asked = true;
        cache.answer.clear();
        None
    }

    /// What the host gets of what the module says.
    pub(super) fn on_the_console(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.drops_bytes {
            bytes.retain(|_| {
                self.bytes += 1;
                !self.bytes.is_multiple_of(DROPS_ONE_IN)
            });
        }
        if let Some(stale) = &mut self.stale {
            stale.clone_from(&bytes);
        }
        if let Some(cache) = &mut self.cache
            && cache.asked
        {
            cache.answer.extend_from_slice(&bytes);
            cache.whole = cache.answer.ends_with(ANSWER_ENDS);
            cache.asked = !cache.whole && cache.answer.len() < ANSWER_LEN_MAX;
        }
        self.is_pulled |= self.pulls_console
            && bytes
                .windows(PULLED_AT.len())
                .any(|window| window == PULLED_AT);
        bytes
    }

    /// Whether somebody has pulled the console.
    pub(super) fn console_is_gone(&self) -> bool {
        self.is_pulled
    }
}
