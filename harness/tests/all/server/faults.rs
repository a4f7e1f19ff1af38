//! The package server from the client's side: what arrives, byte by byte, and how it ends.

use std::io::ErrorKind;
use std::time::Duration;

use harness::package_server::{Limits, Serving};
use rstest::rstest;

use super::parts::{Bench, DEADLINE, Ending, ask, get, package, read_all, through};

#[rstest]
#[case::whole(None, 200, 0)]
#[case::as_a_module_begins(Some("bytes=0-"), 206, 0)]
#[case::as_a_module_goes_on(Some("bytes=4096-"), 206, 4_096)]
fn the_package_arrives_as_it_is(
    #[case] range: Option<&str>,
    #[case] status: u16,
    #[case] from: usize,
) {
    let bench = Bench::honest();
    let got = get(&bench, range);
    assert_eq!(got.status(), status);
    assert_eq!(got.body(), &package()[from..]);
    assert_eq!(
        got.header("Content-Length"),
        Some((package().len() - from).to_string().as_str())
    );
    assert_eq!(got.header("Connection"), Some("close"));
    assert_eq!(got.header("Transfer-Encoding"), None);
    assert_eq!(got.ending, Ending::Fin);
    let closed = bench.closed();
    assert!(closed.honest, "{closed:?}");
    assert_eq!(closed.body_acked as usize, package().len() - from);
    assert_eq!(closed.from as usize, from);
}

/// What a fault must look like from the client's side.
struct Seen {
    /// Bytes of the body that arrive, and the same bytes of the package, where they are its own.
    body: usize,
    honest: bool,
    ending: Ending,
}

const fn own(body: usize, ending: Ending) -> Seen {
    Seen {
        body,
        honest: true,
        ending,
    }
}

/// The package, and bytes beyond the length that the head promises.
const fn own_and_more(body: usize, ending: Ending) -> Seen {
    Seen {
        body,
        honest: true,
        ending,
    }
}

const fn others(body: usize, ending: Ending) -> Seen {
    Seen {
        body,
        honest: false,
        ending,
    }
}

#[rstest]
#[case::fin_at_a_byte("end = { how = 'close', at = 74000 }", own(74_000, Ending::Fin))]
#[case::fin_before_the_body("end = { how = 'close', at = 0 }", own(0, Ending::Fin))]
#[case::fin_at_the_last_byte("end = { how = 'close', at = -1 }", own(199_999, Ending::Fin))]
#[case::fin_at_a_share("end = { how = 'close', at = '12.5%' }", own(25_000, Ending::Fin))]
#[case::reset_at_a_byte("end = { how = 'reset', at = 74000 }", own(74_000, Ending::Reset))]
#[case::reset_at_the_end("end = 'reset'", own(200_000, Ending::Reset))]
#[case::reset_after_a_stall(
    "body = [{ at = 5000, stall = '50ms' }]\nend = { how = 'reset', at = 5000 }",
    own(5_000, Ending::Reset)
)]
#[case::hang_at_a_byte("end = { how = 'hang', at = 74000 }", own(74_000, Ending::Silence))]
#[case::stall_for_ever(
    "body = [{ at = 1234, stall = 'for-ever' }]",
    own(1_234, Ending::Silence)
)]
#[case::stall_and_go_on(
    "body = [{ at = '37%', stall = '50ms' }, { at = '60%', stall = '50ms' }]",
    own(200_000, Ending::Fin)
)]
#[case::drip(
    "body = [{ at = 199990, drip = { bytes = 1, every = '5ms' } }]",
    own(200_000, Ending::Fin)
)]
#[case::rate(
    "body = [{ at = 199000, rate = '80kbit/s' }]",
    own(200_000, Ending::Fin)
)]
#[case::rate_of_all(
    "rate = { rate = '20Mbit/s', delay = '20ms', jitter = '5ms' }",
    own(200_000, Ending::Fin)
)]
#[case::segments("body = [{ at = 199900, segment = 1 }]", own(200_000, Ending::Fin))]
#[case::flip("body = [{ at = 12345, flip = 1 }]", others(200_000, Ending::Fin))]
#[case::zero("body = [{ at = 4096, zero = 4096 }]", others(200_000, Ending::Fin))]
#[case::ones("body = [{ at = -4096, ones = 4096 }]", others(200_000, Ending::Fin))]
#[case::splice(
    "body = [{ at = '50%', splice = 'other' }]",
    others(200_000, Ending::Fin)
)]
#[case::insert("body = [{ at = 100, insert = 50 }]", others(200_050, Ending::Fin))]
#[case::delete("body = [{ at = 100, delete = 50 }]", others(199_950, Ending::Fin))]
#[case::repeat("body = [{ at = 100, repeat = 50 }]", others(200_050, Ending::Fin))]
#[case::swap("body = [{ at = 0, swap = 4096 }]", others(200_000, Ending::Fin))]
#[case::out_of_band("body = [{ at = 100, out-of-band = 33 }]", own(200_000, Ending::Fin))]
#[case::extra(
    "end = { extra = { random = 300 } }",
    own_and_more(200_300, Ending::Fin)
)]
#[case::empty("answer = { body = 'empty' }", own(0, Ending::Fin))]
#[case::first_half("answer = { body = { first = '50%' } }", own(100_000, Ending::Fin))]
#[case::another(
    "answer = { body = { package = 'other' } }",
    others(200_000, Ending::Fin)
)]
#[case::zeros("answer = { body = { zeros = 77 } }", others(77, Ending::Fin))]
#[case::oversize(
    "answer = { body = { random = 1000000 } }",
    others(1_000_000, Ending::Fin)
)]
#[case::length_too_long("head = { length = { more = 1000 } }", own(200_000, Ending::Fin))]
#[case::length_too_short("head = { length = { less = 1000 } }", own(200_000, Ending::Fin))]
#[case::length_absent("head = { length = 'absent' }", own(200_000, Ending::Fin))]
#[case::large_header("head = { pad = { line = 65536 } }", own(200_000, Ending::Fin))]
#[case::slow_head(
    "head = { wait = '30ms', drip = { bytes = 20, every = '1ms' } }",
    own(200_000, Ending::Fin)
)]
#[case::head_in_pieces(
    "head = { split = [17, 'in-length', 'in-end', 'end'], stall = { at = 'in-length', for = '30ms' } }",
    own(200_000, Ending::Fin)
)]
fn a_fault_is_exact_and_is_told(#[case] plan: &str, #[case] seen: Seen) {
    let bench = Bench::faulty(&format!("[[server]]\n{plan}"));
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    // Silence can be heard once it has begun, which is when the fault has fired.
    let fired_already = (seen.ending == Ending::Silence).then(|| bench.fired());
    let patience = match seen.ending {
        Ending::Silence => Duration::from_millis(200),
        Ending::Fin | Ending::Reset => DEADLINE,
    };
    let got = read_all(&mut stream, patience);
    assert_eq!(got.ending, seen.ending);
    assert_eq!(got.body().len(), seen.body);
    let own = seen.body.min(package().len());
    assert_eq!(got.body()[..own] == package()[..own], seen.honest);
    let fired = fired_already.unwrap_or_else(|| bench.fired());
    drop(stream);
    let closed = bench.closed();
    assert!(fired.starts_with("server-1: "), "{fired}");
    let beside = usize::from(plan.contains("out-of-band"));
    assert_eq!(closed.body_acked as usize, seen.body + beside, "{closed:?}");
    assert_eq!(closed.honest, seen.honest, "{closed:?}");
    assert_eq!(closed.plan.as_deref(), Some("server-1"));
    assert!(!closed.fired.is_empty(), "{closed:?}");
}

#[test]
fn a_reset_that_is_not_drained_loses_what_the_peer_has_not_read() {
    let bench = Bench::faulty("[[server]]\nend = { how = 'reset-undrained', at = 74000 }");
    let got = get(&bench, None);
    assert_eq!(got.ending, Ending::Reset);
    assert!(got.bytes.len() <= 74_000 + 300, "{}", got.bytes.len());
    assert!(bench.closed().how.starts_with("reset by us"));
}

#[test]
fn requests_are_counted_and_each_has_its_plan() {
    let bench = Bench::faulty(
        "[[server]]\nrequest = 1\nconnect = 'reset'\n\
         [[server]]\nrequest = 2\nconnect = 'close'\n\
         [[server]]\nrequest = '3..=4'\nanswer = { status = 503 }\n\
         [[server]]\nrequest = 5\nend = { how = 'close', at = '37%' }\n",
    );
    // The reset may come before the client knows that it is connected.
    let connected = std::net::TcpStream::connect(bench.server.local_addr());
    let got = connected.map(|mut stream| read_all(&mut stream, DEADLINE));
    match got {
        Ok(got) => assert_eq!((got.bytes.len(), got.ending), (0, Ending::Reset)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    let got = read_all(&mut bench.connect(), DEADLINE);
    assert_eq!((got.bytes.len(), got.ending), (0, Ending::Fin));
    assert_eq!(
        [get(&bench, None).status(), get(&bench, None).status()],
        [503, 503]
    );
    assert_eq!(get(&bench, None).body().len(), 74_000);
    assert_eq!(get(&bench, None).body(), package());
    let fired: Vec<_> = (0..5).map(|_| bench.fired()).collect();
    let names: Vec<_> = fired.iter().map(|text| &text[..8]).collect();
    assert_eq!(
        names,
        ["server-1", "server-2", "server-3", "server-3", "server-4"],
        "{fired:?}"
    );
}

#[test]
fn what_is_served_can_be_changed_between_two_requests() {
    let bench = Bench::honest();
    assert_eq!(get(&bench, None).status(), 200);
    bench
        .server
        .set_serving(
            &bench.offered,
            through("[[server]]\nanswer = { status = 404 }"),
        )
        .unwrap();
    assert_eq!(get(&bench, None).status(), 404);
    bench
        .server
        .set_serving(&bench.offered, Serving::Nothing)
        .unwrap();
    assert!(std::net::TcpStream::connect(bench.server.local_addr()).is_err());
    bench
        .server
        .set_serving(&bench.offered, Serving::Honestly)
        .unwrap();
    assert_eq!(get(&bench, None).body(), package());
}

#[rstest]
#[case("refuse", ErrorKind::ConnectionRefused)]
#[case("black-hole", ErrorKind::TimedOut)]
fn the_port_itself_can_be_out_of_order(#[case] connect: &str, #[case] kind: ErrorKind) {
    let bench = Bench::faulty(&format!("[[server]]\nconnect = '{connect}'"));
    let error = std::net::TcpStream::connect_timeout(
        &bench.server.local_addr(),
        Duration::from_millis(400),
    )
    .unwrap_err();
    assert_eq!(error.kind(), kind);
    assert!(bench.fired().contains("of our own"));
    bench
        .server
        .set_serving(&bench.offered, Serving::Honestly)
        .unwrap();
    assert_eq!(get(&bench, None).body(), package());
}

#[test]
fn a_connection_may_never_be_accepted() {
    let bench = Bench::faulty("[[server]]\nconnect = 'never-accept'");
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    let got = read_all(&mut stream, Duration::from_millis(300));
    assert_eq!((got.bytes.len(), got.ending), (0, Ending::Silence));
}

#[test]
fn a_plan_that_cannot_be_reached_is_not_told_as_fired() {
    // The stall is behind the end; the flip is behind what was asked for.
    for (plan, range) in [
        (
            "body = [{ at = '50%', stall = '1ms' }]\nend = { how = 'close', at = '10%' }",
            None,
        ),
        ("body = [{ at = 5000, flip = 1 }]", Some("bytes=199000-")),
    ] {
        let bench = Bench::faulty(&format!("[[server]]\n{plan}"));
        get(&bench, range);
        let mut fired = false;
        bench.wait_for(|seen| {
            fired |= matches!(seen, harness::package_server::Seen::FaultFired { .. });
            matches!(seen, harness::package_server::Seen::Closed { .. }).then_some(())
        });
        assert!(!fired, "{plan}");
    }
}

#[test]
fn a_module_that_lives_faster_is_stalled_for_less() {
    let plan = through("[[server]]\nbody = [{ at = 1000, stall = '1000s' }]\nrate = '1kbit/s'");
    let bench = Bench::new(Limits::default(), plan, 100_000);
    let got = get(&bench, None);
    assert_eq!(got.body(), package());
    assert!(bench.fired().contains("stall of 16m 40s"));
}

#[test]
fn a_byte_out_of_band_is_one_more_to_a_reader_that_takes_it_in_line() {
    let bench = Bench::faulty("[[server]]\nbody = [{ at = 100, out-of-band = 33 }]");
    let mut stream = bench.connect();
    socket2::SockRef::from(&stream)
        .set_out_of_band_inline(true)
        .unwrap();
    ask(&bench, &mut stream, None);
    let got = read_all(&mut stream, DEADLINE);
    let body = got.body();
    assert_eq!(body.len(), 200_001);
    assert_eq!(body[100], 33);
    assert!(body[..100] == package()[..100] && body[101..] == package()[100..]);
}

#[test]
fn each_operation_is_recorded_with_the_byte_at_which_it_fired() {
    let bench = Bench::faulty(
        "[[server]]\nbody = [\
         { at = 100, flip = 1 }, { at = 1000, stall = '10ms' }, { at = '50%', insert = 50 }, \
         { at = 150000, delete = 7 }]\nend = { how = 'reset', at = 199000 }",
    );
    let got = get(&bench, None);
    assert_eq!((got.body().len(), got.ending), (199_000, Ending::Reset));
    let head = got.bytes.len() - got.body().len();
    let closed = bench.closed();
    let places: Vec<_> = closed
        .fired
        .iter()
        .map(|fired| fired.at_byte as usize - head)
        .collect();
    // Behind the byte that was flipped, and the fifty that were inserted; seven were left out of
    // the honest body at 150 000. The end counts the bytes as they were sent.
    assert_eq!(
        places,
        [101, 1_000, 100_050, 150_050, 199_000],
        "{:?}",
        closed.fired
    );
    for fired in &closed.fired {
        assert!(fired.acked >= fired.at_byte, "{fired:?}");
    }
    let (first, last) = (&closed.samples[0], closed.samples.last().unwrap());
    assert!(first.acked < last.acked, "{:?}", closed.samples);
    assert_eq!(last.acked as usize, head + 199_000);
    assert!(closed.head.starts_with("GET /t/"), "{}", closed.head);
}
