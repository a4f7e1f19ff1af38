//! `hil doctor`: a healthy rig passes, and a broken one fails at the step that is about it, in
//! words that help.
//!
//! Broken in two ways: the virtual rig with a lie, by the library; and real paths with a module in
//! a process of its own behind them, by the command. All that can live at once does: they wait
//! most of the time.

mod ended;
mod kept;
mod real_paths;
mod virtual_rig;

use std::path::Path;
use std::time::Duration;

use harness::doctor::{Examination, Outcome, Page, Step, Verdict, What};

/// No wait of these tests takes longer on whatever machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The steps as a person reads them in a file.
fn told<'a>(steps: impl IntoIterator<Item = &'a Step>) -> String {
    let page = Page::new(false, None);
    steps.into_iter().map(|step| page.step(step)).collect()
}

/// The step that failed, which must be one alone, and what is said of it.
fn the_failed_step(examination: &Examination) -> (Option<What>, String) {
    let failed: Vec<_> = examination
        .steps
        .iter()
        .filter(|step| matches!(step.outcome, Outcome::Failed { .. }))
        .collect();
    let text = told(failed.iter().copied());
    match failed[..] {
        [step] => (Some(step.step), text),
        _ => (None, text),
    }
}

/// What differs from one run to the next, made the same. How the lines are broken depends on the
/// lengths of that, so they are broken anew.
fn stable(text: &str, dir: &Path) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").replace(&dir.display().to_string(), "<dir>");
    let text = [
        (r"\d+(\.\d+)? (ms|s)\b", "<time>"),
        (r"\d+ bytes come, `[^`]*`", "<some> bytes come, `<sample>`"),
        (r"process \d+ \(`[^`]*`\)", "<process>"),
        (r"127\.0\.0\.1:\d+|port \d+", "<where>"),
        (r"\d{8}-\d{6}(-\d+)?", "<run>"),
        (r"\d+ bytes came", "<some> bytes came"),
        (r"with \d+ pulses", "with <some> pulses"),
    ]
    .iter()
    .fold(text, |text, (pattern, name)| {
        let pattern = regex_lite::Regex::new(pattern).unwrap();
        pattern.replace_all(&text, *name).into_owned()
    });
    ["did:", "saw:", "expected:", "check:", "2. ", "3. "]
        .iter()
        .fold(text, |text, label| {
            text.replace(&format!(" {label}"), &format!("\n{label}"))
        })
}

/// The examination fails at this step and at no other, and says so as it was accepted.
fn check(name: &str, fails: Option<What>, examination: &Examination, dir: &Path) {
    let (failed, text) = the_failed_step(examination);
    let all = told(&examination.steps);
    assert_eq!(failed, fails, "{name}:\n{all}");
    let verdict = match fails {
        Some(_) => Verdict::Failed,
        None => Verdict::Passed,
    };
    assert_eq!(examination.verdict, verdict, "{name}:\n{all}");
    // What would boot by itself has to be given the time for it.
    let figure = |what: What, name: &str| {
        let step = examination.steps.iter().find(|step| step.step == what);
        match step.map(|step| &step.outcome) {
            Some(Outcome::Passed { look }) => look.measured.get(name).copied(),
            _ => None,
        }
    };
    if let (Some(ready), Some(asked)) = (
        figure(What::Boot, "ready_ms"),
        figure(What::Pwrkey, "without_for_ms"),
    ) {
        assert!(asked > ready, "{name}:\n{all}");
    }
    if fails.is_some() {
        insta::assert_snapshot!(name, stable(&text, dir));
    }
}
