//! Who the module is, before anything is done to it.
//!
//! Until that is known only questions are sent, none that sets anything: another module on this
//! console is somebody's, and keeps its settings and its firmware. What the rig file demands is
//! compared here; that the judge reads the same answers again is its own affair.

use std::io;
use std::path::{Path, PathBuf};

use dfota::timeline::Event;
use rig::config::{Model, ModuleFacts};
use rig::lock;
use serde::{Deserialize, Serialize};

use super::session::{Session, Stop};
use crate::evidence;

/// An IMEI has 15 digits (3GPP TS 23.003).
const IMEI_LEN: usize = 15;
/// The longest file that a rig's memory may be, in bytes.
const MEMORY_LEN_MAX: u64 = 4096;

/// What a module says that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `BC26`; `None`: it did not say.
    pub model: Option<String>,
    /// Its 15 digits; `None`: it did not say.
    pub imei: Option<String>,
}

impl Session<'_> {
    /// Asks the module who it is. `AT+CGSN` alone is the IMEI of some revisions and the serial
    /// number of others (BC20 AT manual), so it is asked only where `AT+CGSN=1` is not known.
    pub(super) fn identify(&mut self) -> Result<Identity, Stop> {
        let lines = self.ask("ATI")?.unwrap_or_default();
        let model = lines.iter().find_map(|line| model(line));
        let mut imei = None;
        for command in ["AT+CGSN=1", "AT+CGSN"] {
            let lines = self.ask(command)?.unwrap_or_default();
            imei = lines.iter().find_map(|line| digits(line));
            if imei.is_some() {
                break;
            }
        }
        Ok(Identity { model, imei })
    }

    /// Whether it is the module that the rig file demands; where it is not, that is in the
    /// timeline.
    pub(super) fn is_the_one(
        &mut self,
        wanted: &ModuleFacts,
        found: &Identity,
    ) -> Result<bool, Stop> {
        match refusal(wanted, found) {
            None => Ok(true),
            Some((expectation, why)) => {
                self.happened(Event::Unmet { expectation, why })?;
                Ok(false)
            }
        }
    }
}

/// What was wanted and what is there instead, if it is another module.
pub(super) fn refusal(wanted: &ModuleFacts, found: &Identity) -> Option<(String, String)> {
    let (wanted, found) = match (&wanted.imei, &found.imei, wanted.model, &found.model) {
        (Some(wanted), Some(found), _, _) if wanted != found => (
            format!("the module with the IMEI {wanted}"),
            format!("this module's IMEI is {found}: are two modules or two consoles swapped?"),
        ),
        (Some(wanted), None, _, _) => (
            format!("the module with the IMEI {wanted}"),
            "this module does not tell its IMEI".to_owned(),
        ),
        (_, _, Some(wanted), Some(found)) if name(wanted) != found => (
            format!("a {}", name(wanted)),
            format!("this module calls itself {found}"),
        ),
        // One whose IMEI is the one that is wanted is known well enough.
        (None, _, Some(wanted), None) => (
            format!("a {}", name(wanted)),
            "this module does not tell its model".to_owned(),
        ),
        _ => return None,
    };
    Some((format!("{wanted}, as the rig file says"), found))
}

fn name(model: Model) -> &'static str {
    match model {
        Model::Bc26 => "BC26",
        Model::Bc20 => "BC20",
    }
}

/// The model in a line of `ATI`: `Quectel_BC26`. The maker's own line is `Quectel_Ltd`, or
/// `Quectel _Ltd` in one of its documents.
fn model(line: &str) -> Option<String> {
    let words = line.trim().strip_prefix("Quectel")?;
    let word = words.trim_start_matches([' ', '_']).trim();
    (!word.is_empty() && word != "Ltd").then(|| word.to_owned())
}

/// The IMEI in a line of `AT+CGSN=1` (`+CGSN: 860000000000000`) or `AT+CGSN`.
fn digits(line: &str) -> Option<String> {
    let digits = line.trim().trim_start_matches("+CGSN:");
    let digits = digits.trim().trim_matches('"');
    let is_imei = digits.len() == IMEI_LEN && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_imei.then(|| digits.to_owned())
}

/// The module of a case, and what is odd about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Who it is.
    #[serde(flatten)]
    pub now: Identity,
    /// Who was on this bench before, where that was another; the rig file demands none.
    pub before: Option<Identity>,
    /// Why this bench cannot remember its module, if it cannot.
    pub forgotten: Option<String>,
}

impl Met {
    pub(super) fn now(module: &Identity, memory: Option<&Memory>) -> Self {
        let (before, forgotten) = match memory.map(|memory| memory.saw(module)) {
            None => (None, None),
            Some(Ok(before)) => (before, None),
            Some(Err(e)) => (None, Some(e.to_string())),
        };
        Self {
            now: module.clone(),
            before,
            forgotten,
        }
    }

    /// What a person should know before the case goes on.
    pub(super) fn warning(&self) -> Option<String> {
        let imei = |module: &Identity| module.imei.clone().unwrap_or_default();
        if let Some(before) = &self.before {
            return Some(format!(
                "the module is {}, and was {} at the last run: are two modules or two consoles swapped? `imei = \"…\"` in `[module]` refuses any other",
                imei(&self.now),
                imei(before)
            ));
        }
        let why = self.forgotten.as_ref()?;
        Some(format!("this bench cannot remember its module: {why}"))
    }
}

/// Which module was last seen at a console. A bench whose rig file demands none notices by this
/// that it has got another.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
}

impl Memory {
    pub(super) fn of(console: &Path) -> Self {
        let name = format!("{}.module.json", lock::bench_name(console));
        Self {
            path: lock::state_dir().join(name),
        }
    }

    /// Remembers `now`, and returns the other module that was there before, if it was another.
    pub(super) fn saw(&self, now: &Identity) -> io::Result<Option<Identity>> {
        let before = self.recall()?;
        if now.imei.is_none() || before.as_ref() == Some(now) {
            return Ok(None);
        }
        evidence::write_json(&self.path, now)?;
        Ok(before.filter(|before| before.imei != now.imei))
    }

    /// The other module that was there at the last run, if it was another. Nothing is changed: the next
    /// run has to notice it, too.
    pub(super) fn another(&self, now: &Identity) -> io::Result<Option<Identity>> {
        let before = self.recall()?;
        Ok(before.filter(|before| now.imei.is_some() && before.imei != now.imei))
    }

    /// What is no memory of ours, a torn or a strange file, is none: it is written anew.
    fn recall(&self) -> io::Result<Option<Identity>> {
        use io::Read as _;
        let file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut text = Vec::new();
        file.take(MEMORY_LEN_MAX).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Quectel_BC26", Some("BC26"))]
    #[case("Quectel_BC260Y", Some("BC260Y"))]
    #[case("Quectel_Ltd", None)]
    #[case("Quectel _Ltd", None)]
    #[case("Revision: BC26NBR01A01", None)]
    #[case("", None)]
    fn a_model_is_its_whole_word(#[case] line: &str, #[case] found: Option<&str>) {
        assert_eq!(model(line).as_deref(), found);
    }

    #[rstest]
    #[case("+CGSN: 860000000000000", Some("860000000000000"))]
    #[case("+CGSN:\"860000000000000\"", Some("860000000000000"))]
    #[case("860000000000000", Some("860000000000000"))]
    #[case("86000000000000", None)]
    #[case("MPA18D9I0000001", None)]
    fn an_imei_is_fifteen_digits(#[case] line: &str, #[case] found: Option<&str>) {
        assert_eq!(digits(line).as_deref(), found);
    }

    fn identity(model: Option<&str>, imei: Option<&str>) -> Identity {
        Identity {
            model: model.map(str::to_owned),
            imei: imei.map(str::to_owned),
        }
    }

    #[rstest]
    #[case(Some("BC26"), Some("1"), None)]
    #[case(None, Some("1"), None)]
    #[case(Some("BC26"), Some("2"), Some("IMEI is 2"))]
    #[case(Some("BC26"), None, Some("does not tell"))]
    #[case(Some("BC20"), Some("1"), Some("itself BC20"))]
    #[case(Some("BC260Y"), Some("1"), Some("itself BC260Y"))]
    fn another_module_is_refused(
        #[case] model: Option<&str>,
        #[case] imei: Option<&str>,
        #[case] why: Option<&str>,
    ) {
        let wanted = ModuleFacts {
            model: Some(Model::Bc26),
            imei: Some("1".to_owned()),
            may_cut_while_updating: false,
        };
        let said = refusal(&wanted, &identity(model, imei)).map(|(_, said)| said);
        match (why, said) {
            (None, None) => {}
            (Some(why), Some(said)) => assert!(said.contains(why), "{said}"),
            (why, said) => panic!("wanted {why:?}, got {said:?}"),
        }
    }

    #[test]
    fn a_module_that_tells_nothing_is_not_taken_for_the_model_of_the_rig_file() {
        let wanted = ModuleFacts {
            model: Some(Model::Bc20),
            ..ModuleFacts::default()
        };
        let found = identity(None, Some("1"));
        let (expected, why) = refusal(&wanted, &found).unwrap();
        assert_eq!(expected, "a BC20, as the rig file says");
        assert_eq!(why, "this module does not tell its model");
    }

    #[test]
    fn a_rig_file_that_demands_nothing_takes_any_module() {
        let found = identity(None, None);
        assert_eq!(refusal(&ModuleFacts::default(), &found), None);
    }

    #[test]
    fn another_module_than_last_time_is_noticed_once() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory {
            path: dir.path().join("a.module.json"),
        };
        let (one, two) = (
            identity(Some("BC26"), Some("1")),
            identity(Some("BC26"), Some("2")),
        );
        assert_eq!(memory.saw(&one).unwrap(), None);
        assert_eq!(memory.saw(&one).unwrap(), None);
        assert_eq!(memory.saw(&identity(None, None)).unwrap(), None);
        assert_eq!(memory.another(&one).unwrap(), None);
        assert_eq!(memory.another(&two).unwrap(), Some(one.clone()));
        assert_eq!(memory.saw(&two).unwrap(), Some(one));
        assert_eq!(memory.saw(&two).unwrap(), None);
        std::fs::write(&memory.path, b"{ torn").unwrap();
        assert_eq!(memory.saw(&two).unwrap(), None);
    }
}
