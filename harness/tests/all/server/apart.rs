//! A server in a process of its own, so that its threads, descriptors, memory and ports can be
//! told from those of the tests: this test program, started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use harness::package_server::{Limits, Seen, Serving};

use super::parts::{Bench, DEADLINE, Ending, Got, package, read_all, through};

/// Tells the process that it is the server, and how.
const ROLE: &str = "HIL_TEST_SERVER";

/// How it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// As a lab has it; its downloads are slow, so that one is under way for a while.
    Usual,
    /// With limits for a thousand clients.
    Crowd,
    /// With so few descriptors that they are used up.
    Poor,
    /// On a network that loses packets.
    Lossy,
}

const ROLES: [(&str, Role); 4] = [
    ("usual", Role::Usual),
    ("crowd", Role::Crowd),
    ("poor", Role::Poor),
    ("lossy", Role::Lossy),
];

impl Role {
    fn limits(self) -> Limits {
        match self {
            Role::Usual | Role::Lossy => Limits::default(),
            Role::Crowd | Role::Poor => Limits {
                connections: 1_200,
                connections_per_address: 1_200,
                connections_per_second: 100_000,
                burst: 100_000,
                ..Limits::default()
            },
        }
    }

    fn serving(self) -> Serving {
        match self {
            Role::Usual => through("[[server]]\nrate = '2Mbit/s'"),
            Role::Crowd | Role::Poor => Serving::Honestly,
            Role::Lossy => through("[[server]]\nnetwork = { loss = '1%' }"),
        }
    }
}

#[test]
#[ignore = "the server that other tests start in a process of its own"]
fn a_server_apart() {
    let Ok(name) = std::env::var(ROLE) else {
        return;
    };
    let (_, role) = ROLES.into_iter().find(|(known, _)| *known == name).unwrap();
    if role == Role::Poor {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let few = Some(40);
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: few,
                maximum: few,
            },
        )
        .unwrap();
    }
    let bench = Bench::new(role.limits(), role.serving(), 1);
    println!(
        "\nserving {} {}",
        bench.server.local_addr(),
        bench.offered.path
    );
    let over = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    while !over.is_finished() {
        match bench
            .reports
            .recv_timeout(Duration::from_millis(20))
            .map(|report| report.seen)
        {
            Ok(Seen::Trouble(trouble)) => println!("trouble {trouble}"),
            Ok(Seen::Closed {
                honest: false, how, ..
            }) if !how.contains("refused") => println!("dishonest {how}"),
            _ => {}
        }
    }
    println!("over");
}

/// The server's process; it ends with this.
pub(crate) struct Apart {
    child: Child,
    input: Option<ChildStdin>,
    /// What it says, line by line; closed when it has ended.
    said: Mutex<Receiver<String>>,
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
}

impl Apart {
    pub(crate) fn start(role: Role) -> Apart {
        let (name, _) = ROLES.into_iter().find(|(_, known)| *known == role).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "server::apart::a_server_apart",
                "--ignored",
                "--nocapture",
            ])
            .env(ROLE, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (address, path) = loop {
            let mut line = String::new();
            assert_ne!(
                output.read_line(&mut line).unwrap(),
                0,
                "the server apart did not start"
            );
            if let Some(rest) = line.trim().strip_prefix("serving ") {
                let (address, path) = rest.split_once(' ').unwrap();
                break (address.parse().unwrap(), path.to_owned());
            }
        };
        let (tell, said) = channel();
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(line))
        });
        Apart {
            child,
            input,
            said: Mutex::new(said),
            address,
            path,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Connects from an address of its own: `127.0.0.<last>`.
    pub(crate) fn connect_from(&self, last: u8) -> std::io::Result<TcpStream> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
        socket.connect_timeout(&self.address.into(), DEADLINE)?;
        let stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(stream)
    }

    /// A module's request, from the module's own address. (127.0.0.1 is where other programs come
    /// from.)
    pub(crate) fn ask(&self) -> TcpStream {
        let mut stream = self.connect_from(2).unwrap();
        write!(
            stream,
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-\r\n\r\n",
            self.path
        )
        .unwrap();
        stream
    }

    /// Downloads as a module does: a connection that is lost is tried again, eight times in all.
    pub(crate) fn download(&self) -> Got {
        for _attempt in 0..8 {
            let got = read_all(&mut self.ask(), DEADLINE);
            if got.ending == Ending::Fin && !got.bytes.is_empty() {
                return got;
            }
        }
        panic!("eight attempts failed");
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.id()))
            .unwrap()
            .count()
    }

    /// How many descriptors it has.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id()))
            .unwrap()
            .count()
    }

    /// The most memory it ever had, in KiB.
    pub(crate) fn memory_peak_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Waits until it holds no more descriptors than this.
    pub(crate) fn settles_at(&self, descriptors: usize) {
        let until = Instant::now() + DEADLINE;
        while self.descriptors() > descriptors {
            let now = self.descriptors();
            assert!(
                Instant::now() < until,
                "{now} descriptors, where there were {descriptors}"
            );
            // It is the other process that is waited for, which has no way to tell.
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its next complaint.
    pub(crate) fn complaint(&mut self) -> String {
        loop {
            let said = self.said.get_mut().unwrap();
            let line = said.recv_timeout(DEADLINE).expect("a complaint");
            if complains(&line) {
                return line;
            }
        }
    }

    /// Ends it, and returns what it had to complain of since the last complaint that was taken.
    pub(crate) fn end(mut self) -> Vec<String> {
        drop(self.input.take());
        let said: Vec<String> = self.said.get_mut().unwrap().iter().collect();
        assert!(
            said.iter().any(|line| line == "over"),
            "it did not come to its end: {said:?}"
        );
        said.into_iter().filter(|line| complains(line)).collect()
    }
}

fn complains(line: &str) -> bool {
    line.starts_with("trouble") || line.starts_with("dishonest")
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_gate_is_all_that_listens() {
    let apart = Apart::start(Role::Usual);
    assert!(apart.download().body() == package());
    let sockets = sockets_of(apart.id());
    let listening = listening();
    let ours: Vec<_> = listening
        .iter()
        .filter(|(inode, _)| sockets.contains(inode))
        .collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(ours[0].1, apart.address.port());
}

/// The inodes of the sockets of a process.
fn sockets_of(process: u32) -> Vec<u64> {
    let links = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .flatten();
    let names = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    names
        .filter_map(|name| {
            name.to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect()
}

/// Inode and port of each listening TCP socket of this machine.
fn listening() -> Vec<(u64, u16)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(|row| {
        let words: Vec<_> = row.split_whitespace().collect();
        let port = u16::from_str_radix(words.get(1)?.rsplit(':').next()?, 16).ok()?;
        (*words.get(3)? == "0A").then_some((words.get(9)?.parse().ok()?, port))
    })
    .collect()
}
