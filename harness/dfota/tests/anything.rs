//! Whatever a module says and whatever is done to it: a verdict, never a panic, and the
//! same one each time. The long form is the fuzz target in `fuzz/`.

use std::time::Duration;

use dfota::brief::{Brief, Console, EndState, PackageFacts};
use dfota::reader::{Record, What};
use dfota::timeline::{
    Event, FaultLife, Pin, Power, Purpose, ReadBack, ServerEvent, Stage, render,
};
use dfota::verdict::Verdict;
use dfota::{Monitor, explain, judge, transcript};
use proptest::prelude::*;

/// Lines that lead deep into the judge, and bytes that lead nowhere.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec![
        "OK",
        "ERROR",
        "+CME ERROR: 30",
        "RDY",
        "+CFUN: 1",
        "+CEREG: 0,2",
        "F1: 0000 0000",
        "V0: 0000 0000 [0001]",
        "T0: 0000 00B4",
        "Leaving the BROM",
        "Revision: A",
        "Revision: B",
        "860000000000000",
        "+IPR: 115200",
        "+QIND: \"FOTA\",\"HTTPSTART\"",
        "+QIND: \"FOTA\",\"DOWNLOADING\",50%",
        "+QIND: \"FOTA\",\"DOWNLOADING\",100",
        "+QIND: \"FOTA\",\"HTTPEND\",0",
        "+QIND: \"FOTA\",\"HTTPEND\",12",
        "+QIND: \"FOTA\",\"START\"",
        "+QIND: \"FOTA\",\"UPDATING\",40%",
        "+QIND: \"FOTA\",\"UPDATING\", 99%, 4294967295, 4294967295",
        "+QIND: \"FOTA\",\"END\",0",
        "+QIND: \"FOTA\",\"END\",254",
        "+QIND: \"FOTA\",\"RESTORE\",1%",
    ]);
    prop_oneof![
        6 => lines.prop_map(|line| format!("\r\n{line}\r\n").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn done() -> impl Strategy<Value = Event> {
    let sent = prop::sample::select(vec![
        "AT\r",
        "ATI\r",
        "AT+CGSN\r",
        "AT+IPR?\r",
        "AT+QFOTADL=\"http://h/p\"\r",
        "AT+QFOTADL=\"https://h/p\"\r",
        "AT+QFOTADL=?\r",
        "AT+QRST=1\r",
        "\r\r",
        "AT+CFUN=0",
    ]);
    prop_oneof![
        (
            sent,
            prop::sample::select(vec![Purpose::Step, Purpose::Sync, Purpose::Probe])
        )
            .prop_map(|(text, purpose)| Event::Sent {
                bytes: text.as_bytes().to_vec(),
                purpose
            }),
        prop::sample::select(vec![Power::On, Power::Off]).prop_map(|to| Event::Supply {
            to,
            read_back: ReadBack::Agrees
        }),
        prop::sample::select(vec![
            Stage::Prepare,
            Stage::Steps,
            Stage::Aftercare,
            Stage::Retry
        ])
        .prop_map(Event::Stage),
        any::<bool>().prop_map(|asserted| Event::Pin {
            pin: Pin::ResetN,
            asserted
        }),
        any::<u32>().prop_map(Event::Rate),
        Just(Event::Ready),
        Just(Event::Interrupted),
        prop::sample::select(vec![FaultLife::Armed, FaultLife::Fired("so".into())]).prop_map(
            |life| Event::Fault {
                name: "cut-1".into(),
                life
            }
        ),
        (
            any::<u64>(),
            any::<u64>(),
            any::<u64>(),
            any::<Option<u64>>(),
            any::<u64>()
        )
            .prop_map(|(connection, from, bytes, sent, of)| Event::Server(
                ServerEvent::Acked {
                    connection,
                    from,
                    bytes,
                    sent,
                    of
                }
            )),
        (0u64..4, any::<Option<u64>>(), any::<bool>(),).prop_map(
            |(connection, range_from, other)| Event::Server(ServerEvent::Request {
                connection,
                method: "GET".into(),
                range_from,
                peer: Some([192, 0, 2, u8::from(other)].into()),
            })
        ),
        any::<bool>().prop_map(|turned_away| Event::Server(ServerEvent::Stranger {
            connection: 9,
            why: "so".into(),
            turned_away
        })),
        (
            0u64..4,
            any::<u64>(),
            any::<Option<u64>>(),
            any::<Option<u64>>(),
            any::<bool>()
        )
            .prop_map(|(connection, acked, sent, declared, honest)| Event::Server(
                ServerEvent::Closed {
                    connection,
                    status: Some(200),
                    acked,
                    sent,
                    declared,
                    honest,
                    how: String::new()
                }
            )),
        Just(Event::Unmet {
            expectation: "x".into(),
            why: "y".into()
        }),
    ]
}

fn life() -> impl Strategy<Value = Vec<Record>> {
    let what = prop_oneof![2 => said().prop_map(What::Chunk), 1 => done().prop_map(What::Event)];
    prop::collection::vec((any::<u32>(), what), 0..120).prop_map(|records| {
        let record = |(at, what)| Record {
            at: Duration::from_micros(u64::from(at)),
            what,
        };
        records.into_iter().map(record).collect()
    })
}

fn brief() -> impl Strategy<Value = Brief> {
    let console = prop::sample::select(vec![
        Console::Auto,
        Console::Fixed(115_200),
        Console::Fixed(0),
    ]);
    let end = prop::sample::select(vec![
        EndState::Target,
        EndState::Base,
        EndState::Either,
        EndState::Unchecked,
    ]);
    (console, end, any::<bool>()).prop_map(|(console, end, faulty)| Brief {
        base: "A".into(),
        target: "B".into(),
        package: Some(PackageFacts::default()),
        console,
        end,
        faults_planned: faulty.then(|| "cut-1".to_owned()).into_iter().collect(),
        ..Brief::default()
    })
}

proptest! {
    #[test]
    fn any_life_has_a_verdict_and_always_the_same(brief in brief(), life in life()) {
        let timeline = transcript::entries(life);
        let judgement = judge(&brief, &timeline);
        prop_assert_eq!(&judgement, &judge(&brief, &timeline));
        let _ = render(&brief, &timeline);
        for finding in judgement.findings.iter().chain(&judgement.void) {
            let _ = explain::explain(finding, &timeline);
        }
    }

    #[test]
    fn the_verdict_is_the_worst_finding(brief in brief(), life in life()) {
        let judgement = judge(&brief, &transcript::entries(life));
        let worst = judgement.findings.iter().map(|finding| finding.verdict).max();
        prop_assert_eq!(judgement.verdict, worst.unwrap_or(Verdict::Pass));
    }

    #[test]
    fn trouble_after_a_finding_never_improves_the_verdict(brief in brief(), life in life()) {
        let timeline = transcript::entries(life);
        let before = judge(&brief, &timeline);
        let certain = before
            .findings
            .iter()
            .filter(|finding| finding.entry.is_some())
            .map(|finding| finding.verdict)
            .max();
        let mut monitor = Monitor::new(&brief);
        for entry in &timeline {
            monitor.observe(entry);
        }
        monitor.observe(&dfota::timeline::Entry {
            at: Duration::from_secs(1 << 20),
            event: Event::Trouble("the console is gone".into()),
        });
        let after = monitor.conclude();
        prop_assert!(after.verdict >= Verdict::Error);
        prop_assert!(Some(after.verdict) >= certain);
    }
}

#[test]
fn a_flood_of_nonsense_leaves_a_bounded_judgement() {
    let mut flood = Vec::new();
    for number in 0..20_000u64 {
        let text = format!(
            "\r\nnonsense {number}\r\n+X{number}: 1\r\n+QIND: \"FOTA\",\"ODD{number}\"\r\nF1: 0000 0000\r\n"
        );
        flood.push(Record {
            at: Duration::from_millis(number),
            what: What::Chunk(text.into_bytes()),
        });
    }
    let judgement = judge(&Brief::default(), &transcript::entries(flood));
    assert_ne!(judgement.verdict, Verdict::Pass);
    assert!(
        judgement.findings.len() <= 80,
        "{}",
        judgement.findings.len()
    );
    assert!(judgement.notes.len() <= 80, "{}", judgement.notes.len());
    assert!(judgement.findings_left_off > 1000);
}
