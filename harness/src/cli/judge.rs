//! `hil judge`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use dfota::verdict::{Judgement, Verdict};

use super::{Failure, print};
use crate::doctor::kept::Known;
use crate::exit_code::ExitCode;
use crate::home::as_seen_from_here;
use crate::replay::{Evidence, ReplayError, case_folders};
use crate::report::{judged_alone, with_sequence};

/// The longest `run.json` that is looked into, in bytes.
const DOCUMENT_LEN_MAX: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders of runs, or of single cases.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
}

pub(super) fn judge(arguments: &Arguments) -> ExitCode {
    match try_judge(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_judge(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut folders = Vec::new();
    for dir in &arguments.folders {
        folders.extend(case_folders(dir).map_err(|e| wrong(&e))?);
    }
    if folders.is_empty() {
        return Err(Failure::said(
            ExitCode::NothingSelected,
            "no evidence there: a case's folder has a `brief.json`",
        ));
    }
    let mut worst = Verdict::Pass;
    let mut run = None;
    for folder in folders {
        if run.as_deref() != folder.parent() {
            run = folder.parent().map(Path::to_owned);
            if let Some(bench) = run.as_deref().and_then(bench) {
                print(&format!("              {bench}\n"));
            }
        }
        let evidence = Evidence::read(&folder).map_err(|e| wrong(&e))?;
        let now = evidence.judge();
        let (verdict, reason) = judged_alone(evidence.right_verdict, &now);
        worst = worst.max(verdict);
        print(&format!(
            "{:>12}  {}  {reason}\n",
            verdict.word().to_uppercase(),
            evidence.verdict.case
        ));
        for finding in &now.findings {
            for line in dfota::explain::explain(finding, &evidence.timeline).lines() {
                print(&format!("              {line}\n"));
            }
        }
        for line in changes(&evidence, &now) {
            print(&format!(
                "     changed  {}: {line}\n",
                as_seen_from_here(&folder).display()
            ));
        }
    }
    Ok(ExitCode::of(worst))
}

/// What a run on a real bench knew of that, by its `run.json`: verdicts are worth as much as the bench
/// that they come from. Nothing where there is no such document, as beside a single case.
fn bench(run: &Path) -> Option<String> {
    let mut text = String::new();
    let document = File::open(run.join("run.json")).ok()?;
    document
        .take(DOCUMENT_LEN_MAX)
        .read_to_string(&mut text)
        .ok()?;
    let document: serde_json::Value = serde_json::from_str(&text).ok()?;
    if document["rig"]["virtual"] != false {
        return None;
    }
    let known: Known = serde_json::from_value(document["doctor"].clone()).ok()?;
    Some(known.line())
}

/// What today's judge says otherwise than the one who was there.
fn changes(evidence: &Evidence, now: &Judgement) -> Vec<String> {
    let then = &evidence.verdict;
    let mut changes = Vec::new();
    if let Some(judged) = &then.judged
        && judged != now.verdict.word()
    {
        changes.push(format!("`{judged}` then, `{}` now", now.verdict.word()));
    }
    let last = with_sequence(
        judged_alone(evidence.right_verdict, now).0,
        then.snapshot.as_deref(),
    );
    // Another judge's word is another last word, and said above.
    if then.judged.as_deref() == Some(now.verdict.word()) && then.verdict != last.word() {
        changes.push(format!(
            "`verdict.json` says `{}`, and its own evidence comes to `{}`",
            then.verdict,
            last.word()
        ));
    }
    let rules_then: Vec<&str> = then.findings.iter().map(|f| f.rule.as_str()).collect();
    let rules_now: Vec<&str> = now.findings.iter().map(|f| f.rule).collect();
    for rule in rules_now.iter().filter(|rule| !rules_then.contains(rule)) {
        changes.push(format!("rule `{rule}` is broken now and was not then"));
    }
    for rule in rules_then.iter().filter(|rule| !rules_now.contains(rule)) {
        changes.push(format!("rule `{rule}` was broken then and is not now"));
    }
    changes
}

fn wrong(error: &ReplayError) -> Failure {
    Failure::new(ExitCode::BadFile, error)
}
