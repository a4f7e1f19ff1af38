//! The virtual module: a BC26 behind a pseudo-terminal, for benches that have none.
//!
//! A host opens [`VirtualModule::console_path`] like any tty and switches VBAT, PWRKEY and
//! RESET_N through [`Lines`]. Behind them is a module that keeps its firmware in a flash that a
//! power cut can tear, fetches delta packages over real HTTP, and applies them.
//!
//! What a module does is in the files below and knows neither clock nor descriptor; this file
//! and `shell` lend it both. What a *lawful* module says is the judge's affair, in another
//! package that this one cannot name.

use std::io;
use std::path::{Path, PathBuf};

pub mod crime;
pub mod manner;

pub use crime::Defect;
pub use manner::Personality;

/// How the module's UART rate is set (`AT+IPR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rate {
    /// `AT+IPR=0`: mute after each start until it has recognised an `AT` (the factory setting).
    #[default]
    Auto,
    /// `AT+IPR=<rate>`: fixed, in baud.
    Fixed(u32),
}

/// Where the flash outlives a [`VirtualModule`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum FlashStore {
    /// Nowhere: a new flash holding [`Settings::image`], gone when the module is dropped.
    #[default]
    Memory,
    /// In this file. One that exists is the module as it was left; otherwise it is created.
    File(PathBuf),
}

/// What kind of module to be, and how it was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which firmware's ways it has.
    pub personality: Personality,
    /// How many times faster than a module of the field it lives; at least 1.
    pub speed: u32,
    /// What `AT+CGSN=1` answers.
    pub imei: String,
    /// The firmware in its flash, made by [`crate::delta::image`].
    pub image: Vec<u8>,
    /// Where its flash is kept.
    pub flash: FlashStore,
    /// The rate setting saved in a new flash.
    pub console: Rate,
    /// Whether the network takes it in.
    pub registered: bool,
    /// What is wrong with it: nothing, unless asked for.
    pub defects: Vec<Defect>,
    /// Decides everything that is random in it: what garbage looks like, which bits a torn
    /// erase left.
    pub seed: u64,
}

/// A module that lives on its own thread until it is dropped.
#[derive(Debug)]
pub struct VirtualModule {
    console_path: PathBuf,
    lines: Lines,
}

impl VirtualModule {
    /// Opens a pty and puts a module without power behind it.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let _ = settings;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// The tty to open.
    pub fn console_path(&self) -> &Path {
        &self.console_path
    }

    /// The module's lines; any number of holders may switch them, from any thread.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }
}

/// VBAT, PWRKEY and RESET_N as the bench holds them, and VDD_EXT as it sees it.
///
/// `true` means powered for VBAT and asserted (held low) for PWRKEY and RESET_N.
#[derive(Clone, Debug)]
pub struct Lines {}

impl Lines {
    /// Connects or cuts the supply. A cut holds from the moment of this call.
    pub fn set_vbat(&self, on: bool) {
        let _ = on;
    }

    /// Asserts or releases PWRKEY.
    pub fn set_pwrkey(&self, asserted: bool) {
        let _ = asserted;
    }

    /// Asserts or releases RESET_N.
    pub fn set_reset(&self, asserted: bool) {
        let _ = asserted;
    }

    /// Whether the supply was last connected.
    pub fn vbat(&self) -> bool {
        false
    }

    /// Whether PWRKEY is asserted.
    pub fn pwrkey(&self) -> bool {
        false
    }

    /// Whether RESET_N is asserted.
    pub fn reset(&self) -> bool {
        false
    }

    /// Whether the module's 1.8 V rail is up.
    pub fn vdd_ext(&self) -> bool {
        false
    }
}

impl Default for Settings {
    /// A healthy BC26 with firmware BC26NBR01A01 that the network takes in, as it left the
    /// factory: autobaud.
    fn default() -> Self {
        Self {
            personality: Personality::default(),
            speed: 1,
            imei: String::from("860000000000000"),
            image: crate::delta::image("BC26NBR01A01", 26, crate::delta::IMAGE_LEN),
            flash: FlashStore::default(),
            console: Rate::default(),
            registered: true,
            defects: Vec::new(),
            seed: 0,
        }
    }
}
