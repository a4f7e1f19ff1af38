//! nftables rules on our own port, in a table of our own that goes with us.
//!
//! The table has the flag `owner`: the kernel takes it away when the process that made it is
//! gone, however it went. That process is an `nft -i` of ours, which ends when its input does,
//! and so with us, SIGKILL included. No rule touches a packet of another port.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::tool;
use crate::package_server::wire_plan::Share;

/// How long rules may take to stand.
const STANDS_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether they do.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A table of rules; it is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Firewall {
    nft: Child,
    /// `None` once it is to end.
    input: Option<ChildStdin>,
    table: String,
    rules: usize,
    port: Port,
}

/// Which packets are ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port(pub(super) SocketAddr);

/// What is done to them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// So many get lost.
    Lose(Share),
    /// Whoever wants to connect is told that there is no way to here.
    Unreachable,
    /// Nothing passes from or to this peer.
    CutOff(SocketAddr),
}

impl Firewall {
    /// Makes a table without rules, which does nothing.
    pub(super) fn raise(port: Port) -> io::Result<Firewall> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut nft = Command::new("nft")
            .arg("-i")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| tool::missing("nft", "nftables", error))?;
        if let Some(complaints) = &nft.stderr {
            rustix::fs::fcntl_setfl(complaints, rustix::fs::OFlags::NONBLOCK)?;
        }
        let mut firewall = Firewall {
            input: nft.stdin.take(),
            nft,
            table: format!("hil_{}_{number}", std::process::id()),
            rules: 0,
            port,
        };
        let table = &firewall.table;
        let commands = format!(
            "add table inet {table} {{ flags owner; }}\n\
             add chain inet {table} in {{ type filter hook input priority -10; policy accept; }}\n\
             add chain inet {table} out {{ type filter hook output priority -10; policy accept; }}\n"
        );
        firewall.tell(&commands)?;
        Ok(firewall)
    }

    /// Adds rules, and returns when they stand.
    pub(super) fn add(&mut self, rule: Rule) -> io::Result<()> {
        let rules = self.port.spell(rule);
        let table = &self.table;
        let commands: String = rules
            .iter()
            .map(|rule| format!("add rule inet {table} {rule}\n"))
            .collect();
        self.rules += rules.len();
        self.tell(&commands)
    }

    /// Packets that a rule has met, by the rule's name.
    pub(super) fn counted(&self) -> io::Result<BTreeMap<String, u64>> {
        let mut counted = BTreeMap::new();
        for rule in self.rules_that_stand()? {
            let Some(name) = rule["comment"].as_str() else {
                continue;
            };
            let packets = rule["expr"]
                .as_array()
                .and_then(|parts| {
                    parts
                        .iter()
                        .find_map(|part| part["counter"]["packets"].as_u64())
                })
                .unwrap_or(0);
            *counted.entry(name.to_owned()).or_default() += packets;
        }
        Ok(counted)
    }

    /// The rules as the kernel has them.
    ///
    /// The chains are asked for and not the table: nft before 1.1.0 reads memory that it has freed
    /// when it spells the flags of a table in JSON (its `json: fix use after free in
    /// table_flags_json()`), and a table that has an owner has one. What it prints is then cut off
    /// there, now and then, and nft calls that success.
    fn rules_that_stand(&self) -> io::Result<Vec<serde_json::Value>> {
        let mut rules = Vec::new();
        // One at a time: of two chains in one call, nft 1.0.6 finds one.
        for chain in ["in", "out"] {
            let listed = tool::run("nft", &["-j", "list", "chain", "inet", &self.table, chain])?;
            let listed: serde_json::Value =
                serde_json::from_str(&listed).map_err(io::Error::other)?;
            let entries = listed["nftables"].as_array().map_or(&[][..], Vec::as_slice);
            rules.extend(
                entries
                    .iter()
                    .filter_map(|entry| entry.get("rule").cloned()),
            );
        }
        Ok(rules)
    }

    fn tell(&mut self, commands: &str) -> io::Result<()> {
        // An nft that has ended says why on its standard error, which is read below.
        let told = match &mut self.input {
            Some(input) => input
                .write_all(commands.as_bytes())
                .and_then(|()| input.flush()),
            None => Ok(()),
        };
        let until = Instant::now() + STANDS_WITHIN;
        while told.is_ok() && Instant::now() < until {
            // An error says that the chains are not there yet.
            let stands = self
                .rules_that_stand()
                .is_ok_and(|rules| rules.len() == self.rules);
            if stands {
                return Ok(());
            }
            if let Some(complaint) = self.complaint() {
                return Err(io::Error::other(complaint));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let silent = || "nft did not make the rules in time".to_owned();
        Err(io::Error::other(self.complaint().unwrap_or_else(silent)))
    }

    /// What nft has to say, which it does only where something is wrong.
    fn complaint(&mut self) -> Option<String> {
        let mut said = [0; 1_024];
        let count = self.nft.stderr.as_mut()?.read(&mut said).unwrap_or(0);
        let said = String::from_utf8_lossy(&said[..count]);
        let line = said.lines().next()?.trim();
        Some(format!("nft says `{}`", line.escape_default()))
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        self.input = None;
        drop(self.nft.kill());
        drop(self.nft.wait());
    }
}

impl Port {
    /// A rule in nft's language, for each direction. What goes out over the loopback comes in
    /// again, and is met there: a packet that is dropped as it goes out is known to the sender,
    /// which no lost packet is.
    fn spell(self, rule: Rule) -> Vec<String> {
        let peer = match rule {
            Rule::CutOff(peer) => Some(peer),
            Rule::Lose(_) | Rule::Unreachable => None,
        };
        let up = self.matching(peer, "s", "d");
        let down = self.matching(peer, "d", "s");
        let both = |verdict: &str| {
            vec![
                format!("in {up} {verdict}"),
                format!("in iifname \"lo\" {down} {verdict}"),
                format!("out oifname != \"lo\" {down} {verdict}"),
            ]
        };
        match rule {
            Rule::Lose(share) => {
                let last = share.in_ten_thousand() - 1;
                let mut rules = both("counter comment \"seen\"");
                rules.extend(both(&format!(
                    "numgen random mod 10000 <= {last} counter drop comment \"lost\""
                )));
                rules
            }
            Rule::Unreachable => vec![format!(
                "in {up} tcp flags & (syn | ack) == syn counter reject with icmpx type host-unreachable comment \"unreachable\""
            )],
            Rule::CutOff(peer) => both(&format!("counter drop comment \"{}\"", name_of(peer))),
        }
    }

    /// Packets of our port; of one peer where that is given. `theirs` and `ours` are `s` or `d`:
    /// whether the peer is the source or the destination.
    fn matching(self, peer: Option<SocketAddr>, theirs: &str, ours: &str) -> String {
        let family = |address: IpAddr| if address.is_ipv4() { "ip" } else { "ip6" };
        let mut matching = String::new();
        if let Some(peer) = peer {
            let address = peer.ip().to_canonical();
            matching = format!(
                "{} {theirs}addr {address} tcp {theirs}port {} ",
                family(address),
                peer.port()
            );
        }
        let own = self.0.ip().to_canonical();
        if !own.is_unspecified() {
            matching.push_str(&format!("{} {ours}addr {own} ", family(own)));
        }
        format!("{matching}tcp {ours}port {}", self.0.port())
    }
}

/// What the rules about a peer are called.
pub(super) fn name_of(peer: SocketAddr) -> String {
    format!("cut off {peer}")
}
