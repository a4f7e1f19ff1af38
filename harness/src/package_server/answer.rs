//! An answer as it would be sent if it were honest, and the well-formed answers that a plan
//! puts in its place. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::random::Sequence;
use super::request::{Method, Request};
use super::wire_plan::{At, BodySource, Instead, RangeLie, Told};

/// A whole answer: what is true, or well-formed at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: String,
    /// In their order, `Content-Length` among them where there is one.
    pub(super) headers: Vec<(String, String)>,
    /// Empty for HEAD.
    pub(super) body: Bytes,
    /// The first byte of the package that the body should carry.
    pub(super) from: u64,
    /// Whether random bytes follow for ever.
    pub(super) endless: bool,
}

/// Why the content server's answer cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the content server's answer is not well-formed HTTP")]
pub(super) struct Malformed;

impl Answer {
    /// Reads what the content server said, to its end.
    pub(super) fn parse(said: Bytes, method: Method) -> Result<Answer, Malformed> {
        let end = super::request::end_of_head(&said).ok_or(Malformed)?;
        let head = std::str::from_utf8(&said[..end - 4]).map_err(|_| Malformed)?;
        let mut lines = head.split("\r\n");
        let mut status_line = lines.next().ok_or(Malformed)?.splitn(3, ' ').skip(1);
        let status = status_line
            .next()
            .and_then(|status| status.parse().ok())
            .ok_or(Malformed)?;
        let reason = status_line.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Malformed)?;
            // The gate ends each connection after one answer, and says so.
            if !name.eq_ignore_ascii_case("connection") {
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut answer = Answer {
            status,
            reason,
            headers,
            body: said.slice(end..),
            from: 0,
            endless: false,
        };
        answer.from = answer.content_range_from().unwrap_or(0);
        let length = answer.declared().ok_or(Malformed)?;
        match method {
            Method::Get if answer.body.len() as u64 != length => Err(Malformed),
            Method::Head if !answer.body.is_empty() => Err(Malformed),
            _ => Ok(answer),
        }
    }

    /// The value of a header.
    pub(super) fn header(&self, wanted: &str) -> Option<&str> {
        let header = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        header.map(|(_, value)| value.as_str())
    }

    /// What `Content-Length` says.
    pub(super) fn declared(&self) -> Option<u64> {
        self.header("Content-Length")?.parse().ok()
    }

    fn content_range_from(&self) -> Option<u64> {
        self.header("Content-Range")?
            .strip_prefix("bytes ")?
            .split_once('-')?
            .0
            .parse()
            .ok()
    }

    fn set(&mut self, name: &str, value: String) {
        match self
            .headers
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some((_, known)) => *known = value,
            None => self.headers.push((name.to_owned(), value)),
        }
    }

    /// Gives it another body, with its true length.
    fn carry(&mut self, body: Bytes, method: Method) {
        self.set("Content-Length", body.len().to_string());
        self.body = match method {
            Method::Get => body,
            Method::Head => Bytes::new(),
        };
    }

    /// A short answer that is not about the package.
    pub(super) fn of_status(
        status: u16,
        content_type: &str,
        body: Bytes,
        method: Method,
    ) -> Answer {
        let mut answer = Answer {
            status,
            reason: reason(status).to_owned(),
            headers: vec![("Connection".to_owned(), "close".to_owned())],
            body: Bytes::new(),
            from: 0,
            endless: false,
        };
        if may_have_body(status) {
            answer
                .headers
                .insert(0, ("Content-Type".to_owned(), content_type.to_owned()));
            answer.carry(body, method);
        }
        answer
    }
}

/// Whether a final answer of this status may have a body (RFC 9110 §6.4.1).
fn may_have_body(status: u16) -> bool {
    !(100..200).contains(&status) && status != 204 && status != 304
}

/// The line that a short answer carries: `404 Not Found`.
pub(super) fn status_text(status: u16) -> Bytes {
    Bytes::from(format!("{status} {}\n", reason(status)))
}

/// The reason phrase of a status (RFC 9110 §15, RFC 6585, RFC 7725).
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        511 => "Network Authentication Required",
        _ => "Unknown",
    }
}

/// What an offer knows that its answers need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// The whole package.
    pub(super) package: &'a Bytes,
    /// The path that was asked for.
    pub(super) path: &'a str,
    /// A path under which the package is always served honestly.
    pub(super) moved: &'a str,
    /// The server, as the module knows it: `http://host:port`.
    pub(super) base: &'a str,
}

/// Puts a well-formed answer in the place of the honest one.
pub(super) fn instead(
    honest: Answer,
    plan: &Instead,
    request: &Request,
    around: Surroundings<'_>,
    random: &mut Sequence,
) -> Answer {
    let method = request.method;
    let whole = |content_type: &str, body: Bytes| {
        Answer::of_status(plan.status.unwrap_or(200), content_type, body, method)
    };
    let binary = "application/octet-stream";
    let mut answer = match (&plan.body, plan.status) {
        // Of another package, the content server told the truth already.
        (Some(BodySource::Package(_)) | None, None) => honest,
        (Some(BodySource::Package(_)), Some(status)) => Answer {
            status,
            reason: reason(status).to_owned(),
            ..honest
        },
        (None, Some(status)) => whole_status(status, method),
        (Some(BodySource::Empty), _) => whole("text/plain", Bytes::new()),
        (Some(BodySource::CaptivePortal), _) => whole("text/html", Bytes::from_static(PORTAL)),
        (Some(BodySource::Text(text)), _) => whole("text/plain", Bytes::from(text.clone())),
        (Some(BodySource::First(at)), _) => whole(binary, first(around.package, *at)),
        (Some(BodySource::Random(count)), _) => {
            whole(binary, Bytes::from(random.bytes(bounded(*count))))
        }
        (Some(BodySource::Zeros(count)), _) => whole(binary, Bytes::from(vec![0; bounded(*count)])),
        (Some(BodySource::Ones(count)), _) => {
            whole(binary, Bytes::from(vec![0xFF; bounded(*count)]))
        }
        (Some(BodySource::Gzip(told)), _) => {
            let mut answer = whole(binary, gzip(around.package));
            if *told == Told::Told {
                answer.set("Content-Encoding", "gzip".to_owned());
            }
            answer
        }
        (Some(BodySource::Endless), _) => {
            let mut answer = whole(binary, Bytes::new());
            answer.headers.retain(|(name, _)| name != "Content-Length");
            Answer {
                endless: method == Method::Get,
                ..answer
            }
        }
    };
    if let Some(location) = &plan.location {
        let location = location
            .replace("<moved>", around.moved)
            .replace("<self>", around.path)
            .replace("<server>", around.base);
        answer.set("Location", location);
    }
    answer
}

/// An answer that is about a status, with the headers that the status must have.
fn whole_status(status: u16, method: Method) -> Answer {
    let mut answer = Answer::of_status(status, "text/plain", status_text(status), method);
    match status {
        401 => answer.set("WWW-Authenticate", "Basic realm=\"packages\"".to_owned()),
        405 => answer.set("Allow", "GET, HEAD".to_owned()),
        429 | 503 => answer.set("Retry-After", "120".to_owned()),
        _ => {}
    }
    answer
}

/// The largest body that is made up: larger than any module's store (256 KiB on these), and
/// small enough for eight at a time in memory.
pub(super) const MADE_UP_MAX: u64 = 16 << 20;

fn bounded(count: u64) -> usize {
    usize::try_from(count.min(MADE_UP_MAX)).unwrap_or(usize::MAX)
}

fn first(package: &Bytes, at: At) -> Bytes {
    let length = at.in_length(package.len() as u64);
    package.slice(..usize::try_from(length).unwrap_or(package.len()))
}

fn gzip(package: &[u8]) -> Bytes {
    use std::io::Write;
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // A vector takes whatever is written to it.
    let coded = coder.write_all(package).and_then(|()| coder.finish());
    coded.map(Bytes::from).unwrap_or_default()
}

/// What is answered to `Range` instead of the truth.
pub(super) fn range_lie(
    honest: Answer,
    lie: RangeLie,
    request: &Request,
    package: &Bytes,
    random: &mut Sequence,
) -> Answer {
    let method = request.method;
    let size = package.len() as u64;
    match lie {
        RangeLie::Ignore => {
            let mut answer = Answer {
                status: 200,
                reason: reason(200).to_owned(),
                from: 0,
                ..honest
            };
            answer
                .headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("content-range"));
            answer.carry(package.clone(), method);
            answer
        }
        RangeLie::Refuse => {
            let mut answer = whole_status(416, method);
            answer.set("Content-Range", format!("bytes */{size}"));
            answer
        }
        // The others are lies about a part; a whole answer has none.
        _ if honest.status != 206 => honest,
        RangeLie::Shift(by) => {
            let from = honest.from.saturating_add_signed(by).min(size);
            let mut body = package.slice(usize::try_from(from).unwrap_or(0)..).to_vec();
            body.resize(usize::try_from(size - honest.from).unwrap_or(0), 0xFF);
            let mut answer = honest;
            answer.carry(Bytes::from(body), method);
            answer
        }
        RangeLie::Short(by) => {
            let length = (size - honest.from).saturating_sub(by);
            let mut answer = honest;
            let from = usize::try_from(answer.from).unwrap_or(0);
            let last = (answer.from + length).saturating_sub(1);
            answer.set(
                "Content-Range",
                format!("bytes {}-{last}/{size}", answer.from),
            );
            answer.carry(
                package.slice(from..from + usize::try_from(length).unwrap_or(0)),
                method,
            );
            answer
        }
        RangeLie::Long(by) => {
            let mut body = package
                .slice(usize::try_from(honest.from).unwrap_or(0)..)
                .to_vec();
            body.extend(random.bytes(bounded(by)));
            let mut answer = honest;
            let total = answer.from + body.len() as u64;
            answer.set(
                "Content-Range",
                format!("bytes {}-{}/{total}", answer.from, total - 1),
            );
            answer.carry(Bytes::from(body), method);
            answer
        }
        RangeLie::Multipart => {
            let from = honest.from;
            let mut body = format!(
                "--part\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {from}-{}/{size}\r\n\r\n",
                size.saturating_sub(1)
            )
            .into_bytes();
            body.extend_from_slice(&package[usize::try_from(from).unwrap_or(0)..]);
            body.extend_from_slice(b"\r\n--part--\r\n");
            let mut answer = honest;
            answer
                .headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("content-range"));
            answer.set(
                "Content-Type",
                "multipart/byteranges; boundary=part".to_owned(),
            );
            answer.carry(Bytes::from(body), method);
            answer
        }
    }
}

/// What a network shows to a customer who has not logged in.
const PORTAL: &[u8] = b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>\n\
<h1>Welcome to our network</h1>\n<p>Please <a href=\"/login\">log in</a> to go on.</p>\n\
</body></html>\n";

/// The other packages that a plan can name.
pub(super) type Others = BTreeMap<String, Bytes>;
