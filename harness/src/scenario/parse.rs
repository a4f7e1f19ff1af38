//! From a scenario file to a scenario, or to the mistake in it.
//!
//! Parameters are filled in on the TOML values, before these mean anything, so that whatever
//! may be written may be a parameter, and every mistake still has its place in the file.

use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use dfota::timeline::Pin;
use rig::config::RATES;
use rig::written::{FormError, Source, nearest};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::package_server::{NamedPlan, Serving, WirePlan};

use super::error::{ScenarioError, ScenarioErrorKind as Kind};
use super::form::{
    AwaitedForm, ConsoleForm, ConsoleWord, ExpectForm, NumberForm, PowerForm, PowerWord, PulseForm,
    PulseWord, RateForm, RawForm, ScenarioForm, SendForm, ServeForm, ServeWhat, ServeWord,
    SilenceForm, VerdictForm, WaitForm,
};
use super::parameters::{self, Assignment};
use super::{
    ANSWER_WITHIN, Awaited, CasePlan, ConsoleSetting, End, EndFirmware, Expectation, Pattern,
    PowerStep, READY_WITHIN, RightVerdict, Scenario, SendText, Statement, Step, VirtualSettings,
    check,
};

/// What a step may do; `expect` is one too where none of the others is there.
pub(super) const VERBS: [&str; 9] = [
    "power", "pulse", "send", "raw", "expect", "wait", "silence", "rate", "serve",
];

/// The sections, notes and tables of the guide.
const GUIDE: [&str; 20] = [
    "1",
    "2",
    "2.1",
    "2.2",
    "2.3",
    "2.4",
    "3",
    "3.1",
    "3.1 note 1",
    "3.1 note 2",
    "3.1 note 3",
    "4",
    "4.1",
    "5",
    "5 table 1",
    "5 table 2",
    "6",
    "6 table 3",
    "6 table 4",
    "house",
];

/// Reads and checks a scenario file.
pub fn load(path: &Path) -> Result<Arc<Scenario>, ScenarioError> {
    scenario(&Source::read(path)?)
}

/// Reads and checks the text of a scenario; `path` is its name in messages.
pub fn parse(path: &Path, text: &str) -> Result<Arc<Scenario>, ScenarioError> {
    scenario(&Source::new(path, text))
}

fn scenario(source: &Source) -> Result<Arc<Scenario>, ScenarioError> {
    let reader = Reader { source };
    let name = reader.name()?;
    let table = source.table()?;
    let parameters = parameters::read(source, table.get_ref())?;
    let mut header = None;
    let mut cases = Vec::new();
    for assignment in parameters.assignments() {
        let mut filled = table.clone();
        parameters.fill(source, filled.get_mut(), &assignment)?;
        let (head, case) = reader.case(&name, filled, &assignment)?;
        header.get_or_insert(head);
        cases.push(case);
    }
    parameters.refuse_unused(source, table.get_ref())?;
    let Some(head) = header else {
        return reader.err(0..0, Kind::NoSteps);
    };
    Ok(Arc::new(Scenario {
        name,
        path: source.path.clone(),
        source: source.text.to_string(),
        title: head.title,
        guide: head.guide,
        notes: head.notes,
        package: head.package,
        console: head.console,
        right_verdict: head.right_verdict,
        cases,
    }))
}

/// What a scenario says once for all its cases.
struct Head {
    title: String,
    guide: String,
    notes: Option<String>,
    package: Option<String>,
    console: ConsoleSetting,
    right_verdict: RightVerdict,
}

struct Reader<'a> {
    source: &'a Source,
}

impl Reader<'_> {
    fn err<T>(&self, span: Range<usize>, kind: impl Into<Kind>) -> Result<T, ScenarioError> {
        Err(self.source.mistake(span, kind.into()))
    }

    /// The file's stem, which case ids and folders of evidence begin with.
    fn name(&self) -> Result<String, ScenarioError> {
        let stem = self.source.path.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy().into_owned();
        let is_safe = !stem.is_empty()
            && !stem.starts_with('-')
            && stem
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if is_safe {
            Ok(stem)
        } else {
            self.err(0..0, Kind::Name { stem })
        }
    }

    fn case(
        &self,
        name: &str,
        table: Spanned<DeTable<'_>>,
        assignment: &Assignment,
    ) -> Result<(Head, CasePlan), ScenarioError> {
        let mut steps = self.steps(table.get_ref(), assignment)?;
        let form: ScenarioForm = self.source.fill(table)?;
        let mut serving = serving_through(form.server.clone());
        name_plans(&mut serving, &mut steps);
        let virtual_module = self.virtual_settings(&form)?;
        let case = CasePlan {
            id: assignment.id(name),
            parameters: assignment.names(),
            end: self.end(&form)?,
            virtual_module,
            steps: steps.iter().map(|(step, _)| step.clone()).collect(),
            serving,
        };
        check::case(self.source, &form, &case, &steps)?;
        Ok((self.head(form)?, case))
    }

    fn head(&self, form: ScenarioForm) -> Result<Head, ScenarioError> {
        for section in form.guide.get_ref().split(',') {
            if !GUIDE.contains(&section.trim()) {
                let found = section.trim().to_owned();
                return self.err(form.guide.span(), Kind::Guide { found });
            }
        }
        let console = match &form.console {
            None => ConsoleSetting::Fixed,
            Some(console) => match console.get_ref() {
                ConsoleForm::Word(ConsoleWord::Fixed) => ConsoleSetting::Fixed,
                ConsoleForm::Word(ConsoleWord::Auto) => ConsoleSetting::Auto,
                ConsoleForm::Rate(rate) if RATES.contains(rate) => ConsoleSetting::Rate(*rate),
                ConsoleForm::Rate(rate) => {
                    let found = rate.to_string();
                    return self.err(console.span(), Kind::Rate { found });
                }
            },
        };
        Ok(Head {
            title: form.title.into_inner(),
            guide: form.guide.into_inner(),
            notes: form.notes,
            package: form.package.map(Spanned::into_inner),
            console,
            right_verdict: match form.verdict.map(Spanned::into_inner) {
                None | Some(VerdictForm::Pass) => RightVerdict::Pass,
                Some(VerdictForm::Fail) => RightVerdict::Fail,
                Some(VerdictForm::Invalid) => RightVerdict::Invalid,
            },
        })
    }

    fn virtual_settings(&self, form: &ScenarioForm) -> Result<VirtualSettings, ScenarioError> {
        let Some(form) = &form.virtual_module else {
            return Ok(VirtualSettings::default());
        };
        Ok(VirtualSettings {
            registered: form.registered.unwrap_or(true),
            personality: form
                .personality
                .as_ref()
                .map(|name| self.named(name))
                .transpose()?,
            defects: form
                .defects
                .iter()
                .map(|id| self.named(id))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Something that the virtual module knows by name.
    fn named<T>(&self, name: &Spanned<String>) -> Result<T, ScenarioError>
    where
        T: FromStr,
        Kind: From<T::Err>,
    {
        name.get_ref()
            .parse()
            .or_else(|unknown: T::Err| self.err(name.span(), unknown))
    }

    fn end(&self, form: &ScenarioForm) -> Result<End, ScenarioError> {
        let Some(end) = &form.end else {
            return match &form.package {
                Some(package) => self.err(package.span(), Kind::NoEnd),
                None => Ok(End {
                    firmware: EndFirmware::Base,
                }),
            };
        };
        let firmware = match end.firmware.get_ref().as_str() {
            "target" => EndFirmware::Target,
            "base" => EndFirmware::Base,
            "either" => EndFirmware::Either,
            found => {
                let kind = Kind::Word {
                    found: found.to_owned(),
                    known: &["target", "base", "either"],
                };
                return self.err(end.firmware.span(), kind);
            }
        };
        if form.package.is_none() && firmware != EndFirmware::Base {
            return self.err(end.firmware.span(), Kind::NoTarget);
        }
        Ok(End { firmware })
    }

    fn steps(
        &self,
        table: &DeTable<'_>,
        assignment: &Assignment,
    ) -> Result<Vec<(Step, Range<usize>)>, ScenarioError> {
        let Some(steps) = table.get("steps") else {
            let key = "steps".to_owned();
            return self.err(0..0, FormError::MissingKey { key });
        };
        let DeValue::Array(list) = steps.get_ref() else {
            return self.err(steps.span(), Kind::NotAList);
        };
        if list.is_empty() {
            return self.err(steps.span(), Kind::NoSteps);
        }
        list.iter()
            .map(|step| {
                let span = step.span();
                let written = self.source.text.get(span.clone()).unwrap_or("");
                let DeValue::Table(table) = step.get_ref() else {
                    return self.err(span, Kind::NotAList);
                };
                if !written.starts_with('{') {
                    return self.err(span, Kind::NotAList);
                }
                let text = assignment.fill_text(&on_one_line(written));
                let step = Step {
                    line: self.source.mistake(span.clone(), ()).place.line(),
                    text,
                    statement: self.statement(Spanned::new(span.clone(), table.clone()))?,
                };
                Ok((step, span))
            })
            .collect()
    }

    fn statement(&self, table: Spanned<DeTable<'_>>) -> Result<Statement, ScenarioError> {
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

/// Plans without a name yet.
fn serving_through(plans: Vec<WirePlan>) -> Serving {
    if plans.is_empty() {
        return Serving::Honestly;
    }
    let unnamed = |plan| NamedPlan {
        name: String::new(),
        plan,
    };
    Serving::Through(plans.into_iter().map(unnamed).collect())
}

/// Plans are faults, and their names are unique in a case: `server-1`, `server-2`, … in the
/// order in which they can come to be.
fn name_plans(first: &mut Serving, steps: &mut [(Step, Range<usize>)]) {
    let later = steps
        .iter_mut()
        .filter_map(|(step, _)| match &mut step.statement {
            Statement::Serve(serving) => Some(serving),
            _ => None,
        });
    let plans = std::iter::once(first)
        .chain(later)
        .flat_map(|serving| match serving {
            Serving::Through(plans) => plans.as_mut_slice(),
            Serving::Honestly | Serving::Nothing => &mut [],
        });
    for (n, plan) in plans.enumerate() {
        plan.name = format!("server-{}", n + 1);
    }
}

/// A step as one line without its braces: runs of white space outside quotes are one space.
fn on_one_line(written: &str) -> String {
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
