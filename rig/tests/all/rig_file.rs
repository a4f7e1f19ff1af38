//! Rig files: what they say, and what is said of a mistake.

use std::path::{Path, PathBuf};
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
listen = "[::]:8080"
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

/// BCM number to header pin, as printed on every Raspberry Pi's pinout since the B+.
const HEADER: [(u32, u32); 7] = [
    (14, 8),
    (15, 10),
    (17, 11),
    (22, 15),
    (23, 16),
    (24, 18),
    (27, 13),
];

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_rig_files_of_the_project_have_no_mistakes() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(project("")).unwrap() {
        let path = entry.unwrap().path();
        let is_rig = path.extension().is_some_and(|e| e == "toml") && !path.ends_with("Cargo.toml");
        if is_rig {
            RigFile::load(&path).unwrap_or_else(|mistake| panic!("{mistake}"));
            names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    assert_eq!(
        names,
        ["pi-bare-bc20", "pi-bare-bc26", "pi-bc26-te-b", "virtual"]
    );
}

/// Each line of a rig file stands in its drawing, at the header pin that it has.
#[rstest]
#[case("pi-bare-bc26", "wiring-bare")]
#[case("pi-bare-bc20", "wiring-bare")]
#[case("pi-bc26-te-b", "wiring-te-b")]
fn a_rig_file_and_its_drawing_agree(#[case] rig: &str, #[case] drawing: &str) {
    let rig = RigFile::load(&project(&format!("{rig}.toml"))).unwrap();
    let drawing = std::fs::read_to_string(project(&format!("{drawing}.svg"))).unwrap();
    let texts: Vec<&str> = drawing
        .split("<text ")
        .filter_map(|rest| rest.split(['<', '>']).nth(1))
        .collect();
    let pin_of = |bcm: u32| {
        let name = format!("GPIO{bcm}");
        let at = texts
            .iter()
            .position(|text| text.split(' ').next() == Some(&name));
        texts[at.unwrap_or_else(|| panic!("{name} is not drawn")) + 1].to_owned()
    };
    let Bench::Real(bench) = &rig.bench else {
        panic!("no real bench")
    };
    let outputs = [
        ("supply", Some(&bench.supply)),
        ("pwrkey", bench.pwrkey.as_ref().map(|pulsed| &pulsed.line)),
        ("reset", bench.reset.as_ref().map(|pulsed| &pulsed.line)),
        ("console_enable", bench.console_enable.as_ref()),
    ]
    .map(|(name, line)| {
        let bcm = match line {
            Some(OutputLine::Rppal(pin)) => u32::from(pin.line),
            Some(OutputLine::Gpiochip { chip, pin }) => by_label(chip, &pin.line),
            other => panic!("`{name}` is {other:?}"),
        };
        (name, bcm)
    });
    let sensed = match &bench.power_good {
        Some(InputLine::Rppal(pin)) => u32::from(pin.line),
        Some(InputLine::Gpiochip { chip, pin }) => by_label(chip, &pin.line),
        other => panic!("`power_good` is {other:?}"),
    };
    for (name, bcm) in outputs.into_iter().chain([("power_good", sensed)]) {
        let pin = HEADER.iter().find(|(known, _)| *known == bcm);
        let (_, pin) = pin.unwrap_or_else(|| panic!("`{name}` is on no pin of ours: GPIO{bcm}"));
        assert_eq!(pin_of(bcm), format!("pin {pin}"), "`{name}`");
        assert!(texts.contains(&name), "`{name}` is not drawn");
    }
    for uart in [14, 15] {
        let (_, pin) = HEADER.iter().find(|(bcm, _)| *bcm == uart).unwrap();
        assert_eq!(pin_of(uart), format!("pin {pin}"));
    }
}

/// What stands between a pin and the module decides its polarity: where an NPN or an N-MOSFET
/// pulls, the board's own too, and at the gate's enable, a high level asserts. VDD_EXT comes through an
/// NPN, which inverts; the rail of the TE-B through a divider, which does not.
#[rstest]
#[case("pi-bare-bc26", Level::Low)]
#[case("pi-bare-bc20", Level::Low)]
#[case("pi-bc26-te-b", Level::High)]
fn a_rig_file_has_the_polarity_that_is_drawn(#[case] rig: &str, #[case] power_good: Level) {
    let rig = RigFile::load(&project(&format!("{rig}.toml"))).unwrap();
    let Bench::Real(bench) = &rig.bench else {
        panic!("no real bench")
    };
    let outputs = [
        Some(&bench.supply),
        bench.pwrkey.as_ref().map(|pulsed| &pulsed.line),
        bench.reset.as_ref().map(|pulsed| &pulsed.line),
        bench.console_enable.as_ref(),
    ];
    for line in outputs {
        let active = match line {
            Some(OutputLine::Rppal(pin)) => pin.active,
            Some(OutputLine::Gpiochip { pin, .. }) => pin.active,
            other => panic!("{other:?}"),
        };
        assert_eq!(active, Level::High, "{line:?}");
    }
    // The kernel tells the moment at which the rail fell; registers do not.
    match &bench.power_good {
        Some(InputLine::Gpiochip { pin, .. }) => assert_eq!(pin.active, power_good),
        other => panic!("{other:?}"),
    }
}

/// Whoever buys what the README lists has each part of the drawing.
#[rstest]
#[case("wiring-bare", 1)]
#[case("wiring-te-b", 2)]
fn the_parts_that_are_listed_are_those_that_are_drawn(
    #[case] drawing: &str,
    #[case] column: usize,
) {
    let drawing = std::fs::read_to_string(project(&format!("{drawing}.svg"))).unwrap();
    let readme = std::fs::read_to_string(project("README.md")).unwrap();
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for part in [
        "P-MOSFET",
        "N-MOSFET",
        "NPN",
        "74LVC1G126",
        "74LVC1T45",
        "LDO",
        "1 k",
        "4.7 k",
        "10 k",
        "15 k",
        "47 k",
        "100 k",
        "470 µF",
        "100 µF",
        "100 nF",
    ] {
        let drawn = drawing
            .split("</text>")
            .filter_map(|text| text.rsplit('>').next())
            .filter(|text| *text == part || text.ends_with(&format!(" {part}")))
            .count();
        let row = rows.iter().find(|row| row[0] == part && row.len() == 4);
        let row = row.unwrap_or_else(|| panic!("no `{part}` is listed"));
        let listed: usize = row[column].parse().unwrap_or(0);
        assert_eq!(listed, drawn, "`{part}`");
    }
}

/// A chip's number can be another one after a kernel's update.
fn by_label(chip: &str, line: &LineName) -> u32 {
    assert!(chip.starts_with("pinctrl-"), "`{chip}` is no label");
    match line {
        LineName::Offset(offset) => *offset,
        LineName::Name(name) => panic!("`{name}` is no offset"),
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_refused(text in "(\\[(supply|console|server)\\]\n|[a-z]{1,6} = [\"'0-9a-z:/]{0,9}\n){0,12}") {
        let _refused = RigFile::parse(Path::new("odd.toml"), &text);
    }
}
