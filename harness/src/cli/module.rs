//! `hil module`.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rig::virtual_module::standalone::{self, Options, RailFile};
use rig::virtual_module::{Circumstance, Defect, FlashStore, Personality, Rate, Settings};

use super::Failure;
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupt;
use crate::report::chain;

/// Without `--vbat` the module is switched on at once. With it, another program is its bench: a
/// rig file's `file` lines, for one.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Its IMEI: 15 digits.
    #[arg(long, value_name = "DIGITS", value_parser = imei)]
    imei: Option<String>,
    /// Its lawful manners.
    #[arg(long, default_value_t)]
    personality: Personality,
    /// How many times faster than a module of the field it lives.
    #[arg(long, value_name = "N", default_value_t = 1)]
    speed: u32,
    /// The rate that it is fixed to, in baud; it learns the rate from us where none is given.
    #[arg(long, value_name = "RATE")]
    baud: Option<u32>,
    /// A link to make to its pty, for a rig file or a terminal program to name.
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
    /// The file that VBAT follows: `1` is on, `0` is off.
    #[arg(long, value_name = "FILE")]
    vbat: Option<PathBuf>,
    /// The file that PWRKEY follows. Without it, PWRKEY is tied and VBAT boots.
    #[arg(long, value_name = "FILE", requires = "vbat")]
    pwrkey: Option<PathBuf>,
    /// The file that RESET_N follows.
    #[arg(long, value_name = "FILE")]
    reset: Option<PathBuf>,
    /// A file that VDD_EXT is written to, for a bench that senses it.
    #[arg(long, value_name = "FILE")]
    vdd_ext: Option<PathBuf>,
    /// What is written to it while VDD_EXT is up.
    #[arg(long, value_name = "TEXT", default_value = "1", requires = "vdd_ext")]
    vdd_ext_up: String,
    /// What is written to it while VDD_EXT is down.
    #[arg(long, value_name = "TEXT", default_value = "0", requires = "vdd_ext")]
    vdd_ext_down: String,
    /// A file that keeps its flash from one call to the next.
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,
    /// No network takes it in.
    #[arg(long)]
    unregistered: bool,
    /// What befalls it, through no fault of its own: `activating`, `flash-worn`.
    #[arg(long, value_name = "NAME")]
    circumstance: Vec<Circumstance>,
    /// What is wrong with it (`M44`): nothing, where none is given.
    #[arg(long, value_name = "ID")]
    defect: Vec<Defect>,
    /// Where its random choices come from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn imei(text: &str) -> Result<String, &'static str> {
    let is_imei = text.len() == 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_imei
        .then(|| text.to_owned())
        .ok_or("an IMEI has 15 digits")
}

pub(super) fn module(arguments: &Arguments) -> ExitCode {
    match try_module(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn try_module(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let defaults = Settings::default();
    let options = Options {
        settings: Settings {
            personality: arguments.personality,
            speed: arguments.speed,
            console: arguments.baud.map_or(Rate::Auto, Rate::Fixed),
            flash: arguments
                .flash
                .clone()
                .map_or(FlashStore::Memory, FlashStore::File),
            registered: !arguments.unregistered,
            circumstances: arguments.circumstance.clone(),
            defects: arguments.defect.clone(),
            seed: arguments.seed,
            imei: arguments.imei.clone().unwrap_or(defaults.imei),
            ..defaults
        },
        link: arguments.link.clone(),
        vbat: arguments.vbat.clone(),
        pwrkey: arguments.pwrkey.clone(),
        reset: arguments.reset.clone(),
        vdd_ext: arguments.vdd_ext.clone().map(|path| RailFile {
            path,
            up: arguments.vdd_ext_up.clone(),
            down: arguments.vdd_ext_down.clone(),
        }),
    };
    let interrupt = Interrupt::catch_signals().map_err(|e| Failure::new(ExitCode::Broken, &e))?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    interrupt.call(move || told.store(true, Ordering::Release));
    standalone::run(&options, &stop, &mut std::io::stdout().lock()).map_err(|e| {
        let _ = std::io::stdout().flush();
        Failure::said(ExitCode::Broken, chain(&e))
    })?;
    Ok(ExitCode::Passed)
}
