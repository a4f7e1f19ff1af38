//! A finding, told to a person.

use crate::rules;
use crate::timeline::{Entry, Event, ServerEvent};
use crate::transcript::show;
use crate::verdict::Finding;

/// How many entries are shown before and after the one in question.
const AROUND: usize = 5;

/// Tells which rule was broken, who says so, what was seen and what was allowed, and shows
/// the place in the timeline with five entries either side.
#[must_use]
pub fn explain(finding: &Finding, timeline: &[Entry]) -> String {
    let mut text = format!("{}: {}\n", finding.verdict.word(), finding.what);
    if let Some(rule) = rules::by_id(finding.rule) {
        let number = rule
            .number
            .map_or_else(String::new, |number| format!("{number}, "));
        text += &format!(
            "  rule     {} ({number}{}, {}): {}\n",
            rule.id,
            rule.cite,
            rule.class.word(),
            rule.text
        );
    }
    text += &format!("  allowed  {}\n", finding.allowed);
    if !finding.phase.is_empty() {
        text += &format!("  phase    {} before it\n", finding.phase);
    }
    let place = match finding.entry {
        Some(place) => {
            text += &format!("  at       {} ms\n", finding.at.as_millis());
            place
        }
        None => {
            text += "  at       the end of the run\n";
            timeline.len()
        }
    };
    let worth_showing = |(_, entry): &(usize, &Entry)| {
        !matches!(
            entry.event,
            Event::Server(ServerEvent::Acked { .. }) | Event::Step(..)
        )
    };
    let mut before: Vec<(usize, &Entry)> = timeline
        .iter()
        .enumerate()
        .take(place)
        .rev()
        .filter(worth_showing)
        .take(AROUND)
        .collect();
    before.reverse();
    let at_and_after = timeline
        .iter()
        .enumerate()
        .skip(place)
        .filter(worth_showing)
        .take(AROUND + 1);
    for (index, entry) in before.into_iter().chain(at_and_after) {
        let mark = if index == place { '>' } else { ' ' };
        text += &format!("  {mark} {}\n", show(entry));
    }
    text
}
