//! What the network does between module and server: packets that are lost, late, out of order, or
//! dropped without a word.
//!
//! A process cannot do that to its own packets, so the kernel is asked, by way of nft and tc. It
//! takes privileges and tools that not every machine has: [`why_not`] says whether this one does,
//! by trying, and what cannot be done is not begun. Whatever was asked for is about our own port,
//! is counted by the kernel (that is its proof), and is gone when we are, however we go.

mod firewall;
mod netem;
mod tool;

use std::io;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

use self::firewall::{Firewall, Port, Rule, name_of};
use self::netem::Netem;
use super::NamedPlan;
use super::wire_plan::{Connect, EndHow, Network, WirePlan};

/// What of the system a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkNeeds {
    /// Rules of nftables.
    pub firewall: bool,
    /// The network emulator.
    pub netem: bool,
}

impl NetworkNeeds {
    /// What a plan needs.
    pub fn of(plan: &WirePlan) -> NetworkNeeds {
        let vanishes = plan
            .end
            .as_ref()
            .is_some_and(|end| end.how == EndHow::Vanish);
        let unreachable = plan.connect == Some(Connect::Unreachable);
        let loses = plan.network.is_some_and(|network| network.loss.is_some());
        NetworkNeeds {
            firewall: vanishes || unreachable || loses,
            netem: plan.network.is_some_and(|network| network.needs_netem()),
        }
    }

    /// What two plans need together.
    #[must_use]
    pub fn and(self, other: NetworkNeeds) -> NetworkNeeds {
        NetworkNeeds {
            firewall: self.firewall || other.firewall,
            netem: self.netem || other.netem,
        }
    }
}

/// Why this machine cannot do it, if it cannot. It is tried once in a process's life, where it
/// harms nothing: nft by a table without a rule, netem in a network namespace of its own.
pub fn why_not(needs: NetworkNeeds) -> Option<String> {
    static FIREWALL: LazyLock<Option<String>> = LazyLock::new(|| {
        let port = Port(SocketAddr::from(([127, 0, 0, 1], 0)));
        let tried = Firewall::raise(port).err()?;
        Some(format!("it needs nftables, and leave to use them: {tried}"))
    });
    static NETEM: LazyLock<Option<String>> = LazyLock::new(|| {
        let attempt = [
            "-n", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms",
        ];
        let tried = tool::run("unshare", &attempt).err()?;
        Some(format!(
            "it needs the kernel's netem (module sch_netem), and leave to use it: {tried}"
        ))
    });
    let of_firewall = needs.firewall.then(|| FIREWALL.clone()).flatten();
    let of_netem = || needs.netem.then(|| NETEM.clone()).flatten();
    of_firewall.or_else(of_netem)
}

/// What is done to the packets of the port as long as a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// They fare as in this network.
    Network(Network),
    /// Whoever wants to connect is told that there is no way to here.
    Unreachable,
}

/// What stands between the port and its network.
#[derive(Debug)]
pub(super) struct Interference {
    listen: SocketAddr,
    stands: Mutex<Stands>,
}

#[derive(Debug, Default)]
struct Stands {
    /// The plan, and what it does to packets.
    of: Option<(NamedPlan, Disturbance)>,
    firewall: Option<Firewall>,
    netem: Option<Netem>,
}

impl Interference {
    pub(super) fn new(listen: SocketAddr) -> Interference {
        Interference {
            listen,
            stands: Mutex::default(),
        }
    }

    /// Ends what stands, peers that are cut off included. The plan that ends is returned with its
    /// proof, where the kernel has counted one.
    pub(super) fn end(&self) -> io::Result<Option<(NamedPlan, String)>> {
        let mut stands = self.stands();
        let proof = stands.proof();
        *stands = Stands::default();
        proof
    }

    /// Begins what a plan does to packets.
    pub(super) fn begin(&self, named: NamedPlan, disturbance: Disturbance) -> io::Result<()> {
        let mut stands = self.stands();
        let rule = match disturbance {
            Disturbance::Unreachable => Some(Rule::Unreachable),
            Disturbance::Network(network) => network.loss.map(Rule::Lose),
        };
        if let Some(rule) = rule {
            let firewall = Firewall::raise(Port(self.listen))?;
            stands.firewall.insert(firewall).add(rule)?;
        }
        if let Disturbance::Network(network) = disturbance
            && network.needs_netem()
        {
            stands.netem = Some(Netem::start(self.listen, network)?);
        }
        stands.of = Some((named, disturbance));
        Ok(())
    }

    /// From now on no packet passes from or to this peer. It lasts until [`Interference::end`].
    pub(super) fn cut_off(&self, peer: SocketAddr) -> io::Result<()> {
        let mut stands = self.stands();
        let firewall = match &mut stands.firewall {
            Some(firewall) => firewall,
            none => none.insert(Firewall::raise(Port(self.listen))?),
        };
        firewall.add(Rule::CutOff(peer))
    }

    /// How many packets from or to a peer that is cut off did not pass.
    pub(super) fn stopped(&self, peer: SocketAddr) -> io::Result<u64> {
        let counted = match &self.stands().firewall {
            Some(firewall) => firewall.counted()?,
            None => return Ok(0),
        };
        Ok(counted.get(&name_of(peer)).copied().unwrap_or(0))
    }

    fn stands(&self) -> std::sync::MutexGuard<'_, Stands> {
        self.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stands {
    /// The plan that stands, and how it is known that it did what it says; `None` where nothing
    /// came of it.
    fn proof(&self) -> io::Result<Option<(NamedPlan, String)>> {
        // That nobody could connect was seen when it began.
        let Some((named, Disturbance::Network(network))) = &self.of else {
            return Ok(None);
        };
        let mut texts = Vec::new();
        if let (Some(share), Some(firewall)) = (network.loss, &self.firewall) {
            let counted = firewall.counted()?;
            let of = |name: &str| counted.get(name).copied().unwrap_or(0);
            if of("lost") == 0 {
                return Ok(None);
            }
            texts.push(format!(
                "loss of {share}: {} of {} packets",
                of("lost"),
                of("seen")
            ));
        }
        if let Some(netem) = &self.netem {
            let Some(proof) = netem.proof()? else {
                return Ok(None);
            };
            texts.push(proof);
        }
        Ok(Some((named.clone(), texts.join("; "))))
    }
}
