//! Tells systemd that this process is ready and lives, where systemd asked to be told.
//!
//! A unit with `Type=notify` and `WatchdogSec=` ends a run that hangs, and its guardian then acts
//! for it. `sd_notify(3)` is one datagram, so no library is needed.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use crate::guardian::BEAT;

/// Every file is read and understood: the unit is started, and the watchdog may begin.
pub fn ready() {
    notify("READY=1");
}

/// The loop turns. Said at most once a [`BEAT`].
pub fn alive() {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    if socket().is_none() {
        return;
    }
    let mut said = SAID
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if said.is_none_or(|at| at.elapsed() >= BEAT) {
        *said = Some(Instant::now());
        notify("WATCHDOG=1");
    }
}

/// The run comes to its end; it may hold a module's power for minutes.
pub fn stopping() {
    notify("STOPPING=1");
}

fn notify(what: &str) {
    if let Some(socket) = socket() {
        // Who does not listen any more need not be told.
        let _ = socket.send(what.as_bytes());
    }
}

fn socket() -> Option<&'static UnixDatagram> {
    static SOCKET: OnceLock<Option<UnixDatagram>> = OnceLock::new();
    SOCKET.get_or_init(connect).as_ref()
}

fn connect() -> Option<UnixDatagram> {
    let name = std::env::var_os("NOTIFY_SOCKET")?;
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}
