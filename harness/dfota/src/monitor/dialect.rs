//! How this module spells what others spell otherwise: noted, and held constant.

use std::collections::BTreeMap;

use crate::monitor::context::Context;
use crate::rules;
use crate::urc::{FotaUrc, Reading};

/// The spellings seen, by what is spelled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialect {
    application: BTreeMap<&'static str, &'static str>,
    bootloader: BTreeMap<&'static str, &'static str>,
}

impl Dialect {
    /// Another firmware may run from here on.
    pub(crate) fn application_may_change(&mut self) {
        self.application.clear();
    }

    /// Another update begins, perhaps by another bootloader.
    pub(crate) fn update_begins(&mut self) {
        self.bootloader.clear();
    }

    /// A FOTA URC came; `resumed`: in an update that goes on after a cut, which the guide
    /// itself spells otherwise (§3.1 note 1).
    pub(crate) fn heard(&mut self, reading: &Reading, resumed: bool, context: &mut Context<'_>) {
        let spelling = &reading.spelling;
        context.check(
            &rules::WELL_FORMED,
            !spelling.trailing,
            || "text follows the end of a FOTA URC".to_owned(),
            "the forms of §3.1",
        );
        let spaces = ["no space after commas", "a space after commas"];
        match &reading.urc {
            FotaUrc::HttpStart => {
                let words = ["the spelling of §3.1", "the spelling of §4.1, `HTTPTART`"];
                self.hold(
                    "`HTTPSTART`",
                    words[usize::from(spelling.typo)],
                    false,
                    context,
                );
            }
            FotaUrc::Downloading(percent) => {
                let which = match percent {
                    100 => "`DOWNLOADING` at 100",
                    _ => "`DOWNLOADING` below 100",
                };
                self.hold(which, sign(spelling.percent_sign), false, context);
                self.hold(
                    "`DOWNLOADING`",
                    spaces[usize::from(spelling.spaced)],
                    false,
                    context,
                );
            }
            FotaUrc::Updating { of, .. } => {
                let fields = ["one field", "three fields"];
                let fields = fields[usize::from(of.is_some())];
                let (count, comma, percent) = match resumed {
                    false => (
                        "`UPDATING` (count)",
                        "`UPDATING` (commas)",
                        "`UPDATING` (sign)",
                    ),
                    true => (
                        "`UPDATING` when resumed (count)",
                        "`UPDATING` when resumed (commas)",
                        "`UPDATING` when resumed (sign)",
                    ),
                };
                self.hold(count, fields, true, context);
                self.hold(comma, spaces[usize::from(spelling.spaced)], true, context);
                self.hold(percent, sign(spelling.percent_sign), true, context);
            }
            FotaUrc::HttpEnd(_) => {
                self.hold(
                    "`HTTPEND`",
                    spaces[usize::from(spelling.spaced)],
                    false,
                    context,
                );
            }
            FotaUrc::Start | FotaUrc::End(_) | FotaUrc::Unknown(_) => {}
        }
    }

    fn hold(
        &mut self,
        what: &'static str,
        how: &'static str,
        by_bootloader: bool,
        context: &mut Context<'_>,
    ) {
        let seen = if by_bootloader {
            &mut self.bootloader
        } else {
            &mut self.application
        };
        let before = seen.insert(what, how);
        match before {
            None => context.ledger.note(format!("dialect: {what} with {how}")),
            Some(before) => context.check(
                &rules::SAME_DIALECT,
                before == how,
                || format!("{what} came with {how}, before with {before}"),
                "one spelling within a run",
            ),
        }
    }
}

fn sign(percent_sign: Option<bool>) -> &'static str {
    match percent_sign {
        Some(true) => "its `%`",
        Some(false) | None => "its `%` missing",
    }
}
