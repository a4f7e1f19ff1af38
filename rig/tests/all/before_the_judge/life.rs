//! A life in process, recorded as a runner would record it: what was done to the module, what it
//! said, what the server saw.

use std::time::Duration;

use dfota::reader::{Reader, Record, What};
use dfota::timeline::{Entry, Event, FaultLife, Pin, Power, Purpose, ReadBack, ServerEvent, Stage};
use rig::virtual_module::in_process::{InProcess, Served, Web};
use rig::virtual_module::{Rate, Settings};

use super::plan::{A, Kind, Plan, firmware, package};

const SECOND: Duration = Duration::from_secs(1);

/// A bench with a recorder.
pub(super) struct Life {
    bench: InProcess,
    reader: Reader,
    timeline: Vec<Entry>,
    console: Rate,
    /// Per connection: whether its request, and whether its end, is in the timeline.
    reported: Vec<(bool, bool)>,
    not_found: bool,
}

impl Life {
    pub(super) fn new(plan: &Plan) -> Self {
        let settings = Settings {
            personality: plan.personality,
            console: plan.console,
            image: firmware(A),
            ..Settings::default()
        };
        let not_found = plan.package == Kind::NotFound;
        let web = if not_found {
            Web::Says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..].into())
        } else {
            Web::Package(package(plan.package).into())
        };
        Self {
            bench: InProcess::new(&settings, web),
            reader: Reader::new(),
            timeline: Vec::new(),
            console: plan.console,
            reported: Vec::new(),
            not_found,
        }
    }

    fn record(&mut self, what: What) {
        let at = self.bench.module().now();
        self.timeline.extend(self.reader.read(Record { at, what }));
    }

    fn event(&mut self, event: Event) {
        self.record(What::Event(event));
    }

    fn fault(&mut self, name: &str, life: FaultLife) {
        let name = name.to_owned();
        self.event(Event::Fault { name, life });
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.bench.module().now() + time;
        while self.bench.module().now() < end {
            self.bench.step(end);
            self.hear();
            self.report_server();
        }
    }

    fn hear(&mut self) {
        let said = self.bench.take_said();
        if !said.is_empty() {
            self.record(What::Chunk(said.into_bytes()));
        }
    }

    fn report_server(&mut self) {
        self.reported
            .resize(self.bench.served().len(), (false, false));
        let mut events = Vec::new();
        for (index, served) in self.bench.served().iter().enumerate() {
            let connection = index as u64 + 1;
            let from = range_from(served);
            let (requested, closed) = &mut self.reported[index];
            if !std::mem::replace(requested, true) {
                events.push(ServerEvent::Request {
                    connection,
                    method: String::from("GET"),
                    range_from: Some(from),
                    peer: None,
                });
            }
            if !*closed && served.body > 0 {
                events.push(ServerEvent::Acked {
                    connection,
                    from,
                    bytes: served.delivered as u64,
                    sent: None,
                    of: from + served.body as u64,
                });
            }
            if served.closed && !std::mem::replace(closed, true) {
                events.push(ServerEvent::Closed {
                    connection,
                    status: Some(if self.not_found { 404 } else { 206 }),
                    acked: served.delivered as u64,
                    sent: None,
                    declared: Some(served.body as u64),
                    honest: !self.not_found,
                    how: String::from("closed"),
                });
            }
        }
        for event in events {
            self.event(Event::Server(event));
        }
    }

    fn send(&mut self, line: &str, purpose: Purpose) {
        let bytes = format!("{line}\r");
        self.event(Event::Sent {
            bytes: bytes.clone().into_bytes(),
            purpose,
        });
        self.bench.send(&bytes);
        self.run_for(SECOND);
    }

    fn supply(&mut self, to: Power) {
        self.bench.set_vbat(to == Power::On);
        // What of a line was out when the power went.
        self.hear();
        self.event(Event::Supply {
            to,
            read_back: ReadBack::Agrees,
        });
    }

    fn power_on(&mut self) {
        self.supply(Power::On);
        self.run_for(SECOND / 10);
        for asserted in [true, false] {
            self.bench.set_pwrkey(asserted);
            self.event(Event::Pin {
                pin: Pin::Pwrkey,
                asserted,
            });
            self.run_for(SECOND * 6 / 10);
        }
    }

    fn power_off(&mut self) {
        self.supply(Power::Off);
        self.run_for(5 * SECOND);
    }

    fn until_ready(&mut self) {
        // Long enough for a boot and for an update that goes on.
        self.run_for(60 * SECOND);
        self.send("AT", Purpose::Sync);
        self.event(Event::Ready);
    }

    fn probe(&mut self) {
        for command in [
            "ATI",
            "AT+CGMR",
            "AT+CGSN",
            "AT+CFUN?",
            "AT+CMEE?",
            "AT+IPR?",
            "AT+CGDCONT?",
            "AT+CEREG?",
        ] {
            self.send(command, Purpose::Probe);
        }
    }

    /// The whole of it, as a case goes: prepared, updated and cut, looked at afterwards.
    pub(super) fn lead(mut self, plan: &Plan) -> Vec<Entry> {
        if self.not_found {
            let sent = String::from("404 sent");
            self.fault("server-1", FaultLife::Fired(sent));
        }
        self.event(Event::Stage(Stage::Prepare));
        self.power_on();
        self.until_ready();
        self.probe();
        self.power_off();

        self.event(Event::Stage(Stage::Steps));
        self.power_on();
        self.until_ready();
        self.send("AT+QFOTADL=\"http://10.0.0.1/p.bin\"", Purpose::Step);
        for (number, after) in plan.cuts.iter().enumerate() {
            let name = format!("cut-{}", number + 1);
            self.fault(&name, FaultLife::Armed);
            self.run_for(*after);
            self.supply(Power::Off);
            self.fault(&name, FaultLife::Fired(String::from("VBAT commanded off")));
            self.run_for(5 * SECOND);
            self.fault(&name, FaultLife::Cleared);
            self.power_on();
        }
        self.run_for(120 * SECOND);
        if !plan.cuts.is_empty() || self.console == Rate::Auto {
            self.until_ready();
        }

        self.event(Event::Stage(Stage::Aftercare));
        self.probe();
        self.power_off();
        self.power_on();
        self.until_ready();
        self.probe();
        self.power_off();
        self.timeline.extend(self.reader.finish());
        self.timeline
    }
}

/// From where on the module asked.
fn range_from(served: &Served) -> u64 {
    let range = |line: &str| {
        let from = line.strip_prefix("Range: bytes=")?.strip_suffix('-')?;
        from.parse().ok()
    };
    served.request.lines().find_map(range).unwrap_or(0)
}
