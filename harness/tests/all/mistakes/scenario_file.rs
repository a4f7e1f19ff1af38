//! Mistakes in a scenario.

use std::fmt::Write as _;
use std::path::Path;

use harness::{diagnostic, scenario};

use super::{assert_shown, replaced, shown};

/// A scenario without mistakes; each case replaces a part of it.
pub(crate) const SCENARIO: &str = r#"title   = "Power is cut while the module writes its flash"
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

pub(crate) fn scenario_mistake(text: &str) -> Option<String> {
    let mistake = scenario::parse(Path::new("power-cut.toml"), text).err()?;
    Some(diagnostic::render(&mistake, false))
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
