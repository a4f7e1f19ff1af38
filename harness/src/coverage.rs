//! Which of the guide's outcomes cases ask for, and which were observed.
//!
//! The judge says what it observed. What a case asks for is read off its steps, so that the table
//! cannot promise what no scenario does. What no case can provoke is here with its reason.

use std::collections::{BTreeMap, BTreeSet};

use dfota::outcomes::{self, Outcome};
use serde::{Deserialize, Serialize};

use crate::report::Finished;
use crate::scenario::{
    Awaited, Case, ConsoleSetting, Expectation, Number, Pattern, PowerStep, Statement,
};

/// Outcomes that only a virtual module can be made to have, each with the reason: on a bench their
/// cases are skipped, and this is said of them.
pub const NOT_ON_A_BENCH: &[(Outcome, &str)] = &[
    (
        outcomes::HTTP_ERR_20,
        "whether a network is still being activated when the command comes is the operator's affair; a bench has no means to hold it there",
    ),
    (
        outcomes::ERR_1,
        "the firmware that is known says it where its flash takes no more writes; a bench has no means to wear a flash",
    ),
];

/// One row of the table, and of `coverage` in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeDocument {
    /// Where the guide has it.
    pub cite: String,
    /// What it is.
    pub text: String,
    /// Cases whose steps ask for it.
    pub provoked: Vec<String>,
    /// Cases in which the judge observed it.
    pub observed: Vec<String>,
    /// Whether a case that asked for it observed it.
    pub matched: bool,
    /// Why it was not matched; `None` where it was.
    pub reason: Option<String>,
}

/// The rows, by the ids of [`outcomes::ALL`]; none is absent.
pub type Coverage = BTreeMap<String, OutcomeDocument>;

/// What a set of cases asks for, and what came of it. `finished` may be empty: then nothing was run.
#[must_use]
pub fn table(cases: &[Case], finished: &[Finished]) -> Coverage {
    let asked: Vec<(&Case, BTreeSet<&str>)> =
        cases.iter().map(|case| (case, asked_for(case))).collect();
    outcomes::ALL
        .iter()
        .map(|outcome| {
            let provoked: Vec<String> = asked
                .iter()
                .filter(|(_, asked)| asked.contains(outcome.id))
                .map(|(case, _)| case.id.clone())
                .collect();
            let observed: Vec<String> = finished
                .iter()
                .filter(|case| {
                    case.judgement
                        .as_ref()
                        .is_some_and(|judgement| judgement.outcomes.contains(&outcome.id))
                })
                .map(|case| case.id.clone())
                .collect();
            let matched = provoked.iter().any(|case| observed.contains(case));
            let reason = (!matched).then(|| why_unmatched(outcome.id, &provoked));
            let row = OutcomeDocument {
                cite: outcome.cite.to_owned(),
                text: outcome.text.to_owned(),
                provoked,
                observed,
                matched,
                reason,
            };
            (outcome.id.to_owned(), row)
        })
        .collect()
}

fn why_unmatched(outcome: &str, provoked: &[String]) -> String {
    let never = NOT_ON_A_BENCH
        .iter()
        .find(|(never, _)| never.id == outcome)
        .map(|(_, why)| (*why).to_owned());
    never.unwrap_or_else(|| {
        if provoked.is_empty() {
            "none of the cases that were selected asks for it".to_owned()
        } else {
            "no case that asks for it has observed it".to_owned()
        }
    })
}

/// The outcomes that a case's steps ask for.
#[must_use]
pub fn asked_for(case: &Case) -> BTreeSet<&'static str> {
    let mut asked = Asked::default();
    if case.scenario.console == ConsoleSetting::Auto {
        asked.outcome(outcomes::NOTE_3);
    }
    for step in &case.steps {
        match &step.statement {
            Statement::Send { answer, .. } => {
                let downloads = step.text.contains("AT+QFOTADL=");
                if step.text.contains("https://") {
                    asked.outcome(outcomes::NOTE_2);
                }
                // The radio off: the guide's network that is deactivated.
                if step.text.contains("AT+CFUN=0") {
                    asked.outcome(outcomes::HTTP_ERR_13);
                }
                if let Some(answer) = answer {
                    let test = step.text.contains("AT+QFOTADL=?");
                    asked.expectation(answer, downloads && !test);
                    if test && expects(answer, &Pattern::Ok) {
                        asked.outcome(outcomes::TEST_OK);
                    }
                }
            }
            Statement::Expect(expectation) => asked.expectation(expectation, false),
            Statement::Power(PowerStep::Cut { .. }) => asked.cut(),
            _ => {}
        }
    }
    asked.outcomes
}

fn expects(expectation: &Expectation, wanted: &Pattern) -> bool {
    matches!(&expectation.awaited, Awaited::Message(patterns) if patterns.contains(wanted))
}

/// How far the steps have led an update, and what they asked for on the way.
#[derive(Default)]
struct Asked {
    outcomes: BTreeSet<&'static str>,
    stands: Stands,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stands {
    #[default]
    Elsewhere,
    Downloading,
    Updating,
}

impl Asked {
    fn outcome(&mut self, outcome: Outcome) {
        self.outcomes.insert(outcome.id);
    }

    fn expectation(&mut self, expectation: &Expectation, of_the_command: bool) {
        let Awaited::Message(patterns) = &expectation.awaited else {
            return;
        };
        for pattern in patterns {
            self.pattern(pattern, of_the_command);
        }
    }

    fn pattern(&mut self, pattern: &Pattern, of_the_command: bool) {
        match pattern {
            Pattern::Ok if of_the_command => self.outcome(outcomes::ACCEPTED),
            Pattern::Error | Pattern::CmeError(_) | Pattern::Refusal if of_the_command => {
                self.outcome(outcomes::REFUSED);
            }
            Pattern::HttpStart => {
                self.outcome(outcomes::HTTPSTART);
                self.stands = Stands::Downloading;
            }
            Pattern::Downloading(_) => {
                self.outcome(outcomes::DOWNLOADING);
                self.stands = Stands::Downloading;
            }
            Pattern::HttpEnd(number) => {
                self.outcome(outcomes::HTTPEND);
                self.codes(number, outcomes::of_http_err);
                self.stands = Stands::Elsewhere;
            }
            Pattern::Start => self.outcome(outcomes::START),
            Pattern::Updating(_) => {
                self.outcome(outcomes::UPDATING);
                self.stands = Stands::Updating;
            }
            Pattern::End(number) => {
                self.outcome(outcomes::END);
                // §4.1: the way to `END,0` leads through a restart.
                if number.holds(0) {
                    self.outcome(outcomes::RESTART);
                }
                self.codes(number, outcomes::of_fota_err);
                self.stands = Stands::Elsewhere;
            }
            _ => {}
        }
    }

    /// A range of codes asks for each of them; `!= 0` asks for none in particular.
    fn codes(&mut self, number: &Number, outcome: fn(u32) -> Option<Outcome>) {
        let Number::Within(range) = number else {
            return;
        };
        for known in dfota::guide::HTTP_ERRS
            .iter()
            .map(|(code, _)| *code)
            .chain(dfota::guide::FOTA_ERRS.iter().map(|(code, _)| *code))
        {
            if range.contains(&known)
                && let Some(outcome) = outcome(known)
            {
                self.outcome(outcome);
            }
        }
    }

    /// A power loss asks for what the guide says of the phase that it falls in.
    fn cut(&mut self) {
        match self.stands {
            Stands::Downloading => self.outcome(outcomes::NOT_SAVED),
            Stands::Updating => self.outcome(outcomes::NOTE_1),
            Stands::Elsewhere => {}
        }
    }
}
