//! The module's one TCP connection, on a real socket that never blocks.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt,
};

use super::shell::Wake;
use super::stranger::Strangers;

/// Name look-ups that may be under way at once. One that the resolver sits on is left to it.
const LOOKUPS_MAX: usize = 4;

/// Little, so that the server sees the pace of the module and not that of the kernel: what is
/// acknowledged is then never far ahead of what is said to be downloaded.
const RECEIVE_BUFFER: usize = 4096;

/// What the link has to tell the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<'a> {
    Connected,
    Received(&'a [u8]),
    /// Ended in order.
    Disconnected,
    /// Broken, or never there.
    Broken,
}

/// The link, in whatever state it is.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    /// Tells the answer to this request from those to requests that were given up.
    request: u64,
    lookups: usize,
    answers: (Sender<Lookup>, Receiver<Lookup>),
    wake: Arc<Wake>,
    strangers: Strangers,
}

#[derive(Debug)]
enum State {
    Down,
    /// It could not even be begun; the module is told so at the next occasion.
    Refused,
    Resolving {
        port: u16,
    },
    Connecting(OwnedFd),
    Up {
        socket: OwnedFd,
        unsent: Vec<u8>,
    },
}

#[derive(Debug)]
struct Lookup {
    request: u64,
    address: Option<IpAddr>,
}

impl Link {
    pub(super) fn new(wake: Arc<Wake>, strangers: Strangers) -> Self {
        Self {
            state: State::Down,
            request: 0,
            lookups: 0,
            answers: channel(),
            wake,
            strangers,
        }
    }

    /// Begins to connect; how it went is news.
    pub(super) fn connect(&mut self, host: &str, port: u16) {
        self.request += 1;
        self.state = match host.parse::<IpAddr>() {
            Ok(address) => {
                let server = SocketAddr::new(address, port);
                self.strangers.come_first(server);
                connect(server)
            }
            Err(_) if self.lookups < LOOKUPS_MAX => self.look_up(host, port),
            Err(_) => State::Refused,
        };
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        if let State::Up { socket, unsent } = &mut self.state {
            unsent.extend_from_slice(bytes);
            if let Ok(Some(server)) = rustix::net::getpeername(&*socket)
                && let Ok(server) = SocketAddr::try_from(server)
            {
                self.strangers.ask_too(server, bytes);
            }
        }
    }

    /// Ends the connection in order.
    pub(super) fn close(&mut self) {
        if let State::Up { socket, .. } = &self.state {
            // A peer that is gone already has nothing to be told.
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
        self.state = State::Down;
    }

    /// The module is gone, and cannot end anything in order. A network notices some day; here
    /// the peer is told at once, by a reset.
    pub(super) fn vanish(&mut self) {
        if let State::Up { socket, .. } = &self.state {
            let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
        self.state = State::Down;
    }

    /// What to wait for, given how many bytes the module could take.
    pub(super) fn interest(&self, appetite: usize) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.state {
            State::Connecting(socket) => Some((socket.as_fd(), PollFlags::OUT)),
            State::Up { socket, unsent } if !unsent.is_empty() => {
                Some((socket.as_fd(), PollFlags::OUT))
            }
            State::Up { socket, .. } if appetite > 0 => Some((socket.as_fd(), PollFlags::IN)),
            _ => None,
        }
    }

    /// Whether there is something to tell that no descriptor will wake anybody for.
    pub(super) fn has_news(&self) -> bool {
        matches!(self.state, State::Refused)
    }

    /// Goes on as far as it can without waiting.
    pub(super) fn poll<'a>(&mut self, appetite: usize, buffer: &'a mut [u8]) -> Option<News<'a>> {
        while let Ok(answer) = self.answers.1.try_recv() {
            self.lookups -= 1;
            if let State::Resolving { port } = self.state
                && answer.request == self.request
            {
                self.state = match answer.address {
                    Some(address) => connect(SocketAddr::new(address, port)),
                    None => State::Refused,
                };
            }
        }
        match &mut self.state {
            State::Down | State::Resolving { .. } => None,
            State::Refused => self.lost(),
            State::Connecting(_) => self.finish_connecting(),
            State::Up { socket, unsent } => {
                if !unsent.is_empty() {
                    match rustix::net::send(&*socket, unsent, SendFlags::NOSIGNAL) {
                        Ok(len) => {
                            unsent.drain(..len);
                        }
                        Err(Errno::AGAIN | Errno::INTR) => {}
                        Err(_) => return self.lost(),
                    }
                }
                if appetite == 0 {
                    return None;
                }
                let room = appetite.min(buffer.len());
                match rustix::net::recv(&*socket, &mut buffer[..room], RecvFlags::empty()) {
                    Ok((0, _)) => {
                        self.state = State::Down;
                        Some(News::Disconnected)
                    }
                    Ok((len, _)) => Some(News::Received(&buffer[..len])),
                    Err(Errno::AGAIN | Errno::INTR) => None,
                    Err(_) => self.lost(),
                }
            }
        }
    }

    fn finish_connecting<'a>(&mut self) -> Option<News<'a>> {
        let State::Connecting(socket) = &self.state else {
            return None;
        };
        let error = sockopt::socket_error(socket);
        if !matches!(error, Ok(Ok(()))) {
            return self.lost();
        }
        // No error and no peer: not yet.
        if rustix::net::getpeername(socket).is_err() {
            return None;
        }
        if let State::Connecting(socket) = std::mem::replace(&mut self.state, State::Down) {
            self.state = State::Up {
                socket,
                unsent: Vec::new(),
            };
        }
        Some(News::Connected)
    }

    fn lost<'a>(&mut self) -> Option<News<'a>> {
        self.state = State::Down;
        Some(News::Broken)
    }

    /// Names are looked up by the system, which may take its time: on a thread of their own.
    fn look_up(&mut self, host: &str, port: u16) -> State {
        let request = self.request;
        let (host, answers, wake) = (host.to_owned(), self.answers.0.clone(), self.wake.clone());
        let looked_up = thread::Builder::new()
            .name(String::from("virtual module: look up"))
            .spawn(move || {
                let address = (host.as_str(), port)
                    .to_socket_addrs()
                    .ok()
                    .and_then(|mut addresses| addresses.next())
                    .map(|address| address.ip());
                // A module that is gone needs no answer.
                let _ = answers.send(Lookup { request, address });
                wake.wake();
            });
        match looked_up {
            Ok(_) => {
                self.lookups += 1;
                State::Resolving { port }
            }
            Err(_) => State::Refused,
        }
    }
}

fn connect(address: SocketAddr) -> State {
    match try_connect(address) {
        Ok(socket) => State::Connecting(socket),
        Err(_) => State::Refused,
    }
}

fn try_connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}
