//! A module alone, driven by files, as another harness would.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rig::virtual_module::standalone::{Options, RailFile, StandaloneError, run};
use rig::virtual_module::{Rate, Settings};

const DEADLINE: Duration = Duration::from_secs(20);

fn settings() -> Settings {
    Settings {
        console: Rate::Fixed(115_200),
        speed: 100,
        ..Settings::default()
    }
}

struct FirstLine(Sender<String>);

impl Write for FirstLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0.send(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a module while `body` runs, which is given the path that the module said.
fn alone(options: &Options, body: impl FnOnce(&Path)) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (said, path) = channel();
        let running = scope.spawn(|| run(options, &stop, &mut FirstLine(said)));
        let first = path.recv_timeout(DEADLINE).unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            body(Path::new(first.trim_end()));
        }));
        stop.store(true, Ordering::Release);
        running.join().unwrap().unwrap();
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

fn wait_for(console: &mut dyn Read, text: &str) {
    let deadline = Instant::now() + DEADLINE;
    let mut heard = String::new();
    while !heard.contains(text) {
        assert!(Instant::now() < deadline, "no `{text}` in `{heard}`");
        let mut buffer = [0; 256];
        if let Ok(len) = console.read(&mut buffer) {
            heard.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
    }
}

fn open(path: &Path) -> serialport::TTYPort {
    serialport::new(path.to_str().unwrap(), 115_200)
        .timeout(Duration::from_millis(10))
        .open_native()
        .unwrap()
}

fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !happened() {
        assert!(Instant::now() < deadline, "{what} never came");
        thread::yield_now();
    }
}

#[test]
fn without_files_it_is_switched_on_and_answers() {
    let options = Options {
        settings: settings(),
        ..Options::default()
    };
    alone(&options, |tty| {
        let mut console = open(tty);
        // The banner may have gone by before the port was open.
        wait_until("OK", || {
            console.write_all(b"AT\r").unwrap();
            let mut buffer = [0; 256];
            let len = console.read(&mut buffer).unwrap_or(0);
            String::from_utf8_lossy(&buffer[..len]).contains("OK")
        });
    });
}

#[test]
fn vbat_and_pwrkey_follow_files_and_the_rail_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("vbat"), "0").unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        path("pwrkey"),
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let options = Options {
        settings: settings(),
        link: Some(path("tty")),
        vbat: Some(path("vbat")),
        pwrkey: Some(path("pwrkey")),
        vdd_ext: Some(RailFile {
            path: path("rail"),
            up: "pull-up".to_owned(),
            down: "pull-down".to_owned(),
        }),
        ..Options::default()
    };
    alone(&options, |tty| {
        assert_eq!(tty, std::fs::read_link(path("tty")).unwrap());
        let rail = || std::fs::read_to_string(path("rail")).unwrap_or_default();
        let mut console = open(&path("tty"));
        std::fs::write(path("vbat"), "1\n").unwrap();
        let mut pwrkey = std::fs::File::options()
            .write(true)
            .open(path("pwrkey"))
            .unwrap();
        pwrkey.write_all(b"1").unwrap();
        wait_for(&mut console, "Leaving the BROM");
        pwrkey.write_all(b"0").unwrap();
        wait_for(&mut console, "RDY");
        wait_until("the rail", || rail() == "pull-up");
        std::fs::write(path("vbat"), "0\n").unwrap();
        wait_until("the rail's fall", || rail() == "pull-down");
    });
    assert!(!path("tty").is_symlink(), "the link is removed");
}

#[test]
fn a_link_replaces_nothing_but_a_link() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = Options {
        settings: settings(),
        link: Some(file.path().to_owned()),
        ..Options::default()
    };
    let refused = run(&options, &AtomicBool::new(false), &mut io::sink());
    assert!(matches!(refused, Err(StandaloneError::Link { .. })));
    assert!(file.path().exists());
}
