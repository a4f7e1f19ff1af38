//! What is said and what is withheld, of made-up answers.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::package_server::wire_plan::{At, EndHow};

fn answer(body: &[u8]) -> Answer {
    let length = body.len().to_string();
    Answer {
        status: 200,
        reason: "OK".to_owned(),
        headers: vec![
            ("Content-Length".to_owned(), length),
            ("Connection".to_owned(), "close".to_owned()),
        ],
        body: Bytes::copy_from_slice(body),
        from: 0,
        endless: false,
    }
}

fn plan(text: &str) -> WirePlan {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn script(plan: &WirePlan, body: &[u8]) -> Script {
    let others = Others::from([("other".to_owned(), Bytes::from_static(b"ABCDEFGHIJ"))]);
    let making = Making {
        plan,
        others: &others,
        speed: 1,
    };
    make(&answer(body), making, &mut Sequence::new(1, 1))
}

fn said_of(script: &Script) -> Vec<u8> {
    script.said().flatten().copied().collect()
}

fn body_of(plan_text: &str) -> String {
    let script = script(&plan(plan_text), b"0123456789");
    let head = usize::try_from(script.head_length).unwrap();
    said_of(&script)[head..].escape_ascii().to_string()
}

#[test]
fn an_empty_plan_is_an_honest_reply() {
    let script = script(&WirePlan::default(), b"0123456789");
    assert!(script.is_plain());
    assert_eq!(
        said_of(&script),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789"
    );
    assert!(script.is_honest(b"0123456789", 0, 10));
}

#[test]
fn a_short_answer_is_said_in_one_breath() {
    let script = script(&WirePlan::default(), b"0123456789");
    assert_eq!(script.moves.len(), 1, "{:?}", script.moves);
}

#[test]
fn a_long_body_is_not_copied_behind_its_head() {
    let body = vec![7; 300_000];
    let script = script(&WirePlan::default(), &body);
    let lengths: Vec<_> = script.said().map(Bytes::len).collect();
    assert_eq!(lengths.len(), 2, "{lengths:?}");
    assert_eq!(lengths[1], 300_000);
}

#[rstest]
#[case("body = [{ at = 3, zero = 2 }]", r"012\x00\x0056789")]
#[case("body = [{ at = -2, ones = 9 }]", r"01234567\xff\xff")]
#[case("body = [{ at = '50%', delete = 3 }]", "0123489")]
#[case("body = [{ at = 2, repeat = 2 }]", "012323456789")]
#[case("body = [{ at = 2, swap = 3 }]", "0156723489")]
#[case("body = [{ at = 4, splice = 'other' }]", "0123EFGHIJ")]
#[case("body = [{ at = 8, zero = 1 }, { at = 1, delete = 6 }]", r"07\x009")]
#[case("body = [{ at = 1, delete = 6 }, { at = 3, zero = 1 }]", r"0\x0089")]
#[case("end = { how = 'close', at = 4 }", "0123")]
#[case(
    "body = [{ at = 0, delete = 5 }]\nend = { how = 'close', at = 2 }",
    "56"
)]
#[case(
    "chunked = { size = 4, wrong = 'early-last' }",
    r"4\r\n0123\r\n0\r\n\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n"
)]
#[case("chunked = { wrong = 'bad-size' }", r"12G\r\n0123456789\r\n0\r\n\r\n")]
#[case(
    "chunked = { wrong = 'leading-zeros' }",
    r"000000000000000A\r\n0123456789\r\n0\r\n\r\n"
)]
#[case("chunked = { wrong = 'no-line-end' }", r"A\r\n01234567890\r\n\r\n")]
fn a_body_is_altered_as_the_plan_says(#[case] plan: &str, #[case] body: &str) {
    assert_eq!(body_of(plan), body);
}

#[test]
fn a_flip_is_one_bit_of_each_byte_and_the_seed_decides_which() {
    let flipped = script(&plan("body = [{ at = 3, flip = 4 }]"), b"0123456789");
    let body = said_of(&flipped).split_off(usize::try_from(flipped.head_length).unwrap());
    let bits: Vec<_> = body
        .iter()
        .zip(b"0123456789")
        .map(|(is, was)| (is ^ was).count_ones())
        .collect();
    assert_eq!(bits, [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]);
    assert_eq!(
        flipped,
        script(&plan("body = [{ at = 3, flip = 4 }]"), b"0123456789")
    );
    assert!(flipped.is_honest(b"0123456789", 0, 3));
    assert!(!flipped.is_honest(b"0123456789", 0, 4));
}

#[test]
fn an_operation_fires_behind_the_bytes_that_it_changes() {
    let script = script(&plan("body = [{ at = 3, zero = 2 }]"), b"0123456789");
    let before: Vec<_> = script
        .moves
        .iter()
        .take_while(|it| !matches!(it, Move::Fired(_)))
        .collect();
    let said: u64 = before.into_iter().map(length).sum();
    assert_eq!(said - script.head_length, 5);
}

#[test]
fn a_pace_fires_once_a_few_bytes_have_gone_at_it() {
    let script = script(
        &plan("body = [{ at = 1000, rate = '1kbit/s' }]"),
        &[7; 5_000],
    );
    let before: Vec<_> = script
        .moves
        .iter()
        .take_while(|it| !matches!(it, Move::Fired(_)))
        .collect();
    let said: u64 = before.into_iter().map(length).sum();
    assert_eq!(said - script.head_length, 1_000 + PROOF_OF_PACE as u64);
}

#[rstest]
#[case("", Some(10))]
#[case("head = { length = { more = 5 } }", Some(15))]
#[case("head = { length = 'absent' }", None)]
#[case("head = { length = { twice = 10 } }", None)]
#[case("head = { set = { Content-Length = '+10' } }", None)]
#[case("head = { set = { Content-Length = '10, 10' } }", None)]
#[case("head = { add = ['content-length: 7'] }", None)]
#[case("head = { cut = 'in-length' }", None)]
#[case("chunked = {}", None)]
#[case("chunked = { with-length = true }", None)]
#[case("head = { add = ['transfer-encoding: identity'] }", None)]
fn a_head_promises_what_it_says_once_and_plainly(
    #[case] text: &str,
    #[case] declared: Option<u64>,
) {
    assert_eq!(script(&plan(text), b"0123456789").declared, declared);
}

#[test]
fn bytes_beyond_the_promised_length_are_no_part_of_the_package() {
    let beyond = script(&plan("end = { extra = { random = 5 } }"), b"0123456789");
    assert!(beyond.is_honest(b"0123456789", 0, 15));
    let unbounded = script(
        &plan("end = { extra = { random = 5 } }\nhead = { length = 'absent' }"),
        b"0123456789",
    );
    assert!(!unbounded.is_honest(b"0123456789", 0, 15));
}

/// A module that knows chunks has the package, and nobody may say that it has another.
#[rstest]
#[case("chunked = { size = 3 }", true)]
#[case("chunked = { with-length = true }", true)]
#[case("chunked = { size = 3, wrong = 'leading-zeros' }", true)]
#[case("chunked = { size = 3, wrong = 'extension' }", true)]
#[case("chunked = { size = 3, wrong = 'trailer' }", true)]
#[case("chunked = { size = 3, wrong = 'bad-size' }", false)]
#[case("chunked = { size = 3, wrong = 'huge-size' }", false)]
#[case("chunked = { size = 3, wrong = 'no-last' }", false)]
#[case("chunked = { size = 3, wrong = 'no-line-end' }", false)]
#[case("chunked = { size = 3, wrong = 'early-last' }", false)]
#[case("chunked = { size = 3 }\nbody = [{ at = 4, flip = 1 }]", false)]
fn whole_chunks_are_the_package(#[case] text: &str, #[case] honest: bool) {
    let script = script(&plan(text), b"0123456789");
    let sent: usize = script.said().map(|bytes| bytes.len()).sum();
    let body = sent as u64 - script.head_length;
    assert_eq!(script.is_honest(b"0123456789", 0, body), honest);
    assert!(!script.is_honest(b"0123456789", 0, 8), "a part of it");
}

/// It is proved by the first of them, for the module leaves when it has what the length says.
#[rstest]
#[case("end = { extra = { random = 100 } }", 100)]
#[case("end = { extra = { random = 1000 } }", 256)]
fn what_is_beyond_the_end_is_proved_by_a_few_bytes(#[case] text: &str, #[case] proof: u64) {
    let script = script(&plan(text), b"0123456789");
    let until_fired = script
        .moves
        .iter()
        .take_while(|it| !matches!(it, Move::Fired(_)));
    let bytes: u64 = until_fired.map(super::length).sum();
    assert_eq!(bytes, script.head_length + 10 + proof);
}

#[test]
fn a_head_line_is_as_long_as_it_says() {
    let script = script(&plan("head = { pad = { line = 511 } }"), b"");
    let head = said_of(&script);
    let line = head
        .split(|b| *b == b'\n')
        .find(|line| line.starts_with(b"X-Pad"))
        .unwrap();
    assert_eq!(line.len(), 511 + 1);
}

proptest! {
    /// Nothing is altered, only timed and cut: what is said and then what is withheld is the
    /// answer, byte for byte.
    #[test]
    fn bytes_delivered_and_bytes_withheld_are_the_answer(
        body in proptest::collection::vec(any::<u8>(), 0..600),
        stalls in proptest::collection::vec(0_u16..=10_000, 0..4),
        pace in proptest::option::of(0_u64..600),
        end in proptest::option::of(0_u64..700),
        cut in proptest::option::of(0_u32..80),
        split in proptest::collection::vec(0_u32..80, 0..3),
    ) {
        let honest = said_of(&script(&WirePlan::default(), &body));
        let mut plan = WirePlan::default();
        for share in stalls {
            plan.body.push(BodyOp { at: At::Share(share), what: BodyWhat::Stall(Some(Duration::from_secs(1))) });
        }
        if let Some(at) = pace {
            let rate = toml::from_str::<WirePlan>("rate = 'nb1-deep'").unwrap().rate.unwrap();
            plan.body.push(BodyOp { at: At::Byte(at), what: BodyWhat::Rate(rate) });
        }
        plan.end = end.map(|at| End { how: EndHow::Reset, at: Some(At::Byte(at)), ..End::default() });
        let split = split.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let cut = cut.map_or_else(String::new, |cut| format!("cut = {cut}, "));
        plan.head = self::plan(&format!("head = {{ {cut}split = [{split}] }}")).head;
        let script = script(&plan, &body);
        let mut all = said_of(&script);
        let said = all.len();
        all.extend(script.withheld.iter().flatten());
        prop_assert_eq!(&all, &honest);
        let in_body = (said as u64).saturating_sub(script.head_length);
        prop_assert!(script.is_honest(&body, 0, in_body));
    }

    /// Whatever is done to an answer can be told from an honest one, and only then.
    #[test]
    fn what_is_altered_is_not_called_honest(
        body in proptest::collection::vec(any::<u8>(), 1..300),
        at in 0_u64..300,
        count in 1_u64..20,
    ) {
        let plan = WirePlan {
            body: vec![BodyOp { at: At::Byte(at), what: BodyWhat::Flip(count) }],
            ..WirePlan::default()
        };
        let script = script(&plan, &body);
        let whole = body.len() as u64;
        prop_assert_eq!(script.is_honest(&body, 0, whole), at >= whole);
        let fired = script.moves.iter().any(|it| matches!(it, Move::Fired(_)));
        prop_assert_eq!(fired, at < whole);
        prop_assert_eq!(script.operations, 1);
    }
}
