//! What came of all trials: the kill matrix, defect by rule, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use dfota::rules;
use dfota::verdict::Verdict;
use rig::virtual_module::Defect;
use serde::Serialize;

use super::expected::{self, ComesTo};
use super::{Told, problem};

/// The matrix, as `--format json` has it.
#[derive(Debug, Serialize)]
pub struct Matrix {
    /// One row a defect, in the order of [`Defect::ALL`].
    pub defects: Vec<Row>,
    /// What the clean module came to in each case.
    pub clean: Vec<Came>,
    /// Each rule with the defects that broke it.
    pub rules: Vec<RuleRow>,
    /// Everything that is not as it must be. Empty: the judge can say no.
    pub problems: Vec<String>,
}

/// A defect.
#[derive(Debug, Serialize)]
pub struct Row {
    /// `M44`.
    pub defect: &'static str,
    /// What is wrong with a module that has it.
    pub description: &'static str,
    /// The verdict that is declared.
    pub declared: &'static str,
    /// The rule that is declared, if the verdict needs one.
    pub rule: Option<&'static str>,
    /// Why a defect on the list is to be passed.
    pub reason: Option<&'static str>,
    /// What came of it.
    pub trials: Vec<Came>,
    /// What is wrong with that.
    pub problem: Option<String>,
}

/// What one case came to.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of `verdict.json`")]
pub struct Came {
    pub case: String,
    pub verdict: &'static str,
    pub broken: BTreeSet<&'static str>,
    pub reason: String,
    pub seconds: f64,
    pub evidence: String,
}

/// A rule.
#[derive(Debug, Serialize)]
pub struct RuleRow {
    /// Its id.
    pub rule: &'static str,
    /// The defects that broke it, declared or beside another.
    pub broken_by: Vec<&'static str>,
}

impl From<&Told> for Came {
    fn from(told: &Told) -> Self {
        Self {
            case: told.case.clone(),
            verdict: told.verdict.word(),
            broken: told.broken.clone(),
            reason: told.reason.clone(),
            seconds: told.seconds,
            evidence: told.folder.display().to_string(),
        }
    }
}

/// Makes the matrix of these defects. With `whole`, all of them were tried: then a rule that none
/// of them breaks is a problem, too.
#[must_use]
pub fn matrix(defects: &[Defect], told: &[Told], whole: bool) -> Matrix {
    let mut broken_by: BTreeMap<&str, BTreeSet<Defect>> = BTreeMap::new();
    for told in told {
        for rule in &told.broken {
            broken_by.entry(rule).or_default().extend(told.defect);
        }
    }
    let rules: Vec<RuleRow> = rules::ALL
        .iter()
        .map(|rule| RuleRow {
            rule: rule.id,
            broken_by: broken_by
                .get(rule.id)
                .map_or_else(Vec::new, |by| by.iter().map(|defect| defect.id()).collect()),
        })
        .collect();
    let clean: Vec<&Told> = told.iter().filter(|told| told.defect.is_none()).collect();
    let defects: Vec<Row> = defects.iter().map(|defect| row(*defect, told)).collect();
    let mut problems: Vec<String> = defects
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.defect, row.problem.as_ref()?)))
        .collect();
    problems.extend(
        clean
            .iter()
            .filter(|told| told.verdict != Verdict::Pass)
            .map(|told| {
                format!(
                    "the clean module does not pass `{}`: {}: {}",
                    told.case,
                    told.verdict.word(),
                    told.reason
                )
            }),
    );
    if whole {
        problems.extend(rules.iter().filter_map(idle));
    }
    Matrix {
        defects,
        clean: clean.into_iter().map(Came::from).collect(),
        rules,
        problems,
    }
}

fn row(defect: Defect, told: &[Told]) -> Row {
    let trials: Vec<&Told> = told
        .iter()
        .filter(|told| told.defect == Some(defect))
        .collect();
    let expected = expected::of(defect);
    let (declared, rule, reason) = match expected.map(|expected| expected.comes_to) {
        Some(ComesTo::Fail(rule)) => (Verdict::Fail.word(), Some(rule.id), None),
        Some(ComesTo::Invalid(rule)) => (Verdict::Invalid.word(), Some(rule.id), None),
        Some(ComesTo::Inconclusive(rule)) => (Verdict::Inconclusive.word(), Some(rule.id), None),
        Some(ComesTo::Error(rule)) => (Verdict::Error.word(), Some(rule.id), None),
        Some(ComesTo::Pass(reason)) => (Verdict::Pass.word(), None, Some(reason)),
        None => ("nothing", None, None),
    };
    let problem = match expected {
        Some(expected) => problem(expected, &trials),
        None => Some("nothing is declared of it".to_owned()),
    };
    Row {
        defect: defect.id(),
        description: defect.description(),
        declared,
        rule,
        reason,
        trials: trials.into_iter().map(Came::from).collect(),
        problem,
    }
}

/// What is wrong with a rule that no defect breaks.
fn idle(rule: &RuleRow) -> Option<String> {
    rule.broken_by
        .is_empty()
        .then(|| format!("no defect breaks rule `{}`", rule.rule))
}

impl Matrix {
    /// The matrix as people read it: a row a defect, a column a rule.
    #[must_use]
    pub fn text(&self) -> String {
        let columns: Vec<&RuleRow> = self
            .rules
            .iter()
            .filter(|rule| !rule.broken_by.is_empty())
            .collect();
        let mut text = String::new();
        for digit in [10, 1] {
            let numbers: String = (1..=columns.len())
                .map(|number| char::from(b'0' + (number / digit % 10) as u8))
                .collect();
            let _ = writeln!(text, "     {numbers}");
        }
        for row in &self.defects {
            let broken: BTreeSet<&str> = row
                .trials
                .iter()
                .flat_map(|trial| trial.broken.iter().copied())
                .collect();
            let cells: String = columns
                .iter()
                .map(|column| match broken.contains(column.rule) {
                    true if row.rule == Some(column.rule) => '#',
                    true => '+',
                    false => '.',
                })
                .collect();
            let problem = if row.problem.is_some() { "  WRONG" } else { "" };
            let _ = writeln!(text, "{}  {cells}  {}{problem}", row.defect, row.came_to());
        }
        text.push_str("\n#: the rule that is declared, +: broken beside it\n\n");
        for (number, column) in columns.iter().enumerate() {
            let _ = writeln!(text, "{:>3}  {}", number + 1, column.rule);
        }
        self.write_reasons(&mut text);
        for problem in &self.problems {
            let _ = writeln!(text, "\nWRONG  {problem}");
        }
        let caught = self.defects.iter().filter(|row| row.problem.is_none());
        let _ = writeln!(
            text,
            "\n{} of {} defects came to what is declared, in {} cases that the clean module passes; {} problems",
            caught.count(),
            self.defects.len(),
            self.clean
                .iter()
                .filter(|trial| trial.verdict == Verdict::Pass.word())
                .count(),
            self.problems.len()
        );
        text
    }

    fn write_reasons(&self, text: &mut String) {
        let lawful = self
            .defects
            .iter()
            .filter_map(|row| Some((row.defect, row.reason?)));
        for (defect, reason) in lawful {
            let _ = writeln!(text, "\n{defect} is to pass: {reason}");
        }
    }
}

impl Row {
    /// The verdicts and cases, on one line.
    fn came_to(&self) -> String {
        let mut words: Vec<String> = self
            .trials
            .iter()
            .map(|trial| format!("{} {}", trial.verdict, trial.case))
            .collect();
        if words.is_empty() {
            words.push("not tried".to_owned());
        }
        words.join(", ")
    }
}
