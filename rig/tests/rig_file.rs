//! Rig files: what they say, and what is said of a mistake.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use rig::config::{
    Baud, Bench, Bias, Drive, InputLine, Level, LineName, Model, OutputLine, RigFile,
};
use rstest::rstest;

fn read(text: &str) -> RigFile {
    RigFile::parse(Path::new("benches/bench.toml"), text)
        .unwrap_or_else(|mistake| panic!("{mistake}"))
}

#[test]
fn the_built_in_rig_is_what_its_file_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("virtual.toml");
    let file = RigFile::load(&path).unwrap();
    let built_in = RigFile::virtual_default();
    assert_eq!(file.bench, built_in.bench);
    assert_eq!(file.module, built_in.module);
    assert_eq!(file.server, built_in.server);
    assert_eq!(
        (file.baud, file.off_for, file.packages),
        (built_in.baud, built_in.off_for, built_in.packages)
    );
    assert_eq!(
        (file.vbat_stable, file.boots_within),
        (built_in.vbat_stable, built_in.boots_within)
    );
}

/// The bench of the interface description: every section, and what it leaves unsaid.
#[test]
fn a_rig_file_says_what_is_on_the_bench() {
    let rig = read(
        r#"[module]
model = "BC20"

[console]
path = "/dev/ttyUSB0"
baud = "auto"

[supply]
driver  = "gpiochip"
chip    = "/dev/gpiochip1"
line    = 17
active  = "high"
off_for = "3s"

[pwrkey]
driver = "gpiochip"
line   = "PWRKEY"
active = "low"
drive  = "open-drain"

[reset]
driver = "command"
on     = ["gpio", "reset", "1"]
off    = ["gpio", "reset", "0"]
pulse  = "60ms"

[power_good]
driver = "rppal"
line   = 23
active = "high"
bias   = "pull-down"

[console_enable]
driver = "file"
path   = "/tmp/enable"

[server]
listen = "0.0.0.0:8080"
url    = "HTTP://[2001:db8::1]:8080/"

[packages]
dir = "packages"
"#,
    );
    assert_eq!(rig.module.model, Some(Model::Bc20));
    assert!(!rig.module.may_cut_while_updating);
    assert_eq!((rig.baud, rig.baud.rate()), (Baud::Auto, 115_200));
    assert_eq!(rig.off_for, Duration::from_secs(3));
    assert_eq!(rig.packages.as_deref(), Some(Path::new("benches/packages")));
    let called = rig.server.called.clone().unwrap();
    assert_eq!((called.host.as_str(), called.port), ("[2001:db8::1]", 8080));
    let Bench::Real(bench) = &rig.bench else {
        panic!("no real bench")
    };
    let OutputLine::Gpiochip { chip, pin } = &bench.supply else {
        panic!("no gpiochip")
    };
    assert_eq!(
        (chip.as_str(), &pin.line),
        ("/dev/gpiochip1", &LineName::Offset(17))
    );
    let pwrkey = bench.pwrkey.as_ref().unwrap();
    assert_eq!(pwrkey.pulse, Duration::from_millis(700));
    let OutputLine::Gpiochip { chip, pin } = &pwrkey.line else {
        panic!("no gpiochip")
    };
    assert_eq!(
        (chip.as_str(), pin.active, pin.drive),
        ("/dev/gpiochip0", Level::Low, Drive::OpenDrain)
    );
    assert_eq!(
        bench.reset.as_ref().unwrap().pulse,
        Duration::from_millis(60)
    );
    assert!(matches!(&bench.power_good, Some(InputLine::Rppal(pin)) if pin.bias == Bias::PullDown));
    assert!(
        matches!(&bench.console_enable, Some(OutputLine::File(file)) if file.on == b"1" && file.off == b"0")
    );
}

#[rstest]
#[case::nothing_said("", b"1", b"0")]
#[case::low("active = \"low\"", b"0", b"1")]
#[case::own_texts(
    "on = \"enabled\\n\"\noff = \"disabled\\n\"",
    b"enabled\n",
    b"disabled\n"
)]
#[case::high_beside_own_texts("active = \"high\"\non = \"0\"\noff = \"1\"", b"0", b"1")]
fn a_file_driver_writes_what_asserts(#[case] keys: &str, #[case] on: &[u8], #[case] off: &[u8]) {
    let rig = read(&format!(
        "[console]\npath = \"/dev/x\"\nbaud = 9600\n[supply]\ndriver = \"file\"\npath = \"/tmp/vbat\"\n{keys}\n\
         [server]\nlisten = \"127.0.0.1:8080\"\nurl = \"http://127.0.0.1:8080\"\n"
    ));
    let Bench::Real(bench) = rig.bench else {
        panic!("no real bench")
    };
    let OutputLine::File(file) = bench.supply else {
        panic!("no file")
    };
    assert_eq!((file.on.as_slice(), file.off.as_slice()), (on, off));
}

#[rstest]
#[case("virtual")]
#[case("pi-bc26-te-b")]
#[case("pi-bare-bc26")]
fn the_rig_files_of_the_project_have_no_mistakes(#[case] name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.toml"));
    RigFile::load(&path).unwrap_or_else(|mistake| panic!("{mistake}"));
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_refused(text in "(\\[(supply|console|server)\\]\n|[a-z]{1,6} = [\"'0-9a-z:/]{0,9}\n){0,12}") {
        let _refused = RigFile::parse(Path::new("odd.toml"), &text);
    }
}
