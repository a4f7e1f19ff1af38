//! Others on the network, who talk to the server that the module talks to: lies of the rig.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};

use super::Defect;

/// Where on this machine a stranger lives: not where the module does.
const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How long a stranger waits for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is taken of an answer.
const ANSWER_LEN_MAX: u64 = 4 << 20;
/// What a scanner says.
const SCAN: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// More connections than a server lets one address have.
const CROWD: usize = 40;

/// Who is there.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// One asks for whatever the module asks for.
    fetches: bool,
    /// One tries what is there.
    scans: bool,
    /// Many come before the module, from where it is, and say nothing.
    crowds: bool,
    crowd: Vec<TcpStream>,
}

impl Strangers {
    pub(super) fn new(defects: &[Defect]) -> Self {
        Self {
            fetches: defects.contains(&Defect::H24),
            scans: defects.contains(&Defect::H25),
            crowds: defects.contains(&Defect::H26),
            crowd: Vec::new(),
        }
    }

    /// The module is about to connect.
    pub(super) fn come_first(&mut self, server: SocketAddr) {
        if self.crowds {
            let connect = |_| TcpStream::connect_timeout(&server, PATIENCE).ok();
            self.crowd = (0..CROWD).map_while(connect).collect();
        }
    }

    /// The module asks for something. What comes of the strangers' questions is nobody's affair
    /// here: the server tells.
    pub(super) fn ask_too(&self, server: SocketAddr, request: &[u8]) {
        if self.fetches {
            asks(server, request.to_vec());
        }
        if self.scans {
            asks(server, SCAN.to_vec());
        }
    }
}

fn asks(server: SocketAddr, request: Vec<u8>) {
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
