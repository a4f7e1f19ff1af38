//! The kernel's tables and queueing disciplines. They are counted by process and by device: one test
//! has them at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use harness::package_server::NetworkNeeds;
use harness::scenario::Case;

/// Has them until this is dropped.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TABLES: Mutex<()> = Mutex::new(());
    // A test that failed has left nothing that the next one minds.
    TABLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same, where one of these cases needs them.
pub(crate) fn alone_where_needed(cases: &[Case]) -> Option<MutexGuard<'static, ()>> {
    let nothing = NetworkNeeds::default();
    let needed = cases.iter().any(|case| case.needs().network != nothing);
    needed.then(alone)
}
