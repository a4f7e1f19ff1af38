//! Somebody else on the network, who asks the server for what the module asks for.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};

/// Where on this machine the stranger lives: not where the module does.
const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How long the stranger waits for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is taken of an answer.
const ANSWER_LEN_MAX: u64 = 4 << 20;

/// Has a stranger send this request to the server, beside the module. What comes of it is nobody's
/// affair here: the server tells.
pub(super) fn asks(server: SocketAddr, request: Vec<u8>) {
    let _asked = thread::Builder::new()
        .name(String::from("stranger"))
        .spawn(move || ask(server, &request));
}

fn ask(server: SocketAddr, request: &[u8]) -> io::Result<u64> {
    let mut stream = connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    io::copy(&mut stream.take(ANSWER_LEN_MAX), &mut io::sink())
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    if !server.is_ipv4() || !server.ip().is_loopback() {
        return TcpStream::connect_timeout(&server, PATIENCE);
    }
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(PATIENCE))?;
    rustix::net::bind(&socket, &SocketAddr::from((HOME, 0)))?;
    rustix::net::connect(&socket, &server)?;
    Ok(socket.into())
}
