//! What servers do: the honest one, and others.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rig::delta::{self, SECTOR};
use rig::virtual_module::in_process::Web;

pub(super) const A: &str = "BC26NBR01A01";
pub(super) const B: &str = "BC26NBR01A02";
pub(super) const C: &str = "BC26NBR01A03";
pub(super) const IMAGE_LEN: usize = 8 * SECTOR;

pub(super) fn package(base: &'static str, target: &'static str) -> Vec<u8> {
    // Made once: a thousand lives have the same.
    static MADE: Mutex<BTreeMap<[&str; 2], Vec<u8>>> = Mutex::new(BTreeMap::new());
    let make = || {
        let [base, target] = [base, target].map(|version| delta::image(version, 26, IMAGE_LEN));
        delta::make(&base, &target).unwrap()
    };
    let mut made = MADE.lock().unwrap();
    made.entry([base, target]).or_insert_with(make).clone()
}

pub(super) fn honest() -> Web {
    Web::Package(package(A, B).into())
}

pub(super) fn says(head: &str, body: &[u8]) -> Web {
    Web::Says([head.as_bytes(), b"\r\n\r\n", body].concat().into())
}

/// An answer that declares `len` bytes and has these.
pub(super) fn reply(status: &str, len: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(super) fn with_length(status: &str, len: usize, body: &[u8]) -> Web {
    Web::Says(reply(status, len, body).into())
}

/// Flips a bit late in the package, where it can still be read.
pub(super) fn damaged(package: Vec<u8>) -> Vec<u8> {
    (package.len() * 3 / 4..package.len())
        .map(|at| {
            let mut damaged = package.clone();
            damaged[at] ^= 1;
            damaged
        })
        .find(|damaged| delta::Package::parse_without_digest(damaged).is_ok())
        .unwrap()
}
