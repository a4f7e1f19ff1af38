//! Downloads: how they fail, how often is asked, and where they go on.

use super::*;

/// How the guide's and the field's downloads fail: how many requests, and which `<http_err>`.
#[rstest]
#[case::not_found(says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), 1)]
#[case::unavailable(says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), 8)]
#[case::moved(
    says("HTTP/1.1 302 Found\r\nLocation: /q\r\nContent-Length: 0\r\n\r\n"),
    8
)]
#[case::chunked(
    says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    8
)]
#[case::no_length(says("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody"), 8)]
#[case::empty(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 8)]
#[case::too_large(says("HTTP/1.1 200 OK\r\nContent-Length: 917505\r\n\r\n"), 8)]
#[case::header_without_space(says("HTTP/1.1 200 OK\r\nContent-Length:4\r\n\r\nbody"), 8)]
#[case::short_body(says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody"), 8)]
#[case::not_http(says("no\r\n\r\n"), 8)]
#[case::nothing(says(""), 8)]
#[case::stalled(Web::Silent, 8)]
#[case::refused(Web::Refuses, 0)]
#[case::absent(Web::Absent, 0)]
fn a_failed_download_is_12_and_final(#[case] web: Web, #[case] requests: usize) {
    let mut bench = switched_on(&settings(), web);
    bench.send(UPDATE);
    hears(&mut bench, "\"HTTPEND\",12\r\n", 25 * MINUTE);
    assert_eq!(bench.requests().len(), requests);
    bench.take_said();
    bench.run_for(5 * MINUTE);
    assert_eq!(bench.take_said(), "", "nothing follows");

    // And the next one succeeds.
    bench.set_web(Web::Package(package(A, B).into()));
    bench.send("AT+QFOTADL=\"http://10.0.0.1/other.bin\"\r");
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
}

#[rstest]
#[case::guide(Personality::Guide, 917_504)]
#[case::a05(Personality::A05, 778_240)]
fn a_package_may_be_as_large_as_its_place(#[case] personality: Personality, #[case] most: usize) {
    let settings = Settings {
        personality,
        ..settings()
    };
    for (len, attempts) in [(most, 1), (most + 1, 8)] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\nx");
        let mut bench = switched_on(&settings, says(head));
        bench.send(UPDATE);
        // One that fits is waited for, and goes on after the byte that came.
        bench.run_for(Duration::from_secs(1));
        bench.set_web(Web::Silent);
        bench.run_until_said("HTTPEND", 25 * MINUTE);
        let from_the_start = |range: &&&str| range.ends_with("=0-");
        assert_eq!(
            ranges(&bench).iter().filter(from_the_start).count(),
            attempts
        );
    }
}

#[test]
fn a_stalled_server_is_waited_for_24_minutes() {
    let mut bench = switched_on(&settings(), Web::Silent);
    bench.send(UPDATE);
    assert!(!bench.run_until_said("HTTPEND", 23 * MINUTE));
    hears(&mut bench, "HTTPEND", 2 * MINUTE);
}

#[test]
fn a_short_body_is_gone_on_with_where_the_server_knows_ranges() {
    let package = package(A, B);
    let half = package.len() / 2;
    let mut bench = cut_off(&package, half);
    bench.set_web(Web::Package(package.into()));
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
    let rest = format!("Range: bytes={half}-");
    assert_eq!(ranges(&bench), ["Range: bytes=0-", &rest]);
    assert!(!bench.said().contains("DOWNLOADING\",1%"));
}

#[test]
fn a_short_body_is_begun_again_where_the_server_does_not() {
    let package = package(A, B);
    let mut bench = cut_off(&package, package.len() / 2);
    bench.set_web(whole(&package, package.len()));
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
    assert!(bench.said().contains("DOWNLOADING\",1%"));
}

/// A module whose first connection ends after `len` bytes. All eight attempts would end like that:
/// from here on the server is to be another.
fn cut_off(package: &[u8], len: usize) -> InProcess {
    let mut bench = switched_on(&settings(), whole(package, len));
    bench.send(UPDATE);
    hears(&mut bench, "DOWNLOADING\",49%", 5 * MINUTE);
    bench.take_said();
    bench
}

/// The package under its whole length, and its first `len` bytes.
fn whole(package: &[u8], len: usize) -> Web {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        package.len()
    );
    says([head.as_bytes(), &package[..len]].concat())
}

/// What was asked for.
fn ranges(bench: &InProcess) -> Vec<&str> {
    bench
        .requests()
        .iter()
        .filter_map(|request| request.lines().nth(2))
        .collect()
}

#[rstest]
#[case::the_same(UPDATE, "Range: bytes=1000-")]
#[case::another("AT+QFOTADL=\"http://10.0.0.1/q.bin\"\r", "Range: bytes=0-")]
fn the_same_url_goes_on_where_it_failed_and_another_does_not(
    #[case] again: &str,
    #[case] range: &str,
) {
    let package = package(A, B);
    let mut bench = switched_on(&settings(), whole(&package, 1000));
    bench.send(UPDATE);
    hears(&mut bench, "\"HTTPEND\",12", 25 * MINUTE);
    bench.set_web(Web::Package(package.into()));
    bench.take_said();
    bench.send(again);
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
    assert_eq!(ranges(&bench).last(), Some(&range));
    let from_the_start = bench.said().contains("DOWNLOADING\",1%");
    assert_eq!(from_the_start, range.ends_with("=0-"));
}

#[test]
fn bytes_beyond_the_declared_length_are_no_part_of_the_package() {
    let package = package(A, B);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        package.len()
    );
    let web = says([head.as_bytes(), &package, b"<!-- and more -->"].concat());
    let mut bench = switched_on(&settings(), web);
    bench.send(UPDATE);
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
}

#[test]
fn without_a_network_it_gives_up_with_13_and_asks_nobody() {
    let settings = Settings {
        registered: false,
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    assert_eq!(
        ask(&mut bench, "AT+CEREG?"),
        "\r\n+CEREG: 0,2\r\n\r\nOK\r\n"
    );
    bench.send(UPDATE);
    hears(&mut bench, "\"HTTPSTART\"", MINUTE);
    hears(&mut bench, "\"HTTPEND\",13\r\n", 2 * MINUTE);
    assert!(bench.requests().is_empty());
}

#[test]
fn a_network_that_is_still_being_activated_is_told_with_20() {
    let settings = Settings {
        circumstances: vec![Circumstance::Activating],
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    bench.send(UPDATE);
    hears(&mut bench, "\"HTTPEND\",20\r\n", 2 * MINUTE);
    assert!(bench.requests().is_empty());
}

#[test]
fn a_network_that_is_taken_away_ends_a_download_with_13() {
    let mut bench = serving(A, B);
    bench.send(UPDATE);
    hears(&mut bench, "DOWNLOADING\",30%", MINUTE);
    bench.send("AT+CFUN=0\r");
    hears(&mut bench, "\"HTTPEND\",13\r\n", MINUTE);
    bench.send("AT+CFUN=1\r");
    bench.run_for(MINUTE);
    bench.send(UPDATE);
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
}

#[test]
fn https_is_accepted_and_fails_without_a_connection() {
    let mut bench = serving(A, B);
    bench.send("AT+QFOTADL=\"https://10.0.0.1/p.bin\"\r");
    hears(&mut bench, "\r\nOK\r\n", MINUTE);
    hears(&mut bench, "\"HTTPEND\",12\r\n", MINUTE);
    assert!(bench.requests().is_empty());
}

#[test]
fn a_second_download_while_one_runs_is_refused_and_disturbs_nothing() {
    let mut bench = serving(A, B);
    bench.send(UPDATE);
    hears(&mut bench, "DOWNLOADING\",30%", MINUTE);
    assert!(ask(&mut bench, UPDATE.trim_end()).contains("\r\nERROR\r\n"));
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
    assert_eq!(bench.requests().len(), 1);
}
