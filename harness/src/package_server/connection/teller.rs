//! Tells the runner how a reply goes on.

use std::time::Duration;

use tokio::time::Instant;

use crate::package_server::NamedPlan;
use crate::package_server::gate::Shared;
use crate::package_server::playout::Watcher;
use crate::package_server::record::{Fired, Seen};
use crate::package_server::script::Script;
use crate::package_server::standing::Standing;

/// Why nothing is served any more.
pub(super) const SPENT: &str = "as many bytes as the limits allow a day were sent";
/// The least time between two reports of progress, unless half a percent has gone in between.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Tells nothing, and ends no answer before its end: whoever is refused is refused in few bytes.
pub(super) struct Silent<'a>(pub(super) &'a Shared);

impl Watcher for Silent<'_> {
    fn wrote(&mut self, bytes: u64) -> bool {
        let _more_may_be = self.0.sent(bytes);
        true
    }

    fn acked(&mut self, _bytes: u64, _sent: u64) {}
    fn fired(&mut self, _fired: &Fired) {}
}

/// Tells the runner how a reply goes on.
pub(super) struct Teller<'a> {
    pub(super) shared: &'a Shared,
    pub(super) standing: &'a Standing,
    pub(super) connection: u64,
    pub(super) named: Option<&'a NamedPlan>,
    pub(super) script: &'a Script,
    pub(super) from: u64,
    pub(super) of: u64,
    /// Bytes of the honest body.
    pub(super) body: u64,
    pub(super) told: u64,
    pub(super) told_at: Instant,
    pub(super) fired: Vec<String>,
}

impl Watcher for Teller<'_> {
    fn wrote(&mut self, bytes: u64) -> bool {
        let may_go_on = self.shared.sent(bytes);
        if !may_go_on {
            let trouble = format!("the reply is not served to its end: {SPENT}");
            self.shared.tell(Seen::Trouble(trouble));
        }
        may_go_on
    }

    fn acked(&mut self, bytes: u64, sent: u64) {
        let bytes = bytes.saturating_sub(self.script.head_length);
        let sent = sent.saturating_sub(self.script.head_length);
        let step = bytes.saturating_sub(self.told);
        let worth_it =
            step * 200 >= self.of || bytes == self.body || self.told_at.elapsed() >= TELL_EVERY;
        if step > 0 && worth_it {
            self.told = bytes;
            self.told_at = Instant::now();
            let (connection, from, of) = (self.connection, self.from, self.of);
            self.shared.tell(Seen::Acked {
                connection,
                from,
                bytes,
                sent,
                of,
            });
        }
    }

    fn fired(&mut self, fired: &Fired) {
        self.fired.push(fired.what.clone());
        let Some(named) = self.named else { return };
        if self.fired.len() != self.script.operations {
            return;
        }
        if named.plan.network.is_some() {
            // The other half of its proof comes when the plan ends.
            self.standing.has_played(&named.name);
            return;
        }
        self.shared.tell(Seen::FaultFired {
            name: named.name.clone(),
            connection: Some(self.connection),
            at_byte: fired.at_byte.saturating_sub(self.script.head_length),
            acked: fired.acked.saturating_sub(self.script.head_length),
            text: self.fired.join("; "),
        });
    }
}
