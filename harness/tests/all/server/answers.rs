//! Answers that are not the package's own: what a plan says instead, and how it is spelled.

use std::io::{Read, Write};

use rstest::rstest;

use super::parts::{Bench, DEADLINE, Ending, ask, get, package, read_all};

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
