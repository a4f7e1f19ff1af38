//! What no scenario can mean: mistakes that only show when the steps are read in their order.

use std::ops::Range;

use rig::written::Source;

use super::error::{ScenarioError, ScenarioErrorKind as Kind};
use super::form::{ScenarioForm, VerdictForm};
use super::{Awaited, CasePlan, PowerStep, Statement, Step};

/// Where the supply stands before a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supply {
    Off,
    On,
}

/// Refuses a case that no module could answer for.
pub(super) fn case(
    source: &Source,
    form: &ScenarioForm,
    case: &CasePlan,
    steps: &[(Step, Range<usize>)],
) -> Result<(), ScenarioError> {
    let has_package = form.package.is_some();
    if let Some(verdict) = &form.verdict
        && !matches!(verdict.get_ref(), VerdictForm::Pass)
        && case.virtual_module.defects.is_empty()
    {
        return Err(source.mistake(verdict.span(), Kind::NoDefect));
    }
    if !has_package && !form.server.is_empty() {
        return Err(source.mistake(0..0, Kind::NothingServed));
    }
    let mut supply = Supply::Off;
    let mut commanded = false;
    for (step, span) in steps {
        let wrong = |kind| Err(source.mistake(span.clone(), kind));
        match &step.statement {
            Statement::Power(power) => match (power, supply) {
                (PowerStep::On | PowerStep::Vbat, Supply::Off) => supply = Supply::On,
                (PowerStep::Off | PowerStep::Cut { .. }, Supply::On) => supply = Supply::Off,
                (PowerStep::On | PowerStep::Vbat, Supply::On) => return wrong(Kind::AlreadyOn),
                (PowerStep::Off | PowerStep::Cut { .. }, Supply::Off) => return wrong(Kind::Off),
            },
            Statement::Send { text, answer } => {
                if supply == Supply::Off && answer.is_some() {
                    return wrong(Kind::Off);
                }
                if let Some(place) = text.place_of_package()
                    && !has_package
                {
                    let place = place.to_owned();
                    return wrong(Kind::NoPackage { place });
                }
                if let Some(found) = text.dangerous_command() {
                    return wrong(Kind::Dangerous { found });
                }
                commanded |= text.commands_an_update();
            }
            Statement::Expect(expectation) => {
                if supply == Supply::Off {
                    return wrong(Kind::Off);
                }
                let awaits_fota = match &expectation.awaited {
                    Awaited::Ready => false,
                    Awaited::Phase(_) => true,
                    Awaited::Message(patterns) => patterns.iter().all(super::Pattern::is_fota),
                };
                if awaits_fota && !commanded {
                    return wrong(Kind::NotCommanded);
                }
            }
            Statement::Pulse { .. } if supply == Supply::Off => return wrong(Kind::Off),
            Statement::Serve(_) if !has_package => {
                return wrong(Kind::NothingServed);
            }
            Statement::Pulse { .. }
            | Statement::Wait(_)
            | Statement::Silence(_)
            | Statement::Rate(_)
            | Statement::Serve(_) => {}
        }
    }
    Ok(())
}
