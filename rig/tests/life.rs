//! What a module does in its life, in process and in virtual time.

use std::time::Duration;

use rig::delta::{self, IMAGE_LEN};
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Rate, Settings};

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
}

fn settings() -> Settings {
    Settings {
        console: Rate::Fixed(115_200),
        ..Settings::default()
    }
}

#[test]
fn an_update_ends_with_the_target() {
    let package = delta::make(&firmware(A), &firmware(B)).unwrap();
    let mut bench = InProcess::new(&settings(), Web::Package(package.into()));
    bench.power_on();
    assert!(bench.run_until_said("+CFUN: 1", minutes(1)));
    bench.send("AT+QFOTADL=\"http://10.0.0.1:8080/t/a-to-b.bin\"\r");
    assert!(
        bench.run_until_said("\"END\",0", minutes(5)),
        "{}",
        bench.said()
    );
    bench.send("ATI\r");
    assert!(bench.run_until_said(&format!("Revision: {B}"), minutes(1)));
}
