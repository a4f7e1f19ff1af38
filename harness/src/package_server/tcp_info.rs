//! What the kernel knows of a connection's delivery (`TCP_INFO`).
//!
//! Written is not delivered: at NB-IoT speed the kernel would hold a whole package. No crate in
//! use here wraps this socket option, and the way around it (`sock_diag`) forgets a connection
//! at the moment its peer resets it, which is when the number matters most. So this module has
//! the one system call of the package that the compiler cannot check.
#![expect(
    unsafe_code,
    reason = "getsockopt(TCP_INFO) has no safe wrapper; a buffer and its true length go in"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Where `tcpi_bytes_acked` is in `struct tcp_info`: 8 bytes of `u8`, 24 `u32`, two `u64`. The
/// kernel only ever appends to this struct (`linux/tcp.h`; the field came with Linux 4.1).
const BYTES_ACKED: std::ops::Range<usize> = 120..128;

/// Where `tcpi_notsent_bytes` is: a `u64` and two `u32` further on (Linux 4.6).
const NOT_SENT: std::ops::Range<usize> = 144..148;

/// How far a connection's bytes have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    /// Bytes that the peer's TCP has acknowledged since the connection was made. Once we have sent
    /// FIN it counts as one.
    pub(super) acked: u64,
    /// Bytes that were written and have not left.
    pub(super) unsent: u64,
}

/// How far it has come.
pub(super) fn delivery(socket: &impl AsFd) -> io::Result<Delivery> {
    let mut info = [0_u8; NOT_SENT.end];
    #[expect(clippy::cast_possible_truncation, reason = "148")]
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the descriptor is open while it is borrowed; the kernel writes at most `length`
    // bytes to `info`, which has that many, and then says in `length` how many it wrote.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < info.len() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel does not count bytes: Linux 4.6 or later is needed",
        ));
    }
    let mut acked = [0; 8];
    acked.copy_from_slice(&info[BYTES_ACKED]);
    let mut unsent = [0; 4];
    unsent.copy_from_slice(&info[NOT_SENT]);
    Ok(Delivery {
        acked: u64::from_ne_bytes(acked),
        unsent: u64::from(u32::from_ne_bytes(unsent)),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_the_peer_has_read_to_its_end_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(delivery(&server).unwrap().acked, 0);
        server.write_all(&[7; 1000]).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        let mut read = Vec::new();
        client.read_to_end(&mut read).unwrap();
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        // The byte back carries the acknowledgement of all that came before it, FIN included.
        let delivery = delivery(&server).unwrap();
        assert_eq!((delivery.acked, delivery.unsent), (1001, 0));
    }

    #[test]
    fn what_does_not_fit_into_the_peer_has_not_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(count) = server.write(&[7; 65_536]) {
            written += count as u64;
        }
        let Delivery { acked, unsent } = delivery(&server).unwrap();
        assert!(
            unsent > 0,
            "{unsent} of {written} unsent, {acked} acknowledged"
        );
        assert!(
            acked + unsent <= written,
            "{unsent} of {written} unsent, {acked} acknowledged"
        );
    }
}
