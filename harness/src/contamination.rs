//! What a rig remembers of a run that did not come to its end.
//!
//! A module that may be half-updated makes the next result a lie. So before anything is asked of
//! it that can leave it so, a marker goes to the disk; it goes away when the module is known to
//! be idle on a known version. Whoever finds it there recovers the module first. A module that
//! cannot be recovered makes its rig bad, until a person says otherwise.

use std::io;
use std::path::{Path, PathBuf};

use rig::lock::{bench_name, state_dir};
use serde::{Deserialize, Serialize};

/// What is wrong with a rig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rig", rename_all = "snake_case")]
pub enum Unsound {
    /// Its module may be half-updated.
    Contaminated(Marker),
    /// Its module could not be recovered.
    Bad {
        /// In a sentence.
        reason: String,
        /// Since when, RFC 3339.
        since: String,
        /// What it could not be recovered from.
        marker: Marker,
    },
}

/// An update that was begun and is not known to be over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The console that names the rig.
    pub console: PathBuf,
    /// The module's IMEI, where that is known.
    pub imei: Option<String>,
    /// The package that was offered to it.
    pub package: String,
    /// The version that the package is made for.
    pub base: String,
    /// The version that the package leads to.
    pub target: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// The process of the run.
    pub pid: u32,
    /// The folder of the run.
    pub evidence: PathBuf,
    /// What the run's guardian did when the run was gone, if it had to.
    pub guardian: Option<String>,
}

/// Where a rig's soundness is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFile {
    path: PathBuf,
}

/// A rig cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Its module could not be recovered.
    #[error(
        "the rig on `{}` is bad since {since}: {reason}; see to the module, then `hil rig --clear`",
        console.display()
    )]
    Bad {
        /// The console that names the rig.
        console: PathBuf,
        /// In a sentence.
        reason: String,
        /// Since when, RFC 3339.
        since: String,
    },
    /// The file is there and makes no sense: nobody knows what a run left.
    #[error(
        "the rig's state in `{}` is not understood, so its module may be half-updated: see to the module, then `hil rig --clear`",
        path.display()
    )]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be read or written.
    #[error("cannot {deed} the rig's state in `{}`", path.display())]
    File {
        /// What was tried.
        deed: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl StateFile {
    /// That of the rig whose console is at `console`.
    #[must_use]
    pub fn of(console: &Path) -> Self {
        Self::at(state_dir().join(format!("{}.state.json", bench_name(console))))
    }

    /// One at `path`.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, deed: &'static str, source: io::Error) -> StateError {
        StateError::File {
            deed,
            path: self.path.clone(),
            source,
        }
    }

    /// What is wrong with the rig; `None`: nothing.
    pub fn read(&self) -> Result<Option<Unsound>, StateError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| {
                StateError::NotUnderstood {
                    path: self.path.clone(),
                    source,
                }
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.error("read", e)),
        }
    }

    /// The marker of a contaminated rig; an error where the rig is bad.
    pub fn marker(&self) -> Result<Option<Marker>, StateError> {
        match self.read()? {
            None => Ok(None),
            Some(Unsound::Contaminated(marker)) => Ok(Some(marker)),
            Some(Unsound::Bad {
                reason,
                since,
                marker,
            }) => Err(StateError::Bad {
                console: marker.console,
                reason,
                since,
            }),
        }
    }

    /// From now on the module may be half-updated. On the disk when this returns.
    pub fn contaminate(&self, marker: Marker) -> Result<(), StateError> {
        self.write(&Unsound::Contaminated(marker))
    }

    /// The rig is not to be used until a person says so.
    pub fn condemn(&self, reason: String, marker: Marker) -> Result<(), StateError> {
        self.write(&Unsound::Bad {
            reason,
            since: now(),
            marker,
        })
    }

    /// The module is idle on a known version.
    pub fn clear(&self) -> Result<(), StateError> {
        rig::durable::remove(&self.path).map_err(|e| self.error("clear", e))
    }

    /// Adds to the marker, if there is one, what the guardian did.
    pub fn guarded(&self, what: &str) -> Result<(), StateError> {
        match self.read()? {
            Some(Unsound::Contaminated(marker)) => self.contaminate(Marker {
                guardian: Some(what.to_owned()),
                ..marker
            }),
            _ => Ok(()),
        }
    }

    fn write(&self, unsound: &Unsound) -> Result<(), StateError> {
        let written = serde_json::to_vec_pretty(unsound)
            .map_err(io::Error::from)
            .and_then(|bytes| rig::durable::write(&self.path, &bytes));
        written.map_err(|e| self.error("write", e))
    }
}

/// The time of day, RFC 3339.
#[must_use]
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn marker() -> Marker {
        Marker {
            console: "/dev/ttyUSB0".into(),
            imei: Some("860000000000000".to_owned()),
            package: "a-to-b".to_owned(),
            base: "A".to_owned(),
            target: "B".to_owned(),
            since: now(),
            pid: 1,
            evidence: "target/evidence/1".into(),
            guardian: None,
        }
    }

    #[test]
    fn a_rig_is_sound_contaminated_bad_and_sound_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateFile::at(dir.path().join("made/by/need.json"));
        assert_eq!(state.read().unwrap(), None);
        state.guarded("nothing to add to").unwrap();
        assert_eq!(state.read().unwrap(), None);

        state.contaminate(marker()).unwrap();
        state.guarded("held the power").unwrap();
        let found = state.marker().unwrap().unwrap();
        assert_eq!(found.guardian.as_deref(), Some("held the power"));

        state.condemn("it is silent".to_owned(), found).unwrap();
        let refused = state.marker().unwrap_err().to_string();
        assert!(refused.contains("it is silent"), "{refused}");

        state.clear().unwrap();
        assert_eq!(state.read().unwrap(), None);
    }

    /// Torn, of a version that knows something else, or nonsense.
    #[rstest]
    #[case("")]
    #[case("{")]
    #[case("null")]
    #[case(r#"{"rig": "asleep"}"#)]
    #[case(r#"{"rig": "contaminated", "console": "/dev/ttyUSB0"}"#)]
    fn a_state_that_is_not_understood_is_no_sound_rig(#[case] text: &str) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateFile::at(dir.path().join("state.json"));
        std::fs::write(state.path(), text).unwrap();
        let refused = state.marker().unwrap_err();
        assert!(
            matches!(refused, StateError::NotUnderstood { .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains("`hil rig --clear`"));
        state.clear().unwrap();
        assert_eq!(state.read().unwrap(), None);
    }

    /// A later version may say more, and what this one needs is there.
    #[test]
    fn a_state_that_says_more_is_understood() {
        let mut more = serde_json::to_value(Unsound::Contaminated(marker())).unwrap();
        more["mood"] = "cloudy".into();
        let dir = tempfile::tempdir().unwrap();
        let state = StateFile::at(dir.path().join("state.json"));
        std::fs::write(state.path(), more.to_string()).unwrap();
        assert!(state.marker().unwrap().is_some());
    }
}
