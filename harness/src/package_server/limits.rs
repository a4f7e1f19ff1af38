//! How much may happen, and the room that the system must give for it.

use std::time::Duration;

/// How much may happen at a time. The defaults suit one module on a public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one address. Carriers share addresses among customers.
    pub connections_per_address: usize,
    /// New connections a second from one address, in the long run; those that turn out to ask
    /// for the package are not counted.
    pub connections_per_second: u32,
    /// New connections from one address that may come at once.
    pub burst: u32,
    /// How long a head may take.
    pub head_within: Duration,
    /// How long the peer may acknowledge nothing while something is on its way to it. A stall
    /// that a plan asks for is not counted.
    pub progress_within: Duration,
    /// How long a connection may last altogether.
    pub connection_within: Duration,
    /// Bytes that are sent within 24 hours, to whomever.
    pub bytes_per_day: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 16,
            connections_per_address: 8,
            connections_per_second: 5,
            burst: 32,
            // A module in deep coverage takes 10 s for a round trip, and the head is one.
            head_within: Duration::from_secs(60),
            // A module's own patience is 180 s for each read.
            progress_within: Duration::from_secs(300),
            connection_within: Duration::from_secs(3_600),
            bytes_per_day: 4 << 30,
        }
    }
}

/// Descriptors that are kept for everything else: console, evidence, the content server.
const SPARE_DESCRIPTORS: u64 = 128;

/// Raises the soft limit of descriptors where the connections that may come would use it up. What
/// the system refuses is borne: the accept loop outlives a want of descriptors.
pub(super) fn make_room_for_descriptors(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = (connections as u64).saturating_add(SPARE_DESCRIPTORS);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        let _raised_or_borne = setrlimit(Resource::Nofile, limit);
    }
}
