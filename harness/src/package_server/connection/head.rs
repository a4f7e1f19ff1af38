//! Reads one bounded head from a peer of whom nothing is known.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::package_server::request::{self, HEAD_BYTES_MAX, Refusal};

/// A head, or as much of it as shows that it is none.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) refusal: Option<Refusal>,
}

/// Why nothing was read to answer.
pub(super) enum Unread {
    TooSlow,
    Closed(usize),
    Reset,
    MadeRoom,
}

impl Unread {
    /// In a few words.
    pub(super) fn text(&self) -> String {
        match self {
            Unread::TooSlow => "no request in time".to_owned(),
            Unread::Closed(bytes) => format!("closed by the peer after {bytes} bytes of a request"),
            Unread::Reset => "reset by the peer before its request".to_owned(),
            Unread::MadeRoom => "silent, and made room for another".to_owned(),
        }
    }
}

/// Reads a head, which is all that a peer may send.
pub(super) async fn read_head(stream: &TcpStream, within: Duration) -> Result<Received, Unread> {
    let deadline = Instant::now() + within;
    let mut bytes = Vec::new();
    let refused = |bytes, status, why| {
        Ok(Received {
            bytes,
            refusal: Some(Refusal { status, why }),
        })
    };
    loop {
        let mut piece = [0; 2_048];
        match tokio::time::timeout_at(deadline, stream.readable()).await {
            Err(_) if bytes.is_empty() => return Err(Unread::TooSlow),
            Err(_) => return refused(bytes, 408, "the head was not complete in time"),
            Ok(Err(_)) => return Err(Unread::Reset),
            Ok(Ok(())) => {}
        }
        match stream.try_read(&mut piece) {
            Ok(0) => return Err(Unread::Closed(bytes.len())),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(Unread::Reset),
        }
        match request::end_of_head(&bytes) {
            Some(end) if end > HEAD_BYTES_MAX => {
                return refused(bytes, 431, "the head is too large");
            }
            Some(end) if end < bytes.len() => return refused(bytes, 400, "bytes after the head"),
            Some(_) => {
                return Ok(Received {
                    bytes,
                    refusal: None,
                });
            }
            None if bytes.len() > HEAD_BYTES_MAX => {
                return refused(bytes, 431, "the head is too large");
            }
            None if request::is_hopeless(&bytes) => return refused(bytes, 400, "no HTTP"),
            None => {}
        }
    }
}
