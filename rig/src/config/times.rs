//! From the durations of a rig file to times on a bench, or to the mistake in one: shorter than the
//! hardware manual asks for, or nothing that can be meant.

use std::time::Duration;

use toml::Spanned;

use super::check::{Reader, Role};
use super::form::{LineForm, ModuleForm};
use super::{
    OFF_FOR_DEFAULT, OFF_FOR_MAX, OFF_FOR_MIN, PULSE_MAX, RigFileError, RigFileErrorKind as Kind,
};
use crate::timing::Figures;

/// The PWRKEY pulse where the file does not say: the manual's least and some more.
const PWRKEY_PULSE: Duration = Duration::from_millis(700);

/// The RESET_N pulse where the file does not say.
const RESET_PULSE: Duration = Duration::from_millis(100);

/// The longest `stable`: beyond it, each start of a module would wait for a supply that is none.
const STABLE_MAX: Duration = Duration::from_secs(10);

/// What `boots_within` may be: a module takes two seconds at least, and none takes minutes.
const BOOTS_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));

impl Reader<'_> {
    pub(super) fn pulse(
        &self,
        role: Role,
        form: &LineForm,
        figures: &Figures,
    ) -> Result<Duration, RigFileError> {
        let (line, default, least) = match role {
            Role::Pwrkey => ("PWRKEY", PWRKEY_PULSE, figures.pwrkey_least),
            _ => ("RESET_N", RESET_PULSE, figures.reset_least),
        };
        let Some(text) = &form.pulse else {
            return Ok(default);
        };
        let is = self.source.duration(text)?;
        if is < least {
            return self.err(text.span(), Kind::PulseTooShort { line, is, least });
        }
        if is > PULSE_MAX {
            let most = PULSE_MAX;
            return self.err(text.span(), Kind::PulseTooLong { line, is, most });
        }
        Ok(is)
    }

    fn within(
        &self,
        key: &'static str,
        text: &Spanned<String>,
        (least, most): (Duration, Duration),
    ) -> Result<Duration, RigFileError> {
        let is = self.source.duration(text)?;
        if !(least..=most).contains(&is) {
            let kind = Kind::OutOfRange {
                key,
                is,
                least,
                most,
            };
            return self.err(text.span(), kind);
        }
        Ok(is)
    }

    pub(super) fn off_for(&self, form: &LineForm) -> Result<Duration, RigFileError> {
        let Some(text) = &form.off_for else {
            return Ok(OFF_FOR_DEFAULT);
        };
        let is = self.source.duration(text)?;
        let (least, most) = (OFF_FOR_MIN, OFF_FOR_MAX);
        if !(least..=most).contains(&is) {
            return self.err(text.span(), Kind::OffFor { is, least, most });
        }
        Ok(is)
    }

    /// From VBAT to PWRKEY.
    pub(super) fn stable(
        &self,
        supply: &LineForm,
        figures: &Figures,
    ) -> Result<Duration, RigFileError> {
        match &supply.stable {
            Some(text) => self.within("stable", text, (figures.vbat_stable, STABLE_MAX)),
            None => Ok(figures.vbat_stable),
        }
    }

    /// From a module's start to its answers.
    pub(super) fn boots_within(
        &self,
        module: Option<&ModuleForm>,
        figures: &Figures,
    ) -> Result<Duration, RigFileError> {
        match module.and_then(|module| module.boots_within.as_ref()) {
            Some(text) => self.within("boots_within", text, BOOTS_WITHIN),
            None => Ok(figures.boots_within),
        }
    }
}
