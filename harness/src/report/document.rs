//! `verdict.json`, `brief.json` and `run.json`.

use std::collections::BTreeMap;
use std::io;

use dfota::brief::{Brief, Console, EndState, Fitness, PackageFacts};
use dfota::verdict::{Judgement, Verdict};
use serde::{Deserialize, Serialize};

use super::Finished;
use super::cuts::{CutDocument, Reactions};
use crate::coverage::Coverage;
use crate::doctor::kept::Known;
use crate::evidence;
use crate::runner::identity::Met;
use crate::scenario::RightVerdict;

/// `verdict.json`.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the interface")]
pub struct VerdictDocument {
    pub case: String,
    pub scenario: String,
    pub title: String,
    pub verdict: String,
    pub reason: String,
    /// What the judge said of the module, before the scenario's right verdict and the accepted
    /// sequence were looked at; `null` where nothing was judged.
    pub judged: Option<String>,
    pub findings: Vec<FindingDocument>,
    pub findings_left_off: usize,
    /// What would be findings, had the experiment happened.
    pub void: Vec<FindingDocument>,
    pub notes: Vec<String>,
    pub faults: Vec<FaultDocument>,
    pub firmware: FirmwareDocument,
    pub package_sha256: Option<String>,
    pub r#virtual: bool,
    /// Who the module is; `null` where it was not asked, or did not answer.
    #[serde(default)]
    pub module: Option<Met>,
    /// A case is never tried again by itself.
    pub attempt: u32,
    pub seed: u64,
    pub seconds: f64,
    /// `same`, `differs`, `missing`, or `null` where it was not compared.
    pub snapshot: Option<String>,
    /// How often each rule was relevant.
    pub exercised: BTreeMap<String, u64>,
    /// The guide's outcomes that were observed.
    pub outcomes: Vec<String>,
}

/// A finding.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the interface")]
pub struct FindingDocument {
    pub rule: String,
    pub cite: String,
    /// Seconds since the case began.
    pub at: f64,
    /// The line of `timeline.jsonl`, from 1.
    pub entry: Option<usize>,
    pub phase: String,
    pub what: String,
    pub allowed: String,
    pub verdict: String,
}

/// A fault.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the interface")]
pub struct FaultDocument {
    pub name: String,
    pub planned: bool,
    pub fired: bool,
    pub proof: String,
    /// Of a cut of the supply: its proof as data.
    pub cut: Option<CutDocument>,
}

/// The versions before and after.
#[derive(Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the interface")]
pub struct FirmwareDocument {
    pub before: Option<String>,
    pub after: Option<String>,
}

/// `run.json`.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the interface")]
pub struct RunDocument {
    pub verdict: String,
    pub exit_code: u8,
    pub interrupted: bool,
    pub seed: u64,
    pub rig: RigDocument,
    /// The rig's last examination, whose whole is `doctor.json`; or why there is none.
    #[serde(default)]
    pub doctor: Known,
    pub versions: BTreeMap<String, String>,
    pub evidence: String,
    pub counts: BTreeMap<String, usize>,
    pub cases: Vec<VerdictDocument>,
    /// How quick the cuts were; `null` where no cut answered to a message.
    pub reactions: Option<Reactions>,
    /// The guide's outcomes: which cases asked for each and which observed it, or why none did.
    pub coverage: Coverage,
    /// How often each rule was relevant, over all cases.
    pub rules: BTreeMap<String, u64>,
}

/// The rig of a run.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the interface")]
pub struct RigDocument {
    pub path: String,
    pub r#virtual: bool,
    /// The rig file as it was.
    pub file: String,
    /// What was said of it before the run.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl From<&dfota::verdict::Finding> for FindingDocument {
    fn from(finding: &dfota::verdict::Finding) -> Self {
        Self {
            rule: finding.rule.to_owned(),
            cite: finding.cite.to_owned(),
            at: finding.at.as_secs_f64(),
            entry: finding.entry.map(|index| index + 1),
            phase: finding.phase.to_owned(),
            what: finding.what.clone(),
            allowed: finding.allowed.clone(),
            verdict: finding.verdict.word().to_owned(),
        }
    }
}

impl From<&Finished> for VerdictDocument {
    fn from(finished: &Finished) -> Self {
        let judgement = finished.judgement.as_ref();
        let findings = |pick: fn(&Judgement) -> &Vec<dfota::verdict::Finding>| {
            judgement.map_or_else(Vec::new, |j| pick(j).iter().map(Into::into).collect())
        };
        Self {
            case: finished.id.clone(),
            scenario: finished.scenario.clone(),
            title: finished.title.clone(),
            verdict: finished.verdict.word().to_owned(),
            reason: finished.reason.clone(),
            judged: judgement.map(|j| j.verdict.word().to_owned()),
            findings: findings(|j| &j.findings),
            findings_left_off: judgement.map_or(0, |j| j.findings_left_off),
            void: findings(|j| &j.void),
            notes: judgement.map_or_else(Vec::new, |j| j.notes.clone()),
            faults: judgement.map_or_else(Vec::new, |j| {
                j.faults
                    .iter()
                    .map(|fault| FaultDocument {
                        name: fault.name.clone(),
                        planned: fault.planned,
                        fired: fault.fired,
                        proof: fault.proof.clone(),
                        cut: fault.cut.as_ref().map(CutDocument::from),
                    })
                    .collect()
            }),
            firmware: judgement.map_or_else(FirmwareDocument::default, |j| FirmwareDocument {
                before: j.firmware.before.clone(),
                after: j.firmware.after.clone(),
            }),
            package_sha256: finished.brief.package.as_ref().map(|p| p.sha256.clone()),
            r#virtual: finished.is_virtual,
            module: finished.module.clone(),
            attempt: 1,
            seed: finished.seed,
            seconds: finished.took.as_secs_f64(),
            snapshot: finished
                .snapshot
                .as_ref()
                .map(|comparison| comparison.word().to_owned()),
            exercised: judgement.map_or_else(BTreeMap::new, |j| {
                j.exercised
                    .iter()
                    .map(|(rule, times)| ((*rule).to_owned(), *times))
                    .collect()
            }),
            outcomes: judgement.map_or_else(Vec::new, |j| {
                j.outcomes.iter().map(|id| (*id).to_owned()).collect()
            }),
        }
    }
}

/// Writes the documents of a case into its folder.
pub(super) fn write_case(finished: &Finished) -> io::Result<()> {
    let folder = &finished.folder;
    evidence::write_json(&folder.join("brief.json"), &BriefDocument::from(finished))?;
    evidence::write_json(
        &folder.join("verdict.json"),
        &VerdictDocument::from(finished),
    )
}

/// `brief.json`: what the judge was told, for whoever judges again.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is described in `dfota::brief`")]
pub struct BriefDocument {
    pub case: String,
    pub model: String,
    pub base: String,
    pub target: String,
    pub package: Option<PackageDocument>,
    /// In baud; `null` is autobaud.
    pub fixed_rate: Option<u32>,
    pub imei: Option<String>,
    pub end: EndDocument,
    pub faults_planned: Vec<String>,
    pub settle_ms: u64,
    /// What a right judge says: `fail` where a defect was planted, `invalid` where the rig lies.
    pub right_verdict: RightVerdict,
}

/// The package that was served.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is described in `dfota::brief`")]
pub struct PackageDocument {
    pub sha256: String,
    pub size: u64,
    pub fitness: FitnessDocument,
}

/// What the package is to the module.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is described in `dfota::brief`")]
pub enum FitnessDocument {
    Fits,
    OtherBase,
    Damaged,
}

/// What the module must run in the end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is described in `dfota::brief`")]
pub enum EndDocument {
    Target,
    Base,
    Either,
    Unchecked,
}

impl From<&Finished> for BriefDocument {
    fn from(finished: &Finished) -> Self {
        let brief = &finished.brief;
        Self {
            case: brief.case.clone(),
            model: brief.model.clone(),
            base: brief.base.clone(),
            target: brief.target.clone(),
            package: brief.package.as_ref().map(|p| PackageDocument {
                sha256: p.sha256.clone(),
                size: p.size,
                fitness: match p.fitness {
                    Fitness::Fits => FitnessDocument::Fits,
                    Fitness::OtherBase => FitnessDocument::OtherBase,
                    Fitness::Damaged => FitnessDocument::Damaged,
                },
            }),
            fixed_rate: match brief.console {
                Console::Fixed(rate) => Some(rate),
                Console::Auto => None,
            },
            imei: brief.imei.clone(),
            end: match brief.end {
                EndState::Target => EndDocument::Target,
                EndState::Base => EndDocument::Base,
                EndState::Either => EndDocument::Either,
                EndState::Unchecked => EndDocument::Unchecked,
            },
            faults_planned: brief.faults_planned.clone(),
            settle_ms: u64::try_from(brief.settle.as_millis()).unwrap_or(u64::MAX),
            right_verdict: finished.right_verdict,
        }
    }
}

impl From<BriefDocument> for Brief {
    fn from(document: BriefDocument) -> Self {
        Self {
            case: document.case,
            model: document.model,
            base: document.base,
            target: document.target,
            package: document.package.map(|p| PackageFacts {
                sha256: p.sha256,
                size: p.size,
                fitness: match p.fitness {
                    FitnessDocument::Fits => Fitness::Fits,
                    FitnessDocument::OtherBase => Fitness::OtherBase,
                    FitnessDocument::Damaged => Fitness::Damaged,
                },
            }),
            console: document.fixed_rate.map_or(Console::Auto, Console::Fixed),
            imei: document.imei,
            end: match document.end {
                EndDocument::Target => EndState::Target,
                EndDocument::Base => EndState::Base,
                EndDocument::Either => EndState::Either,
                EndDocument::Unchecked => EndState::Unchecked,
            },
            faults_planned: document.faults_planned,
            settle: std::time::Duration::from_millis(document.settle_ms),
        }
    }
}

/// How many cases ended with each verdict, strongest first; verdicts that none had are left out.
#[must_use]
pub fn counts(finished: &[Finished]) -> Vec<(Verdict, usize)> {
    [
        Verdict::Fail,
        Verdict::Error,
        Verdict::Invalid,
        Verdict::Inconclusive,
        Verdict::Skipped,
        Verdict::Pass,
    ]
    .into_iter()
    .map(|verdict| {
        let cases = finished.iter().filter(|f| f.verdict == verdict).count();
        (verdict, cases)
    })
    .filter(|(_, cases)| *cases > 0)
    .collect()
}
