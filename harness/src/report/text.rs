//! What a person reads when a case, and when a run, is over.

use std::fmt::Write as _;
use std::path::Path;

use dfota::verdict::Verdict;

use super::cuts::reactions;
use super::document::counts;
use super::{Finished, reproduce};
use crate::home::as_seen_from_here;
use crate::snapshot::Comparison;

/// A case that is over: its line, and where it did not pass all that explains why.
#[must_use]
pub fn case(finished: &Finished, colors: bool) -> String {
    let mut text = format!(
        "{} {:>8.2}s  {}",
        word(finished.verdict, colors),
        finished.took.as_secs_f64(),
        finished.id
    );
    if let Some(judgement) = &finished.judgement
        && let (Some(before), Some(after)) = (&judgement.firmware.before, &judgement.firmware.after)
    {
        let _ = write!(text, "  {before} -> {after}");
    }
    text.push('\n');
    if finished.verdict == Verdict::Pass {
        for fault in finished.judgement.iter().flat_map(|j| &j.faults) {
            let _ = writeln!(text, "{INDENT}{}: {}", fault.name, fault.proof);
        }
        return text;
    }
    let _ = writeln!(text, "{INDENT}{}", finished.title);
    let _ = writeln!(text, "{INDENT}{}", finished.reason);
    if let Some(judgement) = &finished.judgement {
        for finding in &judgement.findings {
            text.push('\n');
            for line in dfota::explain::explain(finding, &finished.timeline).lines() {
                let _ = writeln!(text, "{INDENT}{}", shortened(line));
            }
        }
        if judgement.findings_left_off > 0 {
            let _ = writeln!(
                text,
                "\n{INDENT}and {} findings more",
                judgement.findings_left_off
            );
        }
    }
    if let Some(Comparison::Differs { accepted, seen, .. }) = &finished.snapshot {
        let _ = writeln!(text, "\n{INDENT}accepted (-) and seen (+):");
        for line in difference(accepted, seen) {
            let _ = writeln!(text, "{INDENT}{line}");
        }
    }
    let _ = writeln!(
        text,
        "\n{INDENT}evidence: {}",
        as_seen_from_here(&finished.folder).display()
    );
    let _ = writeln!(
        text,
        "{INDENT}again:    {}\n",
        reproduce(&finished.id, finished.seed, None)
    );
    text
}

const INDENT: &str = "             ";

/// A line of at most so many characters: a module that floods must not flood the reader.
fn shortened(line: &str) -> String {
    const LEN_MAX: usize = 160;
    if line.chars().count() <= LEN_MAX {
        return line.to_owned();
    }
    line.chars().take(LEN_MAX).chain(['…']).collect()
}

/// The last lines of a run.
#[must_use]
pub fn run(finished: &[Finished], selected: usize, evidence: &Path, seed: u64) -> String {
    let counted: Vec<String> = counts(finished)
        .into_iter()
        .map(|(verdict, cases)| format!("{cases} {}", verdict.word()))
        .collect();
    let mut text = format!("{} cases: {}", finished.len(), counted.join(", "));
    if finished.len() < selected {
        let _ = write!(text, "; {} not begun", selected - finished.len());
    }
    if let Some(reactions) = reactions(finished) {
        let _ = write!(text, "\n{reactions}");
    }
    let _ = write!(
        text,
        "\nevidence: {}\nseed: {seed}\n",
        as_seen_from_here(evidence).display()
    );
    text
}

fn word(verdict: Verdict, colors: bool) -> String {
    let word = verdict.word().to_uppercase();
    let word = format!("{word:>12}");
    if !colors {
        return word;
    }
    let color = match verdict {
        Verdict::Pass => "32",
        Verdict::Skipped | Verdict::Inconclusive => "33",
        Verdict::Invalid | Verdict::Error => "35",
        Verdict::Fail => "31",
    };
    format!("\x1b[1;{color}m{word}\x1b[0m")
}

/// Lines that are only in one of two texts, marked; by way of insta's own differ.
fn difference(accepted: &str, seen: &str) -> Vec<String> {
    similar::TextDiff::from_lines(accepted, seen)
        .iter_all_changes()
        .map(|change| {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => ' ',
            };
            format!("{sign} {}", change.value().trim_end_matches('\n'))
        })
        .collect()
}
