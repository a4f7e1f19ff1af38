//! Boots: what of the wire is one, and whether it was to be expected.

use crate::guide;
use crate::message::{BootText, Message};
use crate::monitor::context::Context;
use crate::rules;
use crate::urc::{self, Urc};

/// What was seen of boots so far.
#[derive(Clone, Debug)]
pub(crate) struct Boots {
    /// The power came on or the module was reset: one boot is to be expected.
    expected: bool,
    /// Boots that the update still makes: one before `UPDATING`, one after.
    of_update: u32,
    banner: Banner,
    /// A banner came, and the `RDY` that belongs to it has not.
    rdy_may_come: bool,
    /// Whether this module ever said anything at a boot.
    pub(crate) seen: bool,
}

/// Where in a boot banner we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Banner {
    Outside,
    /// Inside: the next label of [`guide::BANNER`] that may come.
    Inside(usize),
}

impl Default for Boots {
    fn default() -> Boots {
        Boots {
            // What the module did before the run's first entry is not known.
            expected: true,
            of_update: 0,
            banner: Banner::Outside,
            rdy_may_come: false,
            seen: false,
        }
    }
}

impl Boots {
    /// The power came on, or the module is made to start anew.
    pub(crate) fn expect_one(&mut self) {
        self.expected = true;
        self.banner = Banner::Outside;
        self.rdy_may_come = false;
    }

    /// The module answers: the boot that was expected is over, seen or not.
    pub(crate) fn answers(&mut self) {
        self.expected = false;
        self.banner = Banner::Outside;
    }

    /// `START` came: the module restarts into the update and out of it.
    pub(crate) fn update_started(&mut self) {
        self.of_update = 2;
    }

    /// An update that was interrupted goes on after the boot that is expected; one more
    /// ends it.
    pub(crate) fn update_interrupted(&mut self) {
        self.of_update = 1;
    }

    /// `END` came, or the update is known to be over.
    pub(crate) fn update_ended(&mut self) {
        self.of_update = 0;
    }

    /// Whether this line begins a boot. A boot that nothing explains is a finding.
    pub(crate) fn line(
        &mut self,
        bytes: &[u8],
        message: &Message,
        context: &mut Context<'_>,
    ) -> bool {
        let begins = match message {
            Message::BootText(BootText::First) => {
                self.banner = Banner::Inside(1);
                self.rdy_may_come = true;
                true
            }
            Message::BootText(BootText::Register) => self.register(bytes, context),
            Message::BootText(BootText::LeavingTheBrom) => {
                let begins = self.banner == Banner::Outside;
                self.banner = Banner::Outside;
                self.rdy_may_come = true;
                begins
            }
            Message::Urc(Urc::Rdy) => {
                self.banner = Banner::Outside;
                !std::mem::replace(&mut self.rdy_may_come, false)
            }
            _ => false,
        };
        if begins {
            self.seen = true;
            self.account(context);
        }
        begins
    }

    fn register(&mut self, bytes: &[u8], context: &mut Context<'_>) -> bool {
        let label = urc::trim(bytes).get(..2).unwrap_or_default();
        let place = guide::BANNER.iter().position(|known| *known == label);
        match (self.banner, place) {
            // A bootloader's own lines, after the banner.
            (Banner::Outside, None) => false,
            (Banner::Outside, Some(place)) => {
                self.banner = Banner::Inside(place + 1);
                self.rdy_may_come = true;
                true
            }
            (Banner::Inside(_), None) => false,
            (Banner::Inside(next), Some(place)) => {
                context.check(
                    &rules::BANNER_IN_ORDER,
                    place >= next,
                    || {
                        format!(
                            "`{}:` came out of order",
                            String::from_utf8_lossy(guide::BANNER[place])
                        )
                    },
                    "`F1`, `V0`, `00`, `01`, `U0`, `T0`, `Leaving the BROM`",
                );
                self.banner = Banner::Inside(place.max(next - 1) + 1);
                false
            }
        }
    }

    fn account(&mut self, context: &mut Context<'_>) {
        let explained = self.expected || self.of_update > 0;
        context.check(
            &rules::UNEXPECTED_BOOT,
            explained,
            || "the module booted by itself".to_owned(),
            "a boot after power-up or reset, and two in an update",
        );
        if self.expected {
            self.expected = false;
        } else {
            self.of_update = self.of_update.saturating_sub(1);
        }
    }
}
