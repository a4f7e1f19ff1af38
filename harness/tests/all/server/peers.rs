//! What the other end does in the middle of a reply, and what the server makes of it.

use std::io::{Read, Write};
use std::time::Duration;

use harness::package_server::Limits;
use rstest::rstest;

use super::parts::{Bench, DEADLINE, Ending, ask, get, package, read_all, read_body, through};

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
    let mut stream = bench.connect_with_little_room();
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

/// A module that goes by the length closes the moment it has read the last byte: its FIN comes while
/// we still look for the last acknowledgement.
#[rstest]
#[case("forgotten", "forgotten after 200000 bytes", "reset by us")]
#[case(
    "hang",
    "held open after 200000 bytes",
    "held open, closed by the peer"
)]
fn a_fin_that_comes_with_the_last_acknowledgement_is_heard(
    #[case] how: &str,
    #[case] proof: &str,
    #[case] told: &str,
) {
    let bench = Bench::faulty(&format!("[[server]]\nend = '{how}'"));
    let mut stream = bench.connect_with_little_room();
    ask(&bench, &mut stream, None);
    read_body(&mut stream, package().len());
    drop(stream);
    let fired = bench.fired();
    assert!(fired.starts_with(&format!("server-1: {proof}")), "{fired}");
    let closed = bench.closed();
    assert!(closed.how.starts_with(told), "{closed:?}");
}
