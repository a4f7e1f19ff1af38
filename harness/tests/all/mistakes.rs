//! What is said of a mistake in a scenario or a rig file: whole messages, with their places.

mod rig_file;
mod scenario_file;
mod slips;

use std::fmt::Write as _;

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` is there once");
    text.replace(from, to)
}

/// (what is replaced, by what)
type Slip = (&'static str, &'static str);

fn shown(whole: &str, slips: &[Slip], read: impl Fn(&str) -> Option<String>) -> String {
    assert_eq!(read(whole), None, "the text itself has a mistake");
    let mut all = String::new();
    for (from, to) in slips {
        let message = read(&replaced(whole, from, to))
            .unwrap_or_else(|| panic!("nobody minds `{to}` for `{from}`"));
        writeln!(all, "{message}\n").unwrap();
    }
    all
}

macro_rules! assert_shown {
    ($name:literal, $shown:expr) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!($name, $shown);
        })
    };
}

pub(crate) use assert_shown;
