//! What a module does in its life, in process and in virtual time: commands, downloads, updates.

use std::time::Duration;

use rig::delta::{self, IMAGE_LEN};
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Circumstance, Personality, Rate, Settings};
use rstest::rstest;

mod commands;
mod downloads;
mod power;
mod updates;

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";
const C: &str = "BC26NBR01A03";
const MINUTE: Duration = Duration::from_secs(60);
const UPDATE: &str = "AT+QFOTADL=\"http://10.0.0.1:8080/t/p.bin\"\r";

fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
}

fn package(base: &str, target: &str) -> Vec<u8> {
    delta::make(&firmware(base), &firmware(target)).unwrap()
}

fn settings() -> Settings {
    Settings {
        console: Rate::Fixed(115_200),
        ..Settings::default()
    }
}

fn switched_on(settings: &Settings, web: Web) -> InProcess {
    let mut bench = InProcess::new(settings, web);
    bench.power_on();
    bench.run_for(Duration::from_secs(10));
    bench.take_said();
    bench
}

fn serving(base: &str, target: &str) -> InProcess {
    switched_on(&settings(), Web::Package(package(base, target).into()))
}

/// Sends a command line and gives the answer, without echo.
fn ask(bench: &mut InProcess, line: &str) -> String {
    bench.take_said();
    bench.send(&format!("{line}\r"));
    bench.run_for(Duration::from_secs(1));
    let said = bench.take_said();
    said.strip_prefix(&format!("{line}\r"))
        .unwrap_or(&said)
        .to_owned()
}

/// The version, as both commands that know it say.
fn version(bench: &mut InProcess) -> String {
    let cgmr = ask(bench, "AT+CGMR");
    let ati = ask(bench, "ATI");
    let version = |said: &str| {
        let after = said.split_once("Revision: ").unwrap().1;
        after.split_once('\r').unwrap().0.to_owned()
    };
    assert_eq!(version(&ati), version(&cgmr));
    version(&ati)
}

/// Lets time pass until it has said this, which it must within `limit`.
#[track_caller]
fn hears(bench: &mut InProcess, text: &str, limit: Duration) {
    let said = bench.run_until_said(text, limit);
    assert!(said, "no `{text}` in {}", bench.said());
}

fn says(reply: impl AsRef<[u8]>) -> Web {
    Web::Says(reply.as_ref().into())
}
