//! Compares a rendering with the one that was accepted.
//!
//! The files are insta's, and `cargo insta review` shows what this writes; but the comparison is
//! ours, because insta's macro can be told by the environment (`INSTA_FORCE_PASS`,
//! `INSTA_UPDATE=always`) to pass whatever it sees, and a lab certifies with what is said here.

use std::io;
use std::path::{Path, PathBuf};

use insta::Snapshot;

/// How a rendering compares with the accepted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Same,
    /// Another; what was seen stands in the pending file.
    Differs {
        /// What was accepted.
        accepted: String,
        /// What was seen.
        seen: String,
        /// Where it was written for review.
        pending: PathBuf,
    },
    /// Nothing was accepted yet; what was seen stands in the pending file.
    Missing {
        /// Where it was written for review.
        pending: PathBuf,
    },
}

impl Comparison {
    pub(crate) const DIFFERS: &str = "differs";
    pub(crate) const MISSING: &str = "missing";

    /// Its word in `verdict.json`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Comparison::Same => "same",
            Comparison::Differs { .. } => Self::DIFFERS,
            Comparison::Missing { .. } => Self::MISSING,
        }
    }
}

/// What a snapshot says of itself, beside its text.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The scenario's title.
    pub title: &'a str,
    /// The scenario file, as seen from the workspace.
    pub scenario: &'a str,
    /// Module, firmware and rig, for the person who reviews.
    pub rig: &'a str,
}

/// Compares `text` with `dir/name.snap`, and writes `dir/name.snap.new` where they differ.
pub fn compare(dir: &Path, name: &str, text: &str, about: About<'_>) -> io::Result<Comparison> {
    let accepted_path = dir.join(format!("{name}.snap"));
    let pending = dir.join(format!("{name}.snap.new"));
    let seen = normalise(text);
    let accepted = match accepted_path.try_exists()? {
        true => Some(read(&accepted_path)?),
        false => None,
    };
    match accepted {
        Some(accepted) if accepted == seen => {
            if pending.try_exists()? {
                std::fs::remove_file(&pending)?;
            }
            Ok(Comparison::Same)
        }
        accepted => {
            crate::evidence::write_whole(&pending, pending_text(&seen, about).as_bytes())?;
            Ok(match accepted {
                Some(accepted) => Comparison::Differs {
                    accepted,
                    seen,
                    pending,
                },
                None => Comparison::Missing { pending },
            })
        }
    }
}

/// A snapshot's text, as insta would compare it.
fn read(path: &Path) -> io::Result<String> {
    let invalid = |why: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{}` is no snapshot: {why}", path.display()),
        )
    };
    let snapshot = Snapshot::from_file(path).map_err(|e| invalid(e.to_string()))?;
    // `contents() == contents()` also takes insta's legacy forms for equal; the text does not.
    snapshot
        .as_text()
        .map(|text| normalise(&text.to_string()))
        .ok_or_else(|| invalid("it is binary".to_owned()))
}

/// insta's rule for files: no CR before LF, nothing at the end.
fn normalise(text: &str) -> String {
    text.trim_end().replace("\r\n", "\n")
}

/// The pending file. Its head is YAML, of which JSON is a part.
fn pending_text(seen: &str, about: About<'_>) -> String {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "---\nsource: harness/tests/all/scenarios.rs\ndescription: {}\ninfo: {}\ninput_file: {}\n---\n{seen}\n",
        json(about.title),
        json(about.rig),
        about.scenario,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'static> = About {
        title: "a \"quoted\" title: with #",
        scenario: "scenarios/update.toml",
        rig: "virtual",
    };

    #[test]
    fn what_was_never_accepted_is_missing_and_waits_for_review() {
        let dir = tempfile::tempdir().unwrap();
        let found = compare(dir.path(), "a", "one\ntwo\n", ABOUT).unwrap();
        let pending = dir.path().join("a.snap.new");
        assert_eq!(
            found,
            Comparison::Missing {
                pending: pending.clone()
            }
        );
        assert_eq!(read(&pending).unwrap(), "one\ntwo");
    }

    #[test]
    fn an_accepted_text_is_the_same_and_another_differs() {
        let dir = tempfile::tempdir().unwrap();
        compare(dir.path(), "a", "one", ABOUT).unwrap();
        std::fs::rename(dir.path().join("a.snap.new"), dir.path().join("a.snap")).unwrap();
        assert_eq!(
            compare(dir.path(), "a", "one\r\n", ABOUT).unwrap(),
            Comparison::Same
        );
        assert!(matches!(
            compare(dir.path(), "a", "two", ABOUT).unwrap(),
            Comparison::Differs { .. }
        ));
        assert!(dir.path().join("a.snap.new").exists());
        // A later run that agrees takes the stale pending file away.
        compare(dir.path(), "a", "one", ABOUT).unwrap();
        assert!(!dir.path().join("a.snap.new").exists());
    }

    #[test]
    fn no_environment_variable_makes_a_difference_pass() {
        // insta's own macro passes under INSTA_FORCE_PASS; this function never reads it. The
        // test runs in a child so that the variable is really set.
        if std::env::var_os("INSTA_FORCE_PASS").is_none() {
            let me = std::env::current_exe().unwrap();
            let status = std::process::Command::new(me)
                .args([
                    "--exact",
                    "snapshot::tests::no_environment_variable_makes_a_difference_pass",
                ])
                .env("INSTA_FORCE_PASS", "1")
                .env("INSTA_UPDATE", "always")
                .stdout(std::process::Stdio::null())
                .status()
                .unwrap();
            assert!(status.success());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        compare(dir.path(), "a", "one", ABOUT).unwrap();
        std::fs::rename(dir.path().join("a.snap.new"), dir.path().join("a.snap")).unwrap();
        assert!(matches!(
            compare(dir.path(), "a", "two", ABOUT).unwrap(),
            Comparison::Differs { .. }
        ));
        assert_eq!(read(&dir.path().join("a.snap")).unwrap(), "one");
    }
}
