//! The URCs of the guide, typed, as modules spell them.
//!
//! Reading is lenient: spaces after colon and commas, one or three fields in `UPDATING`,
//! a lost `%`, both spellings of `HTTPSTART`, text after the end. What of it is lawful is
//! the monitor's affair; [`Spelling`] tells it what was seen.

use crate::message::Message;

/// An unsolicited result code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urc {
    /// `+QIND: "FOTA",…` (§3.1).
    Fota(FotaUrc),
    /// `RDY`: the application has started (§4.1).
    Rdy,
    /// `+CFUN: n` as a URC (§4.1).
    Cfun(u8),
    /// `+CPIN: READY` and its kin, as a URC.
    Cpin(String),
    /// `+IP: <address>`: the network gave an address.
    Ip(String),
    /// Any other line that begins with `+`, not an answer to the pending command.
    Other(String),
}

/// What `+QIND: "FOTA",…` says (§3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FotaUrc {
    /// `"HTTPSTART"` (§3.1) or `"HTTPTART"` (§4.1).
    HttpStart,
    /// `"DOWNLOADING",<percent>`.
    Downloading(u32),
    /// `"HTTPEND",<http_err>` (§5 table 1).
    HttpEnd(HttpErr),
    /// `"START"`.
    Start,
    /// `"UPDATING",<percent>[,<total_num>,<current_bin>]`.
    Updating {
        /// Progress, in percent.
        percent: u32,
        /// Programs to upgrade and the one at work; absent in the one-field spelling.
        of: Option<(u32, u32)>,
    },
    /// `"END",<err>` (§5 table 2).
    End(FotaErr),
    /// A form the guide does not have: `"RESTORE",3%`.
    Unknown(String),
}

impl FotaUrc {
    /// Whether both report the same event: the same word with the same first number. The
    /// two fields that may follow in `UPDATING` do not make another event of it.
    #[must_use]
    pub fn is_same_event(&self, other: &FotaUrc) -> bool {
        match (self, other) {
            (FotaUrc::Updating { percent: a, .. }, FotaUrc::Updating { percent: b, .. }) => a == b,
            _ => self == other,
        }
    }
}

/// `<http_err>` of §5 table 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpErr(pub u32);

/// `<err>` of §5 table 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FotaErr(pub u32);

/// How a FOTA URC was spelled, where modules differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spelling {
    /// `HTTPTART`, as in the example of §4.1.
    pub typo: bool,
    /// A space after a comma, as in §3.1 note 1.
    pub spaced: bool,
    /// Whether the percentage has its `%`; `None` where there is no percentage.
    pub percent_sign: Option<bool>,
    /// Text after the end of what the guide's grammar has.
    pub trailing: bool,
}

/// A FOTA URC and how it was spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The event.
    pub urc: FotaUrc,
    /// Its spelling.
    pub spelling: Spelling,
}

/// Reads a whole line as a FOTA URC; `None` if it is another line.
#[must_use]
pub fn read_fota(line: &[u8]) -> Option<Reading> {
    let line = trim(line);
    let body = fota_body(line)?;
    Some(read_body(body, Extent::Whole).unwrap_or_else(|| Reading {
        urc: FotaUrc::Unknown(String::from_utf8_lossy(body.rest).into_owned()),
        spelling: Spelling::default(),
    }))
}

/// What the beginning of a line already says for certain: with every possible
/// continuation, [`crate::message::understand`] reads the same event from the whole line.
///
/// It is asked with each byte that arrives, by the thread that reads the console, so that
/// a reaction need not wait for the line's ending: it allocates nothing.
///
/// A number is decided by the byte that follows it, except that `0` is decided by itself:
/// modules print with `%d`, which has no leading zeros, and a digit after `0` is read as
/// text after the end (see [`Spelling::trailing`]).
#[must_use]
pub fn decided(prefix: &[u8]) -> Option<Message> {
    let body = fota_body(trim_start(prefix))?;
    let reading = read_body(body, Extent::Prefix)?;
    Some(Message::Urc(Urc::Fota(reading.urc)))
}

/// Whether what is read can still grow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Prefix,
}

/// What is still to be read, and whether a comma had a space after it.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
    spaced: bool,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn spaces(&mut self) -> bool {
        let before = self.rest.len();
        while let Some(rest) = self.rest.strip_prefix(b" ") {
            self.rest = rest;
        }
        self.rest.len() != before
    }

    fn comma(&mut self) -> Option<()> {
        self.spaces();
        self.eat(b",")?;
        self.spaced |= self.spaces();
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.eat(b"\"")?;
        let end = self.rest.iter().position(|&byte| byte == b'"')?;
        let (word, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Some(word)
    }

    fn number(&mut self, extent: Extent) -> Option<u32> {
        if let Some(rest) = self.rest.strip_prefix(b"0") {
            self.rest = rest;
            return Some(0);
        }
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 || (extent == Extent::Prefix && digits == self.rest.len()) {
            return None;
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        Some(number.iter().fold(0u32, |value, digit| {
            value
                .saturating_mul(10)
                .saturating_add(u32::from(digit - b'0'))
        }))
    }

    /// A percentage with its sign, where it has one.
    fn percent(&mut self, extent: Extent) -> Option<(u32, bool)> {
        let percent = self.number(extent)?;
        self.spaces();
        Some((percent, self.eat(b"%").is_some()))
    }

    /// `,<total_num>,<current_bin>`, or nothing read.
    fn programs(&mut self) -> Option<(u32, u32)> {
        let mut ahead = *self;
        ahead.comma()?;
        let total = ahead.number(Extent::Whole)?;
        ahead.comma()?;
        let current = ahead.number(Extent::Whole)?;
        *self = ahead;
        Some((total, current))
    }
}

/// What follows `+QIND: "FOTA",`.
fn fota_body(line: &[u8]) -> Option<Cursor<'_>> {
    let mut cursor = Cursor {
        rest: line,
        spaced: false,
    };
    cursor.eat(b"+QIND")?;
    cursor.spaces();
    cursor.eat(b":")?;
    cursor.spaces();
    cursor.eat(b"\"FOTA\"")?;
    cursor.comma()?;
    Some(cursor)
}

fn read_body(mut cursor: Cursor<'_>, extent: Extent) -> Option<Reading> {
    let word = cursor.quoted()?;
    let mut percent_sign = None;
    let urc = match word {
        b"HTTPSTART" | b"HTTPTART" => FotaUrc::HttpStart,
        b"START" => FotaUrc::Start,
        b"DOWNLOADING" => {
            cursor.comma()?;
            let (percent, sign) = cursor.percent(extent)?;
            percent_sign = Some(sign);
            FotaUrc::Downloading(percent)
        }
        b"UPDATING" => {
            cursor.comma()?;
            let (percent, sign) = cursor.percent(extent)?;
            percent_sign = Some(sign);
            let of = match extent {
                Extent::Whole => cursor.programs(),
                Extent::Prefix => None,
            };
            FotaUrc::Updating { percent, of }
        }
        b"HTTPEND" => {
            cursor.comma()?;
            FotaUrc::HttpEnd(HttpErr(cursor.number(extent)?))
        }
        b"END" => {
            cursor.comma()?;
            FotaUrc::End(FotaErr(cursor.number(extent)?))
        }
        _ => return None,
    };
    cursor.spaces();
    Some(Reading {
        urc,
        spelling: Spelling {
            typo: word == b"HTTPTART",
            spaced: cursor.spaced,
            percent_sign,
            trailing: !cursor.rest.is_empty(),
        },
    })
}

/// Without what a UART picks up when a line driver is switched on: bytes that are no
/// printable ASCII, and spaces, before the text.
pub(crate) fn trim_start(line: &[u8]) -> &[u8] {
    let from = line
        .iter()
        .position(u8::is_ascii_graphic)
        .unwrap_or(line.len());
    &line[from..]
}

/// The same at both ends.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    let line = trim_start(line);
    let to = line
        .iter()
        .rposition(u8::is_ascii_graphic)
        .map_or(0, |last| last + 1);
    &line[..to]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn updating(percent: u32, of: Option<(u32, u32)>) -> FotaUrc {
        FotaUrc::Updating { percent, of }
    }

    #[rstest]
    #[case::guide_3_1(r#"+QIND: "FOTA","HTTPSTART""#, FotaUrc::HttpStart)]
    #[case::guide_4_1(r#"+QIND: "FOTA","HTTPTART""#, FotaUrc::HttpStart)]
    #[case::plain(r#"+QIND: "FOTA","DOWNLOADING",1%"#, FotaUrc::Downloading(1))]
    #[case::spaced(r#"+QIND: "FOTA","DOWNLOADING", 1%"#, FotaUrc::Downloading(1))]
    #[case::sign_lost(r#"+QIND: "FOTA","DOWNLOADING",100"#, FotaUrc::Downloading(100))]
    #[case::no_space(r#"+QIND:"FOTA","HTTPEND",12"#, FotaUrc::HttpEnd(HttpErr(12)))]
    #[case::start(r#"+QIND: "FOTA","START""#, FotaUrc::Start)]
    #[case::three_fields(r#"+QIND: "FOTA","UPDATING",1%,1,1"#, updating(1, Some((1, 1))))]
    #[case::note_1(r#"+QIND: "FOTA","UPDATING", 1%, 1, 1"#, updating(1, Some((1, 1))))]
    #[case::one_field(r#"+QIND: "FOTA","UPDATING",20%"#, updating(20, None))]
    #[case::end(r#"+QIND: "FOTA","END",254"#, FotaUrc::End(FotaErr(254)))]
    #[case::huge(r#"+QIND: "FOTA","END",99999999999"#, FotaUrc::End(FotaErr(u32::MAX)))]
    #[case::sister(
        r#"+QIND: "FOTA","RESTORE",3%"#,
        FotaUrc::Unknown(r#""RESTORE",3%"#.into())
    )]
    #[case::no_number(r#"+QIND: "FOTA","END","#, FotaUrc::Unknown(r#""END","#.into()))]
    fn a_fota_urc_is_read_in_every_spelling(#[case] line: &str, #[case] urc: FotaUrc) {
        assert_eq!(read_fota(line.as_bytes()).map(|read| read.urc), Some(urc));
    }

    #[test]
    fn bytes_picked_up_at_power_on_do_not_hide_a_urc() {
        let read = read_fota(b"\x00\xff+QIND: \"FOTA\",\"START\"\x00");
        assert_eq!(read.map(|read| read.urc), Some(FotaUrc::Start));
    }

    #[test]
    fn text_after_the_end_is_told() {
        let merged = br#"+QIND: "FOTA","DOWNLOADING",5%+QIND: "FOTA","DOWNLOADING",6%"#;
        let read = read_fota(merged).expect("it begins like a FOTA URC");
        assert_eq!(read.urc, FotaUrc::Downloading(5));
        assert!(read.spelling.trailing);
    }

    #[rstest]
    #[case(r#"+QIND: "FOTA","UPDATING",40%"#, Some(updating(40, None)))]
    #[case(r#"+QIND: "FOTA","UPDATING",40"#, None)]
    #[case(r#"+QIND: "FOTA","UPDATING",4"#, None)]
    #[case(r#"+QIND: "FOTA","DOWNLOADING",100"#, None)]
    #[case(r#"+QIND: "FOTA","START""#, Some(FotaUrc::Start))]
    #[case(r#"+QIND: "FOTA","START"#, None)]
    #[case(r#"+QIND: "FOTA","HTTPSTART""#, Some(FotaUrc::HttpStart))]
    #[case(r#"+QIND: "FOTA","END",0"#, Some(FotaUrc::End(FotaErr(0))))]
    #[case(r#"+QIND: "FOTA","END",2"#, None)]
    #[case(r#"+QIND: "FOTA","END",254"#, None)]
    #[case(r#"+QIND: "FOTA","END","#, None)]
    #[case(r#"+QIND: "FOTA","HTTPEND",0"#, Some(FotaUrc::HttpEnd(HttpErr(0))))]
    #[case(r#"+QIND: "FOTA","HTTPEND",1"#, None)]
    #[case("RDY", None)]
    fn an_event_is_decided_by_the_first_byte_that_leaves_no_choice(
        #[case] prefix: &str,
        #[case] urc: Option<FotaUrc>,
    ) {
        assert_eq!(
            decided(prefix.as_bytes()),
            urc.map(|urc| Message::Urc(Urc::Fota(urc)))
        );
    }

    /// Lines near the grammar, where a wrong early decision would hide.
    fn near_a_fota_line() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop::sample::select(vec![
            "+QIND: ",
            "+QIND:",
            "\"FOTA\"",
            ",",
            ", ",
            "\"START\"",
            "\"HTTPSTART\"",
            "\"HTTPTART\"",
            "\"DOWNLOADING\"",
            "\"UPDATING\"",
            "\"HTTPEND\"",
            "\"END\"",
            "0",
            "1",
            "2",
            "12",
            "100",
            "254",
            "%",
            " ",
            "\"",
            "x",
            "\u{0}",
        ]);
        (any::<bool>(), prop::collection::vec(pieces, 0..9)).prop_map(|(lawful, pieces)| {
            let head = if lawful { "+QIND: \"FOTA\"," } else { "" };
            (head.to_owned() + &pieces.concat()).into_bytes()
        })
    }

    proptest! {
        #[test]
        fn what_is_decided_early_is_what_the_whole_line_says(line in near_a_fota_line()) {
            for length in 0..=line.len() {
                let Some(Message::Urc(Urc::Fota(early))) = decided(&line[..length]) else { continue };
                let late = read_fota(&line).map(|read| read.urc);
                prop_assert!(
                    late.as_ref().is_some_and(|late| late.is_same_event(&early)),
                    "{:?} was decided at {} of {:?}, which says {:?}",
                    early, length, String::from_utf8_lossy(&line), late
                );
            }
        }
    }
}
