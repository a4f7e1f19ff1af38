//! The project's own scenarios and packages, and somebody who watches a run in silence.

use std::path::{Path, PathBuf};

use dfota::monitor::Monitor;
use dfota::timeline::Entry;
use harness::report::Finished;
use harness::runner::Observer;
use harness::scenario::{self, Case};

/// Watches and says nothing.
pub(crate) struct Quiet;

impl Observer for Quiet {
    fn begins(&self, _: &Case) {}
    fn happened(&self, _: &Case, _: &Entry, _: &Monitor) {}
    fn warns(&self, _: &Case, _: &str) {}
    fn over(&self, _: &Finished) {}
}

/// A place in the project, by its path from the top.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Every case of every scenario.
pub(crate) fn all() -> Vec<Case> {
    scenario::select(&["all"], &project("scenarios")).unwrap_or_else(|e| panic!("{e}"))
}
