//! From a rig file's shape to what it says, or to the mistake in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::form::{
    BaudForm, BiasForm, ConsoleForm, DeedForm, DriveForm, DriverForm, LevelForm, LineForm,
    LineNameForm, ModelForm, ModuleForm, RigForm, ServerForm, VirtualForm,
};
use super::{
    Baud, Bench, Bias, Drive, GpioLine, GpioPin, InputLine, Level, LineFile, LineName, Model,
    ModuleFacts, OFF_FOR_DEFAULT, OutputLine, PWRKEY_PULSE_MIN, PulsedLine, RATES, RESET_PULSE_MIN,
    RealBench, RigFile, RigFileError, RigFileErrorKind as Kind, ServerAddress, ServerName,
    VirtualBench,
};
use crate::virtual_module::Personality;
use crate::written::{FormError, Source};

/// The PWRKEY pulse where the file does not say: the manual's least and some more.
const PWRKEY_PULSE: Duration = Duration::from_millis(700);

/// The RESET_N pulse where the file does not say.
const RESET_PULSE: Duration = Duration::from_millis(100);

/// The chip where the file does not say.
const CHIP: &str = "/dev/gpiochip0";

/// The longest host name that the module's downloader takes, in characters (domain §2).
const HOST_LEN_MAX: usize = 63;

/// The fastest virtual module: beyond it a percent is shorter than a thread's turn.
const SPEED_MAX: u32 = 1000;

pub(super) fn rig_file(source: &Source) -> Result<RigFile, RigFileError> {
    let table = source.table()?;
    let form: RigForm = source.fill(table)?;
    Reader { source }.rig_file(form)
}

struct Reader<'a> {
    source: &'a Source,
}

/// What a line is for, which decides what it may say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Supply,
    Pwrkey,
    Reset,
    PowerGood,
    ConsoleEnable,
}

impl Role {
    fn section(self) -> &'static str {
        match self {
            Role::Supply => "supply",
            Role::Pwrkey => "pwrkey",
            Role::Reset => "reset",
            Role::PowerGood => "power_good",
            Role::ConsoleEnable => "console_enable",
        }
    }

    fn is_input(self) -> bool {
        self == Role::PowerGood
    }
}

type Section = (Role, Spanned<LineForm>);

impl Reader<'_> {
    fn err<T>(&self, span: Range<usize>, kind: impl Into<Kind>) -> Result<T, RigFileError> {
        Err(self.source.mistake(span, kind.into()))
    }

    fn rig_file(&self, form: RigForm) -> Result<RigFile, RigFileError> {
        let off_for = match &form.supply.get_ref().off_for {
            Some(text) => self.source.duration(text)?,
            None => OFF_FOR_DEFAULT,
        };
        let is_virtual = *form.supply.get_ref().driver.get_ref() == DriverForm::Virtual;
        let packages = form.packages.as_ref().map(|packages| {
            let folder = self.source.path.parent().unwrap_or(Path::new(""));
            folder.join(&packages.dir)
        });
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
            Bench::Virtual(self.virtual_bench(console.get_ref(), &lines, virtual_section)?)
        } else {
            Bench::Real(Box::new(self.real_bench(
                console,
                &lines,
                virtual_section,
            )?))
        };
        Ok(RigFile {
            source: self.source.clone(),
            module,
            baud,
            server,
            packages,
            off_for,
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
            model: form.model.map(|model| match model {
                ModelForm::Bc26 => Model::Bc26,
                ModelForm::Bc20 => Model::Bc20,
            }),
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

    fn server(
        &self,
        form: Option<&Spanned<ServerForm>>,
        is_virtual: bool,
    ) -> Result<ServerAddress, RigFileError> {
        let Some(section) = form else {
            if !is_virtual {
                return self.err(0..0, Kind::NoUrl);
            }
            return Ok(ServerAddress {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                called: None,
            });
        };
        let form = section.get_ref();
        let listen = match &form.listen {
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            Some(text) => match text.get_ref().parse() {
                Ok(listen) => listen,
                Err(_) => {
                    let found = text.get_ref().clone();
                    return self.err(text.span(), Kind::Listen { found });
                }
            },
        };
        let Some(url) = &form.url else {
            if !is_virtual {
                return self.err(section.span(), Kind::NoUrl);
            }
            return Ok(ServerAddress {
                listen,
                called: None,
            });
        };
        let name = server_name(url.get_ref()).or_else(|why| {
            let found = url.get_ref().clone();
            self.err(url.span(), Kind::Url { found, why })
        })?;
        if name.port != listen.port() && !form.forwarded {
            let kind = Kind::OtherPort {
                called: name.port,
                listens: listen.port(),
            };
            return self.err(url.span(), kind);
        }
        Ok(ServerAddress {
            listen,
            called: Some(name),
        })
    }

    fn virtual_bench(
        &self,
        console: &ConsoleForm,
        lines: &[Section],
        form: Option<Spanned<VirtualForm>>,
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
                .map(|(role, line)| self.pulse(*role, line.get_ref()))
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
        })
    }

    fn real_bench(
        &self,
        console: Spanned<ConsoleForm>,
        lines: &[Section],
        virtual_section: Option<Spanned<VirtualForm>>,
    ) -> Result<RealBench, RigFileError> {
        let mixed = |what| Kind::Mixed {
            what,
            is: "virtual",
            supply: "real",
        };
        if let Some(section) = virtual_section {
            return self.err(section.span(), mixed("[virtual]"));
        }
        for (role, line) in lines {
            let driver = &line.get_ref().driver;
            if *driver.get_ref() == DriverForm::Virtual {
                return self.err(driver.span(), mixed(role.section()));
            }
            self.refuse_useless_keys(*role, line.get_ref())?;
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
                .map(|(_, line)| self.output(line.get_ref()))
                .transpose()
        };
        let pulsed = |wanted| {
            find(wanted)
                .map(|(role, line)| {
                    Ok::<_, RigFileError>(PulsedLine {
                        line: self.output(line.get_ref())?,
                        pulse: self.pulse(role, line.get_ref())?,
                    })
                })
                .transpose()
        };
        let Some(supply) = output(Role::Supply)? else {
            let key = "supply".to_owned();
            return self.err(0..0, FormError::MissingKey { key });
        };
        Ok(RealBench {
            console: PathBuf::from(path.into_inner()),
            supply,
            pwrkey: pulsed(Role::Pwrkey)?,
            reset: pulsed(Role::Reset)?,
            power_good: find(Role::PowerGood)
                .map(|(_, line)| self.input(line.get_ref()))
                .transpose()?,
            console_enable: output(Role::ConsoleEnable)?,
        })
    }

    fn pulse(&self, role: Role, form: &LineForm) -> Result<Duration, RigFileError> {
        let (line, default, least) = match role {
            Role::Pwrkey => ("PWRKEY", PWRKEY_PULSE, PWRKEY_PULSE_MIN),
            _ => ("RESET_N", RESET_PULSE, RESET_PULSE_MIN),
        };
        let Some(text) = &form.pulse else {
            return Ok(default);
        };
        let is = self.source.duration(text)?;
        if is < least {
            return self.err(text.span(), Kind::PulseTooShort { line, is, least });
        }
        Ok(is)
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
            (
                "active",
                span(span_of(&form.active), Self::heeds_active(form)),
            ),
            ("bias", span(span_of(&form.bias), gpio)),
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
        ];
        match useless.into_iter().find_map(|(key, at)| Some((key, at?))) {
            None => Ok(()),
            Some((key, at)) => {
                let driver = driver.name();
                self.err(at, Kind::UselessKey { key, driver })
            }
        }
    }

    /// Files and programs have their polarity in `on` and `off`; beside those a level can
    /// only say again that `on` asserts.
    fn heeds_active(form: &LineForm) -> bool {
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

    fn refuse_shared_lines(&self, console: &str, lines: &[Section]) -> Result<(), RigFileError> {
        let mut seen: Vec<(String, &'static str)> = vec![(format!("`{console}`"), "console")];
        for (role, line) in lines {
            let Some((name, span)) = line_in_words(line.get_ref()) else {
                continue;
            };
            if let Some((line, first)) = seen.iter().find(|(other, _)| *other == name) {
                let kind = Kind::LineTwice {
                    line: line.clone(),
                    first,
                };
                return self.err(span, kind);
            }
            seen.push((name, role.section()));
        }
        Ok(())
    }

    fn output(&self, form: &LineForm) -> Result<OutputLine, RigFileError> {
        match form.driver.get_ref() {
            DriverForm::Command => {
                let (on, off) = (self.program(form, "on")?, self.program(form, "off")?);
                if on == off {
                    return self.err(form.driver.span(), Kind::OnIsOff);
                }
                Ok(OutputLine::Command { on, off })
            }
            DriverForm::File => self.line_file(form).map(OutputLine::File),
            DriverForm::Gpiochip => self
                .gpio_line(form)
                .map(|(chip, pin)| OutputLine::Gpiochip { chip, pin }),
            // A virtual line never comes here: the bench is of real paths.
            DriverForm::Rppal | DriverForm::Virtual => self.gpio_pin(form).map(OutputLine::Rppal),
        }
    }

    fn input(&self, form: &LineForm) -> Result<InputLine, RigFileError> {
        match form.driver.get_ref() {
            DriverForm::Command => match &form.read {
                Some(read) if read.get_ref().is_empty() => {
                    self.err(read.span(), Kind::Empty { key: "read" })
                }
                Some(read) => Ok(InputLine::Command {
                    read: read.get_ref().clone(),
                }),
                None => self.needs(form, "read", "read = [\"program\", \"argument\"]"),
            },
            DriverForm::File => self.line_file(form).map(InputLine::File),
            DriverForm::Gpiochip => self
                .gpio_line(form)
                .map(|(chip, pin)| InputLine::Gpiochip { chip, pin }),
            DriverForm::Rppal | DriverForm::Virtual => self.gpio_pin(form).map(InputLine::Rppal),
        }
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
        let offset = match line.get_ref() {
            LineNameForm::Offset(offset) => u8::try_from(*offset).ok(),
            LineNameForm::Name(_) => None,
        };
        let Some(offset) = offset else {
            return self.needs(form, "line", "line = 17");
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
        let chip = form.chip.as_ref().map_or(CHIP, |chip| chip.get_ref());
        let line = match line.get_ref() {
            LineNameForm::Offset(offset) => LineName::Offset(*offset),
            LineNameForm::Name(name) => LineName::Name(name.clone()),
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

    fn active(&self, form: &LineForm) -> Result<Level, RigFileError> {
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
            return self.err(form.driver.span(), Kind::OnIsOff);
        }
        Ok(LineFile {
            path: PathBuf::from(path.get_ref()),
            on,
            off,
        })
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
            DeedForm::Program(words) if words.is_empty() => {
                self.err(deed.span(), Kind::Empty { key })
            }
            DeedForm::Program(words) => Ok(words.clone()),
            DeedForm::Text(_) => {
                let message = format!(
                    "`{key}` is a list here, no shell: `{key} = [\"program\", \"argument\"]`"
                );
                self.err(deed.span(), FormError::Toml(message))
            }
        }
    }
}

fn span_of<T>(value: &Option<Spanned<T>>) -> Option<Range<usize>> {
    value.as_ref().map(Spanned::span)
}

fn bias(form: &LineForm) -> Bias {
    match form.bias.as_ref().map(Spanned::get_ref) {
        None | Some(BiasForm::AsIs) => Bias::AsIs,
        Some(BiasForm::Disabled) => Bias::Disabled,
        Some(BiasForm::PullUp) => Bias::PullUp,
        Some(BiasForm::PullDown) => Bias::PullDown,
    }
}

/// What a line is, so that two names of one line are the same words; and where it is named.
fn line_in_words(form: &LineForm) -> Option<(String, Range<usize>)> {
    match form.driver.get_ref() {
        DriverForm::Rppal | DriverForm::Gpiochip => {
            let line = form.line.as_ref()?;
            // A Pi's BCM numbers are the offsets of its first chip.
            let chip = form.chip.as_ref().map_or(CHIP, |chip| chip.get_ref());
            let name = match line.get_ref() {
                LineNameForm::Offset(offset) => offset.to_string(),
                LineNameForm::Name(name) => name.clone(),
            };
            Some((format!("line {name} of `{chip}`"), line.span()))
        }
        DriverForm::File => {
            let path = form.path.as_ref()?;
            Some((format!("`{}`", path.get_ref()), path.span()))
        }
        DriverForm::Command | DriverForm::Virtual => None,
    }
}

/// `http://host[:port]`, or what is wrong with it.
fn server_name(url: &str) -> Result<ServerName, &'static str> {
    let lower = url.to_ascii_lowercase();
    if lower.starts_with("https://") {
        return Err("the modules do not speak HTTPS (guide §3.1 note 2): write `http://…`");
    }
    if !lower.starts_with("http://") {
        return Err("it begins with `http://`");
    }
    let rest = url.get("http://".len()..).unwrap_or("");
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '"', '@', ' ']) {
        return Err("it is `http://`, a name and a port; the path is made for each run");
    }
    // The last colon outside an IPv6 address's brackets.
    let colon = rest
        .rfind(':')
        .filter(|&at| rest.rfind(']').is_none_or(|bracket| bracket < at));
    let (host, port) = match colon {
        None => (rest, 80),
        Some(at) => {
            let port = rest.get(at + 1..).unwrap_or("").parse().unwrap_or(0);
            (rest.get(..at).unwrap_or(""), port)
        }
    };
    if port == 0 {
        return Err("its port is 1 to 65535 (guide §3.1)");
    }
    if host.is_empty() {
        return Err("it has no name in it");
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("an IPv6 address stands in brackets");
    }
    if host.len() > HOST_LEN_MAX {
        return Err("the modules take a name of at most 63 characters");
    }
    Ok(ServerName {
        host: host.to_owned(),
        port,
    })
}
