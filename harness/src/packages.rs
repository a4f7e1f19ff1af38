//! The packages that can be offered, and the firmware between which they lead.
//!
//! A folder of packages has a `manifest.toml` that says of each what it is made from, what it
//! makes, and what is wrong with it on purpose. All of it is checked when it is read, before
//! anything is powered: a run with another package than it names would prove nothing.

mod build;
mod error;
mod form;
mod manifest;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rig::written::{Source, nearest};
use sha2::{Digest as _, Sha256};

pub use self::build::{build, built};
pub use self::error::{ManifestError, ManifestErrorKind};
use self::form::ManifestForm;
use self::manifest::Reader;

/// The manifest's name in its folder.
pub const MANIFEST: &str = "manifest.toml";

/// A folder of packages, read and checked.
#[derive(Clone, Debug)]
pub struct Packages {
    /// The folder.
    pub folder: PathBuf,
    /// Firmware that the virtual module can be given.
    pub firmware: Vec<Firmware>,
    /// The packages, in the order of the manifest.
    pub packages: Vec<Package>,
}

/// A firmware whose image is known.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// As `ATI` prints it after `Revision: `.
    pub version: String,
    /// The image.
    pub image: Arc<[u8]>,
}

/// A package that can be offered.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name in scenarios and in its URL.
    pub name: String,
    /// The version that a module must have for the experiment.
    pub base: String,
    /// The version that it makes, or would make.
    pub target: String,
    /// What is wrong with it.
    pub condition: Condition,
    /// What a reader of the manifest should know.
    pub note: Option<String>,
    /// In hexadecimal.
    pub sha256: String,
    /// All of it.
    pub bytes: Arc<[u8]>,
}

/// What is wrong with a package, on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: it leads from its base to its target.
    Honest,
    /// It was made for this version, not for the one that the experiment gives it to: §5 table 2
    /// says 254.
    MadeFor(String),
    /// It is not what was made: §5 table 2 says 255, and firmware of the field 252 to 255.
    Damaged,
}

impl Packages {
    /// Reads and checks a folder.
    pub fn load(folder: &Path) -> Result<Packages, ManifestError> {
        let source = Source::read(&folder.join(MANIFEST))?;
        let form: ManifestForm = source.fill(source.table()?)?;
        let reader = Reader {
            source: &source,
            folder,
        };
        let firmware = form
            .firmware
            .into_iter()
            .map(|firmware| reader.firmware(firmware))
            .collect::<Result<Vec<_>, _>>()?;
        let mut packages: Vec<Package> = Vec::new();
        for form in form.package {
            let name = form.get_ref().name.clone();
            if packages.iter().any(|other| other.name == *name.get_ref()) {
                let kind = ManifestErrorKind::Twice {
                    name: name.get_ref().clone(),
                };
                return Err(source.mistake(name.span(), kind));
            }
            packages.push(reader.package(form, &firmware)?);
        }
        Ok(Packages {
            folder: folder.to_owned(),
            firmware,
            packages,
        })
    }

    /// A package by its name.
    pub fn get(&self, name: &str) -> Result<&Package, UnknownPackage> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self.packages.iter().map(|one| one.name.as_str()).collect();
                UnknownPackage {
                    name: name.to_owned(),
                    meant: nearest(name, &known),
                    manifest: self.folder.join(MANIFEST),
                }
            })
    }

    /// A firmware by its version.
    pub fn firmware(&self, version: &str) -> Option<&Firmware> {
        self.firmware
            .iter()
            .find(|firmware| firmware.version == version)
    }

    /// Whether a package leads from or to `version`.
    #[must_use]
    pub fn knows(&self, version: &str) -> bool {
        let mut packages = self.packages.iter();
        packages.any(|package| package.base == version || package.target == version)
    }

    /// The shortest way from one version to another by honest packages; empty where they are
    /// the same, `None` where there is none.
    pub fn way(&self, from: &str, to: &str) -> Option<Vec<&Package>> {
        let mut ways: VecDeque<(&str, Vec<&Package>)> = VecDeque::from([(from, Vec::new())]);
        let mut been = vec![from];
        while let Some((at, way)) = ways.pop_front() {
            if at == to {
                return Some(way);
            }
            for package in &self.packages {
                let leads_on = package.condition == Condition::Honest
                    && package.base == at
                    && !been.contains(&package.target.as_str());
                if leads_on {
                    been.push(&package.target);
                    let way = way.iter().copied().chain([package]).collect();
                    ways.push_back((&package.target, way));
                }
            }
        }
        None
    }
}

/// A name that no package has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` has no package `{name}`{}", manifest.display(), meant.as_ref().map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default())]
pub struct UnknownPackage {
    /// As asked for.
    pub name: String,
    /// What was probably meant.
    pub meant: Option<String>,
    /// Where it was looked for.
    pub manifest: PathBuf,
}

/// A SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
