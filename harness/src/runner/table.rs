//! A bench with its server: what a case finds set.

use rig::Rig;
use rig::config::{Bench, RigFile};

use super::depot::Marking;
use super::inbox::Inbox;
use super::{Run, RunError};
use crate::contamination::StateFile;
use crate::evidence::RunFolder;
use crate::guardian::Guardian;
use crate::interrupt::Interrupt;
use crate::package_server::{Limits, Options, PackageServer, ServerError};

/// A bench that is ours, and its server.
pub(super) struct Table {
    pub(super) rig: Rig,
    pub(super) server: PackageServer,
    pub(super) inbox: Inbox,
    /// What the module's network calls the server.
    pub(super) public: (String, u16),
    /// What a real bench has beside.
    pub(super) guardian: Option<Guardian>,
    pub(super) state: Option<StateFile>,
}

impl Table {
    pub(super) fn set(run: &Run, rig: Rig, interrupt: &Interrupt) -> Result<Self, RunError> {
        let (inbox, outbox) = Inbox::new().map_err(|source| ServerError::Threads { source })?;
        interrupt.tell(inbox.waker().clone());
        let address = &run.rig.server;
        let server = PackageServer::start(
            Options {
                listen: address.listen,
                public_url: address
                    .called
                    .as_ref()
                    .map(|name| format!("http://{}:{}", name.host, name.port)),
                limits: Limits::default(),
            },
            outbox,
        )?;
        let public = match &address.called {
            Some(name) => (name.host.clone(), name.port),
            None => (
                server.local_addr().ip().to_string(),
                server.local_addr().port(),
            ),
        };
        Ok(Self {
            rig,
            server,
            inbox,
            public,
            guardian: None,
            state: None,
        })
    }
}

/// Where a real bench remembers what is under way.
pub(super) fn marking<'a>(
    state: Option<&'a StateFile>,
    rig: &'a RigFile,
    folder: &'a RunFolder,
) -> Option<Marking<'a>> {
    let Bench::Real(bench) = &rig.bench else {
        return None;
    };
    Some(Marking {
        state: state?,
        console: &bench.console,
        evidence: folder.path(),
    })
}
