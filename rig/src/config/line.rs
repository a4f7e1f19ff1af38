//! From a line's section to how the line is driven, or to the mistake in it.

use std::ops::Range;

use toml::Spanned;

use super::check::{Reader, Role};
use super::form::{BiasForm, DeedForm, DriveForm, DriverForm, LevelForm, LineForm, LineNameForm};
use super::{
    Bias, Drive, GpioLine, GpioPin, InputLine, Level, LineFile, LineName, OutputLine, RigFileError,
    RigFileErrorKind as Kind,
};
use crate::written::FormError;

/// The highest pin of a Raspberry Pi's chip, by its BCM number (BCM2835 peripherals, 6.1).
const BCM_PIN_MAX: u8 = 53;

/// The chip where the file does not say.
pub(super) const CHIP: &str = "/dev/gpiochip0";

impl Reader<'_> {
    pub(super) fn output(&self, role: Role, form: &LineForm) -> Result<OutputLine, RigFileError> {
        match form.driver.get_ref() {
            DriverForm::Command => {
                let (on, off) = (self.program(form, "on")?, self.program(form, "off")?);
                if on == off {
                    return self.err(on_is_off(form), Kind::OnIsOff);
                }
                Ok(OutputLine::Command { on, off })
            }
            DriverForm::File => self.line_file(form).map(OutputLine::File),
            DriverForm::Gpiochip => self
                .gpio_line(form)
                .map(|(chip, pin)| OutputLine::Gpiochip { chip, pin }),
            DriverForm::Rppal => self.gpio_pin(form).map(OutputLine::Rppal),
            DriverForm::Virtual => self.virtual_among_real(role, form),
        }
    }

    pub(super) fn input(&self, role: Role, form: &LineForm) -> Result<InputLine, RigFileError> {
        match form.driver.get_ref() {
            DriverForm::Command => match &form.read {
                Some(read) => Ok(InputLine::Command {
                    read: self.words("read", read.span(), read.get_ref())?,
                }),
                None => self.needs(form, "read", "read = [\"program\", \"argument\"]"),
            },
            DriverForm::File => self.line_file(form).map(InputLine::File),
            DriverForm::Gpiochip => self
                .gpio_line(form)
                .map(|(chip, pin)| InputLine::Gpiochip { chip, pin }),
            DriverForm::Rppal => self.gpio_pin(form).map(InputLine::Rppal),
            DriverForm::Virtual => self.virtual_among_real(role, form),
        }
    }

    fn virtual_among_real<T>(&self, role: Role, form: &LineForm) -> Result<T, RigFileError> {
        self.err(form.driver.span(), Kind::virtual_among_real(role.section()))
    }

    fn needs<T>(
        &self,
        form: &LineForm,
        key: &'static str,
        example: &'static str,
    ) -> Result<T, RigFileError> {
        let driver = form.driver.get_ref().name();
        let kind = Kind::DriverNeeds {
            key,
            driver,
            example,
        };
        self.err(form.driver.span(), kind)
    }

    fn gpio_pin(&self, form: &LineForm) -> Result<GpioPin, RigFileError> {
        let Some(line) = &form.line else {
            return self.needs(form, "line", "line = 17");
        };
        let LineNameForm::Offset(found) = *line.get_ref() else {
            return self.needs(form, "line", "line = 17");
        };
        let pin = u8::try_from(found).ok().filter(|pin| *pin <= BCM_PIN_MAX);
        let Some(offset) = pin else {
            return self.err(line.span(), Kind::Pin { found });
        };
        Ok(GpioPin {
            line: offset,
            active: self.active(form)?,
            bias: bias(form),
        })
    }

    fn gpio_line(&self, form: &LineForm) -> Result<(String, GpioLine), RigFileError> {
        let Some(line) = &form.line else {
            return self.needs(form, "line", "line = 17");
        };
        if let Some(chip) = &form.chip {
            self.names_something("chip", chip.span(), chip.get_ref())?;
        }
        let chip = form.chip.as_ref().map_or(CHIP, |chip| chip.get_ref());
        let line = match line.get_ref() {
            LineNameForm::Offset(offset) => LineName::Offset(*offset),
            LineNameForm::Name(name) => {
                self.names_something("line", line.span(), name)?;
                LineName::Name(name.clone())
            }
        };
        let pin = GpioLine {
            line,
            active: self.active(form)?,
            bias: bias(form),
            drive: match form.drive.as_ref().map(Spanned::get_ref) {
                None | Some(DriveForm::PushPull) => Drive::PushPull,
                Some(DriveForm::OpenDrain) => Drive::OpenDrain,
                Some(DriveForm::OpenSource) => Drive::OpenSource,
            },
        };
        Ok((chip.to_owned(), pin))
    }

    pub(super) fn active(&self, form: &LineForm) -> Result<Level, RigFileError> {
        match form.active.as_ref().map(Spanned::get_ref) {
            Some(LevelForm::High) => Ok(Level::High),
            Some(LevelForm::Low) => Ok(Level::Low),
            // Polarity is wiring: boards with inverting transistors are common, and a guess
            // would hold a module in reset or its supply on.
            None => self.needs(form, "active", "active = \"high\"` or `active = \"low\""),
        }
    }

    fn line_file(&self, form: &LineForm) -> Result<LineFile, RigFileError> {
        let Some(path) = &form.path else {
            return self.needs(form, "path", "path = \"/path/to/file\"");
        };
        let text = |deed: &Option<Spanned<DeedForm>>, otherwise: &str| match deed {
            None => Ok(otherwise.as_bytes().to_vec()),
            Some(deed) => match deed.get_ref() {
                DeedForm::Text(text) => Ok(text.as_bytes().to_vec()),
                DeedForm::Program(_) => {
                    let message = "a file driver writes a text, as in `on = \"1\"`".to_owned();
                    self.err(deed.span(), FormError::Toml(message))
                }
            },
        };
        let (asserts, releases) = match form.active.as_ref().map(Spanned::get_ref) {
            Some(LevelForm::Low) => ("0", "1"),
            Some(LevelForm::High) | None => ("1", "0"),
        };
        let (on, off) = (text(&form.on, asserts)?, text(&form.off, releases)?);
        if on == off {
            return self.err(on_is_off(form), Kind::OnIsOff);
        }
        Ok(LineFile {
            path: self.path(path)?,
            on,
            off,
        })
    }

    /// A program and its arguments; these may be empty.
    fn words(
        &self,
        key: &'static str,
        span: Range<usize>,
        words: &[String],
    ) -> Result<Vec<String>, RigFileError> {
        let program = words.first().map_or("", String::as_str);
        self.names_something(key, span.clone(), program)?;
        if words.iter().any(|word| word.contains('\0')) {
            return self.err(span, Kind::Nul { key });
        }
        Ok(words.to_vec())
    }

    fn program(&self, form: &LineForm, key: &'static str) -> Result<Vec<String>, RigFileError> {
        let deed = if key == "on" { &form.on } else { &form.off };
        let Some(deed) = deed else {
            let example = if key == "on" {
                "on = [\"psu\", \"on\"]"
            } else {
                "off = [\"psu\", \"off\"]"
            };
            return self.needs(form, key, example);
        };
        match deed.get_ref() {
            DeedForm::Program(words) => self.words(key, deed.span(), words),
            DeedForm::Text(_) => {
                let message = format!(
                    "`{key}` is a list here, no shell: `{key} = [\"program\", \"argument\"]`"
                );
                self.err(deed.span(), FormError::Toml(message))
            }
        }
    }
}

pub(super) fn span_of<T>(value: &Option<Spanned<T>>) -> Option<Range<usize>> {
    value.as_ref().map(Spanned::span)
}

/// Where a file says of a line that it never changes.
fn on_is_off(form: &LineForm) -> Range<usize> {
    let said = span_of(&form.off).or_else(|| span_of(&form.on));
    said.unwrap_or_else(|| form.driver.span())
}

fn bias(form: &LineForm) -> Bias {
    match form.bias.as_ref().map(Spanned::get_ref) {
        None | Some(BiasForm::AsIs) => Bias::AsIs,
        Some(BiasForm::Disabled) => Bias::Disabled,
        Some(BiasForm::PullUp) => Bias::PullUp,
        Some(BiasForm::PullDown) => Bias::PullDown,
    }
}

/// Files and programs have their polarity in `on` and `off`; beside those a level can
/// only say again that `on` asserts.
pub(super) fn heeds_active(form: &LineForm) -> bool {
    let low = form
        .active
        .as_ref()
        .is_some_and(|level| *level.get_ref() == LevelForm::Low);
    match form.driver.get_ref() {
        DriverForm::Rppal | DriverForm::Gpiochip => true,
        DriverForm::File => !low || (form.on.is_none() && form.off.is_none()),
        DriverForm::Command => !low,
        DriverForm::Virtual => false,
    }
}
