//! From a manifest's entries to firmware and packages, with every file that they name looked into.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rig::delta;
use rig::written::Source;
use toml::Spanned;

use super::error::{ManifestError, ManifestErrorKind};
use super::form::{ConditionForm, FirmwareForm, PackageForm};
use super::{Condition, Firmware, Package, sha256_hex};

/// The longest package or image that is read, in bytes: modules refuse less than a megabyte.
pub(super) const FILE_LEN_MAX: u64 = 16 << 20;

/// The longest name of a package: it is part of a URL of at most 255 bytes (§3.1).
const NAME_LEN_MAX: usize = 64;

/// Reads the entries of one manifest.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) folder: &'a Path,
}

impl Reader<'_> {
    pub(super) fn firmware(&self, form: Spanned<FirmwareForm>) -> Result<Firmware, ManifestError> {
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

    pub(super) fn package(
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
