//! `hil rules`.

use std::collections::BTreeMap;

use dfota::rules;
use serde::Serialize;

use super::{Failure, Format, print, print_json, stored_run};
use crate::exit_code::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    run: stored_run::StoredRun,
    /// What standard output has.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// A rule as `--format json` has it.
#[derive(Debug, Serialize)]
struct RuleDocument {
    id: &'static str,
    number: Option<&'static str>,
    cite: &'static str,
    class: &'static str,
    text: &'static str,
    /// How often it was relevant in the run; `null` where no run was asked about.
    exercised: Option<u64>,
}

pub(super) fn rules(arguments: &Arguments) -> ExitCode {
    match try_rules(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_rules(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let run = arguments.run.document()?;
    let rows = rows(run.as_ref().map(|run| &run.rules));
    match arguments.format {
        Format::Human => Ok(print(&text(&rows))),
        Format::Json => print_json(&rows),
    }
}

fn rows(exercised: Option<&BTreeMap<String, u64>>) -> Vec<RuleDocument> {
    rules::ALL
        .iter()
        .map(|rule| RuleDocument {
            id: rule.id,
            number: rule.number,
            cite: rule.cite,
            class: rule.class.word(),
            text: rule.text,
            exercised: exercised.map(|times| times.get(rule.id).copied().unwrap_or(0)),
        })
        .collect()
}

fn text(rows: &[RuleDocument]) -> String {
    let mut text = String::new();
    for row in rows {
        let number = row.number.map_or_else(String::new, |n| format!("{n}, "));
        let exercised = match row.exercised {
            None => String::new(),
            Some(0) => "  never exercised".to_owned(),
            Some(1) => "  exercised once".to_owned(),
            Some(times) => format!("  exercised {times} times"),
        };
        text.push_str(&format!(
            "{}  ({number}{}, {}){exercised}\n    {}\n",
            row.id, row.cite, row.class, row.text
        ));
    }
    if let Some(idle) = idle(rows) {
        text.push_str(&idle);
    }
    text
}

/// What a run left unasked, where a run was asked about.
fn idle(rows: &[RuleDocument]) -> Option<String> {
    rows.iter().all(|row| row.exercised.is_some()).then(|| {
        let exercised = rows.iter().filter(|row| row.exercised != Some(0)).count();
        format!("\n{exercised} of {} rules were exercised\n", rows.len())
    })
}
