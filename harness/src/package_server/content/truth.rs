//! What is true of a file: a status, headers, and the bytes that were asked for.

use bytes::Bytes;

use super::File;

/// An answer before it is HTTP.
pub(super) struct Truth {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// What is true of a file, as a status, headers and a body (RFC 9110 §14: a range that cannot be
/// understood is passed over, one that cannot be satisfied is 416).
pub(super) fn truth(file: Option<&File>, range: Option<&str>, if_range: Option<&str>) -> Truth {
    let Some(file) = file else {
        let headers = vec![("Content-Type", "text/plain".to_owned())];
        return Truth {
            status: 404,
            headers,
            body: Bytes::from_static(b"404 Not Found\n"),
        };
    };
    let size = file.bytes.len();
    let mut headers = vec![
        ("Content-Type", "application/octet-stream".to_owned()),
        ("Accept-Ranges", "bytes".to_owned()),
        ("ETag", file.etag.clone()),
    ];
    let current = if_range.is_none_or(|tag| tag == file.etag);
    match range
        .filter(|_| current)
        .and_then(|range| Range::parse(range, size))
    {
        None => Truth {
            status: 200,
            headers,
            body: file.bytes.clone(),
        },
        Some(Range::Unsatisfiable) => {
            headers.push(("Content-Range", format!("bytes */{size}")));
            Truth {
                status: 416,
                headers,
                body: Bytes::new(),
            }
        }
        Some(Range::Bytes(from, to)) => {
            headers.push(("Content-Range", format!("bytes {from}-{}/{size}", to - 1)));
            Truth {
                status: 206,
                headers,
                body: file.bytes.slice(from..to),
            }
        }
    }
}

enum Range {
    /// From the first, up to before the second.
    Bytes(usize, usize),
    Unsatisfiable,
}

impl Range {
    /// `None` where it is no single range of bytes.
    fn parse(text: &str, size: usize) -> Option<Range> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| -> Option<Option<usize>> {
            match text.trim() {
                "" => Some(None),
                digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                    // A number that does not fit is larger than any package all the same.
                    Some(Some(digits.parse().unwrap_or(usize::MAX)))
                }
                _ => None,
            }
        };
        match (number(first)?, number(last)?) {
            (None, None) => None,
            (None, Some(0)) => Some(Range::Unsatisfiable),
            (None, Some(_)) if size == 0 => Some(Range::Unsatisfiable),
            (None, Some(count)) => Some(Range::Bytes(size.saturating_sub(count), size)),
            (Some(from), Some(to)) if to < from => None,
            (Some(from), _) if from >= size => Some(Range::Unsatisfiable),
            (Some(from), to) => Some(Range::Bytes(
                from,
                to.map_or(size, |to| to.saturating_add(1).min(size)),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn ten() -> File {
        File::of(Bytes::from_static(b"0123456789"))
    }

    #[rstest]
    #[case("bytes=0-", 206, "0123456789", Some("bytes 0-9/10"))]
    #[case("bytes=4-", 206, "456789", Some("bytes 4-9/10"))]
    #[case("bytes=2-3", 206, "23", Some("bytes 2-3/10"))]
    #[case("bytes=8-99999999999999999999999", 206, "89", Some("bytes 8-9/10"))]
    #[case("bytes=-3", 206, "789", Some("bytes 7-9/10"))]
    #[case("bytes=-30", 206, "0123456789", Some("bytes 0-9/10"))]
    #[case("bytes=10-", 416, "", Some("bytes */10"))]
    #[case("bytes=-0", 416, "", Some("bytes */10"))]
    #[case("bytes=3-2", 200, "0123456789", None)]
    #[case("bytes=0-1,4-5", 200, "0123456789", None)]
    #[case("bytes=+1-", 200, "0123456789", None)]
    #[case("items=0-1", 200, "0123456789", None)]
    fn a_range_is_served_as_rfc_9110_says(
        #[case] range: &str,
        #[case] status: u16,
        #[case] body: &str,
        #[case] content_range: Option<&str>,
    ) {
        let truth = truth(Some(&ten()), Some(range), None);
        let said = truth
            .headers
            .iter()
            .find(|(name, _)| *name == "Content-Range");
        assert_eq!(truth.status, status);
        assert_eq!(truth.body, body);
        assert_eq!(said.map(|(_, value)| value.as_str()), content_range);
    }

    #[test]
    fn a_range_of_another_version_is_answered_with_the_whole_file() {
        let file = ten();
        assert_eq!(
            truth(Some(&file), Some("bytes=4-"), Some(&file.etag)).status,
            206
        );
        assert_eq!(
            truth(Some(&file), Some("bytes=4-"), Some("\"other\"")).status,
            200
        );
    }
}
