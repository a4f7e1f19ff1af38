//! What later runs know of a rig: its last examination, kept with the rig's state.

use std::io;
use std::path::{Path, PathBuf};

use rig::config::{Bench, RigFile};
use rig::lock::{bench_name, state_dir};
use serde::{Deserialize, Serialize};

use super::Examination;
use crate::evidence::write_json;
use crate::packages::sha256_hex;

/// What a run says of the rig's last examination, in `run.json`. The whole of it is the run's
/// `doctor.json`, where there is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// What it came to; `none` where there was none.
    pub verdict: String,
    /// When it began: RFC 3339, UTC.
    pub began: Option<String>,
    /// How long before the run that was, in seconds; negative where a clock was set back.
    pub age_seconds: Option<i64>,
    /// Whether the rig file is the one that was examined, byte for byte.
    pub rig_file_is_the_same: Option<bool>,
    /// Why there is none.
    pub why_none: Option<String>,
}

/// The digest of a rig file's text.
#[must_use]
pub fn rig_sha256(rig: &RigFile) -> String {
    sha256_hex(rig.source.text.as_bytes())
}

/// Where a rig's last examination is kept.
fn path(rig: &RigFile) -> PathBuf {
    let name = match &rig.bench {
        Bench::Virtual(_) => "virtual".to_owned(),
        Bench::Real(bench) => bench_name(&bench.console),
    };
    state_dir().join(format!("{name}.doctor.json"))
}

/// Keeps an examination for the runs to come.
pub fn keep(rig: &RigFile, examination: &Examination) -> io::Result<()> {
    let path = path(rig);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    write_json(&path, examination)
}

/// The rig's last examination, or why there is none.
pub fn last(rig: &RigFile) -> Result<Examination, String> {
    let path = path(rig);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(format!(
                "this rig was never examined here: `hil doctor --rig {}` does it",
                rig.source.path.display()
            ));
        }
        Err(e) => return Err(format!("cannot read `{}`: {e}", path.display())),
    };
    serde_json::from_str(&text).map_err(|e| not_ours(&path, &e))
}

fn not_ours(path: &Path, error: &serde_json::Error) -> String {
    let path = path.display();
    format!("`{path}` is not of this version of `hil`: {error}: examine the rig again")
}

impl Known {
    /// What a run that begins `now` says of `last`.
    #[must_use]
    pub fn of(last: &Result<Examination, String>, rig: &RigFile, now: jiff::Timestamp) -> Self {
        let examination = match last {
            Ok(examination) => examination,
            Err(why) => {
                return Self {
                    verdict: "none".to_owned(),
                    why_none: Some(why.clone()),
                    ..Self::default()
                };
            }
        };
        let began: Option<jiff::Timestamp> = examination.began.parse().ok();
        Self {
            verdict: examination.verdict.word().to_owned(),
            age_seconds: began.map(|began| now.as_second() - began.as_second()),
            began: Some(examination.began.clone()),
            rig_file_is_the_same: Some(examination.rig_sha256 == rig_sha256(rig)),
            why_none: None,
        }
    }

    /// One line for a person whose module is a real one.
    #[must_use]
    pub fn line(&self) -> String {
        let age = self.age_seconds.map_or_else(String::new, |seconds| {
            format!(", {} before this run", age(seconds))
        });
        match (self.verdict.as_str(), self.rig_file_is_the_same) {
            ("none", _) => format!("doctor: none: {}", self.why_none.as_deref().unwrap_or("")),
            (verdict, Some(false)) => {
                format!("doctor: {verdict}{age}, with another text in the rig file")
            }
            (verdict, _) => format!("doctor: {verdict}{age}"),
        }
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        ..0 => "by a clock that was ahead".to_owned(),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn examination(rig_sha256: String) -> Examination {
        Examination {
            verdict: Verdict::Passed,
            rig: "built-in".to_owned(),
            rig_sha256,
            r#virtual: true,
            began: "2020-01-01T00:00:00Z".to_owned(),
            hil: "0.1.0".to_owned(),
            steps: Vec::new(),
        }
    }

    #[test]
    fn a_run_says_how_old_the_examination_is() {
        let rig = RigFile::virtual_default();
        let last = Ok(examination(rig_sha256(&rig)));
        let now = "2020-01-01T03:00:00Z".parse().unwrap();
        let known = Known::of(&last, &rig, now);
        assert_eq!(known.age_seconds, Some(10_800));
        assert_eq!(known.line(), "doctor: passed, 3 h before this run");
    }

    #[test]
    fn one_of_another_rig_file_counts_for_little() {
        let rig = RigFile::virtual_default();
        let last = Ok(examination("00".to_owned()));
        let now = "2020-01-01T00:00:09Z".parse().unwrap();
        let known = Known::of(&last, &rig, now);
        assert_eq!(
            known.line(),
            "doctor: passed, 9 s before this run, with another text in the rig file"
        );
    }

    #[test]
    fn a_run_on_a_rig_that_was_never_examined_says_so() {
        let rig = RigFile::virtual_default();
        let known = Known::of(
            &Err("it was not".to_owned()),
            &rig,
            jiff::Timestamp::UNIX_EPOCH,
        );
        assert_eq!(known.verdict, "none");
        assert_eq!(known.line(), "doctor: none: it was not");
    }
}
