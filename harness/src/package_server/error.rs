//! The server does not work, why, and what helps.

use std::net::SocketAddr;

/// The server does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ServerError {
    #[error("cannot listen on `{listen}`: {}", way_out_of(source))]
    Listen {
        listen: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot open, shut or put out of order the port of `{listen}`")]
    Door {
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
    #[error("cannot do to the network what a plan says")]
    Network { source: std::io::Error },
    #[error("the content server does not answer")]
    ContentSilent,
}

/// What helps where a port cannot be had.
fn way_out_of(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program does; end it (`ss -ltnp` shows which), or choose another port"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "no network device has that address (`ip address` shows which there are)"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 are not for every user; choose another"
        }
        _ => "choose another address",
    }
}
