//! Delay, duplication, reordering and corruption by the kernel's network emulator (netem), of our
//! own port only: other packets of the device go the way they went.
//!
//! A queueing discipline stays when its maker is gone, so a shell stands by that takes it away as
//! soon as its input ends, and with us it does.

use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::tool;
use crate::package_server::wire_plan::{Network, Share};

/// The handles of our disciplines, by which they are known: the one that sorts, and netem.
const SORTER: &str = "4e1:";
const EMULATOR: &str = "4e2:";
/// How long another run may have the device.
const FREE_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A device whose packets of one port netem has; as it was when this is dropped.
#[derive(Debug)]
pub(super) struct Netem {
    device: String,
    network: Network,
    /// Takes the disciplines away when its input ends.
    undo: Child,
}

impl Netem {
    pub(super) fn start(listen: SocketAddr, network: Network) -> io::Result<Netem> {
        let device = device_of(listen)?;
        wait_until_free(&device)?;
        let undo = Command::new("sh")
            .args([
                "-c",
                "cat > /dev/null; tc qdisc del dev \"$1\" root handle \"$2\"",
            ])
            .args(["sh", &device, SORTER])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt is for us, and ends it through us.
            .process_group(0)
            .spawn()?;
        let netem = Netem {
            device,
            network,
            undo,
        };
        netem.set_up(listen)?;
        Ok(netem)
    }

    fn set_up(&self, listen: SocketAddr) -> io::Result<()> {
        let device = self.device.as_str();
        let band = format!("{SORTER}4");
        let root = ["qdisc", "add", "dev", device, "root", "handle", SORTER];
        // Nothing goes to the fourth band by itself.
        tool::run("tc", &[&root[..], &["prio", "bands", "4"]].concat())?;
        let words = words(self.network);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let below = [
            "qdisc", "add", "dev", device, "parent", &band, "handle", EMULATOR, "netem",
        ];
        tool::run("tc", &[&below[..], &words].concat())?;
        let port = listen.port().to_string();
        for (protocol, header, priority) in [("ip", "ip", "1"), ("ipv6", "ip6", "2")] {
            for direction in ["sport", "dport"] {
                let of_device = [
                    "filter", "add", "dev", device, "parent", SORTER, "protocol", protocol, "prio",
                    priority, "u32",
                ];
                let of_port = ["match", header, direction, &port, "0xffff", "flowid", &band];
                tool::run("tc", &[&of_device[..], &of_port].concat())?;
            }
        }
        Ok(())
    }

    /// How it is known that it did what it says; `None` where no packet went through it, or where
    /// the kernel does with them something else than was asked.
    pub(super) fn proof(&self) -> io::Result<Option<String>> {
        let listed = tool::run("tc", &["-j", "-s", "qdisc", "show", "dev", &self.device])?;
        let listed: serde_json::Value = serde_json::from_str(&listed).map_err(io::Error::other)?;
        let ours = listed
            .as_array()
            .and_then(|all| {
                all.iter()
                    .find(|one| one["handle"].as_str() == Some(EMULATOR))
            })
            .ok_or_else(|| io::Error::other(format!("netem is gone from `{}`", self.device)))?;
        let packets = ours["packets"].as_u64().unwrap_or(0);
        let proved = packets > 0 && is_as_asked(&ours["options"], self.network);
        let words = words(self.network).join(" ");
        Ok(proved.then(|| format!("netem {words}: {packets} packets went through it")))
    }
}

/// Whether what the kernel says of its emulator is what was asked of it.
fn is_as_asked(options: &serde_json::Value, network: Network) -> bool {
    let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
    let of_one = |share: Option<Share>| {
        share.map_or(0.0, |share| f64::from(share.in_ten_thousand()) / 10_000.0)
    };
    let asked = [
        ("/delay/delay", seconds(network.delay)),
        ("/delay/jitter", seconds(network.jitter)),
        ("/duplicate/duplicate", of_one(network.duplicate)),
        ("/reorder/reorder", of_one(network.reorder)),
        ("/corrupt/corrupt", of_one(network.corrupt)),
    ];
    asked.into_iter().all(|(place, asked)| {
        let said = options.pointer(place).and_then(serde_json::Value::as_f64);
        // The kernel counts in ticks and in parts of 2^32.
        (said.unwrap_or(0.0) - asked).abs() < 1e-5
    })
}

impl Drop for Netem {
    fn drop(&mut self) {
        drop(self.undo.stdin.take());
        drop(self.undo.wait());
    }
}

/// What netem is told.
fn words(network: Network) -> Vec<String> {
    let mut words = Vec::new();
    let microseconds = |duration: Duration| format!("{}us", duration.as_micros());
    if let Some(delay) = network.delay {
        words.extend(["delay".to_owned(), microseconds(delay)]);
        words.extend(network.jitter.map(microseconds));
    }
    let shares = [
        ("duplicate", network.duplicate),
        ("reorder", network.reorder),
        ("corrupt", network.corrupt),
    ];
    for (word, share) in shares {
        if let Some(share) = share {
            words.extend([word.to_owned(), share.to_string()]);
        }
    }
    words
}

/// The device that carries the packets of our port.
fn device_of(listen: SocketAddr) -> io::Result<String> {
    let address = listen.ip().to_canonical();
    if address.is_loopback() {
        return Ok("lo".to_owned());
    }
    let (arguments, wanted) = if address.is_unspecified() {
        (vec!["-j", "route", "show", "default"], None)
    } else {
        (vec!["-j", "address"], Some(address.to_string()))
    };
    let listed = tool::run("ip", &arguments)?;
    let listed: serde_json::Value = serde_json::from_str(&listed).map_err(io::Error::other)?;
    let entries = listed.as_array().map_or(&[][..], Vec::as_slice);
    let found = entries.iter().find_map(|entry| match &wanted {
        None => entry["dev"].as_str(),
        Some(address) => entry["addr_info"]
            .as_array()?
            .iter()
            .any(|info| info["local"].as_str() == Some(address))
            .then(|| entry["ifname"].as_str())?,
    });
    found.map(str::to_owned).ok_or_else(|| {
        io::Error::other(format!(
            "no network device carries the packets of `{listen}`"
        ))
    })
}

/// Waits while another run of ours has the device. A discipline of somebody else is left alone.
fn wait_until_free(device: &str) -> io::Result<()> {
    let until = Instant::now() + FREE_WITHIN;
    loop {
        let listed = tool::run("tc", &["-j", "qdisc", "show", "dev", device])?;
        let listed: serde_json::Value = serde_json::from_str(&listed).map_err(io::Error::other)?;
        let root = listed.as_array().and_then(|all| {
            all.iter()
                .find(|one| one["root"].as_bool() == Some(true))
                .and_then(|root| root["handle"].as_str())
        });
        match root {
            // The kernel's own choice has no handle, and comes back by itself.
            None | Some("0:") => return Ok(()),
            Some(SORTER) if Instant::now() < until => std::thread::sleep(LOOK_EVERY),
            Some(SORTER) => {
                return Err(io::Error::other(format!(
                    "another run has had `{device}` for two minutes; if there is none, `tc qdisc del dev {device} root` makes it free"
                )));
            }
            Some(_) => {
                return Err(io::Error::other(format!(
                    "`{device}` has a queueing discipline of somebody's own (`tc qdisc show dev {device}`), which is left alone"
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const SPEAKS: &str = r#"{"limit":1000,"delay":{"delay":0.5,"jitter":0.1,"correlation":0},
        "duplicate":{"duplicate":0.02,"correlation":0},"corrupt":{"corrupt":0.01,"correlation":0},
        "ecn":false,"gap":1}"#;

    fn asked() -> Network {
        Network {
            delay: Some(Duration::from_millis(500)),
            jitter: Some(Duration::from_millis(100)),
            duplicate: Share::parse("2%").ok(),
            corrupt: Share::parse("1%").ok(),
            ..Network::default()
        }
    }

    #[test]
    fn what_the_kernel_says_of_it_is_what_was_asked() {
        assert!(is_as_asked(&serde_json::from_str(SPEAKS).unwrap(), asked()));
    }

    #[rstest]
    #[case::no_options(json!({}))]
    #[case::another_delay(json!({"delay": {"delay": 0.05, "jitter": 0.1}, "duplicate": {"duplicate": 0.02}, "corrupt": {"corrupt": 0.01}}))]
    #[case::no_duplicates(json!({"delay": {"delay": 0.5, "jitter": 0.1}, "corrupt": {"corrupt": 0.01}}))]
    #[case::reordered_unasked(json!({"delay": {"delay": 0.5, "jitter": 0.1}, "duplicate": {"duplicate": 0.02}, "corrupt": {"corrupt": 0.01}, "reorder": {"reorder": 0.1}}))]
    fn an_emulator_that_does_something_else_proves_nothing(#[case] options: serde_json::Value) {
        assert!(!is_as_asked(&options, asked()));
    }
}
