//! The package server from the client's side: what arrives, byte by byte, and how it ends.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use super::parts::{Bench, DEADLINE, Ending, ask, get, package, read_all, read_body, through};
use harness::package_server::{Limits, Serving};
use rstest::rstest;

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

#[rstest]
#[case::not_found(
    "answer = { status = 404 }",
    "HTTP/1.1 404 Not Found\r\n",
    "404 Not Found\n"
)]
#[case::busy(
    "answer = { status = 503 }",
    "HTTP/1.1 503 Service Unavailable\r\n",
    "503 Service Unavailable\n"
)]
#[case::no_content("answer = { status = 204 }", "HTTP/1.1 204 No Content\r\n", "")]
#[case::odd(
    "answer = { status = 599 }",
    "HTTP/1.1 599 Unknown\r\n",
    "599 Unknown\n"
)]
#[case::portal(
    "answer = { body = 'captive-portal' }",
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n",
    "</html>\n"
)]
#[case::version(
    "head = { version = 'HTTP/1.0' }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.0 200 OK\r\n",
    "x"
)]
#[case::reason(
    "head = { reason = '' }\nanswer = { body = 'empty' }",
    "HTTP/1.1 200 \r\n",
    ""
)]
#[case::interim(
    "head = { interim = [100, 103] }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n",
    "x"
)]
#[case::lines_end_in_lf(
    "head = { line_end = 'lf' }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 200 OK\nContent-Type: text/plain\n",
    "x"
)]
#[case::no_space(
    "head = { colon = ':' }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 200 OK\r\nContent-Type:text/plain\r\n",
    "x"
)]
#[case::lower(
    "head = { names = 'lower' }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n",
    "x"
)]
#[case::folded(
    "head = { add = ['X-Long: a', ' b'] }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 200 OK\r\n",
    "X-Long: a\r\n b\r\n\r\nx"
)]
#[case::two_lengths(
    "head = { length = { twice = 7 } }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 200 OK\r\n",
    "Content-Length: 1\r\nContent-Length: 7\r\n\r\nx"
)]
#[case::odd_length(
    "head = { set = { Content-Length = '+1' } }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 200 OK\r\n",
    "\r\n\r\nx"
)]
#[case::chunked(
    "chunked = { size = 2 }\nanswer = { body = { text = 'abc' } }",
    "HTTP/1.1 200 OK\r\n",
    "\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
)]
#[case::chunked_and_length(
    "chunked = { with-length = true, wrong = 'no-last' }\nanswer = { body = { text = 'abc' } }",
    "HTTP/1.1 200 OK\r\n",
    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
)]
#[case::again(
    "end = { extra = 'again' }\nanswer = { body = { text = 'x' } }",
    "HTTP/1.1 200 OK\r\n",
    "x"
)]
#[case::cut_head("head = { cut = 17 }", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n")]
fn an_answer_is_spelled_as_the_plan_says(
    #[case] plan: &str,
    #[case] begins: &str,
    #[case] ends: &str,
) {
    let bench = Bench::faulty(&format!(
        "[[server]]\n{}",
        plan.replace("line_end", "line-end")
    ));
    let got = get(&bench, None);
    let text = String::from_utf8_lossy(&got.bytes);
    assert!(text.starts_with(begins), "{text}");
    assert!(text.ends_with(ends), "{text}");
    assert_eq!(got.ending, Ending::Fin);
    bench.fired();
}

#[rstest]
#[case::ignored("'ignore'", 200, None, 0, 200_000)]
#[case::refused("'refuse'", 416, Some("bytes */200000"), 0, 0)]
#[case::shifted(
    "{ shift = 512 }",
    206,
    Some("bytes 4096-199999/200000"),
    4_608,
    195_904
)]
#[case::short(
    "{ short = 100 }",
    206,
    Some("bytes 4096-199899/200000"),
    4_096,
    195_804
)]
#[case::long(
    "{ long = 100 }",
    206,
    Some("bytes 4096-200099/200100"),
    4_096,
    196_004
)]
fn a_range_is_lied_about(
    #[case] lie: &str,
    #[case] status: u16,
    #[case] content_range: Option<&str>,
    #[case] carries: usize,
    #[case] length: usize,
) {
    let bench = Bench::faulty(&format!("[[server]]\nrange = {lie}"));
    let got = get(&bench, Some("bytes=4096-"));
    assert_eq!(got.status(), status);
    assert_eq!(got.header("Content-Range"), content_range);
    if status != 416 {
        assert_eq!(got.body().len(), length);
        assert_eq!(
            got.header("Content-Length"),
            Some(length.to_string().as_str())
        );
        assert_eq!(got.body()[..1_000], package()[carries..carries + 1_000]);
    }
    let honest = bench.closed().honest;
    assert_eq!(honest, status == 200 || lie.contains("short"));
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

#[test]
fn a_redirect_leads_to_the_same_package() {
    let bench =
        Bench::faulty("[[server]]\nanswer = { status = 302, location = '<server><moved>' }");
    let got = get(&bench, None);
    let location = got.header("Location").unwrap().to_owned();
    let path = location
        .strip_prefix(&format!("http://{}", bench.server.local_addr()))
        .unwrap();
    let mut stream = bench.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_all(&mut stream, DEADLINE).body(), package());
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
fn what_has_no_end_goes_on_until_the_peer_leaves() {
    for plan in [
        "answer = { body = 'endless' }",
        "head = { pad = 'endless' }",
    ] {
        let bench = Bench::faulty(&format!("[[server]]\n{plan}"));
        let mut stream = bench.connect();
        ask(&bench, &mut stream, None);
        let mut much = vec![0; 2_000_000];
        stream.read_exact(&mut much).unwrap();
        drop(stream);
        assert!(bench.closed().how.contains("by the peer"));
    }
}

#[test]
fn a_peer_that_reads_nothing_is_not_counted_as_served() {
    let limits = Limits {
        progress_within: Duration::from_millis(400),
        ..Limits::default()
    };
    let bench = Bench::new(
        limits,
        through("[[server]]\nbody = [{ at = 0, stall = '1ms' }]"),
        1,
    );
    let stream = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    stream.set_recv_buffer_size(4_096).unwrap();
    stream.connect(&bench.server.local_addr().into()).unwrap();
    let mut stream: std::net::TcpStream = stream.into();
    ask(&bench, &mut stream, None);
    let closed = bench.closed();
    assert!(
        closed
            .how
            .starts_with("given up: the peer acknowledged nothing"),
        "{closed:?}"
    );
    assert!(closed.body_acked < 100_000, "{closed:?}");
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
fn progress_is_told_as_it_is_acknowledged() {
    let bench = Bench::honest();
    get(&bench, Some("bytes=100000-"));
    let mut told = Vec::new();
    bench.wait_for(|seen| match seen {
        harness::package_server::Seen::Acked {
            from, bytes, of, ..
        } => {
            assert_eq!((from, of), (100_000, 200_000));
            told.push(bytes);
            None
        }
        harness::package_server::Seen::Closed { .. } => Some(()),
        _ => None,
    });
    assert!(told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&100_000));
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
fn an_offer_that_is_withdrawn_ends_its_downloads_and_is_told_to_the_end() {
    let bench = Bench::faulty("[[server]]\nbody = [{ at = 1000, stall = 'for-ever' }]");
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    bench.fired();
    bench.server.withdraw(&bench.offered).unwrap();
    let last = bench.reports.try_iter().last().map(|report| report.seen);
    assert!(
        matches!(&last, Some(harness::package_server::Seen::Closed { how, .. }) if how.starts_with("ended with the offer")),
        "{last:?}"
    );
    assert!(std::net::TcpStream::connect(bench.server.local_addr()).is_err());
}

#[test]
fn a_peer_that_closes_its_side_and_then_resets_is_noticed() {
    let bench = Bench::honest();
    let stream = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    stream.set_recv_buffer_size(4_096).unwrap();
    stream.connect(&bench.server.local_addr().into()).unwrap();
    let mut stream: std::net::TcpStream = stream.into();
    ask(&bench, &mut stream, None);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    drop(stream);
    let closed = bench.closed();
    assert!(
        closed.how.starts_with("reset by the peer after"),
        "{closed:?}"
    );
}

/// Half-closes in the middle of a stall: as `printf … | nc -N` does it, but later.
#[test]
fn who_closes_only_its_own_side_in_a_stall_is_served_to_the_end() {
    let bench = Bench::faulty("[[server]]\nbody = [{ at = 1000, stall = '800ms' }]");
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    let head = {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        head
    };
    assert!(head.starts_with(b"HTTP/1.1 200"));
    let mut first = [0; 1_000];
    stream.read_exact(&mut first).unwrap();
    let stalled = std::time::Instant::now();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut probe = [0];
    stream.read_exact(&mut probe).unwrap();
    let mut rest = vec![0; 198_999];
    stream.read_exact(&mut rest[..1]).unwrap();
    // The stall goes on behind the byte that told the two apart.
    assert!(stalled.elapsed() >= Duration::from_millis(700));
    stream.read_exact(&mut rest[1..]).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!([&first[..], &probe, &rest].concat() == package());
    let fired = bench.fired();
    assert!(
        fired.starts_with("server-1: stall: the peer closed its side after"),
        "{fired}"
    );
    let closed = bench.closed();
    assert!(closed.honest, "{closed:?}");
    assert_eq!(closed.fired.len(), 1, "{closed:?}");
    assert!(
        closed.how.starts_with("closed by us after everything"),
        "{closed:?}"
    );
}

#[test]
fn who_leaves_in_a_stall_is_told_at_once_and_not_when_the_stall_is_over() {
    let bench = Bench::faulty("[[server]]\nbody = [{ at = 1000, stall = '1h' }]");
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    let mut bytes = 0;
    while bytes < 1_000 {
        bytes += stream.read(&mut [0; 4_096]).unwrap();
    }
    drop(stream);
    assert!(bench.fired().contains("stall: the peer"));
    let closed = bench.closed();
    assert!(closed.how.starts_with("reset by the peer"), "{closed:?}");
    assert!(closed.honest, "{closed:?}");
}

#[test]
fn an_end_that_waits_is_not_put_off_by_a_peer_that_has_all_it_wants() {
    let bench = Bench::faulty("[[server]]\nend = { how = 'close', after = '300ms' }");
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let got = read_all(&mut stream, DEADLINE);
    assert_eq!(got.body(), package());
    assert!(bench.fired().contains("FIN after 200000 bytes"));
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

#[rstest]
#[case::data(b"hello?")]
#[case::fin(b"")]
fn a_way_that_has_forgotten_the_connection_resets_at_the_next_word(#[case] word: &[u8]) {
    let bench = Bench::faulty("[[server]]\nend = { how = 'forgotten', at = 74000 }");
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    read_body(&mut stream, 74_000);
    let got = read_all(&mut stream, Duration::from_millis(200));
    assert_eq!((got.bytes.len(), got.ending), (0, Ending::Silence));
    if word.is_empty() {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    } else {
        stream.write_all(word).unwrap();
    }
    let got = read_all(&mut stream, DEADLINE);
    assert_eq!((got.bytes.len(), got.ending), (0, Ending::Reset));
    let fired = bench.fired();
    assert!(
        fired.starts_with("server-1: forgotten after 74000 bytes"),
        "{fired}"
    );
}

#[rstest]
#[case("told", Some("gzip"))]
#[case("untold", None)]
fn gzip_that_nobody_asked_for_is_correct(#[case] told: &str, #[case] coding: Option<&str>) {
    let bench = Bench::faulty(&format!(
        "[[server]]\nanswer = {{ body = {{ gzip = '{told}' }} }}"
    ));
    let got = get(&bench, Some("bytes=0-"));
    assert_eq!(
        (got.status(), got.header("Content-Encoding")),
        (200, coding)
    );
    let mut decoded = Vec::new();
    flate2::read::GzDecoder::new(got.body())
        .read_to_end(&mut decoded)
        .unwrap();
    assert!(decoded == package());
    assert!(!bench.closed().honest);
}
