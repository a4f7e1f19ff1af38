//! The virtual rig with a lie, by the library.

use std::path::Path;

use harness::doctor::{Examination, What};
use harness::evidence::RunFolder;
use harness::interrupt::Interrupt;
use harness::runner::examine::{self, Told};
use harness::runner::factory_settings;
use rig::config::RigFile;
use rig::virtual_module::{Defect, Rate, Settings};

use super::check;
use crate::process::free_port;

/// A virtual rig, and what is wrong with it.
struct Virtual {
    name: &'static str,
    rig: &'static str,
    settings: fn(Settings) -> Settings,
    fails: Option<What>,
}

const RIG: &str = include_str!("../../../../rig/virtual.toml");

fn defect(settings: Settings, defect: Defect) -> Settings {
    Settings {
        defects: vec![defect],
        ..settings
    }
}

fn examine_virtual(case: &Virtual) -> (Examination, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let text = case.rig.replace("<port>", &free_port().to_string());
    let rig = RigFile::parse(Path::new("rig.toml"), &text).unwrap();
    let settings = (case.settings)(factory_settings(&rig));
    let folder = RunFolder::create(dir.path(), "run").unwrap();
    let mut told = 0;
    let mut tell = |what: Told<'_>| told += usize::from(matches!(what, Told::Over(_)));
    let examination =
        examine::examine(&rig, settings, &folder, &Interrupt::new(), &mut tell).unwrap();
    assert_eq!(told, What::ALL.len(), "each step is told once");
    (examination, dir)
}

#[test]
fn a_virtual_rig_fails_at_the_step_that_its_lie_is_about() {
    let cases = [
        Virtual {
            name: "healthy",
            rig: RIG,
            settings: |settings| settings,
            fails: None,
        },
        Virtual {
            name: "healthy-and-bare", // no PWRKEY, no RESET_N, no power_good
            rig: "[console]\nbaud = \"auto\"\n[supply]\ndriver = \"virtual\"\n",
            settings: |settings| Settings {
                speed: 50,
                ..settings
            },
            fails: None,
        },
        Virtual {
            name: "relay-stuck-on",
            rig: RIG,
            settings: |settings| defect(settings, Defect::H01),
            fails: Some(What::Supply),
        },
        Virtual {
            name: "fed-through-its-uart",
            rig: RIG,
            settings: |settings| defect(settings, Defect::H03),
            fails: Some(What::Supply),
        },
        Virtual {
            name: "pwrkey-cuts",
            rig: RIG,
            settings: |settings| defect(settings, Defect::H20),
            fails: Some(What::Pwrkey),
        },
        Virtual {
            name: "stale-bytes",
            rig: RIG,
            settings: |settings| defect(settings, Defect::H18),
            fails: Some(What::Pwrkey),
        },
        Virtual {
            name: "no-network",
            rig: RIG,
            settings: |settings| Settings {
                registered: false,
                ..settings
            },
            fails: Some(What::Network),
        },
        Virtual {
            name: "server-elsewhere",
            rig: concat!(
                include_str!("../../../../rig/virtual.toml"),
                "[server]\nlisten = \"127.0.0.1:<port>\"\nurl = \"http://127.0.0.1:9\"\nforwarded = true\n"
            ),
            settings: |settings| settings,
            fails: Some(What::Server),
        },
        Virtual {
            name: "another-rate",
            rig: RIG,
            settings: |settings| Settings {
                console: Rate::Fixed(9_600),
                ..settings
            },
            fails: Some(What::Rate),
        },
        Virtual {
            name: "learns-its-rate",
            rig: RIG,
            settings: |settings| Settings {
                console: Rate::Auto,
                ..settings
            },
            fails: Some(What::Rate),
        },
    ];
    let results: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = cases
            .iter()
            .map(|case| scope.spawn(|| examine_virtual(case)))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for (case, (examination, dir)) in cases.iter().zip(results) {
        check(case.name, case.fails, &examination, dir.path());
    }
}
