//! The address of a package, as `AT+QFOTADL` takes it.

/// §3.1: the longest `<httpURL>`. The guide does not say whether its quotes count; here they do
/// not, so that the longest URL that the text admits is accepted.
const URL_LEN_MAX: usize = 255;
/// The firmware's buffer for a host name.
const HOST_LEN_MAX: usize = 63;
const PORT_DEFAULT: u16 = 80;

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) len_max: usize,
    /// Whether `HTTP` and `HTTPS` are schemes, and not only their lower case.
    pub(super) upper_case: bool,
    pub(super) port_default: u16,
    /// Whether a port may be any number; one that is no port is taken for the default.
    pub(super) any_port: bool,
    pub(super) unquoted: bool,
    /// Whether HTTPS is taken for HTTP.
    pub(super) secure_is_plain: bool,
}

impl Default for Limits {
    /// What is lawful.
    fn default() -> Self {
        Self {
            len_max: URL_LEN_MAX,
            upper_case: true,
            port_default: PORT_DEFAULT,
            any_port: false,
            unquoted: false,
            secure_is_plain: false,
        }
    }
}

/// Where a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// As it was given, without quotes: what a download is remembered by.
    pub(super) text: String,
    pub(super) place: Place,
}

/// What there is to do about a URL that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A package can be asked for there.
    Http {
        host: String,
        port: u16,
        path: String,
    },
    /// It is well formed and cannot be fetched: HTTPS ("not supported for the time being", note 2
    /// of §3.1), or a host name beyond the firmware's buffer. The download fails.
    OutOfReach { secure: bool },
}

impl Url {
    /// Reads the argument of `AT+QFOTADL=`, quotes included. `None` is refused by the command.
    pub(super) fn read(argument: &[u8], limits: &Limits) -> Option<Self> {
        let argument = str::from_utf8(argument).ok()?;
        let quoted = argument
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let text = quoted.or(limits.unquoted.then_some(argument))?;
        let printable = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if text.len() > limits.len_max || !printable {
            return None;
        }
        // The firmware compares with these four spellings and no other.
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme {
            "http" => false,
            "https" => true,
            "HTTP" if limits.upper_case => false,
            "HTTPS" if limits.upper_case => true,
            _ => return None,
        };
        // A fragment is not sent.
        let rest = rest.split('#').next().unwrap_or_default();
        // Any colon is taken for the one before the port, so one in a path without a port makes
        // the port a non-number.
        let (host, port, path) = match rest.split_once(':') {
            Some((host, after)) => {
                let (port, path) = after.split_once('/').unwrap_or((after, ""));
                let port = read_port(port).or(limits.any_port.then_some(limits.port_default))?;
                (host, port, path)
            }
            None => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                (host, limits.port_default, path)
            }
        };
        if host.is_empty() || host.contains(['/', '?']) {
            return None;
        }
        let secure = secure && !limits.secure_is_plain;
        let place = if secure || host.len() > HOST_LEN_MAX {
            Place::OutOfReach { secure }
        } else {
            Place::Http {
                host: host.to_owned(),
                port,
                path: format!("/{path}"),
            }
        };
        Some(Self {
            text: text.to_owned(),
            place,
        })
    }
}

/// §3.1: 1 to 65535.
fn read_port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = plain.then(|| digits.parse().ok()).flatten()?;
    (port != 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(argument: &str) -> Option<Url> {
        Url::read(argument.as_bytes(), &Limits::default())
    }

    fn of_len(len: usize) -> String {
        let start = "http://10.0.0.1/";
        format!("\"{start}{}\"", "a".repeat(len - start.len()))
    }

    #[rstest]
    #[case::guides_example(
        "\"http://www.quectel.com:100/update.bin\"",
        "www.quectel.com",
        100,
        "/update.bin"
    )]
    #[case::upper_case("\"HTTP://h/f\"", "h", 80, "/f")]
    #[case::no_port("\"http://10.0.0.1/a/b.bin\"", "10.0.0.1", 80, "/a/b.bin")]
    #[case::lowest_port("\"http://h:1/f\"", "h", 1, "/f")]
    #[case::highest_port("\"http://h:65535/f\"", "h", 65_535, "/f")]
    #[case::no_path("\"http://h\"", "h", 80, "/")]
    #[case::fragment("\"http://h/f#g\"", "h", 80, "/f")]
    fn lawful_urls_are_taken_apart(
        #[case] argument: &str,
        #[case] host: &str,
        #[case] port: u16,
        #[case] path: &str,
    ) {
        let place = Place::Http {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        };
        assert_eq!(read(argument).map(|url| url.place), Some(place));
    }

    #[test]
    fn the_longest_url_has_255_bytes() {
        assert!(read(&of_len(255)).is_some());
        assert_eq!(read(&of_len(256)), None);
    }

    #[rstest]
    #[case::unquoted("http://h/f")]
    #[case::half_quoted("\"http://h/f")]
    #[case::empty("\"\"")]
    #[case::mixed_case("\"Http://h/f\"")]
    #[case::other_scheme("\"ftp://h/f\"")]
    #[case::no_scheme("\"h/f\"")]
    #[case::port_zero("\"http://h:0/f\"")]
    #[case::port_too_high("\"http://h:65536/f\"")]
    #[case::port_not_a_number("\"http://h:x/f\"")]
    #[case::port_signed("\"http://h:+80/f\"")]
    #[case::no_host("\"http:///f\"")]
    #[case::colon_in_path("\"http://h/a:b\"")]
    #[case::control_character("\"http://h/\tf\"")]
    fn unlawful_urls_are_refused(#[case] argument: &str) {
        assert_eq!(read(argument), None);
    }

    #[rstest]
    #[case::https("\"https://h/f\"")]
    #[case::https_upper_case("\"HTTPS://h/f\"")]
    #[case::long_host(&format!("\"http://{}/f\"", "h".repeat(64)))]
    fn some_lawful_urls_are_out_of_reach(#[case] argument: &str) {
        let place = read(argument).map(|url| url.place);
        assert!(matches!(place, Some(Place::OutOfReach { .. })));
    }
}
