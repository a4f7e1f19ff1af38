//! Who called the package server: the module, or somebody else.
//!
//! A port that a cellular network can reach is found by scanners within minutes. Who does not
//! know the path, which nobody can guess, gets not a byte and changes nothing. Two things change
//! the experiment: somebody who has the path (a proxy that asks again for what it saw pass by),
//! and a crowd that leaves the module no room. Neither says anything about the module.

use std::net::IpAddr;
use std::time::Duration;

use crate::monitor::context::Context;
use crate::monitor::ledger::Moment;
use crate::monitor::phase::{End, Phase};
use crate::monitor::update::Attempt;
use crate::rules;
use crate::verdict::Verdict;

/// What is known of them since the last command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers {
    /// Where the first request came from: the module was told of the path, and nobody else.
    module: Option<IpAddr>,
    /// A request from another address, by which the module may have gone on: its network can
    /// give it a new one.
    elsewhere: Option<Moment>,
    /// Somebody was turned away while the server took the module for served.
    turned_away: Option<Moment>,
}

/// How long a request may have been on its way when the module's power goes: so long takes a round
/// trip in deep coverage.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

const ALONE: &str = "the module's requests alone";

impl Callers {
    /// Somebody asked for the package; `complete`: the module has all of it.
    pub(crate) fn asked(
        &mut self,
        peer: Option<IpAddr>,
        complete: bool,
        attempt: Option<&Attempt>,
        context: &mut Context<'_>,
    ) {
        context.ledger.relevant(&rules::NO_STRANGER);
        let Some(attempt) = attempt else {
            let what = "the package was asked for before anybody had been told of it";
            return context.invalid(&rules::NO_STRANGER, what, ALONE);
        };
        let now = context.moment.at;
        if context
            .off_since
            .is_some_and(|since| now > since + ON_ITS_WAY)
        {
            let what = "the package was asked for while the module had no power";
            return context.invalid(&rules::NO_STRANGER, what, ALONE);
        }
        let Some(peer) = peer else { return };
        if *self.module.get_or_insert(peer) == peer {
            return self.heard_from(peer, context);
        }
        if complete || attempt.download_over().is_some() {
            let what = "the package was asked for from another address after the module had it";
            return context.invalid(&rules::NO_STRANGER, what, ALONE);
        }
        self.elsewhere.get_or_insert(context.moment);
        context
            .ledger
            .note("the module went on with the download from another address");
    }

    /// This address asks, or acknowledges what it was sent.
    pub(crate) fn heard_from(&mut self, peer: IpAddr, context: &mut Context<'_>) {
        // What was acknowledged just before may be told just after.
        let since = |moment: &mut Moment| context.moment.at > moment.at + context.brief.settle;
        if self.module == Some(peer)
            && let Some(moment) = self.elsewhere.take_if(since)
        {
            let what = "the package was asked for from another address, and the first one went on";
            doubt(moment, what, context);
        }
    }

    /// This address takes bytes of the package, and another one has all of it.
    pub(crate) fn takes_what_another_has(&mut self, context: &mut Context<'_>) {
        if let Some(moment) = self.elsewhere.take() {
            let what = "the package went to two addresses, and one had it when the other went on";
            doubt(moment, what, context);
        }
    }

    /// So many who did not ask for the package were refused, and so many of these before they
    /// could say what they wanted; `served`: while an answer was under way.
    pub(crate) fn refused(
        &mut self,
        why: &str,
        (count, turned_away): (u64, u64),
        served: bool,
        attempt: Option<&Attempt>,
        context: &mut Context<'_>,
    ) {
        context.ledger.relevant(&rules::NO_STRANGER);
        context.ledger.note_times(
            "a stranger called the package server, and was refused",
            count,
        );
        let downloading = attempt.is_some_and(|attempt| is_downloading(attempt.phase));
        if turned_away == 0 || !downloading {
            return;
        }
        if served {
            // A module makes one connection after the other; but one that has lost its own may
            // call again before the server knows.
            self.turned_away.get_or_insert(context.moment);
            return;
        }
        context.invalid(
            &rules::NO_STRANGER,
            format!("somebody was turned away unheard, who may have been the module: {why}"),
            "room for the module: see that strangers do not reach the port",
        );
    }

    /// No more comes of this attempt, and the other rules have said what they have to say of it.
    pub(crate) fn close(&self, attempt: &Attempt, context: &mut Context<'_>) {
        let failed = match attempt.phase {
            Phase::Ended(End::HttpEnd(_)) => true,
            phase => is_downloading(phase),
        };
        // A fault that was planned is reason enough to fail.
        let failed = failed && attempt.is_served_honestly();
        if let Some(moment) = self.elsewhere
            && (failed || context.ledger.blames_since(moment))
        {
            let what = "the package was asked for from another address, and not all went well";
            doubt(moment, what, context);
        }
        if let Some(moment) = self.turned_away.filter(|_| failed) {
            let what = "somebody was turned away unheard, and the download failed";
            doubt(moment, what, context);
        }
    }
}

/// What came from this moment on says nothing about the module.
fn doubt(moment: Moment, what: &str, context: &mut Context<'_>) {
    context
        .ledger
        .found(&rules::NO_STRANGER, Verdict::Invalid, moment, what, ALONE);
    if let Some(entry) = moment.entry {
        context.ledger.void_from(entry);
    }
}

fn is_downloading(phase: Phase) -> bool {
    matches!(phase, Phase::Commanded | Phase::Downloading { .. })
}
