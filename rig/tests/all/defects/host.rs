//! Who leads a life: a host that commands, cuts and waits, and notes all that it hears.

use std::time::Duration;

use rig::delta;
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Defect, Rate, Settings};

use super::web::{A, B, IMAGE_LEN, package};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const UPDATE: &str = "AT+QFOTADL=\"http://10.0.0.1/p.bin\"";

pub(super) struct Life {
    pub(super) bench: InProcess,
    record: String,
}

impl Life {
    pub(super) fn new(defects: &[Defect], web: Web, console: Rate) -> Self {
        let settings = Settings {
            console,
            image: delta::image(A, 26, IMAGE_LEN),
            defects: defects.to_vec(),
            ..Settings::default()
        };
        let mut life = Self {
            bench: InProcess::new(&settings, web),
            record: String::new(),
        };
        life.start();
        life
    }

    fn start(&mut self) {
        self.bench.power_on();
        self.rest(SECOND * 10);
    }

    /// Notes what was said, and when to the second.
    pub(super) fn rest(&mut self, time: Duration) {
        let end = self.bench.module().now() + time;
        while self.bench.module().now() < end {
            self.bench.step(end);
            let said = self.bench.take_said();
            if !said.is_empty() {
                let at = self.bench.module().now().as_millis() / 100;
                self.record.push_str(&format!("{at} {said:?}\n"));
            }
        }
    }

    pub(super) fn send(&mut self, line: &str) {
        self.bench.send(&format!("{line}\r"));
        self.rest(SECOND);
    }

    pub(super) fn update(&mut self) {
        self.send(UPDATE);
        self.rest(2 * MINUTE);
    }

    pub(super) fn command_update(&mut self) {
        self.bench.send(&format!("{UPDATE}\r"));
    }

    /// Commands it, and waits for this message.
    pub(super) fn update_until(&mut self, message: &str) {
        self.command_update();
        self.bench.run_until_said(message, 2 * MINUTE);
    }

    /// The power goes early in a download.
    pub(super) fn cut_at_download(&mut self) {
        self.command_update();
        self.cut_at("DOWNLOADING\",20%");
    }

    /// The power goes at this message.
    pub(super) fn cut_at(&mut self, message: &str) {
        self.bench.run_until_said(message, 2 * MINUTE);
        self.record.push_str(&self.bench.take_said());
        self.cycle();
        self.rest(2 * MINUTE);
    }

    fn cycle(&mut self) {
        self.bench.set_vbat(false);
        self.rest(SECOND);
        self.start();
    }

    /// What the module is in the end, and at the start after.
    pub(super) fn end(mut self) -> String {
        for _ in 0..2 {
            for line in [
                "AT",
                "ATI",
                "AT+CGMR",
                "AT+CGSN=1",
                "AT+CFUN?",
                "AT+CMEE?",
                "AT+CGDCONT?",
                "AT+CEREG?",
            ] {
                self.send(line);
            }
            self.cycle();
        }
        self.bench.set_web(Web::Package(package(B, A).into()));
        self.update();
        for served in self.bench.served() {
            self.record.push_str(&format!("{served:?}\n"));
        }
        self.record
    }
}
