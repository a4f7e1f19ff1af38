//! What is said of a mistake in a scenario or a rig file: whole messages, with their places.

use std::fmt::Write as _;
use std::path::Path;

use harness::{diagnostic, scenario};
use proptest::prelude::*;
use rig::config::RigFile;

/// A scenario without mistakes; each case replaces a part of it.
const SCENARIO: &str = r#"title   = "Power is cut while the module writes its flash"
guide   = "3.1 note 1"
package = "a-to-b"

steps = [
  { power = "on" },
  { expect = "ready",                     within = "60s" },
  { send = 'AT+QFOTADL="{url}"',          expect = "OK", within = "300ms" },
  { expect = "FOTA UPDATING >= {cut_at}", within = "10m" },
  { power = "cut",                        off_for = "5s" },
  { power = "on" },
  { expect = "FOTA END 0",                within = "15m" },
]

[parameters]
cut_at = [1, 37, 99]

[end]
firmware = "target"
"#;

/// A rig file without mistakes; each case replaces a part of it.
const RIG: &str = r#"[module]
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

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` is there once");
    text.replace(from, to)
}

/// (what is replaced, by what)
type Slip = (&'static str, &'static str);

fn shown(whole: &str, slips: &[Slip], read: impl Fn(&str) -> Option<String>) -> String {
    assert_eq!(read(whole), None, "the text itself has a mistake");
    let mut all = String::new();
    for (from, to) in slips {
        let message = read(&replaced(whole, from, to))
            .unwrap_or_else(|| panic!("nobody minds `{to}` for `{from}`"));
        writeln!(all, "{message}\n").unwrap();
    }
    all
}

fn scenario_mistake(text: &str) -> Option<String> {
    let mistake = scenario::parse(Path::new("power-cut.toml"), text).err()?;
    Some(diagnostic::render(&mistake, false))
}

fn rig_mistake(text: &str) -> Option<String> {
    let mistake = RigFile::parse(Path::new("bench.toml"), text).err()?;
    Some(diagnostic::render(&mistake, false))
}

macro_rules! assert_shown {
    ($name:literal, $shown:expr) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!($name, $shown);
        })
    };
}

#[test]
fn a_key_or_a_word_that_is_misspelled() {
    let slips = [
        ("title   =", "titel   ="),
        (
            "{ power = \"on\" },\n  { expect = \"ready\"",
            "{ pwoer = \"on\" },\n  { expect = \"ready\"",
        ),
        ("off_for = \"5s\"", "of_for = \"5s\""),
        ("power = \"cut\"", "power = \"cutt\""),
        ("\"FOTA END 0\"", "\"FOTA EDN 0\""),
        ("expect = \"OK\"", "expect = \"ok\""),
        ("\"FOTA END 0\"", "\"END 0\""),
        ("\"FOTA END 0\"", "\"the end\""),
        ("\"ready\"", "\"phase updated\""),
        ("{cut_at}", "{cut_of}"),
        ("{url}", "{ulr}"),
        ("firmware = \"target\"", "firmware = \"new\""),
        ("3.1 note 1", "3.1 note 7"),
    ];
    assert_shown!("misspelled", shown(SCENARIO, &slips, scenario_mistake));
}

#[test]
fn a_value_that_cannot_be() {
    let slips = [
        ("within = \"60s\"", "within = \"60 sec\""),
        ("within = \"60s\"", "within = \"60\""),
        ("within = \"60s\"", "within = 60"),
        (">= {cut_at}", ">= 101"),
        (">= {cut_at}", "at {cut_at}"),
        ("\"FOTA END 0\"", "\"FOTA END 255..=252\""),
        ("\"FOTA END 0\"", "\"FOTA START 0\""),
        ("\"FOTA END 0\"", "[]"),
        ("\"FOTA END 0\"", "[\"ready\", \"FOTA END 0\"]"),
        ("[1, 37, 99]", "[]"),
        ("[1, 37, 99]", "[1, 37, 37]"),
        ("[1, 37, 99]", "[\"a b\"]"),
        ("[1, 37, 99]", "{ early = 1, late = [99] }"),
        ("cut_at = [1", "url = [2]\ncut_at = [1"),
        ("cut_at = [1", "unused = [2]\ncut_at = [1"),
        ("{url}", "{url"),
        ("{url}", "{url:0}"),
        (
            "{ power = \"cut\",                        off_for = \"5s\" }",
            "{ rate = 9601 }",
        ),
        (
            "{ power = \"cut\",                        off_for = \"5s\" }",
            "{ raw = 'AT\\q' }",
        ),
        (
            "package = \"a-to-b\"",
            "package = \"a-to-b\"\nconsole = 9601",
        ),
        ("[end]", "[virtual]\npersonality = \"guid\"\n[end]"),
    ];
    assert_shown!("values", shown(SCENARIO, &slips, scenario_mistake));
}

#[test]
fn steps_that_mean_nothing() {
    let slips = [
        (
            "{ expect = \"FOTA END 0\",                within = \"15m\" }",
            "{ expect = \"FOTA END 0\" }",
        ),
        (
            "{ expect = \"FOTA END 0\",                within = \"15m\" }",
            "{ within = \"15m\" }",
        ),
        (
            "{ expect = \"FOTA END 0\",                within = \"15m\" }",
            "{}",
        ),
        ("expect = \"OK\", within", "within"),
        (
            "{ power = \"on\" },\n  { expect = \"ready\"",
            "{ expect = \"ready\"",
        ),
        (
            "{ power = \"on\" },\n  { expect = \"FOTA END",
            "{ expect = \"FOTA END",
        ),
        (
            "{ power = \"cut\",                        off_for = \"5s\" },\n",
            "",
        ),
        (
            "{ power = \"on\" },\n  { expect = \"FOTA END",
            "{ power = \"on\", off_for = \"5s\" },\n  { expect = \"FOTA END",
        ),
        (
            "  { send = 'AT+QFOTADL=\"{url}\"',          expect = \"OK\", within = \"300ms\" },\n",
            "",
        ),
        ("'AT+QFOTADL=\"{url}\"'", "'AT+QFOTADL=1'"),
        ("'AT+QFOTADL=\"{url}\"'", "'AT+CESQ;+QFOTA=1'"),
        ("package = \"a-to-b\"\n", ""),
        ("[end]\nfirmware = \"target\"\n", ""),
        (
            "package = \"a-to-b\"",
            "package = \"a-to-b\"\nverdict = \"fail\"",
        ),
        ("steps = [\n  { power = \"on\" },", "steps = [] #"),
    ];
    assert_shown!("steps", shown(SCENARIO, &slips, scenario_mistake));
}

/// Two steps of a scenario with a package, which alone are fine or not.
#[test]
fn steps_in_an_order_that_means_nothing() {
    let mut all = String::new();
    for steps in [
        "{ power = 'on' }, { send = 'AT+QFOTADL=?' }, { expect = 'FOTA START', within = '1s' }",
        "{ send = 'AT', expect = 'OK' }",
        "{ power = 'cut' }",
        "{ power = 'on' }, { power = 'off' }, { power = 'cut' }",
        "{ pulse = 'reset' }",
        "{ power = 'vbat' }, { power = 'on' }",
    ] {
        let text = format!(
            "title = \"a\"\nguide = \"3.1\"\npackage = \"p\"\nsteps = [ {steps} ]\n[end]\nfirmware = \"base\"\n"
        );
        let message = scenario_mistake(&text).unwrap_or_else(|| panic!("read: {steps}"));
        writeln!(all, "{message}\n").unwrap();
    }
    assert_shown!("order", all);
}

#[test]
fn a_file_that_is_no_scenario() {
    let mut all = String::new();
    for text in [
        "",
        "title = ",
        "title = \"a\"\nguide = \"3.1\"\n[[steps]]\npower = \"on\"\n",
        "title = \"a\"\nguide = \"3.1\"\nsteps = \"on\"\n",
        "title = \"a\"\nguide = \"3.1\"\nsteps = [ { power = \"on\", wait = \"5s\" } ]\n",
        "title = \"a\"\nguide = \"3.1\"\nsteps = [ { power = \"on\" } ]\n[end]\nfirmware = \"target\"\n",
        "title = \"a\"\nguide = \"3.1\"\nsteps = [ { power = \"on\" } ]\n[[server]]\nend = \"reset\"\n",
        "title = \"a\"\nguide = \"3.1\"\nsteps = [ { power = \"on\" }, { serve = \"nothing\" } ]\n",
        "title = \"a\"\nguide = \"3.1\"\npackage = \"p\"\nsteps = [ { power = \"on\" } ]\n[end]\nfirmware = \"base\"\n[[server]]\nbody = [{ at = \"37%\", stal = \"5s\" }]\n",
    ] {
        writeln!(
            all,
            "{}\n",
            scenario_mistake(text).unwrap_or_else(|| panic!("read: {text}"))
        )
        .unwrap();
    }
    for name in ["Power cut.toml", "-v.toml"] {
        let mistake = scenario::parse(Path::new(name), SCENARIO).unwrap_err();
        writeln!(all, "{}\n", diagnostic::render(&mistake, false)).unwrap();
    }
    // More than a thousand cases, by two parameters.
    let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let many = many.join(", ");
    let text = format!(
        "title = \"a\"\nguide = \"3.1\"\nsteps = [ {{ power = \"on\" }}, {{ send = \"{{a}}{{b}}\" }} ]\n\
         [parameters]\na = [{many}]\nb = [{many}]\n"
    );
    writeln!(all, "{}\n", scenario_mistake(&text).expect("too many")).unwrap();
    assert_shown!("no_scenario", all);
}

#[test]
fn a_mistake_fits_on_one_line_too() {
    let text = replaced(SCENARIO, "\"60s\"", "\"300 millis\"");
    let mistake = scenario::parse(Path::new("scenarios/power-cut.toml"), &text).unwrap_err();
    assert_eq!(
        mistake.to_string(),
        "scenarios/power-cut.toml:7:52: unknown unit in `300 millis`: \
         write `ms`, `s`, `m` or `h`, as in `300ms`"
    );
}

#[test]
fn a_file_that_is_not_there_says_so_and_why() {
    let mistake = scenario::load(Path::new("scenarios/no-such.toml")).unwrap_err();
    assert_eq!(
        mistake.to_string(),
        "scenarios/no-such.toml: cannot read this file"
    );
    let cause = std::error::Error::source(&mistake).expect("a cause");
    assert_eq!(cause.to_string(), "No such file or directory (os error 2)");
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.toml");
    std::fs::write(&path, "# \n".repeat(400_000)).unwrap();
    let mistake = scenario::load(&path).unwrap_err();
    let cause = std::error::Error::source(&mistake).expect("a cause");
    assert_eq!(cause.to_string(), "it is longer than 1048576 bytes");
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
        ("line    = 17", "line    = -1"),
        ("line    = 17", "line    = 17.5"),
        ("line    = 17", "line    = [17]"),
        ("active  = \"high\"", "active  = true"),
        ("baud = 115200", "baud = 115201"),
        ("baud = 115200", "baud = \"115200\""),
        ("imei  = \"860000000000000\"", "imei  = 860000000000000"),
        ("listen = \"0.0.0.0:8080\"", "listen = 8080"),
        ("listen = \"0.0.0.0:8080\"", "listen = \"0.0.0.0:80800\""),
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
    ];
    assert_shown!("rig_server", shown(RIG, &slips, rig_mistake));
    for (from, to) in [
        // A tunnel ends here.
        (
            "listen = \"0.0.0.0:8080\"",
            "listen = \"127.0.0.1:8080\"\nforwarded = true",
        ),
        ("lab.example.net:8080", "127.0.0.1:8080"),
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

/// Any slip of a hand: a part is gone, and something else is in its place.
fn slipped(whole: &str, at: usize, gone: usize, instead: &str) -> String {
    let chars: Vec<char> = whole.chars().collect();
    let at = at % chars.len();
    let end = (at + gone).min(chars.len());
    let (before, after) = (&chars[..at], &chars[end..]);
    before
        .iter()
        .copied()
        .chain(instead.chars())
        .chain(after.iter().copied())
        .collect()
}

proptest! {
    #[test]
    fn no_slip_is_too_odd_to_be_shown(
        at in any::<usize>(),
        gone in 0_usize..40,
        instead in "([\\PC\n\t]|\\{|\\}|\"|'|=|\\[|\\]){0,8}",
    ) {
        for (whole, read) in [
            (SCENARIO, scenario_mistake as fn(&str) -> Option<String>),
            (RIG, rig_mistake),
        ] {
            let text = slipped(whole, at, gone, &instead);
            if let Some(message) = read(&text) {
                prop_assert!(message.starts_with("error: "), "{message}");
            }
        }
    }

    #[test]
    fn a_mistake_is_at_a_place_in_its_file(at in any::<usize>(), gone in 0_usize..40) {
        let text = slipped(SCENARIO, at, gone, "");
        if let Err(mistake) = scenario::parse(Path::new("power-cut.toml"), &text) {
            prop_assert!(mistake.place.line() <= text.lines().count() + 1);
            prop_assert!(mistake.place.span.end <= text.len());
        }
    }
}
