//! `hil coverage`.

use std::path::PathBuf;

use dfota::outcomes;

use super::{Failure, Format, print, print_json, scenario_folder, stored_run};
use crate::coverage::{self, Coverage, OutcomeDocument};
use crate::exit_code::ExitCode;

/// So many cases are named in a row; the document has them all.
const NAMED: usize = 4;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    run: stored_run::StoredRun,
    /// What standard output has.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The folder of scenarios, for a table without a run.
    #[arg(long, value_name = "DIR")]
    scenario_dir: Option<PathBuf>,
}

pub(super) fn coverage(arguments: &Arguments) -> ExitCode {
    match try_coverage(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_coverage(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (table, run) = match arguments.run.document()? {
        Some(run) => (run.coverage, true),
        None => {
            let folder = scenario_folder(arguments.scenario_dir.as_ref());
            let cases = super::run::select(&["all".to_owned()], folder)?;
            (coverage::table(&cases, &[]), false)
        }
    };
    match arguments.format {
        Format::Human => Ok(print(&text(&table, run))),
        Format::Json => print_json(&table),
    }
}

fn text(table: &Coverage, run: bool) -> String {
    let mut text = String::new();
    let mut matched = 0;
    // In the order of the guide, not of the alphabet.
    for outcome in outcomes::ALL {
        let Some(row) = table.get(outcome.id) else {
            text.push_str(&format!(
                "{}  ({}) is not in this run's table\n",
                outcome.id, outcome.cite
            ));
            continue;
        };
        matched += usize::from(row.matched);
        text.push_str(&format!("{}  ({})  {}\n", outcome.id, row.cite, row.text));
        for line in lines(row, run) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    if run {
        text.push_str(&format!(
            "\n{matched} of {} outcomes were provoked and observed\n",
            outcomes::ALL.len()
        ));
    }
    text
}

fn lines(row: &OutcomeDocument, run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !row.provoked.is_empty() {
        lines.push(format!("provoked by {}", named(&row.provoked)));
    }
    if !row.observed.is_empty() {
        let matched = if row.matched {
            ""
        } else {
            ", where nothing asked for it"
        };
        lines.push(format!("observed in {}{matched}", named(&row.observed)));
    }
    if let Some(reason) = &row.reason
        && (run || row.provoked.is_empty())
    {
        lines.push(format!("not matched: {reason}"));
    }
    lines
}

fn named(cases: &[String]) -> String {
    let first: Vec<&str> = cases.iter().take(NAMED).map(String::as_str).collect();
    match cases.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
