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
use std::time::Duration;

mod app;
mod board;
mod bootloader;
mod command;
pub mod crime;
mod download;
pub mod flash;
mod http;
pub mod in_process;
mod layout;
mod lies;
mod link;
pub mod manner;
pub mod module;
mod pty;
mod shell;
pub mod standalone;
mod stranger;
mod url;
mod voice;

pub use board::Output;
pub use crime::Defect;
pub use manner::{Circumstance, Personality};
pub use module::{Module, Network};
pub use shell::{Lines, RailWatch};

use shell::Shell;

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
    /// What befalls it, through no fault of its own: nothing, unless asked for.
    pub circumstances: Vec<Circumstance>,
    /// What is wrong with it: nothing, unless asked for.
    pub defects: Vec<Defect>,
    /// How long its time stands still for a host that has not read what it said. A host that is
    /// starved for longer finds it further on.
    pub waits_for_host: Duration,
    /// Decides everything that is random in it: what garbage looks like, which bits a torn
    /// erase left.
    pub seed: u64,
}

/// A module that lives on its own thread until it is dropped.
#[derive(Debug)]
pub struct VirtualModule {
    shell: Shell,
}

impl VirtualModule {
    /// Opens a pty and puts a module without power behind it.
    ///
    /// # Errors
    ///
    /// When there is no pty to be had, or the file of [`FlashStore::File`] cannot be used.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let shell = Shell::start(&settings)?;
        Ok(Self { shell })
    }

    /// The tty to open.
    pub fn console_path(&self) -> &Path {
        self.shell.console_path()
    }

    /// The module's lines; any number of holders may switch them, from any thread.
    pub fn lines(&self) -> Lines {
        self.shell.lines().clone()
    }

    /// Whether its thread is alive. It ends by itself only when the operating system refuses it
    /// something; [`Self::stop`] tells what.
    pub fn is_alive(&self) -> bool {
        self.shell.is_alive()
    }

    /// Ends it, as dropping does, and tells what went wrong with it, if anything did.
    ///
    /// # Errors
    ///
    /// What the operating system refused its thread.
    pub fn stop(mut self) -> io::Result<()> {
        self.shell.stop()
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
            circumstances: Vec::new(),
            defects: Vec::new(),
            waits_for_host: shell::HOLD_MAX,
            seed: 0,
        }
    }
}
