//! HTTP/1.1 as the module's downloader knows it: one GET, and as much of the answer's head as
//! it cares for. Bytes in, facts out; every line and the whole head have a bound.

/// The longest header line the firmware can hold.
const LINE_LEN_MAX: usize = 511;
/// Many more than any server sends.
const LINES_MAX: usize = 100;

/// The request for a package from byte `position` on. `Host` goes without the port, and `Range`
/// always goes along, as in the firmware.
pub(super) fn request(host: &str, path: &str, position: usize) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={position}-\r\n\r\n").into_bytes()
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Absent when there was none, or one that is no number; chunked bodies have none either.
    pub(super) content_length: Option<usize>,
    pub(super) chunked: bool,
}

/// A head that the firmware gives up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    /// A line, or all of them together, are more than it holds.
    TooLong,
    /// It is not HTTP/1, or a line has no `": "`.
    Malformed,
}

/// The head of an answer as far as it has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    line: Vec<u8>,
    lines: usize,
    status: Option<u16>,
    content_length: Option<usize>,
    chunked: bool,
}

impl Head {
    /// Takes one byte; gives the answer when it was the last of the head.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<Answer>, BadHead> {
        if byte != b'\n' {
            if self.line.len() > LINE_LEN_MAX {
                return Err(BadHead::TooLong);
            }
            self.line.push(byte);
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.len() > LINE_LEN_MAX {
            return Err(BadHead::TooLong);
        }
        let Some(status) = self.status else {
            self.status = Some(read_status(line).ok_or(BadHead::Malformed)?);
            return Ok(None);
        };
        if line.is_empty() {
            let content_length = self.content_length.filter(|_| !self.chunked);
            return Ok(Some(Answer {
                status,
                content_length,
                chunked: self.chunked,
            }));
        }
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Err(BadHead::TooLong);
        }
        // The firmware looks for a colon with a space behind it, and for nothing less.
        let colon = line
            .windows(2)
            .position(|pair| pair == b": ")
            .ok_or(BadHead::Malformed)?;
        let (name, value) = (&line[..colon], line[colon + 2..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            self.content_length = read_number(value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = value.to_ascii_lowercase().ends_with(b"chunked");
        }
        Ok(None)
    }
}

fn read_status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5).filter(|_| rest[1] == b' ')?;
    read_number(digits).and_then(|status| u16::try_from(status).ok())
}

fn read_number(digits: &[u8]) -> Option<usize> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain
        .then(|| str::from_utf8(digits).ok()?.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn read(bytes: &[u8]) -> Result<Option<Answer>, BadHead> {
        let mut head = Head::default();
        for &byte in bytes {
            match head.push(byte)? {
                None => {}
                answer => return Ok(answer),
            }
        }
        Ok(None)
    }

    #[test]
    fn a_request_has_a_range_always_and_a_host_without_port() {
        assert_eq!(
            request("10.0.0.1", "/f", 0),
            b"GET /f HTTP/1.1\r\nHost: 10.0.0.1\r\nRange: bytes=0-\r\n\r\n"
        );
    }

    #[rstest]
    #[case::plain("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200, Some(7))]
    #[case::any_case(
        "HTTP/1.0 206 Partial Content\r\ncontent-LENGTH: 7\r\n\r\n",
        206,
        Some(7)
    )]
    #[case::bare_lf("HTTP/1.1 200 OK\nContent-Length: 7\n\n", 200, Some(7))]
    #[case::no_length("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", 200, None)]
    #[case::chunked(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n",
        200,
        None
    )]
    #[case::signed("HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n", 200, None)]
    #[case::overflow(
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        200,
        None
    )]
    #[case::no_reason("HTTP/1.1 404\r\n\r\n", 404, None)]
    fn heads_are_read(
        #[case] head: &str,
        #[case] status: u16,
        #[case] content_length: Option<usize>,
    ) {
        let answer = read(head.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (answer.status, answer.content_length),
            (status, content_length)
        );
    }

    #[rstest]
    #[case::not_http("SSH-2.0-x\r\n\r\n")]
    #[case::http_2("HTTP/2 200\r\n\r\n")]
    #[case::no_space("HTTP/1.1 200 OK\r\nContent-Length:7\r\n\r\n")]
    #[case::long_line(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(509)))]
    #[case::endless_line(&"H".repeat(10_000))]
    #[case::endless_head(&format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(1000)))]
    fn heads_are_given_up_on(#[case] head: &str) {
        assert!(read(head.as_bytes()).is_err());
    }

    #[test]
    fn a_line_of_511_bytes_fits() {
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(508));
        assert!(matches!(read(head.as_bytes()), Ok(Some(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_received(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = read(&bytes);
            let _ = read(&[b"HTTP/1.1 200 OK\r\n", &bytes[..]].concat());
        }
    }
}
