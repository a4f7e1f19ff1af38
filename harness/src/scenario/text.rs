//! What a step sends, with places that are filled in when the case runs.

use std::fmt;

/// What to send: text with places for the package's URL and the versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendText {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bytes(Vec<u8>),
    Url,
    /// The URL, made exactly so many bytes long.
    UrlOfLength(usize),
    Host,
    Port,
    Path,
    Base,
    Target,
}

/// Where the package is for the module, in the pieces that scenarios may want apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageUrl {
    /// `lab.example.net`, an IPv6 address in its brackets.
    pub host: String,
    /// `8080`
    pub port: u16,
    /// With its leading slash: `/t/3q…/a-to-b`.
    pub path: String,
}

impl fmt::Display for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// The URL cannot be what the step asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the package's URL is {is} bytes long already, so it cannot be made {wanted}: give `[server] url` a shorter name, or an address"
)]
pub struct UrlError {
    /// How long it is, in bytes.
    pub is: usize,
    /// How long it should be.
    pub wanted: usize,
}

/// What fills the places of a text.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// Where the package is.
    pub url: &'a PackageUrl,
    /// The version that the module has.
    pub base: &'a str,
    /// The version that the package makes.
    pub target: &'a str,
}

impl SendText {
    /// The bytes to send.
    pub fn fill(&self, with: Filling<'_>) -> Result<Vec<u8>, UrlError> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            match part {
                Part::Bytes(literal) => bytes.extend_from_slice(literal),
                Part::Url => bytes.extend_from_slice(with.url.to_string().as_bytes()),
                Part::UrlOfLength(wanted) => {
                    bytes.extend_from_slice(of_length(with.url.to_string(), *wanted)?.as_bytes());
                }
                Part::Host => bytes.extend_from_slice(with.url.host.as_bytes()),
                Part::Port => bytes.extend_from_slice(with.url.port.to_string().as_bytes()),
                Part::Path => bytes.extend_from_slice(with.url.path.as_bytes()),
                Part::Base => bytes.extend_from_slice(with.base.as_bytes()),
                Part::Target => bytes.extend_from_slice(with.target.as_bytes()),
            }
        }
        Ok(bytes)
    }
}

/// Makes a URL longer by a query, which names the same resource to a server that, like ours,
/// does not heed queries: `…/a-to-b?0000`.
fn of_length(url: String, wanted: usize) -> Result<String, UrlError> {
    let is = url.len();
    match wanted.checked_sub(is) {
        None => Err(UrlError { is, wanted }),
        Some(0) => Ok(url),
        Some(more) => Ok(format!("{url}?{}", "0".repeat(more - 1))),
    }
}
