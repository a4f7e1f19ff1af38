//! Where scenarios, packages and evidence are, for a binary that may stand in a checkout or, on
//! a Pi, in a folder of its own.

use std::path::{Path, PathBuf};

/// The folder that has `scenarios` and `fixtures`: the nearest one at or above the working
/// folder, or else at or above the binary itself.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let from_here = std::env::current_dir().ok();
    let from_binary = std::env::current_exe().ok();
    [from_here, from_binary]
        .into_iter()
        .flatten()
        .find_map(|start| {
            start
                .ancestors()
                .find(|folder| {
                    folder.join("scenarios").is_dir() && folder.join("fixtures").is_dir()
                })
                .map(Path::to_owned)
        })
}

/// A path as it reads best from the working folder.
#[must_use]
pub fn as_seen_from_here(path: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned))
        .unwrap_or_else(|| path.to_owned())
}
