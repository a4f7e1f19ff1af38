//! Where a case's packages come from: offered, told of in the rig's marker, and walked.

use std::path::Path;
use std::sync::Arc;

use rig::virtual_module::Defect;

use super::lies;
use super::moves::Honest;
use super::session::{Session, Stop};
use crate::contamination::{self, Marker, StateFile};
use crate::package_server::{Offer, Offered, PackageServer, Serving};
use crate::packages::{Package, Packages};
use crate::scenario::PackageUrl;

/// The version of a package that no manifest has.
const UNKNOWN: &str = "an unknown version";

/// What is needed to give a module a package.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depot<'a> {
    /// The package server that this rig's module reaches.
    pub server: &'a PackageServer,
    /// All packages of the manifest.
    pub packages: &'a Packages,
    /// What the module's network calls the server: host and port.
    pub public: (&'a str, u16),
    /// Every random choice comes from it.
    pub seed: u64,
    /// What is wrong with the server, on purpose.
    pub lies: &'a [Defect],
    /// What the rig remembers; `None` for a virtual module, which goes with its process.
    pub marking: Option<Marking<'a>>,
}

/// Where a marker goes, and what stands in each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marking<'a> {
    /// The rig's state.
    pub state: &'a StateFile,
    /// The console that names the rig.
    pub console: &'a Path,
    /// The folder of the run.
    pub evidence: &'a Path,
}

impl Depot<'_> {
    /// Puts a package on the server, for the module to fetch. From here on the module may be
    /// half-updated, and the rig remembers that first.
    pub(super) fn offer(
        &self,
        session: &Session<'_>,
        package: &Package,
        serving: Serving,
    ) -> Result<Offered, Stop> {
        self.mark(session, &package.name, &package.base, &package.target)?;
        let offered = self.server.offer(Offer {
            name: package.name.clone(),
            package: Arc::clone(&package.bytes),
            others: self
                .packages
                .packages
                .iter()
                .map(|other| (other.name.clone(), Arc::clone(&other.bytes)))
                .collect(),
            serving: lies::serving(self.lies, serving),
            seed: self.seed,
            speed: session.rig.speed,
        })?;
        if let Some(bytes) = lies::stock(self.lies, package, self.packages) {
            self.server.stock(&offered, bytes)?;
        }
        Ok(offered)
    }

    /// The scenario has the module fetch what is no package of ours: nobody knows what that makes of
    /// it.
    pub(super) fn foreign(&self, session: &Session<'_>) -> Result<(), Stop> {
        self.mark(session, "of the scenario's own", UNKNOWN, UNKNOWN)
    }

    fn mark(
        &self,
        session: &Session<'_>,
        package: &str,
        base: &str,
        target: &str,
    ) -> Result<(), Stop> {
        let Some(marking) = &self.marking else {
            return Ok(());
        };
        Ok(marking.state.contaminate(Marker {
            console: marking.console.to_owned(),
            imei: session.imei.clone(),
            package: package.to_owned(),
            base: base.to_owned(),
            target: target.to_owned(),
            since: contamination::now(),
            pid: std::process::id(),
            evidence: marking.evidence.to_owned(),
            guardian: None,
        })?)
    }

    /// Changes what the server does with an offer.
    pub(super) fn serve(&self, offered: &Offered, serving: Serving) -> Result<(), Stop> {
        let serving = lies::serving(self.lies, serving);
        Ok(self.server.set_serving(offered, serving)?)
    }

    /// The module is idle on a known version.
    pub(super) fn update_is_over(&self) -> Result<(), Stop> {
        if let Some(marking) = &self.marking {
            marking.state.clear()?;
        }
        Ok(())
    }

    /// What the module is to call the server's `path`.
    pub(super) fn url(&self, path: String) -> PackageUrl {
        let (host, port) = self.public;
        PackageUrl {
            host: host.to_owned(),
            port,
            path,
        }
    }

    /// One honest update with one package.
    pub(super) fn update(
        &self,
        session: &mut Session<'_>,
        package: &Package,
    ) -> Result<Honest, Stop> {
        let offered = self.offer(session, package, Serving::Honestly)?;
        let url = self.url(offered.path.clone()).to_string();
        let came = session.update_honestly(&url);
        self.server.withdraw(&offered)?;
        session.take_reports()?;
        came
    }

    /// Updates honestly from version to version, as far as the packages lead. The version at
    /// last, if the module still tells it.
    pub(super) fn walk(
        &self,
        session: &mut Session<'_>,
        from: &str,
        to: &str,
    ) -> Result<Option<String>, Stop> {
        let mut now = Some(from.to_owned());
        for package in self.packages.way(from, to).unwrap_or_default() {
            self.update(session, package)?;
            now = session.probe()?;
            if now.as_deref() != Some(package.target.as_str()) {
                break;
            }
        }
        Ok(now)
    }
}
