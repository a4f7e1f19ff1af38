//! From `[server]` to an address to listen on and a name for the module, or to the mistake in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use toml::Spanned;

use super::check::Reader;
use super::form::ServerForm;
use super::{RigFileError, RigFileErrorKind as Kind, ServerAddress, ServerName};
use crate::written::FormError;

/// The longest host name that the module's downloader takes, in characters (domain §2).
const HOST_LEN_MAX: usize = 63;

impl Reader<'_> {
    pub(super) fn server(
        &self,
        form: Option<&Spanned<ServerForm>>,
        is_virtual: bool,
    ) -> Result<ServerAddress, RigFileError> {
        let Some(section) = form else {
            if !is_virtual {
                return self.err(0..0, Kind::NoUrl);
            }
            return Ok(ServerAddress {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                called: None,
            });
        };
        let form = section.get_ref();
        let listen = match &form.listen {
            None if !is_virtual && form.url.is_some() => {
                let key = "listen".to_owned();
                return self.err(section.span(), FormError::MissingKey { key });
            }
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            Some(text) => match text.get_ref().parse() {
                Ok(listen) => listen,
                Err(_) => {
                    let found = text.get_ref().clone();
                    return self.err(text.span(), Kind::Listen { found });
                }
            },
        };
        let Some(url) = &form.url else {
            if !is_virtual {
                return self.err(section.span(), Kind::NoUrl);
            }
            return Ok(ServerAddress {
                listen,
                called: None,
            });
        };
        let name = server_name(url.get_ref()).or_else(|why| {
            let found = url.get_ref().clone();
            self.err(url.span(), Kind::Url { found, why })
        })?;
        if name.port != listen.port() && !form.forwarded {
            let kind = Kind::OtherPort {
                called: name.port,
                listens: listen.port(),
            };
            return self.err(url.span(), kind);
        }
        if form.forwarded && listen.port() == 0 {
            let span = form.listen.as_ref().map_or(section.span(), Spanned::span);
            return self.err(span, Kind::NoPort);
        }
        if listen.ip().is_loopback() && !form.forwarded && !is_loopback(&name.host) {
            let kind = Kind::Loopback {
                called: name.host,
                listens: listen,
            };
            return self.err(url.span(), kind);
        }
        if let Some(called) = address(&name.host)
            && !form.forwarded
            && !is_called_by(listen.ip(), called)
        {
            let kind = Kind::Family {
                called: if called.is_ipv6() { 6 } else { 4 },
                listens: listen,
            };
            return self.err(url.span(), kind);
        }
        Ok(ServerAddress {
            listen,
            called: Some(name),
        })
    }
}

/// Whether an address of this family can call what listens on `listen`: `[::]` takes those of IPv4, too.
fn is_called_by(listen: IpAddr, called: IpAddr) -> bool {
    listen.is_ipv4() == called.is_ipv4() || listen == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

/// What is wrong with a host's name, where it is no address.
fn name_mistake(host: &str) -> Option<&'static str> {
    if host.starts_with('[') {
        return Some("there is no IPv6 address in the brackets");
    }
    if !host.is_ascii() {
        return Some("the modules take ASCII: write the name as DNS has it (`xn--…`)");
    }
    let labels = || host.split('.');
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty()
            && label.bytes().all(known)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !labels().all(is_label) {
        return Some("a name is letters, digits and hyphens, with a full stop between its parts");
    }
    if labels().all(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return Some("that is no IPv4 address, and no name is digits alone");
    }
    None
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|ip| ip.is_loopback())
}

/// The address that a host is, where it is no name.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// `http://host[:port]`, or what is wrong with it.
fn server_name(url: &str) -> Result<ServerName, &'static str> {
    let lower = url.to_ascii_lowercase();
    if lower.starts_with("https://") {
        return Err("the modules do not speak HTTPS (guide §3.1 note 2): write `http://…`");
    }
    if !lower.starts_with("http://") {
        return Err("it begins with `http://`");
    }
    let rest = url.get("http://".len()..).unwrap_or("");
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '"', '@', ' ']) {
        return Err("it is `http://`, a name and a port; the path is made for each run");
    }
    // The last colon outside an IPv6 address's brackets.
    let colon = rest
        .rfind(':')
        .filter(|&at| rest.rfind(']').is_none_or(|bracket| bracket < at));
    let (host, port) = match colon {
        None => (rest, 80),
        Some(at) => {
            let port = rest.get(at + 1..).unwrap_or("").parse().unwrap_or(0);
            (rest.get(..at).unwrap_or(""), port)
        }
    };
    if port == 0 {
        return Err("its port is 1 to 65535 (guide §3.1)");
    }
    if host.is_empty() {
        return Err("it has no name in it");
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("an IPv6 address stands in brackets");
    }
    if address(host).is_some_and(|ip| ip.is_unspecified()) {
        return Err("that is an address to listen on, and none that can be called");
    }
    if address(host).is_none()
        && let Some(mistake) = name_mistake(host)
    {
        return Err(mistake);
    }
    if host.len() > HOST_LEN_MAX {
        return Err("the modules take a name of at most 63 characters");
    }
    Ok(ServerName {
        host: host.to_owned(),
        port,
    })
}
