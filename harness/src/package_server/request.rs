//! A request's head, read strictly.
//!
//! tiny_http reads liberally, and a stranger may send anything: whatever is not plainly one
//! GET or HEAD without a body is refused here, with the status that says so. Pure: no socket.

/// The largest head, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The most lines of a head.
const LINES_MAX: usize = 64;

/// A request that may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Without the query.
    pub(super) path: String,
    /// `Range`, as it was sent.
    pub(super) range: Option<String>,
    /// `If-Range`, as it was sent.
    pub(super) if_range: Option<String>,
}

/// GET or HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
}

impl Method {
    /// As it is sent.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
        }
    }
}

impl Request {
    /// The first byte that `Range` asks for, where it asks for one range from a byte on.
    pub(super) fn range_from(&self) -> Option<u64> {
        let range = self.range.as_deref()?.strip_prefix("bytes=")?;
        range.split_once('-')?.0.trim().parse().ok()
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is answered.
    pub(super) status: u16,
    /// In a few words.
    pub(super) why: &'static str,
}

const fn refuse<T>(status: u16, why: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, why })
}

/// Where the head ends in what was received so far: behind its empty line.
pub(super) fn end_of_head(received: &[u8]) -> Option<usize> {
    received
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|start| start + 4)
}

/// Whether what was received so far can no more become a head: it is TLS, or garbage.
pub(super) fn is_hopeless(received: &[u8]) -> bool {
    !received.iter().all(|b| is_of_a_head(*b))
}

fn is_of_a_head(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~')
}

/// Reads a whole head, its empty line included.
pub(super) fn parse(head: &[u8]) -> Result<Request, Refusal> {
    let (Ok(text), false) = (std::str::from_utf8(head), is_hopeless(head)) else {
        return refuse(400, "bytes that are not printable ASCII in the head");
    };
    let Some(text) = text.strip_suffix("\r\n\r\n") else {
        return refuse(400, "the head has no end");
    };
    let mut lines = text.split("\r\n");
    let request_line = lines.next().unwrap_or_default();
    if text.contains(['\r', '\n']) && text.split("\r\n").any(|line| line.contains(['\r', '\n'])) {
        return refuse(400, "a line end that is not CR LF");
    }
    let (method, path) = request_line_of(request_line)?;
    let mut headers = Headers::default();
    for (number, line) in lines.enumerate() {
        if number >= LINES_MAX {
            return refuse(431, "too many header lines");
        }
        headers.take(line)?;
    }
    if request_line.ends_with('1') && headers.hosts != 1 {
        return refuse(400, "HTTP/1.1 without exactly one Host");
    }
    Ok(Request {
        method,
        path,
        range: headers.range,
        if_range: headers.if_range,
    })
}

fn request_line_of(line: &str) -> Result<(Method, String), Refusal> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return refuse(400, "the request line is not `METHOD target HTTP/1.x`");
    };
    match version {
        "HTTP/1.1" | "HTTP/1.0" => {}
        other if other.starts_with("HTTP/") => return refuse(505, "neither HTTP/1.1 nor HTTP/1.0"),
        _ => return refuse(400, "the request line is not `METHOD target HTTP/1.x`"),
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => return refuse(405, "a method other than GET and HEAD"),
    };
    if !target.starts_with('/') || target.contains('\t') {
        return refuse(400, "a target that is not a path");
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    Ok((method, path.to_owned()))
}

#[derive(Default)]
struct Headers {
    hosts: usize,
    range: Option<String>,
    if_range: Option<String>,
}

impl Headers {
    fn take(&mut self, line: &str) -> Result<(), Refusal> {
        let Some((name, value)) = line.split_once(':') else {
            return refuse(400, "a header line without a colon");
        };
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            return refuse(400, "a header name that is none");
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => self.hosts += 1,
            "content-length" | "transfer-encoding" | "expect" | "upgrade" => {
                return refuse(400, "a request with a body, or that wants another protocol");
            }
            "range" => once(&mut self.range, value)?,
            "if-range" => once(&mut self.if_range, value)?,
            _ => {}
        }
        Ok(())
    }
}

fn once(place: &mut Option<String>, value: &str) -> Result<(), Refusal> {
    match place.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => refuse(400, "a header that may come once came twice"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_request_of_a_module_is_understood() {
        let head = b"GET /t/token/a-to-b HTTP/1.1\r\nHost: 10.0.0.1\r\nRange: bytes=4096-\r\n\r\n";
        let request = parse(head).unwrap();
        assert_eq!(request.method, Method::Get);
        assert_eq!(request.path, "/t/token/a-to-b");
        assert_eq!(request.range_from(), Some(4096));
    }

    #[test]
    fn a_query_does_not_change_what_is_asked_for() {
        assert_eq!(parse(b"HEAD /t?000 HTTP/1.0\r\n\r\n").unwrap().path, "/t");
    }

    #[rstest]
    #[case(400, "GET / HTTP/1.1\r\n\r\n")]
    #[case(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")]
    #[case(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n")]
    #[case(400, "GET / HTTP/1.1 extra\r\nHost: a\r\n\r\n")]
    #[case(400, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")]
    #[case(400, "GET /\n HTTP/1.1\r\nHost: a\r\n\r\n")]
    #[case(400, "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n")]
    #[case(400, "GET / HTTP/1.1\r\nHost: a\nRange: bytes=0-\r\n\r\n")]
    #[case(400, "GET /\u{1b}[31m HTTP/1.1\r\nHost: a\r\n\r\n")]
    #[case(400, "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n")]
    #[case(
        400,
        "GET / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n"
    )]
    #[case(
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"
    )]
    #[case(400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")]
    #[case(
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"
    )]
    #[case(400, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")]
    #[case(
        400,
        "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\nRange: bytes=1-\r\n\r\n"
    )]
    #[case(400, "\r\n\r\n")]
    #[case(400, "\u{16}\u{3}\u{1}\r\n\r\n")]
    #[case(505, "PRI * HTTP/2.0\r\n\r\n")]
    #[case(505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n")]
    #[case(405, "POST / HTTP/1.1\r\nHost: a\r\n\r\n")]
    #[case(405, "get / HTTP/1.1\r\nHost: a\r\n\r\n")]
    fn what_is_not_plain_is_refused(#[case] status: u16, #[case] head: &str) {
        assert_eq!(
            parse(head.as_bytes()).map_err(|refusal| refusal.status),
            Err(status)
        );
    }

    #[test]
    fn sixty_four_header_lines_are_enough() {
        let lines = |count| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(parse(lines(64).as_bytes()).is_ok());
        assert_eq!(
            parse(lines(65).as_bytes()).map_err(|refusal| refusal.status),
            Err(431)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _answered = parse(&bytes);
        }

        #[test]
        fn what_is_understood_has_nothing_to_hide(head in r"(GET|HEAD) /[ -~\r\n\t]{0,40} HTTP/1.[01]\r\n([A-Za-z-]{1,12}:[ -~]{0,20}\r\n){0,4}\r\n") {
            if let Ok(request) = parse(head.as_bytes()) {
                prop_assert!(request.path.starts_with('/'));
                prop_assert!(request.path.bytes().all(|b| (b'!'..=b'~').contains(&b)));
            }
        }
    }
}
