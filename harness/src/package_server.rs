//! What the module downloads from: a package server that tells the truth, and every lie of a
//! broken network or server.
//!
//! Two servers in one. *Content* (tiny_http, on a unix socket in a private directory) decides
//! what is true, and speaks well-formed HTTP only. The *gate* (tokio) owns the public port: it
//! admits, reads a bounded head, refuses, fetches one whole answer from content, and plays it to
//! the module through a [wire plan](wire_plan). tiny_http never faces a network: a stranger could
//! end its accept loop, or the process, with one request.
//!
//! What a reply means for a verdict is not known here: everything seen is told as a
//! [`ServerReport`], stamped, and once more as a [`record::ConnectionRecord`] when a connection
//! is over.

mod admission;
mod alone;
mod answer;
mod budget;
mod connection;
mod content;
mod door;
mod error;
mod gate;
mod interference;
mod limits;
mod pace;
mod playout;
mod random;
pub mod record;
mod request;
mod script;
mod standing;
mod tcp_info;
pub mod wire_plan;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub use self::alone::{Alone, AloneError, serve_alone};
use self::content::Content;
use self::door::{Door, Doorway};
pub use self::error::ServerError;
use self::gate::Shared;
use self::interference::Disturbance;
pub use self::interference::{NetworkNeeds, why_not};
pub use self::limits::Limits;
pub use self::record::{Reports, Seen, ServerReport};
use self::standing::Standing;
pub use self::wire_plan::WirePlan;

/// Where the server listens, and how much it lets happen.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// How the module's network calls this server, `http://lab.example.net:8080`; for absolute
    /// redirects. The address itself where it is `None`.
    pub public_url: Option<String>,
    /// What is refused.
    pub limits: Limits,
}

/// What is offered to the module.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The file's name in the path: letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// The package.
    pub package: Arc<[u8]>,
    /// Other packages, which plans can name.
    pub others: BTreeMap<String, Arc<[u8]>>,
    /// What the server does with it.
    pub serving: Serving,
    /// Where the random choices of plans without a seed of their own begin.
    pub seed: u64,
    /// How many times faster than real time the module lives: waits are divided by it, rates
    /// multiplied. 1 for a real module; 0 is taken as 1.
    pub speed: u32,
}

/// What the server does with an offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Serving {
    /// Serves it as it is.
    #[default]
    Honestly,
    /// Does not listen.
    Nothing,
    /// Serves it through these plans.
    Through(Vec<NamedPlan>),
}

/// A plan, and the name under which its firing is told.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPlan {
    /// Unique in a case: `server-1`.
    pub name: String,
    /// What is done.
    pub plan: WirePlan,
}

/// An offer that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Where it is: `/t/` and 22 random characters, `/`, its name.
    pub path: String,
}

/// The package server. It ends when it is dropped.
pub struct PackageServer {
    shared: Arc<Shared>,
    /// `None` once it is ending.
    runtime: Option<tokio::runtime::Runtime>,
    public_url: Option<String>,
}

impl std::fmt::Debug for PackageServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackageServer")
            .field("local_addr", &self.local_addr())
            .finish_non_exhaustive()
    }
}

impl PackageServer {
    /// Takes the port and starts the threads. Nothing listens before there is an offer.
    pub fn start(
        options: Options,
        reports: impl Into<Reports>,
    ) -> Result<PackageServer, ServerError> {
        limits::make_room_for_descriptors(options.limits.connections);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("package-gate")
            .enable_all()
            .build()
            .map_err(|source| ServerError::Threads { source })?;
        let door = {
            let _inside = runtime.enter();
            Door::take(options.listen).map_err(|source| ServerError::Listen {
                listen: options.listen,
                source,
            })?
        };
        let content = Content::start()?;
        let shared = Arc::new(Shared::new(options.limits, door, content, reports.into()));
        runtime.spawn(gate::accept(Arc::clone(&shared)));
        Ok(PackageServer {
            shared,
            runtime: Some(runtime),
            public_url: options.public_url,
        })
    }

    /// Where it listens while there is an offer.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.door.address()
    }

    /// How the module calls this server, without a path: `http://host:port`. Where it listens on
    /// every address and no name is given, that is its name on this machine.
    pub fn base(&self) -> String {
        if let Some(url) = &self.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let mut address = self.local_addr();
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// Offers a package under a path that nobody can guess, and listens.
    pub fn offer(&self, offer: Offer) -> Result<Offered, ServerError> {
        self.supervise_content()?;
        let token = random::token().map_err(|source| ServerError::Content {
            source: source.into(),
        })?;
        let standing = Arc::new(Standing::new(offer, &token, self.base())?);
        for path in [&standing.path, &standing.moved] {
            self.shared
                .content
                .put(path.clone(), standing.package.clone());
        }
        for (name, package) in &standing.others {
            self.shared
                .content
                .put(standing.path_of_other(name), package.clone());
        }
        let path = standing.path.clone();
        self.offers().insert(path.clone(), Arc::clone(&standing));
        self.set_door(&standing)?;
        Ok(Offered { path })
    }

    /// Has other bytes served under an offer than the package that it was made with. Its records
    /// know the package: a difference is told.
    pub fn stock(&self, offered: &Offered, bytes: Arc<[u8]>) -> Result<(), ServerError> {
        let standing = self.standing(offered)?;
        let bytes = bytes::Bytes::from_owner(bytes);
        for path in [&standing.path, &standing.moved] {
            self.shared.content.put(path.clone(), bytes.clone());
        }
        Ok(())
    }

    /// Changes what is done with an offer; requests are counted from 1 again. Replies that are
    /// under way go on as they began.
    pub fn set_serving(&self, offered: &Offered, serving: Serving) -> Result<(), ServerError> {
        let standing = self.standing(offered)?;
        standing.serve(serving)?;
        self.set_door(&standing)
    }

    /// Takes an offer back, ends its connections, and stops to listen where it was the last one.
    /// When this returns, the last report about the offer has been sent.
    pub fn withdraw(&self, offered: &Offered) -> Result<(), ServerError> {
        let standing = self.standing(offered)?;
        self.offers().remove(&offered.path);
        let shut = self.set_door(&standing);
        standing.end();
        let alive = self.supervise_content();
        self.shared.content.remove_below(&standing.below);
        self.shared.tell_untold();
        shut.and(alive)
    }

    /// Asks the content server for something: before an offer and behind it, so that whatever it
    /// served meanwhile was served by one that lives. One that does not answer is started anew,
    /// and told of.
    fn supervise_content(&self) -> Result<(), ServerError> {
        match self.shared.content.probe() {
            Err(silent @ ServerError::ContentSilent) => {
                let trouble = format!("{silent}; it was started anew");
                self.shared.tell(Seen::Trouble(trouble));
                Ok(())
            }
            probed => probed,
        }
    }

    fn offers(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Standing>>> {
        self.shared
            .offers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, offered: &Offered) -> Result<Arc<Standing>, ServerError> {
        let standing = self.offers().get(&offered.path).cloned();
        standing.ok_or_else(|| ServerError::NotOnOffer {
            path: offered.path.clone(),
        })
    }

    /// Opens or shuts the port, or puts it or the way to it out of order, as the offers want it.
    fn set_door(&self, changed: &Standing) -> Result<(), ServerError> {
        let listen = self.local_addr();
        self.end_interference(changed)?;
        let wanted = self
            .offers()
            .values()
            .map(|standing| standing.doorway())
            .max();
        let proof = self
            .shared
            .door
            .set(wanted.unwrap_or(Doorway::Shut))
            .map_err(|source| ServerError::Door { listen, source })?;
        let disturbance = self
            .offers()
            .values()
            .find_map(|standing| standing.disturbance());
        let mut proof = proof.filter(|_| wanted.is_some());
        if let Some((named, disturbance)) = disturbance {
            let network = |source| ServerError::Network { source };
            self.shared
                .interference
                .begin(named, disturbance)
                .map_err(network)?;
            if disturbance == Disturbance::Unreachable {
                proof = Some(self.shared.door.is_unreachable().map_err(network)?);
            }
        }
        if let Some(proof) = proof {
            for name in changed.plans_of_the_port() {
                self.tell_fired(name, proof.clone());
            }
        }
        Ok(())
    }

    /// Ends what is done to packets, and tells what came of it.
    fn end_interference(&self, changed: &Standing) -> Result<(), ServerError> {
        let ended = self.shared.interference.end();
        let ended = ended.map_err(|source| ServerError::Network { source })?;
        if let Some((named, proof)) = ended
            && changed.is_played(&named)
        {
            self.tell_fired(named.name, proof);
        }
        Ok(())
    }

    fn tell_fired(&self, name: String, text: String) {
        self.shared.tell(Seen::FaultFired {
            name,
            connection: None,
            at_byte: 0,
            acked: 0,
            text,
        });
    }
}

/// How long the tasks of a server that ends may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);

impl Drop for PackageServer {
    fn drop(&mut self) {
        let standing = std::mem::take(&mut *self.offers());
        // The process may be ending for want of anything: a port that cannot be shut is closed
        // with the process.
        drop(self.shared.door.set(Doorway::Shut));
        for standing in standing.values() {
            standing.end();
        }
        if let Some(runtime) = self.runtime.take() {
            // With its last task goes what is shared, the content server's directory too: a process
            // that ended before would leave it. On a runtime itself, an owner may not wait.
            match tokio::runtime::Handle::try_current() {
                Ok(_runtime) => runtime.shutdown_background(),
                Err(_none) => runtime.shutdown_timeout(END_WITHIN),
            }
        }
    }
}
