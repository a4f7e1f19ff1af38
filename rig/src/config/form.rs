//! The rig file's shape: which keys there are and of what type. From it comes the JSON Schema.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// What a bench has, where it is plugged in, and how the module reaches us.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RigForm {
    /// The module that must be there.
    #[schemars(with = "Option<ModuleForm>")]
    pub(super) module: Option<ModuleForm>,
    /// The UART as we hold it.
    #[schemars(with = "ConsoleForm")]
    pub(super) console: Spanned<ConsoleForm>,
    /// VBAT.
    #[schemars(with = "LineForm")]
    pub(super) supply: Spanned<LineForm>,
    /// PWRKEY; leave it out where it is tied low.
    #[schemars(with = "Option<LineForm>")]
    pub(super) pwrkey: Option<Spanned<LineForm>>,
    /// RESET_N.
    #[schemars(with = "Option<LineForm>")]
    pub(super) reset: Option<Spanned<LineForm>>,
    /// An input: VDD_EXT, or a divider on VBAT.
    #[schemars(with = "Option<LineForm>")]
    pub(super) power_good: Option<Spanned<LineForm>>,
    /// The level shifter's output enable.
    #[schemars(with = "Option<LineForm>")]
    pub(super) console_enable: Option<Spanned<LineForm>>,
    /// Where packages are served; needed with real drivers.
    #[schemars(with = "Option<ServerForm>")]
    pub(super) server: Option<Spanned<ServerForm>>,
    /// Where packages are kept, instead of the project's own.
    pub(super) packages: Option<PackagesForm>,
    /// The virtual module; only with the virtual drivers.
    #[serde(rename = "virtual")]
    #[schemars(with = "Option<VirtualForm>")]
    pub(super) virtual_module: Option<Spanned<VirtualForm>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModuleForm {
    /// Which model it must be.
    pub(super) model: Option<ModelForm>,
    /// Which one it must be, by its 15 digits; any other is refused.
    #[schemars(with = "Option<String>", regex(pattern = r"^[0-9]{15}$"))]
    pub(super) imei: Option<Spanned<String>>,
    /// From its start to its answers, at the most.
    #[schemars(with = "Option<String>")]
    pub(super) boots_within: Option<Spanned<String>>,
    /// Whether its supply may be cut while it writes its flash: a module can be lost.
    #[serde(default)]
    pub(super) may_cut_while_updating: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) enum ModelForm {
    #[serde(rename = "BC26")]
    Bc26,
    #[serde(rename = "BC20")]
    Bc20,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsoleForm {
    /// Any tty; left out with the virtual module, which brings its own.
    #[schemars(with = "Option<String>")]
    pub(super) path: Option<Spanned<String>>,
    /// The rate the module is fixed to, or "auto".
    #[schemars(with = "BaudForm")]
    pub(super) baud: Spanned<BaudForm>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a rate in baud, as `115200`, or \"auto\"")]
pub(super) enum BaudForm {
    Rate(u32),
    Auto(AutoForm),
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AutoForm {
    Auto,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LineForm {
    /// Who drives the line.
    #[schemars(with = "DriverForm")]
    pub(super) driver: Spanned<DriverForm>,
    /// gpiochip: `/dev/gpiochip0` (the default) or the chip's label.
    #[schemars(with = "Option<String>")]
    pub(super) chip: Option<Spanned<String>>,
    /// rppal: BCM number; gpiochip: offset or name.
    #[schemars(with = "Option<LineNameForm>")]
    pub(super) line: Option<Spanned<LineNameForm>>,
    /// rppal, gpiochip: the level that asserts the line.
    #[schemars(with = "Option<LevelForm>")]
    pub(super) active: Option<Spanned<LevelForm>>,
    /// gpiochip, and rppal for an input: its pull.
    #[schemars(with = "Option<BiasForm>")]
    pub(super) bias: Option<Spanned<BiasForm>>,
    /// gpiochip, outputs: how it drives.
    #[schemars(with = "Option<DriveForm>")]
    pub(super) drive: Option<Spanned<DriveForm>>,
    /// file: where.
    #[schemars(with = "Option<String>")]
    pub(super) path: Option<Spanned<String>>,
    /// file: the text that asserts; command: the program that asserts, and its arguments.
    #[schemars(with = "Option<DeedForm>")]
    pub(super) on: Option<Spanned<DeedForm>>,
    /// file: the text that releases; command: the program that releases, and its arguments.
    #[schemars(with = "Option<DeedForm>")]
    pub(super) off: Option<Spanned<DeedForm>>,
    /// command, inputs: the program that prints `0` or `1`, and its arguments.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) read: Option<Spanned<Vec<String>>>,
    /// pwrkey, reset: how long the line is asserted.
    #[schemars(with = "Option<String>")]
    pub(super) pulse: Option<Spanned<String>>,
    /// supply: the least time without power.
    #[schemars(with = "Option<String>")]
    pub(super) off_for: Option<Spanned<String>>,
    /// supply: from VBAT to PWRKEY.
    #[schemars(with = "Option<String>")]
    pub(super) stable: Option<Spanned<String>>,
    /// console_enable: which ways it cuts; `both`, as a TXS0108E does, where it is not said.
    #[schemars(with = "Option<GatesForm>")]
    pub(super) gates: Option<Spanned<GatesForm>>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum GatesForm {
    Transmit,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DriverForm {
    Virtual,
    Rppal,
    Gpiochip,
    Command,
    File,
}

impl DriverForm {
    pub(super) fn name(self) -> &'static str {
        match self {
            DriverForm::Virtual => "virtual",
            DriverForm::Rppal => "rppal",
            DriverForm::Gpiochip => "gpiochip",
            DriverForm::Command => "command",
            DriverForm::File => "file",
        }
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a line is its number, as `17`, or its name in quotes"
)]
pub(super) enum LineNameForm {
    Offset(u32),
    Name(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LevelForm {
    High,
    Low,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BiasForm {
    AsIs,
    Disabled,
    PullUp,
    PullDown,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DriveForm {
    PushPull,
    OpenDrain,
    OpenSource,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a text in quotes is wanted here, or a program and its arguments in a list"
)]
pub(super) enum DeedForm {
    Text(String),
    Program(Vec<String>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerForm {
    /// Address and port to listen on: `0.0.0.0:8080`.
    #[schemars(with = "Option<String>")]
    pub(super) listen: Option<Spanned<String>>,
    /// What the module's network calls it: `http://lab.example.net:8080`.
    #[schemars(with = "Option<String>")]
    pub(super) url: Option<Spanned<String>>,
    /// Whether something on the way leads another port to the one that we listen on.
    #[serde(default)]
    pub(super) forwarded: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PackagesForm {
    /// The folder with `manifest.toml`; a relative one starts at this file.
    pub(super) dir: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualForm {
    /// Its lawful manners.
    #[schemars(with = "Option<String>")]
    pub(super) personality: Option<Spanned<String>>,
    /// How many times faster than a module of the field.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000))]
    pub(super) speed: Option<Spanned<u32>>,
}

pub(super) fn schema() -> serde_json::Value {
    schemars::schema_for!(RigForm).to_value()
}
