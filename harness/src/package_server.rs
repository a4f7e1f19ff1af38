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

pub mod record;
pub mod wire_plan;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

pub use self::record::ServerReport;
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

/// The server does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ServerError {
    #[error(
        "cannot listen on `{listen}`: end the program that has it (`ss -ltnp` shows which), or give the rig file another `[server] listen`"
    )]
    Listen {
        listen: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot start the content server on its unix socket")]
    Content {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot start the threads of the package server")]
    Threads { source: std::io::Error },
    #[error("cannot offer `{name}`: a package's name has 1 to 64 letters, digits, `.`, `-` or `_`")]
    Name { name: String },
    #[error("a plan names the package `{name}`, which the offer has not: it has {has}")]
    NoSuchPackage { name: String, has: String },
    #[error("`{path}` is not on offer: it was withdrawn")]
    NotOnOffer { path: String },
    #[error("the content server does not answer")]
    ContentSilent,
}

/// The package server. It ends when it is dropped.
#[derive(Debug)]
pub struct PackageServer {
    local_addr: SocketAddr,
}

impl PackageServer {
    /// Takes the port and starts the threads. Nothing listens before there is an offer.
    pub fn start(
        _options: Options,
        _events: Sender<ServerReport>,
    ) -> Result<PackageServer, ServerError> {
        todo!()
    }

    /// Where it listens while there is an offer.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Offers a package under a path that nobody can guess, and listens.
    pub fn offer(&self, _offer: Offer) -> Result<Offered, ServerError> {
        todo!()
    }

    /// Changes what is done with an offer; requests are counted from 1 again. Replies that are
    /// under way go on as they began.
    pub fn set_serving(&self, _offered: &Offered, _serving: Serving) -> Result<(), ServerError> {
        todo!()
    }

    /// Takes an offer back, ends its connections, and stops to listen where it was the last one.
    /// When this returns, the last report about the offer has been sent.
    pub fn withdraw(&self, _offered: &Offered) -> Result<(), ServerError> {
        todo!()
    }

    /// Whether the content server lives; it is started anew where it does not, and the error
    /// says that what was served since the last probe cannot be trusted.
    pub fn probe(&self) -> Result<(), ServerError> {
        todo!()
    }
}
