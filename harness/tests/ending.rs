//! How a case ends that the runner cannot go on with: the module is cared for first.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use dfota::monitor::{Monitor, Phase};
use dfota::timeline::{Entry, Event, Power};
use dfota::urc::FotaUrc;
use dfota::verdict::Verdict;
use harness::evidence::RunFolder;
use harness::guardian::Guard;
use harness::interrupt::Interrupt;
use harness::packages::Packages;
use harness::report::Finished;
use harness::runner::{Observer, Run};
use harness::scenario::{self, Case};
use rig::config::RigFile;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Has a defect: it panics once, when the module writes its flash.
#[derive(Default)]
struct Defective {
    panicked: AtomicBool,
}

impl Observer for Defective {
    fn begins(&self, _: &Case) {}

    fn happened(&self, _: &Case, _: &Entry, monitor: &Monitor) {
        let at_work = matches!(monitor.phase(), Phase::Updating { percent: Some(_) });
        if at_work && !self.panicked.swap(true, Ordering::SeqCst) {
            panic!("planned");
        }
    }

    fn warns(&self, _: &Case, _: &str) {}

    fn over(&self, _: &Finished) {}
}

#[test]
fn after_a_panic_the_power_stays_on_until_end() {
    let evidence = tempfile::tempdir().unwrap();
    let names = ["update".to_owned()];
    let cases = scenario::select(&names, &project("scenarios")).unwrap();
    let run = Run {
        rig: RigFile::virtual_default(),
        packages: Packages::load(&project("fixtures/packages")).unwrap(),
        seed: 1,
        snapshots: false,
        jobs: 1,
        defects: Vec::new(),
        guard: Guard::default(),
    };
    let folder = RunFolder::create(evidence.path(), "run").unwrap();
    let finished = run
        .all(&cases, &folder, &Interrupt::new(), &Defective::default())
        .unwrap();
    let [case] = finished.as_slice() else {
        panic!("{finished:?}")
    };
    assert_eq!(case.verdict, Verdict::Error, "{}", case.reason);
    assert!(
        case.reason.contains("the runner panicked: planned"),
        "{}",
        case.reason
    );
    let place = |wanted: &dyn Fn(&Event) -> bool| {
        let mut entries = case.timeline.iter().rev();
        entries
            .position(|entry| wanted(&entry.event))
            .map(|back| case.timeline.len() - back)
    };
    let trouble = place(&|event| matches!(event, Event::Trouble(_))).unwrap();
    let end = place(&|event| match event {
        Event::Received { message, .. } => matches!(message.fota(), Some(FotaUrc::End(_))),
        _ => false,
    });
    let off = place(&|event| matches!(event, Event::Supply { to: Power::Off, .. }));
    assert!(
        end > Some(trouble) && off > end,
        "{trouble} {end:?} {off:?}"
    );
}
