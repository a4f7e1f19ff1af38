//! The manifest's shape: which keys there are and of what type.

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestForm {
    #[serde(default)]
    pub(super) firmware: Vec<Spanned<FirmwareForm>>,
    #[serde(default)]
    pub(super) package: Vec<Spanned<PackageForm>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirmwareForm {
    pub(super) version: Spanned<String>,
    pub(super) seed: Option<u64>,
    pub(super) size: Option<usize>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) sha256: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackageForm {
    pub(super) name: Spanned<String>,
    pub(super) file: Spanned<String>,
    pub(super) base: String,
    pub(super) target: String,
    #[serde(default)]
    pub(super) condition: ConditionForm,
    pub(super) made_for: Option<String>,
    pub(super) note: Option<String>,
    pub(super) size: Spanned<u64>,
    pub(super) sha256: Spanned<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConditionForm {
    #[default]
    Honest,
    Mismatched,
    Damaged,
}
