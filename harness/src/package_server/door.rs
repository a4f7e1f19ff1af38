//! The public port: open, shut, or out of order in one of the ways of a broken server.
//!
//! One socket for the life of the server. It is bound once, so that the port stays ours; it
//! listens only while something is on offer. Shutting a listening socket down leaves it bound,
//! and the system refuses whoever comes (Linux; haproxy pauses its listeners the same way).

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream as Accepted};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How the port is. Where two offers want it differently, the later of these is how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doorway {
    /// Connections are accepted.
    Open,
    /// The system completes connections, nobody accepts them.
    NeverAccept,
    /// The queue is full: SYN is dropped.
    Full,
    /// Nobody listens.
    Shut,
}

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;
/// How long our own attempt at a full queue is made: an answer would come within microseconds.
const ATTEMPT: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Door {
    socket: Socket,
    address: SocketAddr,
    runtime: Handle,
    state: watch::Sender<State>,
    /// Our own connections: to fill the queue, and to see for ourselves.
    own: Mutex<Vec<TcpStream>>,
}

/// How the port is, and what to accept from while it is open. A listener that was shut down once
/// stays ready for ever in tokio's eyes, so each opening has a new one, of the same socket.
#[derive(Clone, Debug)]
struct State {
    doorway: Doorway,
    listener: Option<Arc<TcpListener>>,
}

impl From<Doorway> for State {
    fn from(doorway: Doorway) -> Self {
        State {
            doorway,
            listener: None,
        }
    }
}

impl Door {
    /// Takes the port. To be called within a tokio runtime.
    pub(super) fn take(listen: SocketAddr) -> io::Result<Door> {
        let bound = |listen: SocketAddr| -> io::Result<Socket> {
            let kind = Type::STREAM.nonblocking().cloexec();
            let socket = Socket::new(Domain::for_address(listen), kind, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&SockAddr::from(listen))?;
            Ok(socket)
        };
        // A port that the system chose is given back when a socket stops to listen; one that was
        // asked for is kept.
        let first = bound(listen)?;
        let port = first
            .local_addr()?
            .as_socket()
            .map_or(listen.port(), |address| address.port());
        let socket = bound(SocketAddr::new(listen.ip(), port))?;
        drop(first);
        // With SO_REUSEADDR two sockets can be bound to a port until one of them listens; it is
        // now that we want to know.
        socket.listen(BACKLOG)?;
        socket.shutdown(Shutdown::Both)?;
        let address = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("the socket has no internet address"))?;
        Ok(Door {
            socket,
            address,
            runtime: Handle::current(),
            state: watch::channel(State::from(Doorway::Shut)).0,
            own: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the port, and says how it is known that it is so; `None` where it is open, which
    /// the next request shows.
    pub(super) fn set(&self, doorway: Doorway) -> io::Result<Option<String>> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.state.borrow().doorway;
        if before != doorway {
            self.state.send_replace(Doorway::Shut.into());
            if before != Doorway::Shut {
                // Who waits in the queue was promised nothing: it goes with the listening socket.
                self.socket.shutdown(Shutdown::Both)?;
            }
            own.clear();
            self.change(doorway, &mut own)?;
        }
        if doorway == Doorway::Open {
            return Ok(None);
        }
        match (doorway, self.attempt().map_err(|error| error.kind())) {
            (Doorway::Shut, Err(io::ErrorKind::ConnectionRefused)) => {
                Ok(Some("a connection of our own was refused".to_owned()))
            }
            (Doorway::Full, Err(io::ErrorKind::TimedOut)) => {
                Ok(Some("a connection of our own got no answer".to_owned()))
            }
            (Doorway::NeverAccept, Ok(stream)) => {
                own.push(stream);
                Ok(Some(
                    "a connection of our own was completed, and is not accepted".to_owned(),
                ))
            }
            (_, Ok(_)) => Err(io::Error::other("a connection of our own was completed")),
            (_, Err(kind)) => Err(kind.into()),
        }
    }

    fn change(&self, doorway: Doorway, own: &mut Vec<TcpStream>) -> io::Result<()> {
        let mut state = State::from(doorway);
        match doorway {
            Doorway::Shut => {}
            Doorway::Open => {
                self.socket.listen(BACKLOG)?;
                let _inside = self.runtime.enter();
                let listener = TcpListener::from_std(self.socket.try_clone()?.into())?;
                state.listener = Some(Arc::new(listener));
            }
            Doorway::NeverAccept => self.socket.listen(BACKLOG)?,
            Doorway::Full => {
                // The queue of a backlog of 0 holds one.
                self.socket.listen(0)?;
                own.push(self.attempt()?);
            }
        }
        self.state.send_replace(state);
        Ok(())
    }

    /// Connects to our own port.
    fn attempt(&self) -> io::Result<TcpStream> {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        TcpStream::connect_timeout(&address, ATTEMPT)
    }

    /// Sees for itself that there is no way to the port.
    pub(super) fn is_unreachable(&self) -> io::Result<String> {
        match self.attempt() {
            Err(error) if error.kind() == io::ErrorKind::HostUnreachable => {
                Ok("a connection of our own was told that the host cannot be reached".to_owned())
            }
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("a connection of our own was completed")),
        }
    }

    /// Whether a connection is one of our own.
    pub(super) fn is_own(&self, peer: SocketAddr) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter()
            .any(|own| own.local_addr().is_ok_and(|local| local == peer))
    }

    /// The next connection, and where it is from. Waits while the port is not open.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        let mut state = self.state.subscribe();
        loop {
            let listener = state.borrow_and_update().listener.clone();
            let Some(listener) = listener else {
                drop(state.changed().await);
                continue;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = state.changed() => continue,
            };
            match accepted {
                // Shut in the meantime: the state says so at the next turn.
                Err(error)
                    if error.kind() == io::ErrorKind::InvalidInput
                        && self.state.borrow().listener.is_none() => {}
                accepted => return accepted,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> (tokio::runtime::Runtime, Door) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let door = {
            let _inside = runtime.enter();
            Door::take("127.0.0.1:0".parse().unwrap()).unwrap()
        };
        (runtime, door)
    }

    fn connect(door: &Door) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&door.address(), Duration::from_millis(500))
    }

    #[test]
    fn it_refuses_until_it_is_opened_and_again_when_it_is_shut() {
        let (_runtime, door) = door();
        assert_eq!(
            connect(&door).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        door.set(Doorway::Open).unwrap();
        connect(&door).unwrap();
        assert_eq!(
            door.set(Doorway::Shut).unwrap().unwrap(),
            "a connection of our own was refused"
        );
        assert_eq!(
            connect(&door).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        door.set(Doorway::Open).unwrap();
        connect(&door).unwrap();
    }

    #[test]
    fn a_full_queue_swallows_syn_without_root() {
        let (runtime, door) = door();
        door.set(Doorway::Open).unwrap();
        assert_eq!(
            door.set(Doorway::Full).unwrap().unwrap(),
            "a connection of our own got no answer"
        );
        assert_eq!(connect(&door).unwrap_err().kind(), io::ErrorKind::TimedOut);
        door.set(Doorway::Open).unwrap();
        let client = connect(&door).unwrap();
        let (_, peer) = runtime.block_on(door.accept()).unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[test]
    fn a_connection_may_be_completed_and_never_accepted() {
        let (_runtime, door) = door();
        assert!(door.set(Doorway::NeverAccept).unwrap().is_some());
        let client = connect(&door).unwrap();
        client
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let error = io::Read::read(&mut &client, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_port_that_somebody_has_is_not_taken() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let error = Door::take(taken.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
