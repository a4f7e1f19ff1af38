//! How plans are spelled, and what is said of those that are not.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[test]
fn a_plan_reads_like_the_fault_it_is() {
    let text = r#"
request = 1
seed = 7
body = [{ at = "37%", stall = "5s" }, { at = "60%", flip = 1 }, { at = -1, stall = "for-ever" }]
rate = "nb1-good"
end = "reset"
"#;
    let plan: WirePlan = toml::from_str(text).unwrap();
    assert_eq!(plan.request, Requests::Only(1.try_into().unwrap()));
    assert_eq!(plan.body[0].at, At::Share(3_700));
    assert_eq!(
        plan.body[2],
        BodyOp {
            at: At::FromEnd(1),
            what: BodyWhat::Stall(None)
        }
    );
    assert_eq!(plan.rate, Some(Rate::Profile(Profile::Nb1Good)));
    assert_eq!(plan.end, Some(EndHow::Reset.into()));
}

#[rstest]
#[case("request = 0", "there is no request 0: they are counted from 1")]
#[case("request = 'all'", "`all` names no requests: write `1`")]
#[case("request = '3..=2'", "covers no request")]
#[case("connect = 'drop'", "expected one of `refuse`, `black-hole`")]
#[case(
    "body = [{ at = 5 }]",
    "nothing is said to happen there: add one of `stall`"
)]
#[case("body = [{ at = 5, flip = 1, zero = 1 }]", "two operations in one")]
#[case("body = [{ flip = 1 }]", "missing field `at`")]
#[case("body = [{ at = '101%', flip = 1 }]", "no more than `100%`")]
#[case("body = [{ at = 'half', flip = 1 }]", "`half` is no place")]
#[case("body = [{ at = 5, stall = 5 }]", "invalid type: integer `5`")]
#[case("body = [{ at = 5, stall = '5' }]", "write `5s`")]
#[case("body = [{ at = 5, flop = 1 }]", "unknown field `flop`")]
#[case("rate = 'slow'", "`slow` is no profile and no rate")]
#[case("rate = '25'", "`25` is no profile and no rate")]
#[case("rate = '0kbit/s'", "out of range")]
#[case("rate = { delay = '1s' }", "missing field `rate`")]
#[case("answer = { status = 42 }", "`42` is no status")]
#[case("answer = { status = 'gone' }", "`gone` is no status")]
#[case("end = 'bang'", "unknown variant `bang`")]
#[case("end = { how = 'reset', when = 5 }", "unknown field `when`")]
#[case("head = { cut = -1 }", "no head has a byte -1")]
#[case("head = { drip = { bytes = 0, every = '1s' } }", "nonzero")]
fn a_plan_that_means_nothing_is_refused(#[case] text: &str, #[case] says: &str) {
    let error = toml::from_str::<WirePlan>(text).unwrap_err();
    assert!(error.message().contains(says), "{}", error.message());
}

/// The place of an error is that of the value, not of the whole table.
#[rstest]
#[case("body = [{ at = '101%', flip = 1 }]", "'101%'")]
#[case("body = [{ at = 1, flip = 1 }, { at = 5 }]", "{ at = 5 }")]
#[case("body = [{ at = 1, stall = '5' }]", "'5'")]
#[case("end = { how = 'bang' }", "'bang'")]
#[case("rate = 'slow'", "'slow'")]
#[case("head = { stall = { at = 'x', for = '1s' } }", "'x'")]
fn an_error_points_at_what_is_wrong(#[case] text: &str, #[case] offending: &str) {
    let error = toml::from_str::<WirePlan>(text).unwrap_err();
    assert_eq!(
        error.span().map(|span| &text[span]),
        Some(offending),
        "{error}"
    );
}

#[rstest]
#[case(At::Byte(0), 0)]
#[case(At::Byte(500), 200)]
#[case(At::FromEnd(1), 199)]
#[case(At::FromEnd(500), 0)]
#[case(At::Share(5_000), 100)]
#[case(At::Share(10_000), 200)]
#[case(At::Share(1), 0)]
fn a_place_is_never_outside(#[case] at: At, #[case] byte: u64) {
    assert_eq!(at.in_length(200), byte);
}

#[rstest]
#[case(Requests::Every, [true, true, true])]
#[case(Requests::Only(2.try_into().unwrap()), [false, true, false])]
#[case(Requests::From(2.try_into().unwrap()), [false, true, true])]
#[case(Requests::Span(1.try_into().unwrap(), 2.try_into().unwrap()), [true, true, false])]
fn requests_are_covered_from_one_on(#[case] requests: Requests, #[case] covered: [bool; 3]) {
    assert_eq!([1, 2, 3].map(|request| requests.covers(request)), covered);
}

/// Any plan, as far as its form goes.
fn any_plan() -> impl Strategy<Value = WirePlan> {
    let words = |words: &'static [&'static str]| proptest::sample::select(words);
    let body = words(&[
        "{ at = 4096, stall = '1m 30s' }",
        "{ at = '12.5%', stall = 'for-ever' }",
        "{ at = -1, flip = 1 }",
        "{ at = 0, rate = 'nb2' }",
        "{ at = 0, rate = { rate = '300bit/s', pause = { every = '30s', for = '5s' } } }",
        "{ at = '100%', drip = { bytes = 1, every = '100ms' } }",
        "{ at = 9, splice = 'other' }",
        "{ at = 9, segment = 1 }",
    ]);
    let rest = words(&[
        "",
        "connect = 'refuse'",
        "answer = { status = 302, location = '<moved>' }",
        "answer = { body = { package = 'other' } }\nrange = { shift = -5 }",
        "head = { wait = '1s', length = { twice = 7 }, set = { ETag = 'x' }, split = [1, 'in-length'], interim = [100] }",
        "chunked = { size = 5, wrong = 'no-last' }",
        "rate = '25kbit/s'",
    ]);
    let request = words(&["1", "'2..'", "'1..=3'", "'every'"]);
    let end = words(&[
        "'reset'",
        "{ how = 'hang', at = '37%', after = '1s', extra = 'again' }",
    ]);
    (proptest::collection::vec(body, 0..4), rest, request, end).prop_map(
        |(body, rest, request, end)| {
            let text = format!(
                "request = {request}\nbody = [{}]\nend = {end}\n{rest}",
                body.join(", ")
            );
            toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
        },
    )
}

proptest! {
    #[test]
    fn a_plan_is_read_back_as_it_was_written(plan in any_plan()) {
        let toml = toml::to_string(&plan).unwrap();
        prop_assert_eq!(&toml::from_str::<WirePlan>(&toml).unwrap(), &plan);
        let json = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(&serde_json::from_str::<WirePlan>(&json).unwrap(), &plan);
    }
}
