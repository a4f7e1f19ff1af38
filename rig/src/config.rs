//! The rig file: what a bench has, where it is plugged in, and how the module reaches us.
//!
//! Only what a file says is here. Opening a console or claiming a line is the affair of
//! `console` and the line drivers; showing a mistake in color is the harness's.

mod check;
mod error;
mod form;
mod line;
mod not_had;
mod server;
mod times;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::error::RigFileErrorKind;
use crate::timing::BC26;
use crate::virtual_module::Personality;
use crate::written::{Mistake, Source};

/// A mistake in a rig file.
pub type RigFileError = Mistake<RigFileErrorKind>;

/// The least time without VBAT where a rig file does not say: BC26's bulk capacitors hold
/// VDD_EXT up for a while, and one second is what integrators found to be enough.
pub const OFF_FOR_DEFAULT: Duration = Duration::from_secs(2);

/// The longest pulse: what is asserted for longer is held, and a line that is always asserted is
/// tied and has no section.
pub const PULSE_MAX: Duration = Duration::from_secs(10);

/// The shortest time without VBAT that means anything: VDD_EXT takes so long to fall, without a
/// capacitor on the rail (BC26 hardware manual p. 22, figure 9: 5 ms or more).
pub const OFF_FOR_MIN: Duration = Duration::from_millis(5);

/// The longest time without VBAT: every case waits for it several times.
pub const OFF_FOR_MAX: Duration = Duration::from_secs(10 * 60);

/// The rates that `AT+IPR=?` lists, in baud (AT manual).
pub const RATES: [u32; 13] = [
    110, 300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200, 230_400, 460_800, 921_600,
];

/// The rate at which the bootloader speaks, whatever `AT+IPR` says, in baud (domain §3.2).
pub const BOOTLOADER_RATE: u32 = 115_200;

/// The rate at which we talk to a module that learns its rate from us: the fastest of the
/// three that it can detect (AT manual), and the one its bootloader prints at.
pub const AUTOBAUD_RATE: u32 = 115_200;

/// What a rig file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RigFile {
    /// The file, and its text for evidence; the built-in one's path is `built-in`.
    pub source: Source,
    /// What is said of the module.
    pub module: ModuleFacts,
    /// The rate the module is set to when no scenario says otherwise.
    pub baud: Baud,
    /// Where packages are served.
    pub server: ServerAddress,
    /// Where packages are kept, instead of the project's own.
    pub packages: Option<PathBuf>,
    /// The least time without VBAT.
    pub off_for: Duration,
    /// From VBAT to PWRKEY.
    pub vbat_stable: Duration,
    /// From the start of a module to its answers.
    pub boots_within: Duration,
    /// What is on the bench.
    pub bench: Bench,
}

/// What a rig file says of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleFacts {
    /// Which model it must be; `None`: either.
    pub model: Option<Model>,
    /// Which one it must be; any other is refused.
    pub imei: Option<String>,
    /// Whether its supply may be cut while it writes its flash. A module can be lost by that,
    /// so a bench must say so; a virtual one always may.
    pub may_cut_while_updating: bool,
}

/// The two models that the guide is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "product names")]
pub enum Model {
    Bc26,
    Bc20,
}

/// How a module's rate is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baud {
    /// It learns the rate from us after each boot.
    Auto,
    /// It is fixed, in baud.
    Fixed(u32),
}

impl Baud {
    /// The rate that we talk at, in baud.
    pub fn rate(self) -> u32 {
        match self {
            Baud::Auto => AUTOBAUD_RATE,
            Baud::Fixed(rate) => rate,
        }
    }

    /// What is lost at this rate, if anything is.
    #[must_use]
    pub fn advice(self) -> Option<String> {
        let rate = self.rate();
        (rate != BOOTLOADER_RATE).then(|| {
            format!(
                "at {rate} baud what the module says at its start and while it updates is not understood: its bootloader speaks at {BOOTLOADER_RATE} baud, whatever `AT+IPR` says, so fix it to that"
            )
        })
    }
}

/// Where packages are served, seen from both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Where we listen; port 0 is any free one.
    pub listen: SocketAddr,
    /// What the module's network calls it; `None`: the address that we listen on.
    pub called: Option<ServerName>,
}

/// `http://host:port` without anything behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    /// A name or an address; an IPv6 address in its brackets.
    pub host: String,
    /// 1 to 65535; 80 where the file does not say (§3.1).
    pub port: u16,
}

/// What is on the bench: one or the other, never some of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bench {
    /// The virtual module.
    Virtual(VirtualBench),
    /// A module, or anything else behind real paths.
    Real(Box<RealBench>),
}

/// How the virtual module is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualBench {
    /// Its lawful manners.
    pub personality: Personality,
    /// How many times faster than a module of the field it lives; at least 1.
    pub speed: u32,
    /// The PWRKEY pulse, in the module's time; `None`: PWRKEY is tied low.
    pub pwrkey: Option<Duration>,
    /// The RESET_N pulse, in the module's time; `None`: this bench has no RESET_N.
    pub reset: Option<Duration>,
    /// Whether VDD_EXT can be sensed.
    pub power_good: bool,
    /// The level shifter's output enable, where there is one, and which ways it cuts.
    pub console_enable: Option<Gates>,
}

/// A bench of real paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealBench {
    /// The console's tty.
    pub console: PathBuf,
    /// VBAT.
    pub supply: OutputLine,
    /// PWRKEY; `None`: it is tied low, and VBAT alone boots.
    pub pwrkey: Option<PulsedLine>,
    /// RESET_N, where wired.
    pub reset: Option<PulsedLine>,
    /// VDD_EXT or a divider on VBAT, where sensed.
    pub power_good: Option<InputLine>,
    /// The level shifter's output enable, where wired: released before a cut, so that the
    /// module is not fed through its UART.
    pub console_enable: Option<OutputLine>,
    /// Which ways it cuts.
    pub console_gates: Gates,
}

/// Which ways the output enable of a level shifter cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gates {
    /// Only ours to the module: it is a buffer of its own, and the module is always heard.
    Transmit,
    /// Both, as that of a TXS0108E: while it is released nothing is heard, so that silence proves
    /// nothing.
    #[default]
    Both,
}

/// A line that is pulsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulsedLine {
    /// How it is driven.
    pub line: OutputLine,
    /// How long it is asserted.
    pub pulse: Duration,
}

/// How an output is driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputLine {
    /// A Raspberry Pi's pin, by its BCM number.
    Rppal(GpioPin),
    /// A line of a Linux gpiochip.
    Gpiochip {
        /// `/dev/gpiochip0`, or the chip's label.
        chip: String,
        /// Which line, and how.
        pin: GpioLine,
    },
    /// Programs that assert and release it; the first word is the program, no shell.
    Command {
        /// Asserts.
        on: Vec<String>,
        /// Releases.
        off: Vec<String>,
    },
    /// A file that is written.
    File(LineFile),
}

/// How an input is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputLine {
    /// A Raspberry Pi's pin, by its BCM number.
    Rppal(GpioPin),
    /// A line of a Linux gpiochip.
    Gpiochip {
        /// `/dev/gpiochip0`, or the chip's label.
        chip: String,
        /// Which line, and how.
        pin: GpioLine,
    },
    /// A program that prints `0` or `1`; the first word is the program, no shell.
    Command {
        /// Reads.
        read: Vec<String>,
    },
    /// A file that is read.
    File(LineFile),
}

/// A pin of a Raspberry Pi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioPin {
    /// Its BCM number.
    pub line: u8,
    /// The level that asserts it.
    pub active: Level,
    /// Its pull; inputs only.
    pub bias: Bias,
}

/// A line of a gpiochip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioLine {
    /// Which.
    pub line: LineName,
    /// The level that asserts it.
    pub active: Level,
    /// Its pull.
    pub bias: Bias,
    /// How it drives; outputs only.
    pub drive: Drive,
}

/// A line of a gpiochip, by offset or by the name its chip gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LineName {
    Offset(u32),
    Name(String),
}

/// A file that stands for a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFile {
    /// A kernel regulator, an LED, a sysfs GPIO, a FIFO, any file.
    pub path: PathBuf,
    /// What asserts it.
    pub on: Vec<u8>,
    /// What releases it.
    pub off: Vec<u8>,
}

/// A level on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    High,
    Low,
}

/// A pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Bias {
    #[default]
    AsIs,
    Disabled,
    PullUp,
    PullDown,
}

/// How an output drives its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Drive {
    #[default]
    PushPull,
    OpenDrain,
    OpenSource,
}

impl RigFile {
    /// Reads and checks a rig file; nothing on the bench is touched.
    pub fn load(path: &Path) -> Result<RigFile, RigFileError> {
        check::rig_file(&Source::read(path)?)
    }

    /// Reads and checks the text of a rig file; `path` is its name in messages, and relative
    /// paths in it start where it is.
    pub fn parse(path: &Path, text: &str) -> Result<RigFile, RigFileError> {
        check::rig_file(&Source::new(path, text))
    }

    /// The rig where no file is given: the virtual module, with every line a bench can have.
    pub fn virtual_default() -> RigFile {
        RigFile {
            source: Source::new(Path::new("built-in"), include_str!("../virtual.toml")),
            module: ModuleFacts {
                model: Some(Model::Bc26),
                imei: None,
                may_cut_while_updating: true,
            },
            baud: Baud::Fixed(115_200),
            server: ServerAddress {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                called: None,
            },
            packages: None,
            off_for: OFF_FOR_DEFAULT,
            vbat_stable: BC26.vbat_stable,
            boots_within: BC26.boots_within,
            bench: Bench::Virtual(VirtualBench {
                personality: Personality::Guide,
                speed: 100,
                pwrkey: Some(Duration::from_millis(700)),
                reset: Some(Duration::from_millis(100)),
                power_good: true,
                console_enable: Some(Gates::Transmit),
            }),
        }
    }

    /// What is no mistake and yet should be said before this bench is relied on.
    pub fn warnings(&self) -> Vec<String> {
        let console = match &self.bench {
            Bench::Virtual(_) => None,
            Bench::Real(bench) => crate::console::advice(&bench.console),
        };
        console.into_iter().chain(self.baud.advice()).collect()
    }

    /// Whether a virtual module is on this bench.
    pub fn is_virtual(&self) -> bool {
        matches!(self.bench, Bench::Virtual(_))
    }
}

/// The JSON Schema of rig files, for editors.
pub fn schema() -> serde_json::Value {
    form::schema()
}
