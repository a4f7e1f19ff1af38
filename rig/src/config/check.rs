//! From a rig file's shape to what it says, or to the mistake in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::form::{
    BaudForm, ConsoleForm, DriverForm, GatesForm, LineForm, ModelForm, ModuleForm, RigForm,
    VirtualForm,
};
use super::line::{heeds_active, span_of};
use super::wire::Wire;
use super::{
    Baud, Bench, Gates, Model, ModuleFacts, PulsedLine, RATES, RealBench, RigFile, RigFileError,
    RigFileErrorKind as Kind, VirtualBench,
};
use crate::timing::{Figures, figures};
use crate::virtual_module::Personality;
use crate::written::{FormError, Source};

/// The fastest virtual module: beyond it a percent is shorter than a thread's turn.
const SPEED_MAX: u32 = 1000;

pub(super) fn rig_file(source: &Source) -> Result<RigFile, RigFileError> {
    let table = source.table()?;
    let form: RigForm = source.fill(table)?;
    Reader { source }.rig_file(form)
}

pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
}

/// What a line is for, which decides what it may say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Supply,
    Pwrkey,
    Reset,
    PowerGood,
    ConsoleEnable,
}

impl Role {
    pub(super) fn section(self) -> &'static str {
        match self {
            Role::Supply => "supply",
            Role::Pwrkey => "pwrkey",
            Role::Reset => "reset",
            Role::PowerGood => "power_good",
            Role::ConsoleEnable => "console_enable",
        }
    }

    pub(super) fn is_input(self) -> bool {
        self == Role::PowerGood
    }
}

fn model(form: ModelForm) -> Model {
    match form {
        ModelForm::Bc26 => Model::Bc26,
        ModelForm::Bc20 => Model::Bc20,
    }
}

fn gates(form: &LineForm) -> Gates {
    match form.gates.as_ref().map(|gates| *gates.get_ref()) {
        Some(GatesForm::Transmit) => Gates::Transmit,
        Some(GatesForm::Both) => Gates::Both,
        None => Gates::default(),
    }
}

type Section = (Role, Spanned<LineForm>);

impl Reader<'_> {
    pub(super) fn err<T>(
        &self,
        span: Range<usize>,
        kind: impl Into<Kind>,
    ) -> Result<T, RigFileError> {
        Err(self.source.mistake(span, kind.into()))
    }

    /// Where relative paths start: where the file is.
    pub(super) fn folder(&self) -> &Path {
        self.source.path.parent().unwrap_or(Path::new(""))
    }

    /// A path of the file.
    pub(super) fn path(&self, text: &Spanned<String>) -> Result<PathBuf, RigFileError> {
        self.names_something("path", text.span(), text.get_ref())?;
        Ok(self.folder().join(text.get_ref()))
    }

    /// Refuses a text that can be the name of nothing.
    pub(super) fn names_something(
        &self,
        key: &'static str,
        span: Range<usize>,
        text: &str,
    ) -> Result<(), RigFileError> {
        if text.is_empty() {
            return self.err(span, Kind::Empty { key });
        }
        if text.contains('\0') {
            return self.err(span, Kind::Nul { key });
        }
        Ok(())
    }

    fn rig_file(&self, form: RigForm) -> Result<RigFile, RigFileError> {
        let off_for = self.off_for(form.supply.get_ref())?;
        let figures = figures(
            form.module
                .as_ref()
                .and_then(|module| module.model.map(model)),
        );
        let vbat_stable = self.stable(form.supply.get_ref(), figures)?;
        let boots_within = self.boots_within(form.module.as_ref(), figures)?;
        let is_virtual = *form.supply.get_ref().driver.get_ref() == DriverForm::Virtual;
        let packages = form
            .packages
            .as_ref()
            .map(|packages| self.folder().join(&packages.dir));
        let module = self.module(form.module.as_ref(), is_virtual)?;
        let baud = self.baud(form.console.get_ref())?;
        let server = self.server(form.server.as_ref(), is_virtual)?;
        let console = form.console;
        let virtual_section = form.virtual_module;
        let lines: Vec<Section> = [
            (Role::Supply, Some(form.supply)),
            (Role::Pwrkey, form.pwrkey),
            (Role::Reset, form.reset),
            (Role::PowerGood, form.power_good),
            (Role::ConsoleEnable, form.console_enable),
        ]
        .into_iter()
        .filter_map(|(role, line)| Some((role, line?)))
        .collect();
        let bench = if is_virtual {
            Bench::Virtual(self.virtual_bench(
                console.get_ref(),
                &lines,
                virtual_section,
                figures,
            )?)
        } else {
            Bench::Real(Box::new(self.real_bench(
                console,
                &lines,
                virtual_section,
                figures,
            )?))
        };
        Ok(RigFile {
            source: self.source.clone(),
            module,
            baud,
            server,
            packages,
            off_for,
            vbat_stable,
            boots_within,
            bench,
        })
    }

    fn module(
        &self,
        form: Option<&ModuleForm>,
        is_virtual: bool,
    ) -> Result<ModuleFacts, RigFileError> {
        let Some(form) = form else {
            return Ok(ModuleFacts {
                may_cut_while_updating: is_virtual,
                ..ModuleFacts::default()
            });
        };
        if let Some(imei) = &form.imei {
            let found = imei.get_ref();
            if found.len() != 15 || !found.bytes().all(|byte| byte.is_ascii_digit()) {
                let found = found.clone();
                return self.err(imei.span(), Kind::Imei { found });
            }
        }
        Ok(ModuleFacts {
            model: form.model.map(model),
            imei: form.imei.as_ref().map(|imei| imei.get_ref().clone()),
            may_cut_while_updating: is_virtual || form.may_cut_while_updating,
        })
    }

    fn baud(&self, console: &ConsoleForm) -> Result<Baud, RigFileError> {
        match *console.baud.get_ref() {
            BaudForm::Auto(_) => Ok(Baud::Auto),
            BaudForm::Rate(rate) if RATES.contains(&rate) => Ok(Baud::Fixed(rate)),
            BaudForm::Rate(rate) => self.err(console.baud.span(), Kind::Rate { rate }),
        }
    }

    fn virtual_bench(
        &self,
        console: &ConsoleForm,
        lines: &[Section],
        form: Option<Spanned<VirtualForm>>,
        figures: &Figures,
    ) -> Result<VirtualBench, RigFileError> {
        let mixed = |what| Kind::Mixed {
            what,
            is: "real",
            supply: "virtual",
        };
        if let Some(path) = &console.path {
            return self.err(path.span(), mixed("console"));
        }
        for (role, line) in lines {
            let form = line.get_ref();
            if *form.driver.get_ref() != DriverForm::Virtual {
                return self.err(form.driver.span(), mixed(role.section()));
            }
            self.refuse_useless_keys(*role, form)?;
        }
        let has = |wanted: Role| lines.iter().any(|(role, _)| *role == wanted);
        let pulse = |wanted: Role| {
            lines
                .iter()
                .find(|(role, _)| *role == wanted)
                .map(|(role, line)| self.pulse(*role, line.get_ref(), figures))
                .transpose()
        };
        let (personality, speed) = match form.map(Spanned::into_inner) {
            None => (None, None),
            Some(form) => (form.personality, form.speed),
        };
        let personality = match personality {
            None => Personality::default(),
            Some(name) => match name.get_ref().parse::<Personality>() {
                Ok(personality) => personality,
                Err(unknown) => return self.err(name.span(), unknown),
            },
        };
        if let Some(speed) = &speed
            && !(1..=SPEED_MAX).contains(speed.get_ref())
        {
            let found = *speed.get_ref();
            return self.err(speed.span(), Kind::Speed { found });
        }
        Ok(VirtualBench {
            personality,
            speed: speed.map_or(100, Spanned::into_inner),
            pwrkey: pulse(Role::Pwrkey)?,
            reset: pulse(Role::Reset)?,
            power_good: has(Role::PowerGood),
            console_enable: lines
                .iter()
                .find(|(role, _)| *role == Role::ConsoleEnable)
                .map(|(_, line)| gates(line.get_ref())),
        })
    }

    fn real_bench(
        &self,
        console: Spanned<ConsoleForm>,
        lines: &[Section],
        virtual_section: Option<Spanned<VirtualForm>>,
        figures: &Figures,
    ) -> Result<RealBench, RigFileError> {
        if let Some(section) = virtual_section {
            return self.err(section.span(), Kind::virtual_among_real("[virtual]"));
        }
        for (role, line) in lines {
            let form = line.get_ref();
            // A virtual line is refused for being one (`output`, `input`), not for its keys.
            if *form.driver.get_ref() != DriverForm::Virtual {
                self.refuse_useless_keys(*role, form)?;
            }
        }
        let console_span = console.span();
        let Some(path) = console.into_inner().path else {
            let key = "path".to_owned();
            return self.err(console_span, FormError::MissingKey { key });
        };
        self.refuse_shared_lines(path.get_ref(), lines)?;
        let find = |wanted: Role| {
            lines
                .iter()
                .find(|(role, _)| *role == wanted)
                .map(|(role, line)| (*role, line))
        };
        let output = |wanted| {
            find(wanted)
                .map(|(role, line)| self.output(role, line.get_ref()))
                .transpose()
        };
        let pulsed = |wanted| {
            find(wanted)
                .map(|(role, line)| {
                    Ok::<_, RigFileError>(PulsedLine {
                        line: self.output(role, line.get_ref())?,
                        pulse: self.pulse(role, line.get_ref(), figures)?,
                    })
                })
                .transpose()
        };
        let Some(supply) = output(Role::Supply)? else {
            let key = "supply".to_owned();
            return self.err(0..0, FormError::MissingKey { key });
        };
        Ok(RealBench {
            console: self.path(&path)?,
            supply,
            pwrkey: pulsed(Role::Pwrkey)?,
            reset: pulsed(Role::Reset)?,
            power_good: find(Role::PowerGood)
                .map(|(role, line)| self.input(role, line.get_ref()))
                .transpose()?,
            console_enable: output(Role::ConsoleEnable)?,
            console_gates: find(Role::ConsoleEnable)
                .map(|(_, line)| gates(line.get_ref()))
                .unwrap_or_default(),
        })
    }

    fn refuse_useless_keys(&self, role: Role, form: &LineForm) -> Result<(), RigFileError> {
        use DriverForm::{Command, File, Gpiochip, Rppal};
        let driver = *form.driver.get_ref();
        let gpio = matches!(driver, Rppal | Gpiochip);
        let pulsed = matches!(role, Role::Pwrkey | Role::Reset);
        let acts = matches!(driver, File) || (driver == Command && !role.is_input());
        let span = |present: Option<Range<usize>>, useful: bool| present.filter(|_| !useful);
        let useless = [
            ("chip", span(span_of(&form.chip), driver == Gpiochip)),
            ("line", span(span_of(&form.line), gpio)),
            ("active", span(span_of(&form.active), heeds_active(form))),
            // `rppal` has no pull for a pin that is driven.
            (
                "bias",
                span(
                    span_of(&form.bias),
                    driver == Gpiochip || (driver == Rppal && role.is_input()),
                ),
            ),
            (
                "drive",
                span(span_of(&form.drive), driver == Gpiochip && !role.is_input()),
            ),
            ("path", span(span_of(&form.path), driver == File)),
            ("on", span(span_of(&form.on), acts)),
            ("off", span(span_of(&form.off), acts)),
            (
                "read",
                span(span_of(&form.read), driver == Command && role.is_input()),
            ),
            ("pulse", span(span_of(&form.pulse), pulsed)),
            (
                "off_for",
                span(span_of(&form.off_for), role == Role::Supply),
            ),
            ("stable", span(span_of(&form.stable), role == Role::Supply)),
            (
                "gates",
                span(span_of(&form.gates), role == Role::ConsoleEnable),
            ),
        ];
        match useless.into_iter().find_map(|(key, at)| Some((key, at?))) {
            None => Ok(()),
            Some((key, at)) => {
                let driver = driver.name();
                self.err(at, Kind::UselessKey { key, driver })
            }
        }
    }

    fn refuse_shared_lines(&self, console: &str, lines: &[Section]) -> Result<(), RigFileError> {
        let folder = self.folder();
        let mut seen = vec![(Wire::File(Path::new(console)), "console")];
        for (role, line) in lines {
            let Some((wire, span)) = Wire::of(line.get_ref()) else {
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| wire.is(other, folder)) {
                let line = wire.to_string();
                return self.err(span, Kind::LineTwice { line, first });
            }
            seen.push((wire, role.section()));
        }
        Ok(())
    }
}
