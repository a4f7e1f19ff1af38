//! A run that is over, by its folder or as the latest.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Failure;
use crate::exit_code::ExitCode;
use crate::report::document::RunDocument;

/// Which run a table is about.
#[derive(Debug, clap::Args)]
pub(super) struct StoredRun {
    /// Shows what a run made of it: its folder, or `latest`.
    #[arg(long, value_name = "DIR|latest")]
    run: Option<String>,
    /// Where `latest` is looked for.
    #[arg(long, value_name = "DIR", default_value = "target/evidence")]
    evidence: PathBuf,
}

impl StoredRun {
    /// The run's document, where one was asked for.
    pub(super) fn document(&self) -> Result<Option<RunDocument>, Failure> {
        let folder = match self.run.as_deref() {
            None => return Ok(None),
            Some("latest") => latest(&self.evidence)?,
            Some(folder) => PathBuf::from(folder),
        };
        let path = folder.join("run.json");
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Failure::said(
                ExitCode::BadFile,
                format!("cannot read `{}`: {e}", path.display()),
            )
        })?;
        let document = serde_json::from_str(&text).map_err(|e| {
            Failure::said(
                ExitCode::BadFile,
                format!(
                    "`{}` is not of this version of `hil`: {e}: run again",
                    path.display()
                ),
            )
        })?;
        Ok(Some(document))
    }
}

fn latest(evidence: &Path) -> Result<PathBuf, Failure> {
    let runs = std::fs::read_dir(evidence).map_err(|e| {
        Failure::said(
            ExitCode::BadFile,
            format!("cannot read `{}`: {e}", evidence.display()),
        )
    })?;
    let written = |folder: &Path| -> Option<SystemTime> {
        folder.join("run.json").metadata().ok()?.modified().ok()
    };
    runs.filter_map(|run| {
        let path = run.ok()?.path();
        Some((written(&path)?, path))
    })
    .max()
    .map(|(_, path)| path)
    .ok_or_else(|| {
        Failure::said(
            ExitCode::NothingSelected,
            format!(
                "no run that is over is in `{}`: `hil run all` makes one",
                evidence.display()
            ),
        )
    })
}
