//! A virtual module alone, for a terminal program or for another harness: what `hil module` is.
//!
//! Its lines follow files that somebody else writes: `1` is powered or asserted, `0` is not. A
//! file may be regular, of which the first byte counts, or a FIFO, of which the last does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Lines, RailWatch, Settings, VirtualModule};

/// How often the files are looked at. A cut comes that much later, at most.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// From VBAT to PWRKEY, and the length of its pulse, for a module that is switched on at once.
/// In the module's time.
const PWRKEY_AFTER: Duration = Duration::from_millis(50);
const PWRKEY_PULSE: Duration = Duration::from_millis(700);

/// What to run, and what drives it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The module.
    pub settings: Settings,
    /// A symbolic link to make to its tty, and to remove at the end.
    pub link: Option<PathBuf>,
    /// The file that VBAT follows. Without it VBAT is connected from the start.
    pub vbat: Option<PathBuf>,
    /// The file that PWRKEY follows. Without it, and with a file for VBAT, PWRKEY is tied: VBAT
    /// boots the module.
    pub pwrkey: Option<PathBuf>,
    /// The file that RESET_N follows.
    pub reset: Option<PathBuf>,
    /// A file to write VDD_EXT to, for a bench that senses it.
    pub vdd_ext: Option<RailFile>,
}

/// A file that VDD_EXT is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RailFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is written while the rail is up: `1`, or a word that a device driver wants.
    pub up: String,
    /// What is written while it is down.
    pub down: String,
}

/// Why a module cannot run alone.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// The module did not start, or its thread died.
    #[error("the virtual module does not run")]
    Module(#[source] io::Error),
    /// The symbolic link could not be made.
    #[error("cannot make the link `{}`: name a path where there is nothing, or a link", path.display())]
    Link {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file for a line can be neither read nor written.
    #[error("cannot use `{}` as the line {line}", path.display())]
    Line {
        /// Which line.
        line: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nobody could be told the name of the tty.
    #[error("cannot say where the tty is")]
    Output(#[source] io::Error),
}

/// Runs a module until `stop` is set, and writes the path of its tty to `out`, on a line of
/// its own, as soon as it can be opened.
///
/// # Errors
///
/// When the module, its link or a file of its lines cannot be used.
pub fn run(
    options: &Options,
    stop: &AtomicBool,
    out: &mut dyn Write,
) -> Result<(), StandaloneError> {
    let speed = options.settings.speed.max(1);
    let module = VirtualModule::start(options.settings.clone()).map_err(StandaloneError::Module)?;
    let lines = module.lines();
    let _link = options
        .link
        .as_deref()
        .map(|path| Link::make(module.console_path(), path))
        .transpose()?;
    writeln!(out, "{}", module.console_path().display())
        .and_then(|()| out.flush())
        .map_err(StandaloneError::Output)?;

    let mut rail = options
        .vdd_ext
        .as_ref()
        .map(|file| Rail::begin(file, &lines))
        .transpose()?;
    if options.vbat.is_none() {
        lines.set_vbat(true);
    }
    match (&options.pwrkey, &options.vbat) {
        (Some(_), _) => {}
        (None, Some(_)) => lines.set_pwrkey(true),
        (None, None) => {
            wait(PWRKEY_AFTER / speed, stop);
            lines.set_pwrkey(true);
            wait(PWRKEY_PULSE / speed, stop);
            lines.set_pwrkey(false);
        }
    }
    let mut inputs = [
        LevelFile::new("VBAT", &options.vbat, Lines::set_vbat),
        LevelFile::new("PWRKEY", &options.pwrkey, Lines::set_pwrkey),
        LevelFile::new("RESET_N", &options.reset, Lines::set_reset),
    ];
    while !stop.load(Ordering::Acquire) && module.is_alive() {
        for input in inputs.iter_mut().flatten() {
            if let Some(level) = input.look()? {
                (input.set)(&lines, level);
            }
        }
        if let Some(rail) = &mut rail {
            rail.follow()?;
        }
        thread::sleep(LOOK_EVERY);
    }
    module.stop().map_err(StandaloneError::Module)
}

/// The file that follows VDD_EXT.
#[derive(Debug)]
struct Rail<'a> {
    file: &'a RailFile,
    watch: RailWatch,
}

impl<'a> Rail<'a> {
    /// To be called while the module is without power, and its rail down.
    fn begin(file: &'a RailFile, lines: &Lines) -> Result<Self, StandaloneError> {
        let rail = Self {
            file,
            watch: lines.watch_vdd_ext(),
        };
        rail.write(false)?;
        Ok(rail)
    }

    /// Through every change, and not to the last level at once: a dip is two edges, however
    /// short it was.
    fn follow(&mut self) -> Result<(), StandaloneError> {
        for edge in self.watch.edges() {
            self.write(edge.asserted)?;
        }
        Ok(())
    }

    fn write(&self, up: bool) -> Result<(), StandaloneError> {
        let word = if up { &self.file.up } else { &self.file.down };
        write_word(&self.file.path, word).map_err(|source| StandaloneError::Line {
            line: "VDD_EXT",
            path: self.file.path.clone(),
            source,
        })
    }
}

/// In one write over what is there: a bench that reads meanwhile never finds an empty file.
fn write_word(path: &Path, word: &str) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.write_all(word.as_bytes())?;
    // What a longer word has left. An attribute of sysfs has no length to set, a FIFO neither.
    if file.metadata()?.is_file() && !path.starts_with("/sys") {
        file.set_len(word.len() as u64)?;
    }
    Ok(())
}

fn wait(time: Duration, stop: &AtomicBool) {
    let end = Instant::now() + time;
    while Instant::now() < end && !stop.load(Ordering::Acquire) {
        thread::sleep(LOOK_EVERY.min(end.saturating_duration_since(Instant::now())));
    }
}

/// A line that a file drives.
#[derive(Debug)]
struct LevelFile {
    line: &'static str,
    path: PathBuf,
    fifo: Option<File>,
    set: fn(&Lines, bool),
}

impl LevelFile {
    fn new(line: &'static str, path: &Option<PathBuf>, set: fn(&Lines, bool)) -> Option<Self> {
        Some(Self {
            line,
            path: path.clone()?,
            fifo: None,
            set,
        })
    }

    /// The level that the file asks for. One that is absent, empty or unclear asks for nothing:
    /// whoever writes it may be half-way through.
    fn look(&mut self) -> Result<Option<bool>, StandaloneError> {
        match self.read() {
            Ok(level) => Ok(level),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StandaloneError::Line {
                line: self.line,
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn read(&mut self) -> io::Result<Option<bool>> {
        if self.fifo.is_none() && self.path.metadata()?.file_type().is_fifo() {
            // Open for writing too, so that it does not end when a writer leaves; and without
            // waiting for one.
            let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
            let fifo = File::options()
                .read(true)
                .write(true)
                .custom_flags(flags)
                .open(&self.path)?;
            self.fifo = Some(fifo);
        }
        let mut buffer = [0; 64];
        if let Some(fifo) = &mut self.fifo {
            return match fifo.read(&mut buffer) {
                Ok(len) => Ok(buffer[..len].iter().rev().find_map(level)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error),
            };
        }
        let len = File::open(&self.path)?.read(&mut buffer)?;
        Ok(buffer[..len].first().and_then(level))
    }
}

fn level(byte: &u8) -> Option<bool> {
    match byte {
        b'0' => Some(false),
        b'1' => Some(true),
        _ => None,
    }
}

/// A symbolic link that is removed again.
#[derive(Debug)]
struct Link(PathBuf);

impl Link {
    fn make(tty: &Path, path: &Path) -> Result<Self, StandaloneError> {
        let failed = |source| StandaloneError::Link {
            path: path.to_owned(),
            source,
        };
        // One that an earlier module left may go; anything else is somebody's.
        if path
            .symlink_metadata()
            .is_ok_and(|found| found.is_symlink())
        {
            std::fs::remove_file(path).map_err(failed)?;
        }
        symlink(tty, path).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // If somebody has removed it already, that was the aim.
        let _ = std::fs::remove_file(&self.0);
    }
}
