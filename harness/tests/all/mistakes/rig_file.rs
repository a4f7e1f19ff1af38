//! Mistakes in a rig file.

use std::fmt::Write as _;
use std::path::Path;

use harness::diagnostic;
use rig::config::RigFile;

use super::{assert_shown, replaced, shown};

/// A rig file without mistakes; each case replaces a part of it.
pub(crate) const RIG: &str = r#"[module]
model = "BC26"
imei  = "860000000000000"

[console]
path = "/dev/ttyUSB0"
baud = 115200

[supply]
driver  = "gpiochip"
line    = 17
active  = "high"
off_for = "2s"

[pwrkey]
driver = "gpiochip"
line   = 27
active = "low"
pulse  = "700ms"

[reset]
driver = "command"
on     = ["gpio", "reset", "1"]
off    = ["gpio", "reset", "0"]

[power_good]
driver = "file"
path   = "/sys/class/gpio/gpio23/value"

[server]
listen = "0.0.0.0:8080"
url    = "http://lab.example.net:8080"
"#;

pub(crate) fn rig_mistake(text: &str) -> Option<String> {
    let mistake = RigFile::parse(Path::new("bench.toml"), text).err()?;
    Some(diagnostic::render(&mistake, false))
}

#[test]
fn every_kind_of_mistake_in_a_rig_file() {
    let slips = [
        ("[supply]", "[suply]"),
        ("line    = 17", "lin     = 17"),
        ("driver  = \"gpiochip\"", "driver  = \"gpio\""),
        ("line   = 27", "line   = 17"),
        ("off_for = \"2s\"", "off_for = \"2 sec\""),
        ("pulse  = \"700ms\"", "pulse  = \"400ms\""),
        (
            "off    = [\"gpio\", \"reset\", \"0\"]",
            "off    = [\"gpio\", \"reset\", \"0\"]\npulse  = \"40ms\"",
        ),
        ("active  = \"high\"\n", ""),
        ("line    = 17\n", ""),
        ("active = \"low\"\n", "active = \"lo\"\n"),
        (
            "off    = [\"gpio\", \"reset\", \"0\"]",
            "off    = [\"gpio\", \"reset\", \"1\"]",
        ),
        (
            "off    = [\"gpio\", \"reset\", \"0\"]",
            "off    = \"gpio reset 0\"",
        ),
        ("off    = [\"gpio\", \"reset\", \"0\"]\n", ""),
        ("path   = \"/sys/class/gpio/gpio23/value\"\n", ""),
        ("/sys/class/gpio/gpio23/value", "/dev/ttyUSB0"),
        ("driver = \"file\"", "driver = \"virtual\""),
        ("[server]", "[virtual]\nspeed = 100\n[server]"),
        ("baud = 115200", "baud = 0"),
        ("baud = 115200", "baud = \"fast\""),
        ("path = \"/dev/ttyUSB0\"\n", ""),
        ("860000000000000", "86000000000000"),
        ("model = \"BC26\"", "model = \"BC95\""),
        ("listen = \"0.0.0.0:8080\"", "listen = \"8080\""),
        ("lab.example.net:8080", "lab.example.net:8000"),
        ("http://lab", "https://lab"),
        ("net:8080", "net:8080/files"),
        ("net:8080", "net:0"),
        ("lab.example.net:8080", "2001:db8::1:8080"),
        (
            "lab.example.net:8080",
            "a-name-that-is-one-character-longer-than-the-modules-take.example.net:8080",
        ),
        ("url    = \"http://lab.example.net:8080\"\n", ""),
        (
            "[server]\nlisten = \"0.0.0.0:8080\"\nurl    = \"http://lab.example.net:8080\"\n",
            "",
        ),
        (
            "off_for = \"2s\"",
            "off_for = \"2s\"\nmay_cut_while_updating = true",
        ),
    ];
    assert_shown!("rig_file", shown(RIG, &slips, rig_mistake));
}

#[test]
fn a_figure_in_a_rig_file_that_cannot_be_meant() {
    let slips = [
        ("off_for = \"2s\"", "off_for = \"0s\""),
        ("off_for = \"2s\"", "off_for = \"2h\""),
        ("off_for = \"2s\"", "off_for = 2"),
        ("off_for = \"2s\"", "off_for = \"2\""),
        ("pulse  = \"700ms\"", "pulse  = \"700s\""),
        ("pulse  = \"700ms\"", "pulse  = \"700 millis\""),
        ("pulse  = \"700ms\"", "pulse  = 700"),
        ("off_for = \"2s\"", "off_for = \"2s\"\nstable = \"1h\""),
        (
            "model = \"BC26\"",
            "model = \"BC26\"\nboots_within = \"5ms\"",
        ),
        ("line    = 17", "line    = -1"),
        ("line    = 17", "line    = 17.5"),
        ("line    = 17", "line    = [17]"),
        ("active  = \"high\"", "active  = true"),
        ("baud = 115200", "baud = 115201"),
        ("baud = 115200", "baud = \"115200\""),
        ("imei  = \"860000000000000\"", "imei  = 860000000000000"),
        ("listen = \"0.0.0.0:8080\"", "listen = 8080"),
        ("listen = \"0.0.0.0:8080\"", "listen = \"0.0.0.0:80800\""),
        ("off_for = \"2s\"", "off_for = \"2s\"\nstable = \"10ms\""),
        (
            "driver = \"gpiochip\"\nline   = 27",
            "driver = \"rppal\"\nline = 99",
        ),
        (
            "driver = \"gpiochip\"\nline   = 27",
            "driver = \"rppal\"\nline = 300",
        ),
        ("[supply]", "supply = \"on\"\n[power]"),
    ];
    assert_shown!("rig_figures", shown(RIG, &slips, rig_mistake));
}

#[test]
fn one_wire_for_two_lines() {
    let pwrkey = "driver = \"gpiochip\"\nline   = 27";
    let supply = "driver  = \"gpiochip\"\nline    = 17";
    let slips = [
        (
            pwrkey,
            "driver = \"gpiochip\"\nchip = \"/dev/gpiochip0\"\nline = 17",
        ),
        (pwrkey, "driver = \"gpiochip\"\nline = \"GPIO17\""),
        (pwrkey, "driver = \"rppal\"\nline = 17"),
        (supply, "driver = \"rppal\"\nline = 27"),
        (
            "driver = \"file\"\npath   = \"/sys/class/gpio/gpio23/value\"",
            "driver = \"command\"\nread = [\"gpio\", \"reset\", \"1\"]",
        ),
        ("/sys/class/gpio/gpio23/value", "/dev/./ttyUSB0"),
        ("[reset]", "[pwrkey]"),
        ("[reset]", "[reset]\ndriver = \"file\""),
    ];
    assert_shown!("rig_wires", shown(RIG, &slips, rig_mistake));
    // What is not one wire, though it looks like it.
    for (from, to) in [
        (
            pwrkey,
            "driver = \"gpiochip\"\nchip = \"/dev/gpiochip1\"\nline = 17",
        ),
        (
            pwrkey,
            "driver = \"gpiochip\"\nchip = \"/dev/gpiochip1\"\nline = \"GPIO17\"",
        ),
        (pwrkey, "driver = \"rppal\"\nline = 27"),
    ] {
        assert_eq!(rig_mistake(&replaced(RIG, from, to)), None, "{to}");
    }
}

/// Two names of one file are one wire: what is written to it as a line would be sent to the module.
#[test]
fn one_file_by_two_names_for_two_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("vbat"), "0").unwrap();
    std::fs::create_dir(at("below")).unwrap();
    std::os::unix::fs::symlink(at("vbat"), at("link")).unwrap();
    std::fs::hard_link(at("vbat"), at("hard")).unwrap();
    let rig = |reset: &str, console: &str| {
        format!(
            "[console]\npath = '{console}'\nbaud = 115200\n[supply]\ndriver = 'file'\npath = 'vbat'\n\
             [reset]\ndriver = 'file'\npath = '{reset}'\n\
             [server]\nlisten = '127.0.0.1:8080'\nurl = 'http://127.0.0.1:8080'\n"
        )
    };
    let read = |text: &str| {
        let mistake = RigFile::parse(&at("bench.toml"), text).err()?;
        let shown = diagnostic::render(&mistake, false);
        Some(shown.replace(&*folder.path().to_string_lossy(), "…"))
    };
    let mut all = String::new();
    for (reset, console) in [
        ("link", "/dev/ttyUSB0"),
        ("hard", "/dev/ttyUSB0"),
        ("below/../vbat", "/dev/ttyUSB0"),
        ("reset", "link"),
    ] {
        let message = read(&rig(reset, console));
        let message = message.unwrap_or_else(|| panic!("nobody minds `{reset}`, `{console}`"));
        writeln!(all, "{message}\n").unwrap();
    }
    assert_shown!("rig_files", all);
    assert_eq!(read(&rig("below/vbat", "/dev/ttyUSB0")), None);
}

#[test]
fn a_text_of_a_rig_file_that_names_nothing() {
    let input = "path   = \"/sys/class/gpio/gpio23/value\"";
    let slips = [
        (input, "path = \"\""),
        (input, "path = \"/tmp/v\\u0000bat\""),
        ("path = \"/dev/ttyUSB0\"", "path = \"\""),
        (
            "on     = [\"gpio\", \"reset\", \"1\"]",
            "on     = [\"\", \"reset\"]",
        ),
        (
            "on     = [\"gpio\", \"reset\", \"1\"]",
            "on     = [\"gpio\", \"reset\\u0000\"]",
        ),
        (
            "driver  = \"gpiochip\"",
            "driver  = \"gpiochip\"\nchip = \"\"",
        ),
        ("line    = 17", "line    = \"\""),
        (input, "path = \"/tmp/vdd\"\non = 1"),
        (input, "path = \"/tmp/vdd\"\non = \"up\"\noff = \"up\""),
        ("[module]", "packages = \"/srv/packages\"\n[module]"),
    ];
    assert_shown!("rig_texts", shown(RIG, &slips, rig_mistake));
}

#[test]
fn a_key_of_a_rig_file_that_means_nothing_where_it_is() {
    let input = "driver = \"file\"\npath   = \"/sys/class/gpio/gpio23/value\"";
    let slips = [
        (
            input,
            "driver = \"rppal\"\nline = 23\nactive = \"high\"\ndrive = \"open-drain\"",
        ),
        (
            input,
            "driver = \"gpiochip\"\nline = 23\nactive = \"high\"\ndrive = \"open-drain\"",
        ),
        (
            input,
            "driver = \"gpiochip\"\nline = 23\nactive = \"high\"\npulse = \"1s\"",
        ),
        (
            input,
            "driver = \"gpiochip\"\nline = 23\nactive = \"high\"\non = \"1\"",
        ),
        (
            input,
            "driver = \"command\"\nread = [\"vdd\"]\non = [\"vdd\", \"on\"]",
        ),
        (input, "driver = \"command\"\nread = []"),
        ("line   = 27", "line   = 27\noff_for = \"1s\""),
        ("line   = 27", "line   = 27\nread = [\"pwrkey\"]"),
        (
            "driver  = \"gpiochip\"",
            "driver  = \"rppal\"\nbias = \"pull-down\"",
        ),
        (
            "driver  = \"gpiochip\"",
            "driver  = \"rppal\"\nchip = \"/dev/gpiochip0\"",
        ),
        (
            "driver  = \"gpiochip\"",
            "driver  = \"rppal\"\ndrive = \"open-drain\"",
        ),
        (
            "driver = \"command\"",
            "driver = \"command\"\nactive = \"low\"",
        ),
    ];
    assert_shown!("rig_useless", shown(RIG, &slips, rig_mistake));
}

#[test]
fn a_server_that_the_module_cannot_reach() {
    let slips = [
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("listen = \"0.0.0.0:8080\"\n", ""),
        ("0.0.0.0:8080", "0.0.0.0:0"),
        (
            "listen = \"0.0.0.0:8080\"",
            "listen = \"0.0.0.0:0\"\nforwarded = true",
        ),
        ("lab.example.net:8080", "0.0.0.0:8080"),
        ("lab.example.net:8080", "[::]:8080"),
        ("http://lab.example.net:8080", "lab.example.net:8080"),
        ("http://lab.example.net:8080", "http://:8080"),
        (
            "url    = \"http://lab.example.net:8080\"",
            "url    = \"http://lab.example.net\"",
        ),
        ("lab.example.net:8080", "lab..example.net:8080"),
        ("lab.example.net:8080", "-lab.example.net:8080"),
        ("lab.example.net:8080", "lab,example.net:8080"),
        ("lab.example.net:8080", "büro.example.net:8080"),
        ("lab.example.net:8080", "256.1.1.1:8080"),
        ("lab.example.net:8080", "[2001:db8::g]:8080"),
        ("lab.example.net:8080", "[2001:db8::1]:8080"),
        (
            "listen = \"0.0.0.0:8080\"\nurl    = \"http://lab.example.net:8080\"",
            "listen = \"[2001:db8::1]:8080\"\nurl    = \"http://203.0.113.7:8080\"",
        ),
    ];
    assert_shown!("rig_server", shown(RIG, &slips, rig_mistake));
    for (from, to) in [
        // A tunnel ends here.
        (
            "listen = \"0.0.0.0:8080\"",
            "listen = \"127.0.0.1:8080\"\nforwarded = true",
        ),
        ("lab.example.net:8080", "127.0.0.1:8080"),
        // One that listens on every address of IPv6 is called by those of IPv4, too.
        (
            "listen = \"0.0.0.0:8080\"\nurl    = \"http://lab.example.net:8080\"",
            "listen = \"[::]:8080\"\nurl    = \"http://203.0.113.7:8080\"",
        ),
        ("lab.example.net:8080", "lab_2.xn--bro-hoa.example:8080"),
    ] {
        assert_eq!(rig_mistake(&replaced(RIG, from, to)), None, "{to}");
    }
}

#[test]
fn a_file_that_is_no_rig_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.toml");
    let cases: [&[u8]; 6] = [
        b"",
        b"# nothing but this\n",
        b"[console]\nbaud = 115200\n",
        b"[module]\nmodel = \"BC26\"\n# K\xfchlschrank\n",
        b"\xff\xfe[\0m\0o\0d\0",
        b"\x7fELF\x02\x01\x01",
    ];
    let mut all = String::new();
    for bytes in cases {
        std::fs::write(&path, bytes).unwrap();
        let mistake = RigFile::load(&path).unwrap_err();
        let shown = diagnostic::render(&mistake, false);
        let shown = shown.replace(&*folder.path().to_string_lossy(), "…");
        writeln!(all, "{shown}\n").unwrap();
    }
    assert_shown!("no_rig", all);
    // As an editor on Windows saves it.
    let text = format!("\u{feff}{}", RIG.replace('\n', "\r\n"));
    std::fs::write(&path, text).unwrap();
    RigFile::load(&path).unwrap_or_else(|mistake| panic!("{mistake}"));
}

/// What cannot be read is said with the reason, and nothing is waited for.
#[test]
fn what_is_no_file_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    std::fs::write(at("long"), " ".repeat(10_000_000)).unwrap();
    let mut all = String::new();
    for name in ["absent", "folder", "fifo", "long"] {
        let mistake = RigFile::load(&at(name)).unwrap_err();
        let shown = diagnostic::render(&mistake, false);
        let shown = shown.replace(&*folder.path().to_string_lossy(), "…");
        writeln!(all, "{shown}").unwrap();
    }
    assert_shown!("no_file", all);
}

#[test]
fn every_kind_of_mistake_in_a_virtual_rig() {
    let whole = "[console]\nbaud = 115200\n\n[supply]\ndriver = \"virtual\"\n\n[pwrkey]\ndriver = \"virtual\"\npulse = \"700ms\"\n\n[virtual]\npersonality = \"guide\"\nspeed = 100\n";
    let slips = [
        ("baud = 115200", "baud = 115200\npath = \"/dev/ttyUSB0\""),
        ("pulse = \"700ms\"", "pulse = \"700ms\"\nline = 17"),
        (
            "[pwrkey]\ndriver = \"virtual\"",
            "[pwrkey]\ndriver = \"file\"\npath = \"/tmp/pwrkey\"",
        ),
        ("\"guide\"", "\"giude\""),
        ("speed = 100", "speed = 0"),
    ];
    assert_shown!("virtual_rig", shown(whole, &slips, rig_mistake));
}
