//! Whether the network has the module, and whether it reaches the package server from there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dfota::message::Message;
use dfota::timeline::{Event, Purpose, ServerEvent};
use dfota::urc::FotaUrc;

use super::super::ending;
use super::super::session::{Awaited, Stop};
use super::{Examiner, failed, human, measured, ms, passed};
use crate::doctor::{Look, Outcome};
use crate::package_server::wire_plan::{BodySource, Instead};
use crate::package_server::{Limits, NamedPlan, Offer, Options, PackageServer, Serving, WirePlan};
use crate::report::chain;
use crate::scenario::{self, Expectation, Number, PackageUrl, Pattern};

/// How long a SIM may take after a start, in the module's time.
const SIM_WITHIN: Duration = Duration::from_secs(20);
/// How often it is asked.
const SIM_EVERY: Duration = Duration::from_secs(1);
/// How long the module may take to send its request: it looks at its bearer for up to a minute,
/// and deep coverage is slow.
const REQUEST_WITHIN: Duration = Duration::from_secs(5 * 60);
/// How long it may take to give up a download that was refused.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(5 * 60);
/// What nobody can download: the server answers 404, so that nothing of it reaches the module.
const NOTHING: &[u8] = b"no package: this is an examination of the rig\n";

impl Examiner<'_, '_> {
    /// SIM and network.
    pub(super) fn network(&mut self) -> Result<Outcome, Stop> {
        self.alive()?;
        let sim = self.sim()?;
        let registered = self.session.registered()?;
        let registration = self.first_line("AT+CEREG?")?;
        let signal = self.first_line("AT+CESQ")?;
        let address = self.first_line("AT+CGPADDR=1")?;
        let look = Look {
            did: "asked `AT+CPIN?`, `AT+CEREG?` until it is registered, `AT+CESQ`, `AT+CGPADDR=1`"
                .to_owned(),
            saw: format!("{sim}; {registration}; {signal}; {address}"),
            expected: "+CPIN: READY, and +CEREG with 1 (home) or 5 (roaming)".to_owned(),
            ..Look::default()
        };
        let has_sim = sim.contains("READY");
        if has_sim && registered {
            return Ok(passed(look));
        }
        let check: &[&str] = if !has_sim {
            &[
                "the SIM in its holder, its contacts, and whether it is locked by a PIN",
                "SIM_VDD at the holder while the module boots: 1.8 V",
            ]
        } else {
            match status(&registration) {
                Some(0) => &["`AT+CFUN?`: is the radio on (`+CFUN: 1`)?"],
                Some(3) => &[
                    "the contract of the SIM: the network refuses it. The APN (`AT+QCGDEFCONT?`), and whether the operator knows this IMEI",
                ],
                _ => &[
                    "the antenna and its connector",
                    "whether there is NB-IoT coverage in the module's bands, with the SIM of this operator",
                    "`+CESQ`: 99,99,255,255,255,255 is no signal at all",
                ],
            }
        };
        Ok(failed(look, check.iter().copied()))
    }

    /// The answer to `AT+CPIN?`, which a SIM may take a while for.
    fn sim(&mut self) -> Result<String, Stop> {
        let until = self.session.now() + self.session.deadline(SIM_WITHIN);
        loop {
            let said = self.first_line("AT+CPIN?")?;
            if said.contains("READY") || self.session.now() >= until {
                return Ok(said);
            }
            self.session.pass(self.session.pace(SIM_EVERY))?;
        }
    }

    /// The first line that answers a command, or that none does.
    fn first_line(&mut self, command: &str) -> Result<String, Stop> {
        let answer = self.session.ask(command)?.unwrap_or_default();
        let line = answer.into_iter().next();
        Ok(line.unwrap_or_else(|| format!("no answer to `{command}`")))
    }

    /// Whether the module reaches the package server: nothing counts but its own request, for a
    /// path that nobody else can know. The server refuses it, so that no byte of a package
    /// reaches the module.
    pub(super) fn server(&mut self) -> Result<Outcome, Stop> {
        let address = &self.file.server;
        let public_url = address
            .called
            .as_ref()
            .map(|name| format!("http://{}:{}", name.host, name.port));
        let server = PackageServer::start(
            Options {
                listen: address.listen,
                public_url,
                limits: Limits::default(),
            },
            self.reports.clone(),
        );
        let server = match server {
            Ok(server) => server,
            Err(e) => {
                return Ok(failed(
                    Look {
                        did: format!("listened on `{}`", address.listen),
                        saw: chain(&e),
                        expected: "a port that is ours".to_owned(),
                        ..Look::default()
                    },
                    ["which program has the port: `ss -ltnp`"],
                ));
            }
        };
        let offered = server.offer(Offer {
            name: "doctor".to_owned(),
            package: Arc::from(NOTHING),
            others: BTreeMap::new(),
            serving: refused(),
            seed: 0,
            speed: self.session.rig.speed,
        })?;
        let (host, port) = match &address.called {
            Some(name) => (name.host.clone(), name.port),
            None => {
                let local = server.local_addr();
                (local.ip().to_string(), local.port())
            }
        };
        let url = PackageUrl {
            host,
            port,
            path: offered.path.clone(),
        };
        let seen = self.fetched(&url.to_string())?;
        server.withdraw(&offered)?;
        self.session.take_reports()?;
        self.harmless()?;
        self.alive()?;
        let after = self.version()?;
        Ok(self.conclude(&url, address.listen.port(), &seen, after))
    }

    /// Lets the module ask for a URL, and waits until it has given up.
    fn fetched(&mut self, url: &str) -> Result<Fetched, Stop> {
        self.alive()?;
        self.session.registered()?;
        let from = self.session.timeline().len();
        self.session.forget_the_past();
        let asked = self.session.now();
        self.session
            .send(format!("AT+QFOTADL=\"{url}\"\r").as_bytes(), Purpose::Step)?;
        let end = Expectation {
            awaited: scenario::Awaited::Message(vec![Pattern::HttpEnd(Number::Any)]),
            within: REQUEST_WITHIN,
            text: "FOTA HTTPEND".to_owned(),
        };
        let until = asked + self.session.deadline(REQUEST_WITHIN);
        let every = self.session.pace(Duration::from_secs(2));
        let mut ended = Awaited::Overdue;
        let mut request = None;
        while ended != Awaited::Came && request.is_none() && self.session.now() < until {
            ended = self.session.await_message(&end, every, None)?;
            request = self.request(from);
            if matches!(ended, Awaited::RuledOut(_)) {
                break;
            }
        }
        if request.is_some() && ended != Awaited::Came {
            let within = self.session.deadline(GIVES_UP_WITHIN);
            self.session.await_message(&end, within, None)?;
        }
        // What the server saw may be told a moment after what the module made of it.
        self.session.pass(Duration::from_millis(100))?;
        let request = self.request(from);
        let news = &self.session.timeline()[from..];
        Ok(Fetched {
            after: request.map(|at| self.module_time(at.saturating_sub(asked))),
            http_end: news.iter().rev().find_map(|entry| match &entry.event {
                Event::Received { message, .. } => match message.fota()? {
                    FotaUrc::HttpEnd(code) => Some(code.0),
                    _ => None,
                },
                _ => None,
            }),
            refused: news.iter().any(|entry| {
                matches!(&entry.event, Event::Received { message: Message::FinalResult(result), .. }
                    if *result != dfota::message::FinalResult::Ok)
            }),
            strangers: news
                .iter()
                .filter_map(|entry| match &entry.event {
                    Event::Server(ServerEvent::Stranger { why, .. }) => Some(why.clone()),
                    _ => None,
                })
                .collect(),
        })
    }

    /// When the server saw the module's request, if it did.
    fn request(&self, from: usize) -> Option<Duration> {
        self.session.timeline()[from..]
            .iter()
            .find(|entry| matches!(entry.event, Event::Server(ServerEvent::Request { .. })))
            .map(|entry| entry.at)
    }

    /// A module that makes an update of a refusal is out of order; its power stays until the
    /// update is over all the same.
    fn harmless(&mut self) -> Result<(), Stop> {
        ending::see_through(self.session)
    }

    fn conclude(
        &self,
        url: &PackageUrl,
        listen: u16,
        seen: &Fetched,
        after: Option<String>,
    ) -> Outcome {
        let end = seen.http_end.as_ref().map_or_else(
            || "no HTTPEND".to_owned(),
            |code| format!("`HTTPEND,{code}`"),
        );
        let strangers = match seen.strangers.first() {
            None => String::new(),
            Some(first) => format!(
                "; {} other connections came, the first refused since {first}",
                seen.strangers.len()
            ),
        };
        let look = Look {
            did: format!(
                "let the module ask for `http://{}:{}/…`, a path nobody can guess, and refused it by 404",
                url.host, url.port
            ),
            saw: match seen.after {
                Some(after) => format!("its request came after {}, then {end}", human(after)),
                None if seen.refused => {
                    format!("no request: the module refused the command{strangers}")
                }
                None => format!("no request came; the module says {end}{strangers}"),
            },
            expected: "the module's own request at our port, and an HTTPEND with an error"
                .to_owned(),
            measured: seen.after.map_or_else(Default::default, |after| {
                measured([("request_after_ms", ms(after))])
            }),
        };
        if after != self.facts.version {
            return failed(
                Look {
                    saw: format!(
                        "{}; and its firmware is `{}` now, where it was `{}`",
                        look.saw,
                        after.as_deref().unwrap_or("unknown"),
                        self.facts.version.as_deref().unwrap_or("unknown")
                    ),
                    ..look
                },
                ["the module itself: it took a refusal for a package. Do not use it"],
            );
        }
        match (&seen.after, seen.http_end) {
            (Some(_), Some(0)) => failed(
                look,
                ["the module itself: it took a refusal for a package"],
            ),
            (Some(_), _) => passed(look),
            (None, _) => failed(
                look,
                [
                    format!(
                        "from a phone on mobile data: `curl -v http://{}:{}/` must be answered by 404 while `hil serve` runs",
                        url.host, url.port
                    ),
                    format!(
                        "the way from there to our port {listen}: port forward, tunnel (`GatewayPorts yes` for `ssh -R`), firewall, CGNAT; `url` and `listen` of [server] in the rig file"
                    ),
                    "whether the operator lets this SIM reach that address and port: white lists and blocked ports are common".to_owned(),
                ],
            ),
        }
    }
}

/// What came of one request.
#[derive(Debug)]
struct Fetched {
    /// From the command to the request at our port, in the module's time.
    after: Option<Duration>,
    /// What the module made of it: the code of its `HTTPEND`.
    http_end: Option<u32>,
    /// The module did not take the command.
    refused: bool,
    /// Why other connections were refused.
    strangers: Vec<String>,
}

/// Every request is refused by an empty 404: the one answer that a module asks once for, and
/// writes nothing of.
fn refused() -> Serving {
    Serving::Through(vec![NamedPlan {
        name: "doctor".to_owned(),
        plan: WirePlan {
            answer: Some(Instead {
                status: Some(404),
                body: Some(BodySource::Empty),
                ..Instead::default()
            }),
            ..WirePlan::default()
        },
    }])
}

/// The status in `+CEREG: <n>,<stat>…`.
fn status(line: &str) -> Option<u32> {
    let fields = line.strip_prefix("+CEREG:")?;
    fields.split(',').nth(1)?.trim().parse().ok()
}
