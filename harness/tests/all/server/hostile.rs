//! Strangers. None of them may end the server, take more than its share, or disturb a download.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rstest::rstest;

use super::apart::{Apart, Role};
use super::parts::{Bench, DEADLINE, package, read_all};

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
    use harness::package_server::{Limits, Offer, Options, PackageServer, Reports, Seen, Serving};
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
    let offer = Offer {
        name: "a-to-b".to_owned(),
        package: package().into(),
        others: Default::default(),
        serving: Serving::Honestly,
        seed: 1,
        speed: 1,
    };
    let offered = server.offer(offer).unwrap();
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
        let got = super::parts::get(&bench, None);
        if !got.bytes.is_empty() {
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

type Attack = fn(TcpStream);

/// What strangers do, each once. Whatever the server makes of it, it comes to an end.
fn attack(apart: &Apart, kept: &mut Vec<TcpStream>) {
    let attacks: [Attack; 8] = [
        // pipelines
        |mut stream| {
            let many = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
            // 200 000 requests, or until it has had enough.
            for _thousand in 0..200 {
                if stream.write_all(&many).is_err() {
                    return;
                }
            }
        },
        // endless headers
        |mut stream| {
            let lines = b"X-Endless: yes\r\n".repeat(100);
            drop(stream.write_all(b"GET / HTTP/1.1\r\n"));
            while stream.write_all(&lines).is_ok() {}
        },
        // one endless line
        |mut stream| {
            let line = [b'x'; 64 * 1024];
            while stream.write_all(&line).is_ok() {}
        },
        // garbage
        |mut stream| {
            let garbage: Vec<u8> = (0..=255).cycle().take(100_000).collect();
            drop(stream.write_all(&garbage));
        },
        // half a request
        |mut stream| {
            drop(stream.write_all(b"GET / HTT"));
            drop(stream.shutdown(Shutdown::Write));
            drop(stream.read(&mut [0; 100]));
        },
        // a reset
        |stream| {
            drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
        },
        // asks and resets
        |mut stream| {
            drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
            drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
        },
        // lengths
        |mut stream| {
            let length = stream
                .local_addr()
                .map_or(0, |address| u64::from(address.port()) << 47);
            drop(write!(
                stream,
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
            ));
            drop(stream.read(&mut [0; 100]));
        },
    ];
    for (last, attack) in (10..).zip(attacks) {
        if let Ok(stream) = apart.connect_from(last) {
            attack(stream);
        }
    }
    // Idle connections, and heads that come a byte at a time, from four addresses.
    for number in 0..100_u8 {
        if let Ok(mut stream) = apart.connect_from(20 + number % 4) {
            drop(stream.write_all(&b"GET"[..usize::from(number % 4)]));
            kept.push(stream);
        }
    }
    kept.drain(..kept.len().saturating_sub(1_000));
}

/// The attacks of slowhttptest (Debian: `slowhttptest`): slow heads, slow bodies, overlapping
/// ranges, slow readers.
fn slow_attacks(apart: &Apart) {
    let url = format!("http://{}/", apart.address);
    for mode in ["-H", "-B", "-R", "-X"] {
        let attack = std::process::Command::new("slowhttptest")
            .args([mode, "-c", "300", "-r", "100", "-l", "10", "-u", &url])
            .output();
        match attack {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout);
                let service = said
                    .lines()
                    .rev()
                    .find(|line| line.contains("service available"));
                println!(
                    "slowhttptest {mode}: {}",
                    service.unwrap_or("nothing said").trim()
                );
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: there is no `slowhttptest` on this machine");
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Attacks for so long, with a download under way all the time.
fn soak(apart: &Apart, how_long: Duration, mut attack: impl FnMut(&Apart)) {
    assert!(apart.download().body() == package());
    let (threads, descriptors) = (apart.threads(), apart.descriptors());
    let until = Instant::now() + how_long;
    let downloads = std::thread::scope(|scope| {
        let downloading = scope.spawn(|| {
            let mut downloads = 0;
            loop {
                assert!(apart.download().body() == package());
                downloads += 1;
                if Instant::now() >= until {
                    return downloads;
                }
            }
        });
        while !downloading.is_finished() {
            attack(apart);
        }
        downloading.join().unwrap()
    });
    assert!(downloads >= 1);
    drop(attack);
    apart.settles_at(descriptors);
    assert_eq!(apart.threads(), threads);
    let peak = apart.memory_peak_kib();
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert!(apart.download().body() == package());
}

#[test]
fn strangers_neither_end_it_nor_disturb_a_download() {
    let apart = Apart::start(Role::Usual);
    let mut kept = Vec::new();
    soak(&apart, Duration::from_secs(2), move |apart| {
        attack(apart, &mut kept)
    });
    assert_eq!(apart.end(), Vec::<String>::new());
}

#[test]
#[ignore = "takes two minutes: `just soak-server`"]
fn strangers_neither_end_it_nor_disturb_a_download_for_a_minute() {
    let apart = Apart::start(Role::Usual);
    let mut kept = Vec::new();
    soak(&apart, Duration::from_secs(60), move |apart| {
        attack(apart, &mut kept)
    });
    soak(&apart, Duration::from_secs(40), slow_attacks);
    assert_eq!(apart.end(), Vec::<String>::new());
}

#[test]
fn a_want_of_descriptors_passes() {
    let mut apart = Apart::start(Role::Poor);
    let descriptors = apart.descriptors();
    // They wait to be accepted; the system has completed them already.
    let crowd: Vec<_> = (0..60).map(|_| apart.connect_from(30).unwrap()).collect();
    let complaint = apart.complaint();
    drop(crowd);
    assert!(apart.download().body() == package());
    apart.settles_at(descriptors);
    for complaint in apart.end().iter().chain([&complaint]) {
        assert!(
            complaint.contains("cannot accept a connection"),
            "{complaint}"
        );
    }
}

#[test]
fn a_thousand_slow_readers_are_all_served_in_little_memory() {
    let apart = Apart::start(Role::Crowd);
    let mut readers: Vec<_> = (0..1_000)
        .map(|_| {
            let stream = apart.ask();
            socket2::SockRef::from(&stream)
                .set_recv_buffer_size(64 << 10)
                .unwrap();
            (stream, Vec::new())
        })
        .collect();
    let mut piece = vec![0; 64 << 10];
    let mut served = 0;
    while !readers.is_empty() {
        readers.retain_mut(|(stream, bytes)| match stream.read(&mut piece).unwrap() {
            0 => {
                assert!(bytes.ends_with(package()), "{} bytes", bytes.len());
                served += 1;
                false
            }
            count => {
                bytes.extend_from_slice(&piece[..count]);
                true
            }
        });
        if readers.len() == 1_000 {
            // While all of them wait, another is answered.
            let mut other = apart.ask();
            assert_ne!(other.read(&mut [0; 100]).unwrap(), 0);
        }
    }
    assert_eq!(served, 1_000);
    let peak = apart.memory_peak_kib();
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert_eq!(apart.end(), Vec::<String>::new());
}
