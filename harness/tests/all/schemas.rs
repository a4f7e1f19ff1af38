//! The committed JSON Schemas: made from the types, and right about every file of the project.

use std::path::{Path, PathBuf};

use harness::schemas;
use rstest::rstest;
use serde_json::Value;

use crate::json_schema;

#[rstest]
#[case("scenarios/scenario.schema.json", "scenario", schemas::scenario())]
#[case("rig/rig.schema.json", "rig", schemas::rig())]
fn the_committed_schema_is_that_of_the_types(
    #[case] path: &str,
    #[case] of: &str,
    #[case] text: String,
) {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let committed = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        committed == text,
        "`{path}` is not the schema of the types: run `hil schema {of} > {path}`, look at the difference, and commit"
    );
}

fn from_toml(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

#[rstest]
fn the_schema_takes_every_scenario(#[files("../scenarios/*.toml")] path: PathBuf) {
    let file = from_toml(&std::fs::read_to_string(path).unwrap());
    json_schema::check(&harness::scenario::schema(), &file).unwrap();
}

#[test]
fn the_schema_takes_every_rig_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rig");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut checked = 0;
    for path in files {
        let is_rig_file = path
            .extension()
            .is_some_and(|extension| extension == "toml")
            && path
                .file_stem()
                .is_some_and(|stem| stem != "Cargo" && stem != "clippy");
        if is_rig_file {
            let file = from_toml(&std::fs::read_to_string(&path).unwrap());
            json_schema::check(&rig::config::schema(), &file)
                .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} rig files were found");
}

/// An editor must see what the reader would refuse for its shape alone.
#[rstest]
#[case::no_title("guide = '3.1'\nsteps = [ { power = 'on' } ]", "\"title\" is missing")]
#[case::no_steps("title = 'a'\nguide = '3.1'", "\"steps\" is missing")]
#[case::unknown_key(
    "title = 'a'\nguide = '3.1'\npakage = 'a-to-b'\nsteps = [ { power = 'on' } ]",
    "/pakage: nothing may be here"
)]
#[case::unknown_verb(
    "title = 'a'\nguide = '3.1'\nsteps = [ { pover = 'on' } ]",
    "/steps/0/pover: nothing may be here"
)]
#[case::unknown_word(
    "title = 'a'\nguide = '3.1'\nsteps = [ { power = 'onn' } ]",
    "/steps/0/power: not one of"
)]
#[case::two_verbs(
    "title = 'a'\nguide = '3.1'\nsteps = [ { power = 'on', wait = '5s' } ]",
    "/steps/0/wait: nothing may be here"
)]
#[case::unknown_unit(
    "title = 'a'\nguide = '3.1'\nsteps = [ { wait = '5 sec' } ]",
    "`5 sec` does not match"
)]
#[case::number_for_text(
    "title = 5\nguide = '3.1'\nsteps = [ { power = 'on' } ]",
    "/title: not of type"
)]
#[case::parameter_without_values(
    "title = 'a'\nguide = '3.1'\nsteps = [ { power = 'on' } ]\n[parameters]\na = []",
    "/parameters/a: too few"
)]
fn the_schema_refuses_what_is_of_another_shape(#[case] text: &str, #[case] why: &str) {
    let refused = json_schema::check(&harness::scenario::schema(), &from_toml(text));
    let refused = refused.expect_err("taken");
    assert!(refused.contains(why), "{refused}");
    // And so does the reader: schema and reader are two views of one type.
    harness::scenario::parse(Path::new("a.toml"), text).expect_err("read");
}

#[rstest]
#[case::unknown_key(
    "[console]\nbaud = 9600\nspeed = 1\n[supply]\ndriver = 'virtual'",
    "/console/speed"
)]
#[case::unknown_driver("[console]\nbaud = 9600\n[supply]\ndriver = 'gpio'", "/supply/driver")]
#[case::unknown_level(
    "[console]\nbaud = 9600\n[supply]\ndriver = 'rppal'\nactive = 'up'",
    "/supply/active"
)]
#[case::no_supply("[console]\nbaud = 9600", "\"supply\" is missing")]
fn the_schema_refuses_a_rig_of_another_shape(#[case] text: &str, #[case] why: &str) {
    let refused = json_schema::check(&rig::config::schema(), &from_toml(text));
    let refused = refused.expect_err("taken");
    assert!(refused.contains(why), "{refused}");
    rig::config::RigFile::parse(Path::new("a.toml"), text).expect_err("read");
}
