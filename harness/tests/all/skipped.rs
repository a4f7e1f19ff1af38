//! Says what a test does not do on this machine, and why.

use std::fmt::Display;
use std::io::Write as _;

/// Not by `eprintln!`: libtest keeps back what a passing test prints.
pub(crate) fn skipped(why: impl Display) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
