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
    /// The boot follows the power, which may have eaten the banner's first line.
    powered: bool,
    /// The lines of this module's banner, as the first whole one had them.
    shape: Option<Shape>,
    /// Whether this module ever said anything at a boot.
    pub(crate) seen: bool,
    /// Whether it ever printed a banner. Without, only `RDY` tells of a boot, and the boot
    /// into the update has none.
    pub(crate) banner_seen: bool,
}

/// Where in a boot banner we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Banner {
    Outside,
    /// Inside: the next label of [`guide::BANNER`] that may come, and those that came, a bit
    /// each.
    Inside {
        next: usize,
        seen: u8,
    },
}

/// Which lines a banner had.
#[derive(Clone, Copy, Debug)]
struct Shape {
    seen: u8,
    powered: bool,
}

/// The banner's first line.
const FIRST: u8 = 1;

impl Default for Boots {
    fn default() -> Boots {
        Boots {
            // What the module did before the run's first entry is not known.
            expected: true,
            of_update: 0,
            banner: Banner::Outside,
            rdy_may_come: false,
            powered: true,
            shape: None,
            seen: false,
            banner_seen: false,
        }
    }
}

impl Boots {
    /// The power came on, or the module is made to start anew.
    pub(crate) fn expect_one(&mut self) {
        self.expected = true;
        self.powered = true;
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

    /// `UPDATING` came: one boot is left, out of the update.
    pub(crate) fn updating(&mut self) {
        self.of_update = 1;
    }

    /// An update that was interrupted goes on after the boot that is expected; one more
    /// ends it.
    pub(crate) fn update_interrupted(&mut self) {
        self.of_update = 1;
    }

    /// `END` came.
    pub(crate) fn end(&mut self, context: &mut Context<'_>) {
        if self.rdy_may_come {
            context
                .ledger
                .note("dialect: `END` comes before `RDY`, or `RDY` is missing");
        }
        // Without a banner the `RDY` of the last boot may still come, and tell of it.
        if self.banner_seen {
            self.update_ended();
        }
    }

    /// The update is known to be over.
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
                self.rdy_may_come = true;
                self.banner = Banner::Inside {
                    next: 1,
                    seen: FIRST,
                };
                true
            }
            Message::BootText(BootText::Register) => self.register(bytes, context),
            Message::BootText(BootText::LeavingTheBrom) => {
                self.rdy_may_come = true;
                match std::mem::replace(&mut self.banner, Banner::Outside) {
                    Banner::Inside { seen, .. } => {
                        self.whole(seen, context);
                        false
                    }
                    Banner::Outside => true,
                }
            }
            Message::Unrecognised => false,
            other => {
                self.broken_off(context);
                *other == Message::Urc(Urc::Rdy)
                    && !std::mem::replace(&mut self.rdy_may_come, false)
            }
        };
        self.banner_seen |= matches!(message, Message::BootText(_));
        if begins {
            self.seen = true;
            self.account(context);
        }
        begins
    }

    fn register(&mut self, bytes: &[u8], context: &mut Context<'_>) -> bool {
        let label = urc::trim(bytes).get(..2).unwrap_or_default();
        let place = guide::BANNER.iter().position(|known| *known == label);
        let Some(place) = place else {
            // A bootloader's own line, in the banner or after it.
            return false;
        };
        let (next, seen, begins) = match self.banner {
            Banner::Inside { next, seen } => (next, seen, false),
            Banner::Outside => (0, 0, true),
        };
        context.check(
            &rules::BANNER_IN_ORDER,
            place >= next,
            || {
                let label = String::from_utf8_lossy(guide::BANNER[place]);
                format!("`{label}:` came out of order")
            },
            "`F1`, `V0`, `00`, `01`, `U0`, `T0`, `Leaving the BROM`",
        );
        self.rdy_may_come = true;
        self.banner = Banner::Inside {
            next: next.max(place + 1),
            seen: seen | 1 << place,
        };
        begins
    }

    /// The banner's last line came.
    fn whole(&mut self, seen: u8, context: &mut Context<'_>) {
        let this = Shape {
            seen,
            powered: self.powered,
        };
        let Some(usual) = self.shape else {
            self.shape = Some(this);
            return;
        };
        if usual.powered {
            self.shape = Some(this);
        }
        let mut differing = usual.seen ^ this.seen;
        if usual.powered || this.powered {
            differing &= !FIRST;
        }
        context.check(
            &rules::BANNER_IN_ORDER,
            differing == 0,
            || "a boot banner has other lines than the one before".to_owned(),
            "the same lines at every boot",
        );
    }

    /// A line came that is no boot text.
    fn broken_off(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.banner, Banner::Outside) != Banner::Outside {
            context.fail(
                &rules::BANNER_IN_ORDER,
                "a boot banner breaks off before its last line",
                "`Leaving the BROM`",
            );
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
            self.powered = false;
            self.of_update = self.of_update.saturating_sub(1);
        }
    }
}
