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
