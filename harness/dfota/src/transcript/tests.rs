use std::net::IpAddr;

use super::deeds::{PINS, POWERS, READ_BACKS, STAGES};
use super::*;
use crate::timeline::{FaultLife, ReleasedBy, ServerEvent, Transmit};
use proptest::prelude::*;
use rstest::rstest;

#[rstest]
#[case(
    "x  ->  AT",
    "line 1: `x` is no time: begin with milliseconds, as in `12.500`"
)]
#[case(
    "# note\n1  =>  AT",
    "line 2: unknown direction `=>`: write `->`, `<-` or `--`"
)]
#[case(
    "1  ->  AT\\q",
    "line 1: unknown escape: write `\\r`, `\\n`, `\\\\` or `\\xNN`"
)]
#[case(
    "1  --  supply sideways",
    "line 1: unknown deed `supply sideways`: see `dfota::transcript` for those there are"
)]
fn a_line_that_cannot_be_read_is_named(#[case] text: &str, #[case] message: &str) {
    let error = parse(text).expect_err("it cannot be read");
    assert_eq!(error.to_string(), message);
}

fn text() -> impl Strategy<Value = String> {
    "[ -~é\n]{0,12}"
}

fn duration() -> impl Strategy<Value = Duration> {
    (0u64..10_000_000).prop_map(Duration::from_micros)
}

fn server_event() -> impl Strategy<Value = ServerEvent> {
    let n = 0u64..9;
    prop_oneof![
        (
            n.clone(),
            "[A-Z ]{1,5}",
            any::<Option<u64>>(),
            any::<Option<IpAddr>>()
        )
            .prop_map(|(connection, method, range_from, peer)| {
                ServerEvent::Request {
                    connection,
                    method,
                    range_from,
                    peer,
                }
            }),
        (
            n.clone(),
            any::<u64>(),
            any::<u64>(),
            any::<Option<u64>>(),
            any::<u64>()
        )
            .prop_map(|(connection, from, bytes, sent, of)| {
                ServerEvent::Acked {
                    connection,
                    from,
                    bytes,
                    sent,
                    of,
                }
            }),
        (
            n.clone(),
            any::<Option<u16>>(),
            any::<u64>(),
            any::<Option<u64>>(),
            any::<Option<u64>>(),
            any::<bool>(),
            text()
        )
            .prop_map(|(connection, status, acked, sent, declared, honest, how)| {
                ServerEvent::Closed {
                    connection,
                    status,
                    acked,
                    sent,
                    declared,
                    honest,
                    how,
                }
            }),
        (n, text(), any::<bool>()).prop_map(|(connection, why, turned_away)| {
            ServerEvent::Stranger {
                connection,
                why,
                turned_away,
            }
        }),
        (any::<u64>(), any::<u64>())
            .prop_map(|(count, turned_away)| { ServerEvent::MoreStrangers { count, turned_away } }),
    ]
}

fn transmit() -> impl Strategy<Value = Transmit> {
    let by = prop_oneof![Just(ReleasedBy::ConsoleEnable), Just(ReleasedBy::Break)];
    prop_oneof![
        (by, any::<bool>()).prop_map(|(by, deaf)| Transmit::Released { by, deaf }),
        text().prop_map(Transmit::Driven),
        Just(Transmit::Restored),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let free = text().boxed();
    prop_oneof![
        prop::sample::select(STAGES.to_vec()).prop_map(|(stage, _)| Event::Stage(stage)),
        (any::<usize>(), free.clone()).prop_map(|(number, text)| Event::Step(number, text)),
        (
            prop::sample::select(POWERS.to_vec()),
            prop::sample::select(READ_BACKS.to_vec())
        )
            .prop_map(|(to, read)| Event::Supply {
                to: to.0,
                read_back: read.0
            }),
        (any::<bool>(), prop::option::of(duration()))
            .prop_map(|(up, since)| Event::Rail { up, since }),
        transmit().prop_map(Event::Transmit),
        (prop::sample::select(PINS.to_vec()), any::<bool>()).prop_map(|(pin, asserted)| {
            Event::Pin {
                pin: pin.0,
                asserted,
            }
        }),
        any::<u32>().prop_map(Event::Rate),
        (
            prop::collection::vec(any::<u8>(), 0..9),
            prop::sample::select(PURPOSES.to_vec())
        )
            .prop_map(|(bytes, purpose)| Event::Sent {
                bytes,
                purpose: purpose.0
            }),
        Just(Event::Ready),
        (duration(), duration()).prop_map(|(seen, acted)| Event::Reaction { seen, acted }),
        server_event().prop_map(Event::Server),
        (
            "[a-z -]{1,8}",
            prop_oneof![
                Just(FaultLife::Armed),
                Just(FaultLife::Cleared),
                free.clone().prop_map(FaultLife::Missed),
                free.clone().prop_map(FaultLife::Fired)
            ]
        )
            .prop_map(|(name, life)| Event::Fault { name, life }),
        ("[ -~]{1,9}", free.clone())
            .prop_map(|(expectation, why)| Event::Unmet { expectation, why }),
        Just(Event::Interrupted),
        free.prop_map(Event::Trouble),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        records in prop::collection::vec(
            (duration(), prop_oneof![
                event().prop_map(What::Event),
                prop::collection::vec(any::<u8>(), 0..20)
                    .prop_map(What::Chunk),
            ]).prop_map(|(at, what)| Record { at, what }),
            0..20,
        )
    ) {
        let mut writer = Writer::new();
        let text: String = records.iter().map(|record| writer.write(record)).collect();
        prop_assert_eq!(parse(&text), Ok(records), "{}", text);
    }

    #[test]
    fn no_text_at_all_can_trouble_it(text in "\\PC{0,80}") {
        let _ = parse(&text);
    }
}
