//! What the package server saw, held against what the module said.

use std::collections::BTreeMap;

use crate::brief::Brief;
use crate::monitor::context::Context;
use crate::monitor::phase::{End, Phase};
use crate::monitor::update::Attempt;
use crate::rules;
use crate::timeline::{ServerEvent, Stage};
use crate::urc::FotaErr;

/// Connections that are remembered at a time. A module makes one after the other.
const OPEN_MAX: usize = 32;

/// How far the percentage may be ahead of the bytes: it is rounded, and the last answer
/// may still be in the server's log when its line is judged.
const AHEAD_MAX: u64 = 5;

/// What was served since the last command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    open: BTreeMap<u64, Open>,
    pub(crate) requests: u32,
    strangers: u32,
    /// The bytes that the module has of the package, as far as the answers say.
    assembly: Option<Assembly>,
    /// The percentage that was furthest ahead, and the share then delivered.
    ahead: Option<(u32, u64)>,
    /// The latest percentage, which waits for a sample of delivered bytes.
    waiting: Option<u32>,
    /// A percentage that was told before the last sample, and is decided by the next.
    held: Option<u32>,
    delivered: u64,
    size: u64,
}

/// What happened at the server, to the module's percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Nothing that concerns it.
    Unchanged,
    /// The module asks once more: the answer decides whether it goes on or begins anew.
    MayBeginAnew,
    /// The answer began with the first byte.
    BeganAnew,
    /// The answer went on where the download had broken.
    WentOn,
}

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    get: bool,
    from: u64,
}

/// What the answers make together.
#[derive(Clone, Copy, Debug)]
struct Assembly {
    honest: bool,
    /// The last answer delivered all that it declared, where it declared something.
    as_declared: Option<bool>,
    /// How far into the package it reaches.
    until: u64,
}

impl Delivery {
    /// Whether the package server had anything to do since the last command.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests == 0
    }

    /// Something happened at the server. Gives what it means for the module's percentage.
    pub(crate) fn server(
        &mut self,
        event: &ServerEvent,
        attempt: Option<&Attempt>,
        context: &mut Context<'_>,
    ) -> Course {
        match event {
            ServerEvent::Request {
                connection,
                method,
                range_from,
            } => self.request(*connection, method, *range_from, attempt, context),
            ServerEvent::Acked {
                connection,
                from,
                bytes,
                of,
            } => {
                if let Some(open) = self.open.get_mut(connection) {
                    open.from = *from;
                }
                self.acked(from.saturating_add(*bytes), *of);
                self.check_size(*of, attempt, context);
                Course::Unchanged
            }
            ServerEvent::Closed {
                connection,
                status,
                acked,
                declared,
                honest,
                ..
            } => {
                context.ledger.relevant(&rules::MANIFEST_PACKAGE);
                let course = self.closed(*connection, *status, *acked, *declared, *honest);
                if !honest {
                    self.dishonest(attempt, context);
                }
                course
            }
            ServerEvent::Stranger { why, .. } => {
                self.stranger(why, attempt, context);
                Course::Unchanged
            }
        }
    }

    fn request(
        &mut self,
        connection: u64,
        method: &str,
        range_from: Option<u64>,
        attempt: Option<&Attempt>,
        context: &mut Context<'_>,
    ) -> Course {
        self.requests = self.requests.saturating_add(1);
        context.ledger.relevant(&rules::NO_STRANGER);
        context.ledger.relevant(&rules::SERVER_REACHED);
        if self.open.len() < OPEN_MAX {
            let open = Open {
                get: method == "GET",
                from: range_from.unwrap_or(0),
            };
            self.open.insert(connection, open);
        }
        let requests = self.requests;
        context.check(
            &rules::CONNECTIONS,
            requests <= crate::guide::CONNECTIONS_MAX,
            || format!("the module made {requests} requests for one command"),
            format!("at most {}", crate::guide::CONNECTIONS_MAX),
        );
        let complete = self.is_complete();
        let served_plainly = attempt.is_some_and(|attempt| attempt.stage != Stage::Steps)
            || !context.brief.plans_server_fault();
        if complete && served_plainly {
            context.fail(
                &rules::CONNECTIONS,
                "the module called the server again after it had the whole package",
                "no connection after the download",
            );
        }
        match self.requests {
            1 => Course::Unchanged,
            _ => Course::MayBeginAnew,
        }
    }

    /// Whether the module has the whole package, every byte right.
    fn is_complete(&self) -> bool {
        self.assembly.is_some_and(|assembly| {
            assembly.honest && assembly.as_declared == Some(true) && self.reaches_end(assembly)
        })
    }

    fn acked(&mut self, delivered: u64, size: u64) {
        self.size = size;
        self.delivered = delivered;
        // A sample may have been taken a moment before the line that it follows in the log, so
        // the one after it decides: it counts at least the bytes that the module had then.
        let decided = std::mem::replace(&mut self.held, self.waiting.take());
        self.compare(decided);
    }

    /// Holds a percentage against the bytes delivered by now.
    fn compare(&mut self, percent: Option<u32>) {
        let Some(percent) = percent else { return };
        let Some(share) = self.delivered.saturating_mul(100).checked_div(self.size) else {
            return;
        };
        if u64::from(percent) > share + AHEAD_MAX
            && self.ahead.is_none_or(|(worst, _)| percent > worst)
        {
            self.ahead = Some((percent, share));
        }
    }

    /// Whether shares of the package can be told: a planned fault may leave the bytes alone, and
    /// only delay them.
    fn delivers_the_package(&self, brief: &Brief) -> bool {
        !brief.plans_server_fault() || self.is_complete()
    }

    /// The module claims to have this much.
    pub(crate) fn percent(&mut self, percent: u32) {
        if percent <= 100 && !self.open.is_empty() {
            self.waiting = Some(percent);
        }
    }

    fn closed(
        &mut self,
        connection: u64,
        status: Option<u16>,
        acked: u64,
        declared: Option<u64>,
        honest: bool,
    ) -> Course {
        let Some(open) = self.open.remove(&connection) else {
            return Course::Unchanged;
        };
        if !open.get || !matches!(status, Some(200 | 206)) || self.is_complete() {
            return Course::Unchanged;
        }
        let from = if status == Some(200) { 0 } else { open.from };
        if declared.is_some_and(|declared| acked >= declared) {
            // The last sample is the last word: nothing that waits may be ahead of it.
            self.acked(from.saturating_add(acked), self.size);
        } else {
            // A connection that breaks takes the last count with it, so what was told just
            // before cannot be held against it.
            self.waiting = None;
            self.held = None;
            self.delivered = from.saturating_add(acked);
        }
        let held = self.held.take();
        self.compare(held);
        let earlier = self.assembly.filter(|_| from > 0);
        self.assembly = Some(Assembly {
            honest: honest && earlier.is_none_or(|earlier| earlier.honest),
            as_declared: declared.map(|declared| acked >= declared),
            until: from.saturating_add(acked),
        });
        match from {
            0 => Course::BeganAnew,
            _ => Course::WentOn,
        }
    }

    fn reaches_end(&self, assembly: Assembly) -> bool {
        self.size == 0 || assembly.until >= self.size
    }

    fn check_size(&self, of: u64, attempt: Option<&Attempt>, context: &mut Context<'_>) {
        let in_steps = attempt.is_some_and(|attempt| attempt.stage == Stage::Steps);
        let Some(package) = context.brief.package.as_ref().filter(|_| in_steps) else {
            return;
        };
        if package.size != 0 && package.size != of && !context.brief.plans_server_fault() {
            let (what, allowed) = (
                format!("a package of {of} bytes is served"),
                format!("{} bytes, as the manifest says", package.size),
            );
            context.invalid(&rules::MANIFEST_PACKAGE, what, allowed);
        }
    }

    fn dishonest(&self, attempt: Option<&Attempt>, context: &mut Context<'_>) {
        let planned = context.brief.plans_server_fault()
            && attempt.is_some_and(|attempt| attempt.stage == Stage::Steps);
        if !planned {
            context.invalid(
                &rules::MANIFEST_PACKAGE,
                "what was served is not the package in the manifest",
                "the manifest's bytes, since no fault of the server is planned here",
            );
        }
    }

    fn stranger(&mut self, why: &str, attempt: Option<&Attempt>, context: &mut Context<'_>) {
        self.strangers = self.strangers.saturating_add(1);
        let downloading = attempt.is_some_and(|attempt| {
            matches!(attempt.phase, Phase::Commanded | Phase::Downloading { .. })
        });
        if downloading && context.stage == Stage::Steps && !context.brief.plans_server_fault() {
            context.invalid(
                &rules::NO_STRANGER,
                format!("a stranger called the package server during the download: {why}"),
                "the module's requests alone",
            );
        } else {
            context.ledger.note("a stranger called the package server");
        }
    }

    /// No more comes of this attempt: do its words agree with what was delivered?
    pub(crate) fn close(&mut self, attempt: &Attempt, context: &mut Context<'_>) {
        let served = std::mem::take(self);
        if !served.is_idle() && served.delivers_the_package(context.brief) {
            let ahead = served.ahead;
            context.check(
                &rules::REAL_PROGRESS,
                ahead.is_none(),
                || {
                    let (percent, share) = ahead.unwrap_or_default();
                    format!("`DOWNLOADING` told {percent}% when {share}% were delivered")
                },
                "at most the share that was delivered",
            );
        }
        let Some(assembly) = served.assembly else {
            if attempt.downloaded() && !served.is_idle() && served.open.is_empty() {
                context.fail(
                    &rules::SHORT_DOWNLOAD,
                    "`HTTPEND,0` came, and no answer carried a package",
                    "an `<http_err>` that is not 0",
                );
            }
            return;
        };
        if let Some(as_declared) = assembly.as_declared.filter(|_| attempt.downloaded()) {
            context.check(
                &rules::SHORT_DOWNLOAD,
                as_declared,
                || "`HTTPEND,0` came after an answer that was cut short".to_owned(),
                "an `<http_err>` that is not 0",
            );
        }
        let exact = assembly.honest && served.reaches_end(assembly);
        let installed = attempt.updated || attempt.phase == Phase::Ended(End::End(FotaErr(0)));
        if installed {
            context.check(
                &rules::EXACT_PACKAGE,
                exact,
                || "a package was installed of which not every byte was right".to_owned(),
                "`END` with an error, and no `UPDATING` before it",
            );
        }
    }
}
