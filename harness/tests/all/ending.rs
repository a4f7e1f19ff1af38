//! How a case ends that the runner cannot go on with: the module is cared for first.

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
use rig::config::{Bench, RigFile};

use crate::suite::{Quiet, project};

/// Where something happened last, counted from 1.
fn last(case: &Finished, is_it: impl Fn(&Event) -> bool) -> Option<usize> {
    let found = case.timeline.iter().rposition(|entry| is_it(&entry.event));
    found.map(|index| index + 1)
}

fn is_end(event: &Event) -> bool {
    match event {
        Event::Received { message, .. } => matches!(message.fota(), Some(FotaUrc::End(_))),
        _ => false,
    }
}

fn is_off(event: &Event) -> bool {
    matches!(event, Event::Supply { to: Power::Off, .. })
}

fn run(rig: RigFile) -> Run {
    Run {
        rig,
        packages: Packages::load(&project("fixtures/packages")).unwrap(),
        seed: 1,
        snapshots: false,
        jobs: 1,
        defects: Vec::new(),
        guard: Guard::default(),
    }
}

/// Has a defect: it panics once, when the module has written so many percent of its flash.
struct Defective {
    at_percent: u32,
    panicked: AtomicBool,
}

impl Defective {
    fn at(at_percent: u32) -> Self {
        let panicked = AtomicBool::new(false);
        Self {
            at_percent,
            panicked,
        }
    }
}

impl Observer for Defective {
    fn begins(&self, _: &Case) {}

    fn happened(&self, _: &Case, _: &Entry, monitor: &Monitor) {
        let there = matches!(
            monitor.phase(),
            Phase::Updating { percent: Some(percent) } if percent >= self.at_percent
        );
        if there && !self.panicked.swap(true, Ordering::SeqCst) {
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
    let run = run(RigFile::virtual_default());
    let folder = RunFolder::create(evidence.path(), "run").unwrap();
    let finished = run
        .all(&cases, &folder, &Interrupt::new(), &Defective::at(1))
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
    let trouble = last(case, |event| matches!(event, Event::Trouble(_))).unwrap();
    let (end, off) = (last(case, is_end), last(case, is_off));
    assert!(
        end > Some(trouble) && off > end,
        "{trouble} {end:?} {off:?}"
    );
}

/// RESET_N is asserted the moment its message is there, and this panic comes before that is even
/// written down.
#[test]
fn a_module_is_not_held_in_reset_by_a_case_that_broke() {
    let evidence = tempfile::tempdir().unwrap();
    let names = ["reset-while-updating".to_owned()];
    let cases = scenario::select(&names, &project("scenarios")).unwrap();
    let run = run(RigFile::virtual_default());
    let folder = RunFolder::create(evidence.path(), "run").unwrap();
    let finished = run
        .all(&cases, &folder, &Interrupt::new(), &Defective::at(50))
        .unwrap();
    let [case] = finished.as_slice() else {
        panic!("{finished:?}")
    };
    assert_eq!(case.verdict, Verdict::Error, "{}", case.reason);
    let (end, off) = (last(case, is_end), last(case, is_off));
    assert!(end.is_some() && off > end, "{end:?} {off:?}");
}

#[test]
fn a_deadline_that_passes_after_start_takes_no_power() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hasty.toml");
    let update = std::fs::read_to_string(project("scenarios/update.toml")).unwrap();
    let (steps, _) = update.split_once("FOTA HTTPEND").unwrap();
    let (steps, _) = steps.rsplit_once('\n').unwrap();
    let hasty = format!(
        "{steps}\n  {{ expect = \"FOTA START\", within = \"20m\" }},\n  {{ expect = \"FOTA END 0\", within = \"10ms\" }},\n]\n\n[end]\nfirmware = \"target\"\n"
    );
    std::fs::write(&path, hasty).unwrap();
    let cases = scenario::select(&[path.display().to_string()], dir.path())
        .unwrap_or_else(|e| panic!("{e:#?}"));
    let mut rig = RigFile::virtual_default();
    if let Bench::Virtual(bench) = &mut rig.bench {
        // Between `START` and the restart the application still answers, for 250 ms at this
        // speed: a runner that takes an answer for the end of the update cuts it here.
        bench.speed = 8;
    }
    let folder = RunFolder::create(&dir.path().join("evidence"), "run").unwrap();
    let finished = run(rig)
        .all(&cases, &folder, &Interrupt::new(), &Quiet)
        .unwrap();
    let [case] = finished.as_slice() else {
        panic!("{finished:?}")
    };
    assert_eq!(case.verdict, Verdict::Fail, "{}", case.reason);
    let unmet = last(case, |event| matches!(event, Event::Unmet { .. })).unwrap();
    let end = last(case, is_end);
    let off = case.timeline[unmet..]
        .iter()
        .position(|entry| is_off(&entry.event));
    let off = off.map(|index| unmet + index + 1);
    assert!(end > Some(unmet) && off > end, "{unmet} {end:?} {off:?}");
}
