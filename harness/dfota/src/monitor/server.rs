//! What the package server saw, held against what the module said.

mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::brief::Brief;
use crate::monitor::callers::Callers;
use crate::monitor::context::Context;
use crate::monitor::phase::{End, Phase};
use crate::monitor::update::Attempt;
use crate::rules;
use crate::timeline::{ServerEvent, Stage};

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
    callers: Callers,
    /// The address to which the answer went that made the package whole.
    had_by: Option<IpAddr>,
    /// The bytes that the module has of the package, as far as the answers say.
    assembly: Option<Assembly>,
    /// The percentage that was furthest ahead, and the share then delivered.
    ahead: Option<(u32, u64)>,
    /// The latest percentage, which waits for a sample of delivered bytes.
    waiting: Option<u32>,
    /// A percentage that was told before the last sample, and is decided by the next.
    held: Option<u32>,
    /// The module has no more than this of the package.
    at_most: u64,
    size: u64,
    /// The first request asked for the rest of what an earlier command had begun.
    goes_on: bool,
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
    /// The first byte that was asked for.
    asked: u64,
    /// The first byte that comes.
    from: u64,
    peer: Option<IpAddr>,
}

/// What the answers make together.
#[derive(Clone, Copy, Debug)]
struct Assembly {
    honest: bool,
    /// The last answer delivered all that it declared, where it declared something.
    as_declared: Option<bool>,
    /// How far into the package it reaches.
    until: u64,
    /// How far what was sent reaches: where a connection was reset, the module may have more than
    /// it had acknowledged when we last looked.
    sent_until: u64,
    /// The module left out a part, and asked for what follows it.
    skipped: bool,
    /// All of it is of this command: a module may go on with what an earlier one had brought.
    from_start: bool,
}

impl Delivery {
    /// Whether the package server had anything to do since the last command.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests == 0
    }

    /// Whether the download goes on with what an earlier command had brought.
    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on
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
                peer,
            } => {
                let complete = self.is_complete();
                self.callers.asked(*peer, complete, attempt, context);
                let open = Open {
                    get: method == "GET",
                    asked: range_from.unwrap_or(0),
                    from: range_from.unwrap_or(0),
                    peer: *peer,
                };
                self.request(*connection, open, attempt, context)
            }
            ServerEvent::Acked {
                connection,
                from,
                bytes,
                sent,
                of,
            } => {
                if let Some(open) = self.open.get_mut(connection) {
                    open.from = *from;
                    if let Some(peer) = open.peer {
                        self.callers.heard_from(peer, context);
                        if self.had_by.is_some_and(|other| other != peer) {
                            self.callers.takes_what_another_has(context);
                        }
                    }
                }
                // An acknowledgement takes its time on the way, and the module need not wait
                // for it: what it has is bounded by what was sent.
                let sent = sent.unwrap_or(*bytes).max(*bytes);
                self.arrived(from.saturating_add(sent), *of);
                self.check_size(*of, attempt, context);
                Course::Unchanged
            }
            ServerEvent::Closed {
                connection,
                status,
                acked,
                sent,
                declared,
                honest,
                ..
            } => {
                context.ledger.relevant(&rules::MANIFEST_PACKAGE);
                // One of an earlier command may be over only now.
                let of_this_command = self.open.contains_key(connection);
                let course = self.closed(*connection, *status, (*acked, *sent), *declared, *honest);
                if !honest {
                    self.dishonest(attempt.filter(|_| of_this_command), context);
                }
                course
            }
            ServerEvent::Stranger {
                why, turned_away, ..
            } => {
                let served = !self.open.is_empty();
                let turned_away = u64::from(*turned_away);
                self.callers
                    .refused(why, (1, turned_away), served, attempt, context);
                Course::Unchanged
            }
            ServerEvent::MoreStrangers { count, turned_away } => {
                let served = !self.open.is_empty();
                self.callers.refused(
                    "for want of room",
                    (*count, *turned_away),
                    served,
                    attempt,
                    context,
                );
                Course::Unchanged
            }
        }
    }

    fn request(
        &mut self,
        connection: u64,
        open: Open,
        attempt: Option<&Attempt>,
        context: &mut Context<'_>,
    ) -> Course {
        self.requests = self.requests.saturating_add(1);
        if self.requests == 1 {
            self.goes_on = open.from > 0;
        }
        context.ledger.relevant(&rules::SERVER_REACHED);
        if self.open.len() < OPEN_MAX {
            self.open.insert(connection, open);
        }
        let requests = self.requests;
        context.check(
            &rules::CONNECTIONS,
            requests <= crate::guide::CONNECTIONS_MAX,
            || format!("the module made {requests} requests for one command"),
            format!("at most {}", crate::guide::CONNECTIONS_MAX),
        );
        if attempt.is_some_and(|attempt| attempt.phase == Phase::Ended(End::Dropped))
            && context.alive
        {
            context.fail(
                &rules::NOT_SAVED,
                "after a power loss before `START` the module called the server by itself",
                "nothing until the next command",
            );
        }
        Self::check_over(attempt, context);
        let complete = self.is_complete();
        if complete && attempt.is_some_and(Attempt::is_served_honestly) {
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

    /// The module asks for something, long after it said that it is through.
    fn check_over(attempt: Option<&Attempt>, context: &mut Context<'_>) {
        // The server's word may come a moment after the module's.
        let settled = |since: Duration| context.moment.at > since + context.brief.settle;
        if let Some(over) = attempt.and_then(Attempt::download_over)
            && settled(over)
        {
            context.fail(
                &rules::CONNECTIONS,
                "the module called the server though no download was under way",
                "no connection after the download, nor after a refusal",
            );
        }
    }

    /// Whether the module has the whole package, every byte right.
    fn is_complete(&self) -> bool {
        self.assembly.is_some_and(|assembly| {
            assembly.honest && assembly.as_declared == Some(true) && self.reaches_end(assembly)
        })
    }

    /// At most so many bytes have arrived by now.
    fn arrived(&mut self, at_most: u64, size: u64) {
        self.size = size;
        self.at_most = at_most;
        // A sample may have been taken a moment before the line that it follows in the log, so
        // the one after it decides: it counts at least the bytes that the module had then.
        let decided = std::mem::replace(&mut self.held, self.waiting.take());
        self.compare(decided);
    }

    /// Holds a percentage against the bytes that may have arrived by now.
    fn compare(&mut self, percent: Option<u32>) {
        let Some(percent) = percent else { return };
        let Some(share) = self.at_most.saturating_mul(100).checked_div(self.size) else {
            return;
        };
        let by = u64::from(percent).saturating_sub(share);
        let is_worst = |(percent, share)| by > u64::from(percent).saturating_sub(share);
        if by > AHEAD_MAX && self.ahead.is_none_or(is_worst) {
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
        (acked, sent): (u64, Option<u64>),
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
        let sent = sent.unwrap_or(acked).max(acked);
        let sent_until = self.at_most.max(from.saturating_add(sent));
        if declared.is_some_and(|declared| acked >= declared) {
            // The last sample is the last word: nothing that waits may be ahead of it.
            self.arrived(from.saturating_add(acked), self.size);
        } else {
            // A connection that breaks takes the last count with it, so what was told just
            // before cannot be held against it.
            self.waiting = None;
            self.held = None;
            self.at_most = from.saturating_add(acked);
        }
        let held = self.held.take();
        self.compare(held);
        let earlier = self.assembly.filter(|_| from > 0);
        // What nobody asked for is missing, whatever follows it. What an answer that is still
        // open has brought is not known.
        let alone = self.open.is_empty();
        let gap = alone && earlier.is_some_and(|earlier| from > earlier.sent_until);
        let skips = alone && earlier.is_some_and(|earlier| open.asked > earlier.sent_until);
        self.assembly = Some(Assembly {
            honest: honest && !gap && earlier.is_none_or(|earlier| earlier.honest),
            as_declared: declared.map(|declared| acked >= declared),
            // What comes after the declared length is no part of the answer (RFC 9112, 6.3).
            until: from.saturating_add(declared.map_or(acked, |declared| acked.min(declared))),
            sent_until,
            skipped: skips || earlier.is_some_and(|earlier| earlier.skipped),
            from_start: from == 0 || earlier.is_some_and(|earlier| earlier.from_start),
        });
        if self.is_complete() {
            self.had_by = open.peer;
        }
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
        let planned = match attempt {
            Some(attempt) => !attempt.is_served_honestly(),
            None => context.brief.plans_server_fault(),
        };
        if !planned {
            context.invalid(
                &rules::MANIFEST_PACKAGE,
                "what was served is not the package in the manifest",
                "the manifest's bytes, since no fault of the server is planned here",
            );
        }
    }
}
