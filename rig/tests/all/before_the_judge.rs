//! Any life of the virtual module is acceptable to the judge, which was written from the same
//! guide by another hand.
//!
//! A life is led in process and recorded as a runner would record it: what was done to the
//! module, what it said, what the server saw.

use std::time::Duration;

use dfota::brief::{Console, EndState, Fitness, PackageFacts};
use dfota::reader::{Reader, Record, What};
use dfota::timeline::{Entry, Event, FaultLife, Pin, Power, Purpose, ReadBack, ServerEvent, Stage};
use dfota::verdict::{Judgement, Verdict};
use dfota::{Brief, judge};
use proptest::prelude::*;
use rig::delta::{self, SECTOR};
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Personality, Rate, Settings};
use rstest::rstest;

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";
const C: &str = "BC26NBR01A03";
const SECOND: Duration = Duration::from_secs(1);
const IMAGE_LEN: usize = 4 * SECTOR;

/// What is tried on a module.
#[derive(Clone, Debug)]
struct Plan {
    personality: Personality,
    console: Rate,
    package: Kind,
    /// The power is cut so long after the command, and after each start that follows.
    cuts: Vec<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Honest,
    OtherBase,
    Damaged,
    NotFound,
}

fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
}

fn honest() -> Vec<u8> {
    delta::make(&firmware(A), &firmware(B)).unwrap()
}

fn package(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Honest | Kind::NotFound => honest(),
        Kind::OtherBase => delta::make(&firmware(C), &firmware(B)).unwrap(),
        Kind::Damaged => {
            let mut package = honest();
            package[500] ^= 0x20;
            package
        }
    }
}

/// A bench with a recorder.
struct Life {
    bench: InProcess,
    reader: Reader,
    timeline: Vec<Entry>,
    console: Rate,
    /// Per connection: whether its request, and whether its end, is in the timeline.
    reported: Vec<(bool, bool)>,
    not_found: bool,
}

impl Life {
    fn new(plan: &Plan) -> Self {
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
            let from = served
                .request
                .lines()
                .find_map(|line| {
                    line.strip_prefix("Range: bytes=")?
                        .strip_suffix('-')?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
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

    fn lead(mut self, plan: &Plan) -> Vec<Entry> {
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
            self.event(Event::Fault {
                name: name.clone(),
                life: FaultLife::Armed,
            });
            self.run_for(*after);
            self.supply(Power::Off);
            self.event(Event::Fault {
                name: name.clone(),
                life: FaultLife::Fired(String::from("VBAT commanded off")),
            });
            self.run_for(5 * SECOND);
            self.event(Event::Fault {
                name,
                life: FaultLife::Cleared,
            });
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

fn brief(plan: &Plan) -> Brief {
    let bytes = package(plan.package);
    Brief {
        case: String::from("life"),
        model: String::from("BC26"),
        base: A.to_owned(),
        target: B.to_owned(),
        package: Some(PackageFacts {
            sha256: String::from("not asked for here"),
            size: bytes.len() as u64,
            fitness: match plan.package {
                Kind::Honest | Kind::NotFound => Fitness::Fits,
                Kind::OtherBase => Fitness::OtherBase,
                Kind::Damaged => Fitness::Damaged,
            },
        }),
        console: match plan.console {
            Rate::Auto => Console::Auto,
            Rate::Fixed(rate) => Console::Fixed(rate),
        },
        imei: Some(Settings::default().imei),
        end: match (plan.package, plan.cuts.as_slice()) {
            (Kind::Honest, []) => EndState::Target,
            (Kind::Honest, _) => EndState::Either,
            _ => EndState::Base,
        },
        faults_planned: (1..=plan.cuts.len())
            .map(|number| format!("cut-{number}"))
            .chain((plan.package == Kind::NotFound).then(|| String::from("server-1")))
            .collect(),
        ..Brief::default()
    }
}

fn judged(plan: &Plan) -> (Judgement, Vec<Entry>) {
    let mut life = Life::new(plan);
    if plan.package == Kind::NotFound {
        life.event(Event::Fault {
            name: String::from("server-1"),
            life: FaultLife::Fired(String::from("404 sent")),
        });
    }
    let timeline = life.lead(plan);
    (judge(&brief(plan), &timeline), timeline)
}

fn check(plan: &Plan) -> Judgement {
    let (judgement, timeline) = judged(plan);
    let told: Vec<String> = judgement
        .findings
        .iter()
        .map(|finding| dfota::explain::explain(finding, &timeline))
        .collect();
    assert!(
        judgement.findings.is_empty() && judgement.verdict == Verdict::Pass,
        "{plan:?}: {}\n{}",
        judgement.reason,
        told.join("\n")
    );
    judgement
}

#[rstest]
fn a_clean_update_passes(
    #[values(
        Personality::Guide,
        Personality::Example,
        Personality::Typo,
        Personality::A03,
        Personality::A05,
        Personality::Bc660k
    )]
    personality: Personality,
    #[values(Rate::Fixed(115_200), Rate::Auto)] console: Rate,
) {
    let judgement = check(&Plan {
        personality,
        console,
        package: Kind::Honest,
        cuts: Vec::new(),
    });
    assert_eq!(judgement.firmware.before.as_deref(), Some(A));
    assert_eq!(judgement.firmware.after.as_deref(), Some(B));
}

#[rstest]
fn a_package_that_must_be_refused_is(
    #[values(Personality::Guide, Personality::A03, Personality::A05)] personality: Personality,
    #[values(Kind::OtherBase, Kind::Damaged, Kind::NotFound)] package: Kind,
) {
    let judgement = check(&Plan {
        personality,
        console: Rate::Fixed(115_200),
        package,
        cuts: Vec::new(),
    });
    assert_eq!(judgement.firmware.after.as_deref(), Some(A));
}

/// As early as a cut can come: the smallest life in which judge and module once disagreed.
#[rstest]
fn a_life_that_is_cut_at_once_is_acceptable(
    #[values(Rate::Fixed(115_200), Rate::Auto)] console: Rate,
) {
    check(&Plan {
        personality: Personality::Guide,
        console,
        package: Kind::Honest,
        cuts: vec![Duration::from_millis(1)],
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_life_is_acceptable(
        personality in prop::sample::select(Personality::ALL.to_vec()),
        auto in any::<bool>(),
        package in prop::sample::select(vec![Kind::Honest, Kind::Honest, Kind::OtherBase, Kind::Damaged]),
        cuts in prop::collection::vec(1..12_000u64, 0..4),
    ) {
        check(&Plan {
            personality,
            console: if auto { Rate::Auto } else { Rate::Fixed(115_200) },
            package,
            cuts: cuts.into_iter().map(Duration::from_millis).collect(),
        });
    }
}
