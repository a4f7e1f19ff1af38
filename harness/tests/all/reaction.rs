//! What a wait with an act makes of a message, however long its line and however it is cut.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use harness::evidence::RunFolder;
use harness::runner::reaction::reactions;
use harness::scenario::{Awaited, Expectation, Number, Pattern};
use rig::Rig;
use rig::config::{Bench, RigFile};
use rstest::rstest;
use rustix::pty::OpenptFlags;

const AT_37: &str = "\r\n+QIND: \"FOTA\",\"UPDATING\",37%,1,1";

#[rstest]
#[case::a_line(&[AT_37, "\r\n"])]
#[case::two_lines(&[AT_37, AT_37, "\r\n"])]
#[case::no_ending(&[AT_37])]
#[case::a_line_that_is_too_long(&[AT_37, &"x".repeat(3_000)])]
#[case::an_answer_before_it(&["OK", AT_37, "\r\n"])]
fn the_act_is_done_once_and_told(#[case] said: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let console = rustix::pty::ptsname(&master, Vec::new()).unwrap();
    let supply = dir.path().join("vbat");
    let text = format!(
        "[console]\npath = '{}'\nbaud = 115200\n[supply]\ndriver = 'file'\npath = '{}'\n[server]\nlisten = '127.0.0.1:8080'\nurl = 'http://127.0.0.1:8080'\n",
        console.to_str().unwrap(),
        supply.display()
    );
    let rig = RigFile::parse(Path::new("rig.toml"), &text).unwrap();
    let Bench::Real(bench) = &rig.bench else {
        panic!("{:?}", rig.bench);
    };
    let state = dir.path().join("state");
    let mut rig = Rig::open_with_state(&rig, bench, &state).unwrap();
    assert!(state.read_dir().unwrap().count() > 0);
    let expectation = Expectation {
        awaited: Awaited::Message(vec![Pattern::Updating(Number::Within(37..=100))]),
        within: std::time::Duration::from_secs(10),
        text: "FOTA UPDATING >= 37".to_owned(),
    };
    let evidence = RunFolder::create(dir.path(), "evidence").unwrap();
    let case = evidence.case("reaction").unwrap();
    let mut wire = File::from(master);
    let mut say = |_| wire.write_all(said.concat().as_bytes()).unwrap();
    reactions(&mut rig, case, &expectation, 1, &mut say).unwrap();

    assert_eq!(std::fs::read(&supply).unwrap(), b"0");
    let timeline = evidence.path().join("reaction/timeline.jsonl");
    let timeline = std::fs::read_to_string(timeline).unwrap();
    for once in ["\"supply\",\"on\":false", "\"reaction\""] {
        assert_eq!(
            timeline.matches(once).count(),
            1,
            "{once} in {} bytes",
            timeline.len()
        );
    }
}
