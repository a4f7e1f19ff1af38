//! The packages that can be offered, and the firmware between which they lead.
//!
//! A folder of packages has a `manifest.toml` that says of each what it is made from, what it
//! makes, and what is wrong with it on purpose. All of it is checked when it is read, before
//! anything is powered: a run with another package than it names would prove nothing.

mod build;
mod form;

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rig::delta;
use rig::written::{FormError, Kind, Mistake, Source, nearest};
use sha2::{Digest as _, Sha256};
use toml::Spanned;

pub use self::build::{build, built};
use self::form::{ConditionForm, FirmwareForm, ManifestForm, PackageForm};

/// The manifest's name in its folder.
pub const MANIFEST: &str = "manifest.toml";

/// The longest package or image that is read, in bytes: modules refuse less than a megabyte.
const FILE_LEN_MAX: u64 = 16 << 20;

/// The longest name of a package: it is part of a URL of at most 255 bytes (§3.1).
const NAME_LEN_MAX: usize = 64;

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

/// A mistake in a manifest, or in a file that it names.
pub type ManifestError = Mistake<ManifestErrorKind>;

/// What is wrong in a manifest, or in a file that it names.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ManifestErrorKind {
    /// Its shape.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A file that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file of another size.
    #[error("`{file}` is {is} bytes long, not {wanted}")]
    Size {
        /// Which.
        file: String,
        /// As it is.
        is: u64,
        /// As the manifest says.
        wanted: u64,
    },
    /// A file with other bytes.
    #[error("`{file}` has another SHA-256: {is}")]
    Sha256 {
        /// Which.
        file: String,
        /// As it is.
        is: String,
    },
    /// The same name twice.
    #[error("two packages are called `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// A name that cannot be part of a URL.
    #[error("`{name}` cannot be the name of a package")]
    Name {
        /// The name.
        name: String,
    },
    /// A firmware that says neither how it is made nor where it is, or both.
    #[error("firmware `{version}` has either `seed` and `size`, or `file` and `sha256`")]
    FirmwareSource {
        /// Its version.
        version: String,
    },
    /// A firmware that cannot be made.
    #[error("firmware `{version}` cannot be made")]
    FirmwareShape {
        /// Its version.
        version: String,
    },
    /// Another image than its version.
    #[error("the image of `{wanted}` says that it is `{is}`")]
    ImageVersion {
        /// As the manifest says.
        wanted: String,
        /// As the image says.
        is: String,
    },
    /// `condition` and `made_for` do not go together.
    #[error("`made_for` and `condition = \"mismatched\"` belong together")]
    MadeFor,
    /// A package that cannot be read, though nothing says that it is damaged.
    #[error("`{name}` is not a package: {why}")]
    NotAPackage {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A package that is in order, though the manifest says that it is damaged.
    #[error("`{name}` is said to be damaged, and is in order")]
    NotDamaged {
        /// Its name.
        name: String,
    },
    /// A package for other versions than the manifest says.
    #[error("`{name}` leads from `{from}` to `{to}`, the manifest says something else")]
    OtherVersions {
        /// Its name.
        name: String,
        /// As the package says.
        from: String,
        /// As the package says.
        to: String,
    },
}

impl Kind for ManifestErrorKind {
    fn way_out(&self) -> Option<String> {
        match self {
            ManifestErrorKind::Form(form) => form.way_out(),
            ManifestErrorKind::Size { .. } | ManifestErrorKind::Sha256 { .. } => Some(
                "put the right file back, or correct the manifest; `hil package build` makes the project's own anew"
                    .to_owned(),
            ),
            ManifestErrorKind::Name { .. } => {
                Some("use up to 64 letters, digits, `.`, `-` and `_`".to_owned())
            }
            ManifestErrorKind::FirmwareShape { .. } => Some(format!(
                "a version has 1 to 31 ASCII characters, and a size is a multiple of {} up to {FILE_LEN_MAX}",
                delta::SECTOR
            )),
            _ => None,
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    folder: &'a Path,
}

impl Reader<'_> {
    fn firmware(&self, form: Spanned<FirmwareForm>) -> Result<Firmware, ManifestError> {
        let span = form.span();
        let form = form.into_inner();
        let version = form.version.get_ref().clone();
        let wrong = |kind| Err(self.source.mistake(span.clone(), kind));
        let image = match (form.seed, form.size, &form.file, &form.sha256) {
            (Some(seed), Some(size), None, None) => {
                let is_shape = (1..=31).contains(&version.len())
                    && version.is_ascii()
                    && size > 0
                    && size as u64 <= FILE_LEN_MAX
                    && size.is_multiple_of(delta::SECTOR);
                if !is_shape {
                    return wrong(ManifestErrorKind::FirmwareShape { version });
                }
                delta::image(&version, seed, size)
            }
            (None, None, Some(file), Some(sha256)) => {
                let image = self.file(file)?;
                self.check_digest(file, &image, sha256)?;
                image
            }
            _ => return wrong(ManifestErrorKind::FirmwareSource { version }),
        };
        let is = delta::version(&image).unwrap_or("no image").to_owned();
        if is != version {
            let wanted = version;
            return wrong(ManifestErrorKind::ImageVersion { wanted, is });
        }
        Ok(Firmware {
            version,
            image: image.into(),
        })
    }

    fn package(
        &self,
        form: Spanned<PackageForm>,
        firmware: &[Firmware],
    ) -> Result<Package, ManifestError> {
        let span = form.span();
        let form = form.into_inner();
        let name = form.name.get_ref().clone();
        let is_name = (1..=NAME_LEN_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if !is_name {
            return Err(self
                .source
                .mistake(form.name.span(), ManifestErrorKind::Name { name }));
        }
        let bytes = self.file(&form.file)?;
        let (is, wanted) = (bytes.len() as u64, *form.size.get_ref());
        if is != wanted {
            let file = form.file.get_ref().clone();
            let kind = ManifestErrorKind::Size { file, is, wanted };
            return Err(self.source.mistake(form.size.span(), kind));
        }
        self.check_digest(&form.file, &bytes, &form.sha256)?;
        let condition = match (form.condition, form.made_for) {
            (ConditionForm::Honest, None) => Condition::Honest,
            (ConditionForm::Damaged, None) => Condition::Damaged,
            (ConditionForm::Mismatched, Some(version)) => Condition::MadeFor(version),
            _ => return Err(self.source.mistake(span, ManifestErrorKind::MadeFor)),
        };
        let package = Package {
            name,
            base: form.base,
            target: form.target,
            condition,
            note: form.note,
            sha256: form.sha256.into_inner().to_ascii_lowercase(),
            bytes: bytes.into(),
        };
        // The makers of real packages keep their form to themselves: only packages between
        // firmware of the virtual module can be looked into.
        if firmware.iter().any(|one| one.version == package.base) {
            look_into(&package).map_err(|kind| self.source.mistake(span, kind))?;
        }
        Ok(package)
    }

    fn file(&self, name: &Spanned<String>) -> Result<Vec<u8>, ManifestError> {
        let path = self.folder.join(name.get_ref());
        read_bounded(&path).map_err(|cause| {
            let source = Arc::new(cause);
            let kind = ManifestErrorKind::Unreadable { path, source };
            self.source.mistake(name.span(), kind)
        })
    }

    fn check_digest(
        &self,
        file: &Spanned<String>,
        bytes: &[u8],
        sha256: &Spanned<String>,
    ) -> Result<(), ManifestError> {
        let is = sha256_hex(bytes);
        if sha256.get_ref().eq_ignore_ascii_case(&is) {
            return Ok(());
        }
        let file = file.get_ref().clone();
        let kind = ManifestErrorKind::Sha256 { file, is };
        Err(self.source.mistake(sha256.span(), kind))
    }
}

/// Whether a package is as right, or as wrong, as the manifest says.
fn look_into(package: &Package) -> Result<(), ManifestErrorKind> {
    let name = || package.name.clone();
    let inside = delta::Package::parse(&package.bytes);
    if package.condition == Condition::Damaged {
        return match inside {
            Ok(_) => Err(ManifestErrorKind::NotDamaged { name: name() }),
            Err(_) => Ok(()),
        };
    }
    let inside = inside.map_err(|error| ManifestErrorKind::NotAPackage {
        name: name(),
        why: error.to_string(),
    })?;
    let made_for = match &package.condition {
        Condition::MadeFor(version) => version,
        Condition::Honest | Condition::Damaged => &package.base,
    };
    let (from, to) = (&inside.base().version, &inside.target().version);
    if from != made_for || *to != package.target {
        return Err(ManifestErrorKind::OtherVersions {
            name: name(),
            from: from.clone(),
            to: to.clone(),
        });
    }
    Ok(())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(FILE_LEN_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        let why = format!("it is longer than {FILE_LEN_MAX} bytes");
        return Err(io::Error::other(why));
    }
    Ok(bytes)
}

/// A SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
