//! `hil list`.

use std::path::PathBuf;

use super::{Failure, print, scenario_folder};
use crate::exit_code::ExitCode;
use crate::scenario::{Case, Needs};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which; all where none is given.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// The folder of scenarios.
    #[arg(long, value_name = "DIR")]
    scenario_dir: Option<PathBuf>,
    /// Lists each case, by the id that runs it alone.
    #[arg(long)]
    cases: bool,
    /// Shows the notes, too.
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn list(arguments: &Arguments) -> ExitCode {
    match try_list(arguments) {
        Ok(text) => print(&text),
        Err(failure) => failure.tell(),
    }
}

fn try_list(arguments: &Arguments) -> Result<String, Failure> {
    let all = vec!["all".to_owned()];
    let names = if arguments.scenarios.is_empty() {
        &all
    } else {
        &arguments.scenarios
    };
    let cases = super::run::select(names, scenario_folder(arguments.scenario_dir.as_ref()))?;
    if arguments.cases {
        return Ok(cases.iter().map(|case| format!("{}\n", case.id)).collect());
    }
    let mut text = String::new();
    let mut last: Option<&Case> = None;
    for case in &cases {
        if last.is_some_and(|last| last.scenario.path == case.scenario.path) {
            continue;
        }
        last = Some(case);
        let of_it = cases
            .iter()
            .filter(|other| other.scenario.path == case.scenario.path);
        let scenario = &case.scenario;
        text.push_str(&format!(
            "{}\n    {}\n    guide {}; {}\n",
            scenario.name,
            scenario.title,
            scenario.guide,
            needs(case.needs(), of_it.count()),
        ));
        if arguments.verbose
            && let Some(notes) = &scenario.notes
        {
            text.push_str(&format!("    {}\n", notes.trim().replace('\n', "\n    ")));
        }
    }
    Ok(text)
}

fn needs(needs: Needs, cases: usize) -> String {
    let wants: Vec<&str> = [
        (needs.server, "a package server"),
        (needs.pwrkey, "PWRKEY"),
        (needs.reset, "RESET_N"),
        (needs.cut_while_updating, "leave to cut while updating"),
        (needs.bootloader, "a console at 115200 baud"),
        (needs.virtual_module, "the virtual module"),
        (needs.network.firewall, "nftables"),
        (needs.network.netem, "netem"),
    ]
    .into_iter()
    .filter_map(|(needed, what)| needed.then_some(what))
    .collect();
    let wants = if wants.is_empty() {
        "a console and a supply".to_owned()
    } else {
        wants.join(", ")
    };
    match cases {
        1 => format!("needs {wants}"),
        cases => format!("{cases} cases; needs {wants}"),
    }
}
