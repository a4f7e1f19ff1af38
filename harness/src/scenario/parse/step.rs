//! One step, from its table to what it does.

use std::ops::Range;
use std::time::Duration;

use dfota::timeline::Pin;
use rig::config::RATES;
use rig::written::{FormError, nearest};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeTable;

use super::super::error::{ScenarioError, ScenarioErrorKind as Kind};
use super::super::form::{
    AwaitedForm, ExpectForm, NumberForm, PowerForm, PowerWord, PulseForm, PulseWord, RateForm,
    RawForm, SendForm, ServeForm, ServeWhat, ServeWord, SilenceForm, WaitForm,
};
use super::super::{
    ANSWER_WITHIN, Awaited, Expectation, Pattern, PowerStep, READY_WITHIN, SendText, Statement,
};
use super::{Reader, serving_through};
use crate::package_server::Serving;

/// What a step may do; `expect` is one too where none of the others is there.
pub(in crate::scenario) const VERBS: [&str; 9] = [
    "power", "pulse", "send", "raw", "expect", "wait", "silence", "rate", "serve",
];

impl Reader<'_> {
    pub(super) fn statement(
        &self,
        table: Spanned<DeTable<'_>>,
    ) -> Result<Statement, ScenarioError> {
        let span = table.span();
        match self.verb(&table)? {
            "power" => self.power(span, self.fill(table)?),
            "pulse" => self.pulse(self.fill(table)?),
            "send" => {
                let form: SendForm = self.fill(table)?;
                let text = SendText::line(self.source, &form.send)?;
                self.send(text, form.expect, form.within)
            }
            "raw" => {
                let form: RawForm = self.fill(table)?;
                let text = SendText::raw(self.source, &form.raw)?;
                self.send(text, form.expect, form.within)
            }
            "expect" => {
                let form: ExpectForm = self.fill(table)?;
                self.expectation(form.expect, form.within, None)
                    .map(Statement::Expect)
            }
            "wait" => {
                let form: WaitForm = self.fill(table)?;
                self.source.duration(&form.wait).map(Statement::Wait)
            }
            "silence" => {
                let form: SilenceForm = self.fill(table)?;
                self.source.duration(&form.silence).map(Statement::Silence)
            }
            "rate" => self.rate(self.fill(table)?),
            _ => {
                let form: ServeForm = self.fill(table)?;
                Ok(Statement::Serve(match form.serve {
                    ServeWhat::Word(ServeWord::Honest) => Serving::Honestly,
                    ServeWhat::Word(ServeWord::Nothing) => Serving::Nothing,
                    ServeWhat::Plans(plans) => serving_through(plans),
                }))
            }
        }
    }

    fn fill<T>(&self, table: Spanned<DeTable<'_>>) -> Result<T, ScenarioError>
    where
        T: DeserializeOwned,
    {
        self.source.fill(table)
    }

    /// The one verb of a step. `expect` beside `send` or `raw` is the answer to it.
    fn verb(&self, table: &Spanned<DeTable<'_>>) -> Result<&'static str, ScenarioError> {
        let mut found: Vec<&'static str> = VERBS
            .into_iter()
            .filter(|verb| table.get_ref().contains_key(*verb))
            .collect();
        if found.contains(&"send") || found.contains(&"raw") {
            found.retain(|verb| *verb != "expect");
        }
        match found.as_slice() {
            [verb] => Ok(verb),
            [] => self.no_verb(table),
            several => {
                let found = several.iter().map(|&verb| verb.to_owned()).collect();
                self.err(table.span(), Kind::SeveralVerbs { found })
            }
        }
    }

    fn no_verb<T>(&self, table: &Spanned<DeTable<'_>>) -> Result<T, ScenarioError> {
        for key in table.get_ref().keys() {
            let found: &str = key.get_ref();
            if let Some(meant) = nearest(found, &VERBS) {
                let kind = FormError::UnknownKey {
                    found: found.to_owned(),
                    meant: Some(meant),
                    known: Vec::new(),
                };
                return self.err(key.span(), kind);
            }
        }
        self.err(table.span(), Kind::NoVerb)
    }

    fn power(&self, span: Range<usize>, form: PowerForm) -> Result<Statement, ScenarioError> {
        let off_for = form
            .off_for
            .as_ref()
            .map(|text| self.source.duration(text))
            .transpose()?;
        let power = match form.power {
            PowerWord::Cut => PowerStep::Cut { off_for },
            _ if off_for.is_some() => {
                let span = form.off_for.map_or(span, |text| text.span());
                return self.err(span, Kind::OffForWithoutCut);
            }
            PowerWord::On => PowerStep::On,
            PowerWord::Vbat => PowerStep::Vbat,
            PowerWord::Off => PowerStep::Off,
        };
        Ok(Statement::Power(power))
    }

    fn pulse(&self, form: PulseForm) -> Result<Statement, ScenarioError> {
        let width = form
            .width
            .as_ref()
            .map(|text| self.source.duration(text))
            .transpose()?;
        let pin = match form.pulse {
            PulseWord::Pwrkey => Pin::Pwrkey,
            PulseWord::Reset => Pin::ResetN,
        };
        Ok(Statement::Pulse { pin, width })
    }

    fn rate(&self, form: RateForm) -> Result<Statement, ScenarioError> {
        let found = match form.rate.get_ref() {
            NumberForm::Number(rate) => rate.to_string(),
            NumberForm::Text(text) => text.clone(),
        };
        match found.parse() {
            Ok(rate) if RATES.contains(&rate) => Ok(Statement::Rate(rate)),
            _ => self.err(form.rate.span(), Kind::Rate { found }),
        }
    }

    fn send(
        &self,
        text: SendText,
        expect: Option<Spanned<AwaitedForm>>,
        within: Option<Spanned<String>>,
    ) -> Result<Statement, ScenarioError> {
        let answer = match (expect, within) {
            (Some(expect), within) => {
                Some(self.expectation(expect, within, Some(ANSWER_WITHIN))?)
            }
            (None, Some(within)) => return self.err(within.span(), Kind::NothingWithin),
            (None, None) => None,
        };
        Ok(Statement::Send { text, answer })
    }

    fn expectation(
        &self,
        expect: Spanned<AwaitedForm>,
        within: Option<Spanned<String>>,
        otherwise: Option<Duration>,
    ) -> Result<Expectation, ScenarioError> {
        let span = expect.span();
        let (awaited, text) = match expect.into_inner() {
            AwaitedForm::One(text) => (self.awaited(&span, &text)?, text),
            AwaitedForm::AnyOf(texts) if texts.is_empty() => {
                return self.err(span, Kind::NothingAwaited);
            }
            AwaitedForm::AnyOf(texts) => {
                let patterns = texts
                    .iter()
                    .map(|text| match self.awaited(&span, text)? {
                        Awaited::Message(patterns) => Ok(patterns),
                        Awaited::Ready | Awaited::Phase(_) => {
                            let found = text.clone();
                            self.err(span.clone(), Kind::StandsAlone { found })
                        }
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                (Awaited::Message(patterns.concat()), texts.join(" or "))
            }
        };
        let otherwise = match awaited {
            Awaited::Ready => Some(otherwise.unwrap_or(READY_WITHIN)),
            _ => otherwise,
        };
        let within = match (within, otherwise) {
            (Some(within), _) => self.source.duration(&within)?,
            (None, Some(within)) => within,
            (None, None) => return self.err(span, Kind::NoDeadline),
        };
        Ok(Expectation {
            awaited,
            within,
            text,
        })
    }

    fn awaited(&self, span: &Range<usize>, text: &str) -> Result<Awaited, ScenarioError> {
        let text = text.trim();
        if text == "ready" {
            return Ok(Awaited::Ready);
        }
        if let Some(phase) = text.strip_prefix("phase ") {
            return match phase.trim().parse() {
                Ok(phase) => Ok(Awaited::Phase(phase)),
                Err(kind) => self.err(span.clone(), kind),
            };
        }
        match text.parse::<Pattern>() {
            Ok(pattern) => Ok(Awaited::Message(vec![pattern])),
            Err(kind) => self.err(span.clone(), kind),
        }
    }
}

/// A step as one line without its braces: runs of white space outside quotes are one space.
pub(super) fn on_one_line(written: &str) -> String {
    let inner = written.trim_start_matches('{').trim_end_matches('}').trim();
    let mut line = String::new();
    let mut quote = None;
    for c in inner.chars() {
        match quote {
            Some(mark) if c == mark => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => {
                if !line.ends_with(' ') {
                    line.push(' ');
                }
                continue;
            }
            _ => {}
        }
        line.push(c);
    }
    line
}
