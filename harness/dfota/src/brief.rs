//! What a case is about, as far as its judge must know: plain values, no judgement.

use std::time::Duration;

/// The facts of a case that its timeline does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The case's id: `power-cut@37`.
    pub case: String,
    /// `BC26` or `BC20`.
    pub model: String,
    /// The version that the package updates from, as `ATI` prints it after `Revision: `.
    pub base: String,
    /// The version that the package updates to.
    pub target: String,
    /// The package that the scenario's steps serve; `None` where nothing is downloaded.
    pub package: Option<PackageFacts>,
    /// How the module's rate is set.
    pub console: Console,
    /// The module this rig is for, where the rig file names one.
    pub imei: Option<String>,
    /// What the module must run in the end.
    pub end: EndState,
    /// Names of the faults that the scenario plans, as they appear in the timeline:
    /// `cut-1`, `server-2`.
    pub faults_planned: Vec<String>,
    /// How long after the supply was switched off bytes may still arrive: what the host's
    /// buffers, the UART adapter (16 ms in a common one) and the module's capacitors hold.
    /// A byte that comes later proves that the module was not off.
    pub settle: Duration,
}

impl Default for Brief {
    fn default() -> Brief {
        Brief {
            case: String::new(),
            model: "BC26".to_owned(),
            base: String::new(),
            target: String::new(),
            package: None,
            console: Console::Fixed(crate::guide::BOOT_RATE),
            imei: None,
            end: EndState::Unchecked,
            faults_planned: Vec::new(),
            settle: Duration::from_millis(200),
        }
    }
}

impl Brief {
    /// Whether what boot ROM and bootloader print reaches the host unharmed: they always
    /// speak at 115200, so at another fixed rate it is garbage.
    #[must_use]
    pub fn boot_is_readable(&self) -> bool {
        matches!(
            self.console,
            Console::Auto | Console::Fixed(crate::guide::BOOT_RATE)
        )
    }

    /// Whether a fault at the package server is planned: any that is not a cut or a reset.
    #[must_use]
    pub fn plans_server_fault(&self) -> bool {
        self.faults_planned.iter().any(|name| is_server_fault(name))
    }
}

/// Whether a fault of this name is done by the package server.
#[must_use]
pub fn is_server_fault(name: &str) -> bool {
    !["cut", "reset", "pwrkey"]
        .iter()
        .any(|done_by_the_rig| name.starts_with(done_by_the_rig))
}

/// The package in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageFacts {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size in bytes; 0 where it is not known.
    pub size: u64,
    /// What it is to this module.
    pub fitness: Fitness,
}

/// What a package is to the module under test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fitness {
    /// From this base, undamaged: the update must succeed.
    #[default]
    Fits,
    /// For another base: to be refused with 254 (§5 table 2).
    OtherBase,
    /// Damaged: to be refused with 252 to 255 (§5 table 2 documents 254 and 255).
    Damaged,
}

/// How the module's rate is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// `AT+IPR=<rate>`, saved.
    Fixed(u32),
    /// Autobaud: mute until it has seen an `AT` (§3.1 note 3).
    Auto,
}

/// What the module must run in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndState {
    /// The target version.
    Target,
    /// The base version.
    Base,
    /// One of the two.
    Either,
    /// Not looked at. Such a case can still not pass with a version that is neither.
    Unchecked,
}
