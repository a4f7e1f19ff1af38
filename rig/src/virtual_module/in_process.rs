//! A module, a host and a web server in one thread and in virtual time: no pty, no socket, no
//! clock, so that minutes of a module's life take milliseconds.
//!
//! A clone is the same bench at the same moment: it can be given another fate.

use std::sync::Arc;
use std::time::Duration;

use super::board::Output;
use super::module::{Module, Network};
use super::{Settings, voice};

/// The most that is kept of what the module says.
const SAID_MAX: usize = 1 << 20;

/// What the web server does with every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Web {
    /// Serves these bytes under any path, with ranges.
    Package(Arc<[u8]>),
    /// Says exactly this once it has been asked, and closes.
    Says(Arc<[u8]>),
    /// Says exactly this once it has been asked, and resets the connection.
    Breaks(Arc<[u8]>),
    /// Accepts, and never says anything.
    Silent,
    /// Refuses the connection.
    Refuses,
    /// Lets the connection attempt go unanswered.
    Absent,
}

/// The bench.
#[derive(Clone, Debug)]
pub struct InProcess {
    module: Module,
    web: Web,
    rate: u32,
    said: Vec<u8>,
    vdd_ext: bool,
    served: Vec<Served>,
    connection: Connection,
}

/// One answer of the web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The request, head and all.
    pub request: String,
    /// Bytes of the answer's body that the module has taken.
    pub delivered: usize,
    /// Bytes of the body in all.
    pub body: usize,
    /// Whether the connection is over.
    pub closed: bool,
}

#[derive(Clone, Debug)]
enum Connection {
    None,
    Asked,
    Open {
        reply: Vec<u8>,
        sent: usize,
        ends: Option<Network<'static>>,
    },
}

impl InProcess {
    /// A module without power, and a host at 115200.
    pub fn new(settings: &Settings, web: Web) -> Self {
        Self::with_module(Module::new(settings), web)
    }

    /// The same around a module that has lived already.
    pub fn with_module(module: Module, web: Web) -> Self {
        Self {
            module,
            web,
            rate: voice::BOOT_RATE,
            said: Vec::new(),
            vdd_ext: false,
            served: Vec::new(),
            connection: Connection::None,
        }
    }

    /// The module, between two events of its life.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// What the host has received since it last took it.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    /// Takes what the host has received.
    pub fn take_said(&mut self) -> String {
        let said = self.said();
        self.said.clear();
        said
    }

    /// The requests that the server has seen.
    pub fn requests(&self) -> Vec<&str> {
        self.served
            .iter()
            .map(|served| served.request.as_str())
            .collect()
    }

    /// What the server has answered, in order.
    pub fn served(&self) -> &[Served] {
        &self.served
    }

    /// Whether the 1.8 V rail is up.
    pub fn vdd_ext(&self) -> bool {
        self.vdd_ext
    }

    /// Has the server do something else from the next connection on.
    pub fn set_web(&mut self, web: Web) {
        self.web = web;
    }

    /// Sets the host's UART to another rate.
    pub fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
    }

    /// Connects or cuts the supply.
    pub fn set_vbat(&mut self, on: bool) {
        self.module.set_vbat(on);
        self.settle();
    }

    /// Asserts or releases PWRKEY.
    pub fn set_pwrkey(&mut self, asserted: bool) {
        self.module.set_pwrkey(asserted);
        self.settle();
    }

    /// Asserts or releases RESET_N.
    pub fn set_reset(&mut self, asserted: bool) {
        self.module.set_reset(asserted);
        self.settle();
    }

    /// VBAT, then PWRKEY for as long as it takes.
    pub fn power_on(&mut self) {
        self.set_vbat(true);
        self.run_for(Duration::from_millis(100));
        self.set_pwrkey(true);
        self.run_for(Duration::from_millis(600));
        self.set_pwrkey(false);
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &str) {
        self.module.hear(bytes.as_bytes(), self.rate);
        self.settle();
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_to(self.module.now() + time);
    }

    /// Lets time pass up to a moment.
    pub fn run_to(&mut self, at: Duration) {
        while self.module.now() < at {
            self.step(at);
        }
    }

    /// Lets time pass until the host has received `text`; `false` when it has not within `limit`.
    pub fn run_until_said(&mut self, text: &str, limit: Duration) -> bool {
        let end = self.module.now() + limit;
        // Only what is new is searched, with as much before it as could be a beginning.
        let mut searched = 0;
        loop {
            let from = searched_from(searched, text.len());
            let new = self.said.get(from..).unwrap_or_default();
            if new
                .windows(text.len())
                .any(|window| window == text.as_bytes())
            {
                return true;
            }
            searched = self.said.len();
            if self.module.now() >= end {
                return false;
            }
            self.step(end);
        }
    }

    /// Lets the next thing happen, or the time `end` come.
    pub fn step(&mut self, end: Duration) {
        let next = self
            .module
            .due()
            .map_or(end, |due| due.clamp(self.module.now(), end));
        while let Some(output) = self.module.run(next) {
            self.perform(output);
        }
        self.serve();
    }

    fn settle(&mut self) {
        while let Some(output) = self.module.run(self.module.now()) {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Host { bytes, rate } => {
                let bytes = if rate == self.rate {
                    bytes
                } else {
                    voice::garbled(&bytes, rate, self.rate)
                };
                let room = SAID_MAX - self.said.len();
                self.said.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Output::VddExt(up) => self.vdd_ext = up,
            Output::Connect { .. } => self.connection = Connection::Asked,
            Output::Send(request) => self.answer(&request),
            Output::Close | Output::Vanish => self.hang_up(),
        }
    }

    fn hang_up(&mut self) {
        self.connection = Connection::None;
        if let Some(served) = self.served.last_mut() {
            served.closed = true;
        }
    }

    fn answer(&mut self, request: &[u8]) {
        let request = String::from_utf8_lossy(request).into_owned();
        let (reply, ends) = match &self.web {
            Web::Package(package) => (serve(package, &request), Some(Network::Disconnected)),
            Web::Says(bytes) => (bytes.to_vec(), Some(Network::Disconnected)),
            Web::Breaks(bytes) => (bytes.to_vec(), Some(Network::Broken)),
            Web::Silent | Web::Refuses | Web::Absent => (Vec::new(), None),
        };
        let head = reply.windows(4).position(|window| window == b"\r\n\r\n");
        self.served.push(Served {
            request,
            delivered: 0,
            body: head.map_or(0, |head| reply.len() - head - 4),
            closed: false,
        });
        self.connection = Connection::Open {
            reply,
            sent: 0,
            ends,
        };
    }

    /// Gives the module what the network has for it.
    fn serve(&mut self) {
        let appetite = self.module.appetite();
        match &mut self.connection {
            Connection::Asked => match self.web {
                Web::Absent => return,
                Web::Refuses => {
                    self.connection = Connection::None;
                    self.module.network(Network::Broken);
                }
                _ => self.module.network(Network::Connected),
            },
            Connection::Open { reply, sent, ends } if appetite > 0 => {
                if *sent < reply.len() {
                    let end = (*sent + appetite).min(reply.len());
                    self.module.network(Network::Received(&reply[*sent..end]));
                    *sent = end;
                    if let Some(served) = self.served.last_mut() {
                        served.delivered = (end + served.body).saturating_sub(reply.len());
                    }
                } else if let Some(end) = *ends {
                    self.hang_up();
                    self.module.network(end);
                }
            }
            Connection::Open { .. } | Connection::None => return,
        }
        self.settle();
    }
}

fn searched_from(searched: usize, len: usize) -> usize {
    searched.saturating_sub(len.saturating_sub(1))
}

/// An honest answer to an honest request.
fn serve(package: &[u8], request: &str) -> Vec<u8> {
    let from = request
        .lines()
        .find_map(|line| line.strip_prefix("Range: bytes="))
        .and_then(|range| range.split('-').next()?.parse().ok())
        .unwrap_or(0);
    let Some(rest) = package.get(from..) else {
        return b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n".to_vec();
    };
    let len = rest.len();
    let mut reply = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {len}\r\nContent-Range: bytes {from}-{}/{}\r\n\r\n",
        package.len().saturating_sub(1),
        package.len()
    )
    .into_bytes();
    reply.extend_from_slice(rest);
    reply
}
