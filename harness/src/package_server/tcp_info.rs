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

/// Bytes that the peer's TCP has acknowledged since the connection was made. Once we have sent
/// FIN it counts as one.
pub(super) fn bytes_acked(socket: &impl AsFd) -> io::Result<u64> {
    let mut info = [0_u8; BYTES_ACKED.end];
    #[expect(clippy::cast_possible_truncation, reason = "128")]
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
            "this kernel does not count acknowledged bytes: Linux 4.1 or later is needed",
        ));
    }
    let mut counted = [0; 8];
    counted.copy_from_slice(&info[BYTES_ACKED]);
    Ok(u64::from_ne_bytes(counted))
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
        assert_eq!(bytes_acked(&server).unwrap(), 0);
        server.write_all(&[7; 1000]).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        let mut read = Vec::new();
        client.read_to_end(&mut read).unwrap();
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        // The byte back carries the acknowledgement of all that came before it, FIN included.
        assert_eq!(bytes_acked(&server).unwrap(), 1001);
    }
}
