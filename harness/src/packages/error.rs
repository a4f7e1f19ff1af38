//! What can be wrong in a manifest, or in a file that it names.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rig::delta;
use rig::written::{FormError, Kind, Mistake};

use super::manifest::FILE_LEN_MAX;

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
