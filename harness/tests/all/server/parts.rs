//! A server, and a client that believes nothing: it keeps every byte and how the stream ended.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use harness::package_server::record::ConnectionRecord;
use harness::package_server::{
    Limits, NamedPlan, Offer, Offered, Options, PackageServer, Seen, ServerReport, Serving,
    WirePlan,
};

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// 200 000 bytes in which every place is different from its neighbours.
pub(crate) fn package() -> &'static [u8] {
    static PACKAGE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| pattern(200_000, 7));
    &PACKAGE
}

/// Bytes that do not repeat themselves within any window that matters.
pub(crate) fn pattern(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

/// The package, honestly.
pub(crate) fn offer() -> Offer {
    let others = BTreeMap::from([("other".to_owned(), pattern(200_000, 8).into())]);
    Offer {
        name: "a-to-b".to_owned(),
        package: package().into(),
        others,
        serving: Serving::Honestly,
        seed: 1,
        speed: 1,
    }
}

/// A server with one offer.
pub(crate) struct Bench {
    pub(crate) server: PackageServer,
    pub(crate) offered: Offered,
    pub(crate) reports: Receiver<ServerReport>,
}

impl Bench {
    pub(crate) fn new(limits: Limits, serving: Serving, speed: u32) -> Bench {
        let (events, reports) = channel();
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = PackageServer::start(
            Options {
                listen,
                public_url: None,
                limits,
            },
            events,
        )
        .unwrap();
        let offer = Offer {
            serving,
            speed,
            ..offer()
        };
        let offered = server.offer(offer).unwrap();
        Bench {
            server,
            offered,
            reports,
        }
    }

    pub(crate) fn honest() -> Bench {
        Bench::new(Limits::default(), Serving::Honestly, 1)
    }

    /// A server that does what a scenario says in its `[[server]]` tables.
    pub(crate) fn faulty(plans: &str) -> Bench {
        Bench::new(Limits::default(), through(plans), 1)
    }

    /// Connects to it.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.server.local_addr(), DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The same, with a receive buffer as small as a module's.
    pub(crate) fn connect_with_little_room(&self) -> TcpStream {
        let stream =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        stream.set_recv_buffer_size(4_096).unwrap();
        stream.connect(&self.server.local_addr().into()).unwrap();
        stream.into()
    }

    /// Waits for a report that is wanted; others are passed over.
    pub(crate) fn wait_for<T>(&self, mut wanted: impl FnMut(Seen) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let report = self
                .reports
                .recv_timeout(left)
                .expect("the report comes in time");
            if let Some(found) = wanted(report.seen) {
                return found;
            }
        }
    }

    /// The record of the next connection of the module that is over.
    pub(crate) fn closed(&self) -> ConnectionRecord {
        self.wait_for(|seen| match seen {
            Seen::Closed { record, .. } => Some(*record),
            Seen::Trouble(trouble) => panic!("{trouble}"),
            _ => None,
        })
    }

    /// The next plan that has fired: its name and how it is known.
    pub(crate) fn fired(&self) -> String {
        self.wait_for(|seen| match seen {
            Seen::FaultFired { name, text, .. } => Some(format!("{name}: {text}")),
            Seen::Trouble(trouble) => panic!("{trouble}"),
            _ => None,
        })
    }

    /// The record of the next stranger.
    pub(crate) fn stranger(&self) -> (String, ConnectionRecord) {
        self.wait_for(|seen| match seen {
            Seen::Stranger { why, record, .. } => Some((why, *record)),
            Seen::Trouble(trouble) => panic!("{trouble}"),
            _ => None,
        })
    }
}

/// Plans as a scenario spells them.
pub(crate) fn through(plans: &str) -> Serving {
    #[derive(serde::Deserialize)]
    struct Scenario {
        server: Vec<WirePlan>,
    }
    let scenario: Scenario = toml::from_str(plans).unwrap_or_else(|error| panic!("{error}"));
    let named = |(number, plan)| NamedPlan {
        name: format!("server-{number}"),
        plan,
    };
    Serving::Through((1..).zip(scenario.server).map(named).collect())
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Fin,
    Reset,
    /// Nothing came for as long as the client waits.
    Silence,
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ending: Ending,
}

impl Got {
    /// The head, without its empty line; the body.
    fn split(&self) -> (&str, &[u8]) {
        let end = self
            .bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        (
            std::str::from_utf8(&self.bytes[..end]).unwrap(),
            &self.bytes[end + 4..],
        )
    }

    pub(crate) fn status(&self) -> u16 {
        self.split().0[9..12].parse().unwrap()
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.split().1
    }

    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        let mut lines = self
            .split()
            .0
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    }
}

/// Asks as a module does.
pub(crate) fn ask(bench: &Bench, stream: &mut TcpStream, range: Option<&str>) {
    let range = range.map_or_else(String::new, |range| format!("Range: {range}\r\n"));
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n{range}\r\n",
        bench.offered.path
    )
    .unwrap();
}

/// Reads until the stream ends, or nothing comes for so long.
pub(crate) fn read_all(stream: &mut TcpStream, patience: Duration) -> Got {
    stream.set_read_timeout(Some(patience)).unwrap();
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    let ending = loop {
        match stream.read(&mut piece) {
            Ok(0) => break Ending::Fin,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break Ending::Silence,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break Ending::Reset,
            Err(error) => panic!("{error}"),
        }
    };
    Got { bytes, ending }
}

/// Reads a head, and so many bytes of the body.
pub(crate) fn read_body(stream: &mut TcpStream, length: usize) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
}

/// One request, and all that comes of it.
pub(crate) fn get(bench: &Bench, range: Option<&str>) -> Got {
    let mut stream = bench.connect();
    ask(bench, &mut stream, range);
    read_all(&mut stream, DEADLINE)
}
