//! Strangers. None of them may end the server, take more than its share, or disturb a download.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rstest::rstest;

use super::parts::{Bench, DEADLINE, Ending, package, read_all, through};

/// Says something, and reads what comes of it.
fn say(bench: &Bench, bytes: &[u8]) -> super::parts::Got {
    let mut stream = bench.connect();
    stream.write_all(bytes).unwrap();
    read_all(&mut stream, DEADLINE)
}

#[rstest]
#[case::another_path(404, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")]
#[case::traversal(404, b"GET /t/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n")]
#[case::encoded_traversal(404, b"GET /t/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n")]
#[case::the_probe_of_content(404, b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n")]
#[case::length_that_ends_tiny_http(
    400,
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"
)]
#[case::length_of_nothing(400, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")]
#[case::smuggling(
    400,
    b"GET / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n"
)]
#[case::chunked(
    400,
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
)]
#[case::http_2(400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
#[case::http_3(505, b"GET / HTTP/3.0\r\nHost: a\r\n\r\n")]
#[case::tls(400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")]
#[case::escape_sequences(400, b"GET /\x1b]0;owned\x07 HTTP/1.1\r\nHost: a\r\n\r\n")]
#[case::two_requests(
    400,
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
)]
#[case::post(405, b"POST / HTTP/1.1\r\nHost: a\r\n\r\n")]
fn a_stranger_is_refused_and_counted_apart(#[case] status: u16, #[case] bytes: &[u8]) {
    let bench = Bench::honest();
    let got = say(&bench, bytes);
    assert_eq!(got.status(), status);
    let (why, record) = bench.stranger();
    assert!(why.starts_with(&format!("refused with {status}")), "{why}");
    assert!(record.stranger);
    let shown = serde_json::to_string(&record).unwrap() + &why;
    assert!(shown.bytes().all(|b| (b' '..=b'~').contains(&b)), "{shown}");
}

#[test]
fn who_is_turned_away_unheard_is_told_apart_from_who_asked_for_something_else() {
    use harness::package_server::{Limits, Serving};
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let bench = Bench::new(limits, Serving::Honestly, 1);
    assert_eq!(
        say(&bench, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status(),
        404
    );
    assert!(!bench.stranger().1.turned_away);
    let silent = bench.connect();
    let _another = bench.connect();
    let (why, record) = bench.stranger();
    assert_eq!(why, "silent, and made room for another");
    assert!(record.turned_away && record.stranger);
    drop(silent);
}

#[test]
fn who_knows_the_path_and_asks_wrongly_is_no_stranger() {
    let bench = Bench::honest();
    let request = format!("POST {} HTTP/1.1\r\nHost: a\r\n\r\n", bench.offered.path);
    assert_eq!(say(&bench, request.as_bytes()).status(), 405);
    assert!(bench.closed().how.starts_with("refused with 405"));
}

#[test]
fn a_head_has_eight_kibibytes() {
    let bench = Bench::honest();
    let of = |length: usize| {
        let begins = format!("GET {} HTTP/1.1\r\nHost: a\r\nX: ", bench.offered.path);
        let filling = "x".repeat(length - begins.len() - 4);
        format!("{begins}{filling}\r\n\r\n")
    };
    assert_eq!(say(&bench, of(8 * 1024).as_bytes()).status(), 200);
    assert_eq!(say(&bench, of(8 * 1024 + 1).as_bytes()).status(), 431);
}

#[test]
fn a_head_that_is_not_complete_in_time_is_given_up() {
    use harness::package_server::{Limits, Serving};
    let limits = Limits {
        head_within: Duration::from_millis(100),
        ..Limits::default()
    };
    let bench = Bench::new(limits, Serving::Honestly, 1);
    assert_eq!(say(&bench, b"GET / HT").status(), 408);
    let silent = say(&bench, b"");
    assert!(silent.bytes.is_empty());
    assert_eq!(
        bench.stranger().0.split(';').next(),
        Some("refused with 408: the head was not complete in time")
    );
    assert_eq!(bench.stranger().0, "no request in time");
}

/// Whoever takes the reports is called by the connection's own task, so one who panics breaks it
/// where any other fault in it would.
#[test]
fn a_panic_in_one_connection_ends_that_connection_and_nothing_else() {
    use harness::package_server::{Limits, Options, PackageServer, Reports, Seen};
    let (events, reports) = std::sync::mpsc::channel();
    let armed = std::sync::atomic::AtomicBool::new(true);
    let take = Reports::new(move |report| {
        let is_request = matches!(report.seen, Seen::Request { .. });
        drop(events.send(report));
        if is_request && armed.swap(false, std::sync::atomic::Ordering::Relaxed) {
            panic!("as planned by the test");
        }
    });
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: None,
        limits: Limits {
            connections: 1,
            ..Limits::default()
        },
    };
    let server = PackageServer::start(options, take).unwrap();
    let offered = server.offer(super::parts::offer()).unwrap();
    let bench = Bench {
        server,
        offered,
        reports,
    };
    let broken = super::parts::get(&bench, None);
    assert!(broken.bytes.is_empty());
    let trouble = bench.wait_for(|seen| match seen {
        Seen::Trouble(trouble) => Some(trouble),
        _ => None,
    });
    assert_eq!(trouble, "the package server broke in connection 1");
    // There is one place, so it must have been given back: a moment after it was told.
    let until = Instant::now() + DEADLINE;
    let served = loop {
        // Who comes too early is reset, which may be before it knows that it is connected.
        let asked = std::net::TcpStream::connect(bench.server.local_addr()).and_then(|stream| {
            let request = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", bench.offered.path);
            (&stream).write_all(request.as_bytes()).map(|()| stream)
        });
        let got = asked.map(|mut stream| read_all(&mut stream, DEADLINE));
        if let Ok(got) = got
            && !got.bytes.is_empty()
        {
            break got;
        }
        assert!(Instant::now() < until, "the place was not given back");
    };
    assert!(served.body() == package());
    let ended = Instant::now();
    bench.server.withdraw(&bench.offered).unwrap();
    assert!(ended.elapsed() < Duration::from_secs(4));
}

#[test]
fn as_many_bytes_a_day_and_no_more() {
    use harness::package_server::{Limits, Seen, Serving};
    let limits = Limits {
        bytes_per_day: 300_000,
        ..Limits::default()
    };
    let bench = Bench::new(limits, Serving::Honestly, 1);
    assert_eq!(super::parts::get(&bench, None).status(), 200);
    bench.closed();
    assert_eq!(super::parts::get(&bench, None).status(), 503);
    let trouble = bench.wait_for(|seen| match seen {
        Seen::Trouble(trouble) => Some(trouble),
        _ => None,
    });
    assert!(trouble.contains("a day"), "{trouble}");
}

#[test]
fn a_reply_without_end_ends_with_the_day_s_bytes() {
    use harness::package_server::{Limits, Seen};
    let limits = Limits {
        bytes_per_day: 1_000_000,
        ..Limits::default()
    };
    let plan = through("[[server]]\nanswer = { body = 'endless' }");
    let bench = Bench::new(limits, plan, 1);
    let mut stream = bench.connect();
    super::parts::ask(&bench, &mut stream, None);
    let mut got = Vec::new();
    // Whoever is sent more than twice as much has seen enough.
    stream.take(2_000_000).read_to_end(&mut got).unwrap();
    // What is written at a time may be more than what was left.
    assert!((1_000_000..1_100_000).contains(&got.len()), "{}", got.len());
    let (mut troubles, mut how) = (Vec::new(), String::new());
    bench.wait_for(|seen| match seen {
        Seen::Trouble(trouble) => {
            troubles.push(trouble);
            None
        }
        Seen::Closed { how: said, .. } => {
            how = said;
            Some(())
        }
        _ => None,
    });
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(
        how.starts_with("given up: no more bytes may be sent today"),
        "{how}"
    );
    assert_eq!(super::parts::get(&bench, None).status(), 503);
}

#[test]
fn who_comes_too_often_is_reset_unread() {
    use harness::package_server::{Limits, Serving};
    let limits = Limits {
        connections_per_second: 1,
        burst: 2,
        ..Limits::default()
    };
    let bench = Bench::new(limits, Serving::Honestly, 1);
    // Two that ask for nothing on offer.
    for _stranger in 0..2 {
        assert_eq!(
            say(&bench, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status(),
            404
        );
        bench.stranger();
    }
    let refused = std::net::TcpStream::connect(bench.server.local_addr());
    // The reset may come before the client knows that it is connected.
    if let Ok(mut stream) = refused {
        let got = read_all(&mut stream, DEADLINE);
        assert_eq!((got.bytes.len(), got.ending), (0, Ending::Reset));
    }
    let (why, record) = bench.stranger();
    assert_eq!(why, "too many connections a second from this address");
    assert_eq!(record.how, "reset by us, unread");
}

#[test]
fn who_is_silent_makes_room_and_a_download_does_not() {
    use harness::package_server::Limits;
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let plan = through("[[server]]\nbody = [{ at = 1000, stall = 'for-ever' }]");
    let bench = Bench::new(limits, plan, 1);
    let mut downloading = bench.connect();
    super::parts::ask(&bench, &mut downloading, None);
    super::parts::read_body(&mut downloading, 1_000);
    let mut silent = bench.connect();
    let mut newcomer = bench.connect();
    let got = read_all(&mut silent, DEADLINE);
    assert_eq!((got.bytes.len(), got.ending), (0, Ending::Fin));
    assert_eq!(bench.stranger().0, "silent, and made room for another");
    newcomer
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(read_all(&mut newcomer, DEADLINE).status(), 404);
    let still = read_all(&mut downloading, Duration::from_millis(100));
    assert_eq!((still.bytes.len(), still.ending), (0, Ending::Silence));
}

#[test]
fn nothing_listens_before_there_is_an_offer_and_after_it() {
    use harness::package_server::{Limits, Options, PackageServer};
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: None,
        limits: Limits::default(),
    };
    let (events, _reports) = std::sync::mpsc::channel();
    let server = PackageServer::start(options, events).unwrap();
    let refused = || {
        let attempt = std::net::TcpStream::connect(server.local_addr());
        attempt.map_err(|error| error.kind()).err()
    };
    assert_eq!(refused(), Some(std::io::ErrorKind::ConnectionRefused));
    let offered = server.offer(super::parts::offer()).unwrap();
    assert_eq!(refused(), None);
    server.withdraw(&offered).unwrap();
    assert_eq!(refused(), Some(std::io::ErrorKind::ConnectionRefused));
}
