//! The scenarios of the project: each file is one, and its cases are what they seem.

use std::path::{Path, PathBuf};

use harness::scenario;
use rstest::rstest;

#[rstest]
fn every_file_is_a_scenario(#[files("../scenarios/*.toml")] path: PathBuf) {
    let scenario = scenario::load(&path).unwrap_or_else(|mistake| panic!("{mistake}"));
    assert!(!scenario.cases().is_empty());
}

#[test]
fn a_parameter_makes_cases_that_run_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let ids = |names: &[&str]| -> Vec<String> {
        scenario::select(names, &folder)
            .unwrap_or_else(|error| panic!("{error}"))
            .into_iter()
            .map(|case| case.id)
            .collect()
    };
    let all = ["power-cut@1", "power-cut@37", "power-cut@99"];
    assert_eq!(ids(&["power-cut"]), all);
    assert_eq!(ids(&["power-cut@37"]), ["power-cut@37"]);
    assert_eq!(ids(&["power-c?t@*", "power-cut"]), all);
    let path = folder.join("power-cut.toml");
    let path = path.to_str().unwrap();
    assert_eq!(ids(&[path]), all);
    assert_eq!(ids(&[&format!("{path}@99")]), ["power-cut@99"]);
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

#[test]
fn a_name_that_nothing_has_is_answered_with_a_guess() {
    let says = |name: &str| {
        scenario::select(&[name], &scenarios())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        says("power-cutt"),
        "no scenario is called `power-cutt`: did you mean `power-cut`?"
    );
    assert_eq!(says("nothing-*"), "no scenario is called `nothing-*`");
    assert_eq!(
        says("power-cut@38"),
        "scenario `power-cut` has no case `power-cut@38`: \
         it has `power-cut@1`, `power-cut@37` and `power-cut@99`"
    );
}

#[test]
fn all_is_every_case_of_every_file_once() {
    let all = scenario::select(&["all", "update"], &scenarios()).unwrap();
    let mut ids: Vec<&str> = all.iter().map(|case| case.id.as_str()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "a case is there twice");
    for name in ["update", "mismatched-package", "autobaud", "power-cut@1"] {
        assert!(ids.contains(&name), "`{name}` must exist by this name");
    }
}

fn one_case(text: &str) -> scenario::Case {
    let scenario = scenario::parse(Path::new("asked.toml"), text)
        .unwrap_or_else(|mistake| panic!("{mistake}"));
    scenario.cases().remove(0)
}

#[test]
fn faults_are_named_in_the_order_in_which_they_can_come_to_be() {
    let case = one_case(
        r#"title = "a"
guide = "house"
package = "a-to-b"
steps = [
  { power = "on" },
  { power = "cut" },
  { serve = [{ end = "reset" }] },
  { power = "on" },
  { power = "off" },
  { power = "on" },
  { power = "cut" },
]
[end]
firmware = "either"
[[server]]
request = 1
answer = { status = 404 }
[[server]]
answer = { status = 503 }
"#,
    );
    assert_eq!(
        case.planned_faults(),
        ["cut-1", "cut-2", "server-1", "server-2", "server-3"]
    );
}

#[rstest]
#[case::in_the_download(
    r#"{ expect = "FOTA DOWNLOADING", within = "1m" }, { power = "cut" }"#,
    false,
    false
)]
#[case::while_updating(
    r#"{ expect = "FOTA UPDATING", within = "1m" }, { power = "cut" }"#,
    false,
    true
)]
#[case::after_start(
    r#"{ expect = "FOTA START", within = "1m" }, { wait = "1s" }, { power = "cut" }"#,
    false,
    true
)]
#[case::reset_while_updating(
    r#"{ expect = "phase updating", within = "1m" }, { pulse = "reset" }"#,
    true,
    true
)]
#[case::reset_in_the_download(
    r#"{ expect = "FOTA DOWNLOADING", within = "1m" }, { pulse = "reset" }"#,
    true,
    false
)]
#[case::pwrkey(r#"{ pulse = "pwrkey", for = "1s" }"#, false, false)]
#[case::pwrkey_while_updating(
    r#"{ expect = "FOTA UPDATING", within = "1m" }, { pulse = "pwrkey" }"#,
    false,
    true
)]
fn a_case_says_what_it_needs_of_a_rig(
    #[case] steps: &str,
    #[case] reset: bool,
    #[case] cut_while_updating: bool,
) {
    let case = one_case(&format!(
        r#"title = "a"
guide = "3.1"
package = "a-to-b"
steps = [ {{ power = "on" }}, {{ send = 'AT+QFOTADL="{{url}}"' }}, {steps} ]
[end]
firmware = "either"
"#
    ));
    let needs = case.needs();
    assert_eq!(
        (needs.reset, needs.cut_while_updating),
        (reset, cut_while_updating)
    );
    assert!(needs.server && !needs.virtual_module);
}

#[test]
fn parameters_multiply_and_fill_every_text() {
    let scenario = scenario::parse(
        Path::new("product.toml"),
        r#"title = "a"
guide = "3.1"
package = "a-to-b"
steps = [ { power = "on" }, { rate = "{rate}" }, { send = "{command}", expect = "OK" } ]
[parameters]
rate = [9600, 115200]
command = { at = "AT", info = "ATI" }
end_with = { old = "base", new = "target" }
[end]
firmware = "{end_with}"
"#,
    )
    .unwrap_or_else(|mistake| panic!("{mistake}"));
    let cases = scenario.cases();
    let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids.first(), Some(&"product@9600,at,old"));
    assert_eq!(ids.last(), Some(&"product@115200,info,new"));
    assert_eq!(ids.len(), 8);
    let last = cases.last().unwrap();
    assert_eq!(last.end.firmware, scenario::EndFirmware::Target);
    assert_eq!(last.steps[1].statement, scenario::Statement::Rate(115_200));
    assert_eq!(last.steps[2].text, r#"send = "ATI", expect = "OK""#);
    assert_eq!(last.steps[2].line, 4);
}

/// The page that explains the format shows a scenario that is one.
#[test]
fn the_readme_shows_the_power_cut_as_it_is() {
    let read = |name: &str| std::fs::read_to_string(scenarios().join(name)).unwrap();
    let page = read("README.md");
    let shown = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let shown = scenario::parse(Path::new("power-cut.toml"), shown.unwrap()).unwrap();
    let kept = scenario::load(&scenarios().join("power-cut.toml")).unwrap();
    let steps =
        |scenario: &std::sync::Arc<scenario::Scenario>| -> Vec<(String, scenario::Statement)> {
            let cases = scenario.cases();
            let steps = cases.iter().flat_map(|case| {
                case.steps
                    .iter()
                    .map(|step| (case.id.clone(), step.statement.clone()))
            });
            steps.collect()
        };
    assert_eq!(steps(&shown), steps(&kept));
}

#[rstest]
#[case("target", true)]
#[case("base", true)]
#[case("either", false)]
fn where_either_firmware_may_be_there_no_sequence_is_the_only_one(
    #[case] firmware: &str,
    #[case] one: bool,
) {
    let case = one_case(&format!(
        "title = \"a\"\nguide = \"3.1\"\npackage = \"p\"\nsteps = [ {{ power = \"on\" }} ]\n\
         [end]\nfirmware = \"{firmware}\"\n"
    ));
    assert_eq!(case.has_one_sequence(), one);
}
