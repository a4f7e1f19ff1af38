//! A virtual module behind its tty, and the host that has it open.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rig::virtual_module::{Lines, Rate, Settings, VirtualModule};
use serialport::TTYPort;

/// Waits are for something, and end in failure after this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Bench {
    // Dropped before the module, as a host leaves before the bench is switched off.
    pub(crate) console: TTYPort,
    pub(crate) lines: Lines,
    pub(crate) heard: Vec<u8>,
    pub(crate) module: VirtualModule,
}

impl Bench {
    pub(crate) fn new(console: Rate) -> Self {
        Self::with(Settings {
            console,
            speed: 100,
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let module = VirtualModule::start(settings).unwrap();
        let console = serialport::new(module.console_path().to_str().unwrap(), 115_200)
            .timeout(Duration::from_millis(10))
            .open_native()
            .unwrap();
        Self {
            console,
            lines: module.lines(),
            heard: Vec::new(),
            module,
        }
    }

    pub(crate) fn power_on(&mut self) {
        self.lines.set_vbat(true);
        self.lines.set_pwrkey(true);
        self.wait_for("Leaving the BROM");
        self.lines.set_pwrkey(false);
    }

    pub(crate) fn send(&mut self, bytes: &str) {
        self.console.write_all(bytes.as_bytes()).unwrap();
    }

    /// Reads on until `text` has come; what came before it, and it, is taken away.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = self
                .heard
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            if let Some(at) = found {
                self.heard.drain(..at + text.len());
                return;
            }
            let heard = String::from_utf8_lossy(&self.heard);
            assert!(Instant::now() < deadline, "no `{text}` in `{heard}`");
            self.read();
        }
    }

    /// Waits until the module's lines are as they must become.
    pub(crate) fn wait_until(&mut self, what: &str, holds: impl Fn(&Lines) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(&self.lines) {
            assert!(Instant::now() < deadline, "never: {what}");
            std::thread::yield_now();
        }
    }

    /// Asks until it is answered, as a host does with a module that has to learn the rate.
    pub(crate) fn synchronise(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while !self.heard.windows(4).any(|window| window == b"OK\r\n") {
            assert!(Instant::now() < deadline, "no OK in {:?}", self.heard);
            self.send("AT\r");
            self.read();
        }
        // The answers to the commands before the last.
        while self.read() > 0 {}
        self.heard.clear();
    }

    /// Reads once; the console waits ten milliseconds, a second of this module's time.
    pub(crate) fn read(&mut self) -> usize {
        let mut buffer = [0; 1024];
        match self.console.read(&mut buffer) {
            Ok(len) => {
                self.heard.extend_from_slice(&buffer[..len]);
                len
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
                0
            }
        }
    }
}
