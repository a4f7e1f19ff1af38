//! Any slip of a hand is shown, and where it is.

use std::path::Path;

use harness::scenario;
use proptest::prelude::*;

use super::rig_file::{RIG, rig_mistake};
use super::scenario_file::{SCENARIO, scenario_mistake};

/// Any slip of a hand: a part is gone, and something else is in its place.
fn slipped(whole: &str, at: usize, gone: usize, instead: &str) -> String {
    let chars: Vec<char> = whole.chars().collect();
    let at = at % chars.len();
    let end = (at + gone).min(chars.len());
    let (before, after) = (&chars[..at], &chars[end..]);
    before
        .iter()
        .copied()
        .chain(instead.chars())
        .chain(after.iter().copied())
        .collect()
}

proptest! {
    #[test]
    fn no_slip_is_too_odd_to_be_shown(
        at in any::<usize>(),
        gone in 0_usize..40,
        instead in "([\\PC\n\t]|\\{|\\}|\"|'|=|\\[|\\]){0,8}",
    ) {
        for (whole, read) in [
            (SCENARIO, scenario_mistake as fn(&str) -> Option<String>),
            (RIG, rig_mistake),
        ] {
            let text = slipped(whole, at, gone, &instead);
            if let Some(message) = read(&text) {
                prop_assert!(message.starts_with("error: "), "{message}");
            }
        }
    }

    #[test]
    fn a_mistake_is_at_a_place_in_its_file(at in any::<usize>(), gone in 0_usize..40) {
        let text = slipped(SCENARIO, at, gone, "");
        if let Err(mistake) = scenario::parse(Path::new("power-cut.toml"), &text) {
            prop_assert!(mistake.place.line() <= text.lines().count() + 1);
            prop_assert!(mistake.place.span.end <= text.len());
        }
    }
}
