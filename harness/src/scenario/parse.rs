//! From a scenario file to a scenario, or to the mistake in it.
//!
//! Parameters are filled in on the TOML values, before these mean anything, so that whatever
//! may be written may be a parameter, and every mistake still has its place in the file.

mod step;

use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use rig::config::RATES;
use rig::written::{FormError, Source};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::package_server::{NamedPlan, Serving, WirePlan};

pub(super) use self::step::VERBS;
use self::step::on_one_line;
use super::error::{ScenarioError, ScenarioErrorKind as Kind};
use super::form::{ConsoleForm, ConsoleWord, ScenarioForm, VerdictForm};
use super::parameters::{self, Assignment};
use super::{
    CasePlan, ConsoleSetting, End, EndFirmware, RightVerdict, Scenario, Statement, Step,
    VirtualSettings, check,
};

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
            circumstances: form
                .circumstances
                .iter()
                .map(|name| self.named(name))
                .collect::<Result<_, _>>()?,
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
