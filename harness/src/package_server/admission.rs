//! Who may connect: so many at a time, so many from one address, so many a second.
//!
//! A module shares its address with strangers where its carrier translates addresses, and a
//! scanner that holds connections open must not keep it out. So where a limit is reached, the
//! connection that has been silent longest makes room: the oldest, of the address that has most
//! of them, that has not yet asked for what is on offer. Those that have are never given up for a
//! newcomer. Pure: time is an
//! argument.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Limits;

/// The most addresses whose rate is remembered; beyond it the one seen longest ago is forgotten.
const ADDRESSES_MAX: usize = 4_096;

/// Everybody who is in.
#[derive(Debug)]
pub(super) struct Admission {
    limits: Limits,
    /// By connection number: the order of their coming.
    inside: BTreeMap<u64, Inside>,
    rates: BTreeMap<IpAddr, Bucket>,
}

#[derive(Debug)]
struct Inside {
    address: IpAddr,
    /// Whether it has asked for what is on offer.
    known: bool,
}

/// How many connections an address may still make.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In thousandths of a connection.
    left: u64,
    at: Duration,
}

/// What is to be done with a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It comes in.
    Yes,
    /// It comes in, and this connection must go.
    InsteadOf(u64),
    /// It is refused.
    No(&'static str),
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Admission {
        Admission {
            limits,
            inside: BTreeMap::new(),
            rates: BTreeMap::new(),
        }
    }

    /// A newcomer, at a time since the server was started.
    pub(super) fn arrive(&mut self, connection: u64, address: IpAddr, now: Duration) -> Admitted {
        if !self.within_rate(address, now) {
            return Admitted::No("too many connections a second from this address");
        }
        let of_address = self
            .inside
            .values()
            .filter(|inside| inside.address == address)
            .count();
        let admitted = if of_address >= self.limits.connections_per_address {
            self.instead_of(self.oldest_silent(address))
        } else if self.inside.len() >= self.limits.connections {
            let crowd = self.most_silent();
            self.instead_of(crowd.and_then(|address| self.oldest_silent(address)))
        } else {
            Admitted::Yes
        };
        if let Admitted::No(_) = admitted {
            return admitted;
        }
        self.inside.insert(
            connection,
            Inside {
                address,
                known: false,
            },
        );
        admitted
    }

    /// A connection asked for what is on offer: it stays, and is not counted in its address's rate.
    pub(super) fn known(&mut self, connection: u64) {
        if let Some(inside) = self.inside.get_mut(&connection) {
            inside.known = true;
            if let Some(bucket) = self.rates.get_mut(&inside.address) {
                bucket.left = (bucket.left + 1_000).min(u64::from(self.limits.burst) * 1_000);
            }
        }
    }

    /// A connection is over.
    pub(super) fn leave(&mut self, connection: u64) {
        self.inside.remove(&connection);
    }

    fn instead_of(&mut self, oldest: Option<u64>) -> Admitted {
        match oldest {
            None => Admitted::No("as many connections as may be are downloading"),
            Some(oldest) => {
                self.inside.remove(&oldest);
                Admitted::InsteadOf(oldest)
            }
        }
    }

    fn silent(&self) -> impl Iterator<Item = (u64, IpAddr)> {
        let silent = self.inside.iter().filter(|(_, inside)| !inside.known);
        silent.map(|(connection, inside)| (*connection, inside.address))
    }

    fn oldest_silent(&self, of: IpAddr) -> Option<u64> {
        self.silent()
            .find(|(_, address)| *address == of)
            .map(|(connection, _)| connection)
    }

    /// The address with the most silent connections.
    fn most_silent(&self) -> Option<IpAddr> {
        let mut counts = BTreeMap::<IpAddr, usize>::new();
        for (_, address) in self.silent() {
            *counts.entry(address).or_default() += 1;
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(address, _)| address)
    }

    fn within_rate(&mut self, address: IpAddr, now: Duration) -> bool {
        let full = u64::from(self.limits.burst) * 1_000;
        if self.rates.len() >= ADDRESSES_MAX && !self.rates.contains_key(&address) {
            let stalest = self
                .rates
                .iter()
                .min_by_key(|(_, bucket)| bucket.at)
                .map(|(ip, _)| *ip);
            if let Some(stalest) = stalest {
                self.rates.remove(&stalest);
            }
        }
        let bucket = self.rates.entry(address).or_insert(Bucket {
            left: full,
            at: now,
        });
        let passed = u64::try_from(now.saturating_sub(bucket.at).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(self.limits.connections_per_second));
        *bucket = Bucket {
            left: bucket.left.saturating_add(gained).min(full),
            at: now,
        };
        match bucket.left.checked_sub(1_000) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCANNER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));
    const MODULE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));
    const LIMITS: Limits = Limits {
        connections: 4,
        connections_per_address: 2,
        connections_per_second: 5,
        burst: 10,
        head_within: Duration::from_secs(60),
        progress_within: Duration::from_secs(300),
        connection_within: Duration::from_secs(3_600),
        bytes_per_day: 1,
    };

    #[test]
    fn the_oldest_that_never_asked_makes_room_for_another_of_its_address() {
        let mut admission = Admission::new(LIMITS);
        let now = Duration::ZERO;
        assert_eq!(admission.arrive(1, MODULE, now), Admitted::Yes);
        assert_eq!(admission.arrive(2, SCANNER, now), Admitted::Yes);
        assert_eq!(admission.arrive(3, SCANNER, now), Admitted::Yes);
        assert_eq!(admission.arrive(4, SCANNER, now), Admitted::InsteadOf(2));
    }

    #[test]
    fn where_all_is_full_the_address_with_most_makes_room() {
        let mut admission = Admission::new(LIMITS);
        let now = Duration::ZERO;
        let other = IpAddr::from([203, 0, 113, 10]);
        let arrivals = [(1, MODULE), (2, SCANNER), (3, other), (4, other)];
        for (connection, address) in arrivals {
            assert_eq!(admission.arrive(connection, address, now), Admitted::Yes);
        }
        let newcomer = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(admission.arrive(5, newcomer, now), Admitted::InsteadOf(3));
    }

    #[test]
    fn a_download_is_never_given_up_for_a_newcomer() {
        let mut admission = Admission::new(LIMITS);
        let now = Duration::ZERO;
        for connection in 1..=2 {
            assert_eq!(admission.arrive(connection, MODULE, now), Admitted::Yes);
            admission.known(connection);
        }
        assert!(matches!(admission.arrive(3, MODULE, now), Admitted::No(_)));
        admission.leave(1);
        assert_eq!(admission.arrive(4, MODULE, now), Admitted::Yes);
    }

    #[test]
    fn an_address_that_comes_too_often_is_refused_until_time_has_passed() {
        let mut admission = Admission::new(LIMITS);
        for connection in 0..10 {
            assert!(!matches!(
                admission.arrive(connection, SCANNER, Duration::ZERO),
                Admitted::No(_)
            ));
            admission.leave(connection);
        }
        assert!(matches!(
            admission.arrive(10, SCANNER, Duration::ZERO),
            Admitted::No(_)
        ));
        assert_eq!(admission.arrive(11, MODULE, Duration::ZERO), Admitted::Yes);
        assert!(!matches!(
            admission.arrive(12, SCANNER, Duration::from_millis(200)),
            Admitted::No(_)
        ));
    }

    #[test]
    fn a_module_may_try_again_as_often_as_it_likes() {
        let mut admission = Admission::new(LIMITS);
        for connection in 0..1_000 {
            assert_eq!(
                admission.arrive(connection, MODULE, Duration::ZERO),
                Admitted::Yes
            );
            admission.known(connection);
            admission.leave(connection);
        }
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed(arrivals in proptest::collection::vec((0_u8..4, any::<bool>(), 0_u64..2_000), 0..200)) {
            let mut admission = Admission::new(LIMITS);
            let mut now = Duration::ZERO;
            for (connection, (address, known, later)) in (0_u64..).zip(arrivals) {
                now += Duration::from_millis(later);
                let address = IpAddr::from([192, 0, 2, address]);
                let admitted = admission.arrive(connection, address, now);
                if known && !matches!(admitted, Admitted::No(_)) {
                    admission.known(connection);
                }
                prop_assert!(admission.inside.len() <= LIMITS.connections);
                let alike = admission.inside.values().filter(|inside| inside.address == address).count();
                prop_assert!(alike <= LIMITS.connections_per_address);
            }
        }

        #[test]
        fn the_memory_of_addresses_is_bounded(addresses in proptest::collection::vec(any::<u32>(), 0..50)) {
            let mut admission = Admission::new(LIMITS);
            for (connection, address) in (0_u64..).zip((0..ADDRESSES_MAX as u32).chain(addresses)) {
                admission.arrive(connection, IpAddr::from(address.to_be_bytes()), Duration::ZERO);
                admission.leave(connection);
            }
            prop_assert!(admission.rates.len() <= ADDRESSES_MAX);
        }
    }
}
