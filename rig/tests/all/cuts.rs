//! Every operation of the flash, cut before, within and after: whatever is cut, the module ends
//! with exactly the base or exactly the target, and can be updated.
//!
//! The operations are counted in one uncut life; each is then cut in a clone of that life, so
//! the sweep ends where the operations end and nowhere earlier.

use std::time::Duration;

use proptest::prelude::*;
use rig::delta::{self, SECTOR};
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Defect, Personality, Rate, Settings};
use rstest::rstest;

use crate::told;

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";
/// Small, so that each life is short; three sectors have a first, an inner and a last.
const IMAGE_LEN: usize = 3 * SECTOR;
const MINUTE: Duration = Duration::from_secs(60);
const UPDATE: &str = "AT+QFOTADL=\"http://10.0.0.1/p.bin\"\r";

fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
}

fn package() -> Vec<u8> {
    delta::make(&firmware(A), &firmware(B)).unwrap()
}

/// A bench on which an update has just been commanded.
fn commanded(personality: Personality, defects: &[Defect]) -> InProcess {
    let settings = Settings {
        personality,
        console: Rate::Fixed(115_200),
        image: firmware(A),
        defects: defects.to_vec(),
        ..Settings::default()
    };
    let mut bench = InProcess::new(&settings, Web::Package(package().into()));
    start(&mut bench);
    bench.send(UPDATE);
    bench
}

fn start(bench: &mut InProcess) {
    bench.power_on();
    // Booted, if it can, and a result reported, if there is one.
    bench.run_for(Duration::from_secs(10));
}

/// The version, as `ATI` tells it.
fn version(bench: &mut InProcess) -> Option<&'static str> {
    told::version(bench, [A, B])
}

fn in_flash(bench: &InProcess) -> Vec<u8> {
    bench.module().flash().read(0, IMAGE_LEN)
}

/// Cuts the power now, and lets the module come to rest.
fn cut_and_recover(bench: &mut InProcess) {
    bench.set_vbat(false);
    bench.run_for(Duration::from_secs(5));
    bench.power_on();
    bench.run_for(MINUTE);
}

/// What must be true after anything: old or new, as its words say, and able to become new.
fn survives(bench: &mut InProcess) -> Result<&'static str, String> {
    let version = version(bench).ok_or("dead")?;
    if in_flash(bench) != firmware(version) {
        return Err(format!("{version} is torn"));
    }
    if version == A {
        bench.send(UPDATE);
        if !bench.run_until_said("\"END\",0", 3 * MINUTE) {
            return Err(format!("no update: {}", bench.said()));
        }
        if in_flash(bench) != firmware(B) {
            return Err(String::from("not updated"));
        }
    }
    Ok(version)
}

/// One clean life: the bench as it was at the beginning of each flash operation, with the end of
/// that operation, and whether `UPDATING` had been said.
fn operations(mut bench: InProcess) -> Vec<(InProcess, Duration, bool)> {
    let mut operations = Vec::new();
    let mut last = None;
    let end = bench.module().now() + 10 * MINUTE;
    while bench.module().now() < end {
        if let Some((number, _, ends)) = bench.module().operation()
            && last != Some(number)
        {
            last = Some(number);
            let updating = bench.said().contains("UPDATING");
            operations.push((bench.clone(), ends, updating));
        }
        bench.step(end);
    }
    assert!(
        bench.said().contains("\"END\",0"),
        "the clean life is an update: {}",
        bench.said()
    );
    operations
}

/// Cuts each operation of a life at `parts + 1` places from its beginning to its end. Counts
/// the lives that ended with the base and with the target.
fn sweep(life: InProcess, parts: u32) -> Result<[u32; 2], String> {
    let mut ends = [0, 0];
    for (number, (before, end, updating)) in operations(life).into_iter().enumerate() {
        let begin = before.module().now();
        for part in 0..=parts {
            let mut bench = before.clone();
            bench.run_to(begin + (end - begin) * part / parts);
            cut_and_recover(&mut bench);
            let at = format!("operation {number} cut at {part}/{parts}");
            let version = survives(&mut bench).map_err(|why| format!("{at}: {why}"))?;
            if updating && version == A {
                return Err(format!("{at}: the base after `UPDATING`"));
            }
            ends[usize::from(version == B)] += 1;
        }
    }
    Ok(ends)
}

/// The life in which an update goes on after a first cut.
fn resuming(defects: &[Defect]) -> InProcess {
    let mut bench = commanded(Personality::Guide, defects);
    assert!(bench.run_until_said("\"UPDATING\",50%", 3 * MINUTE));
    bench.set_vbat(false);
    bench.run_for(MINUTE);
    bench.take_said();
    bench.power_on();
    bench
}

#[rstest]
#[case(Personality::Guide)]
#[case(Personality::A03)]
#[case(Personality::A05)]
fn a_cut_anywhere_leaves_the_base_or_the_target(#[case] personality: Personality) {
    let ends = sweep(commanded(personality, &[]), 4).unwrap();
    assert!(
        ends.iter().all(|&count| count > 100),
        "both ends are met: {ends:?}"
    );
}

#[test]
fn a_cut_while_it_goes_on_after_a_cut_leaves_the_target() {
    let [base, target] = sweep(resuming(&[]), 2).unwrap();
    assert!(base == 0 && target > 100, "{base} {target}");
}

/// The sweep can see: each of these is found by it.
#[rstest]
fn a_sweep_finds_a_module_that_does_not_survive(
    #[values(Defect::M50, Defect::M53, Defect::M54, Defect::M56, Defect::M57)] defect: Defect,
) {
    let found = sweep(commanded(Personality::Guide, &[defect]), 2);
    assert!(found.is_err(), "{found:?}");
}

#[test]
fn a_sweep_of_the_resume_finds_a_module_that_survives_only_one_cut() {
    assert!(sweep(commanded(Personality::Guide, &[Defect::M55]), 2).is_ok());
    assert!(sweep(resuming(&[Defect::M55]), 2).is_err());
}

#[test]
fn a_reset_is_survived_like_a_cut() {
    let life = commanded(Personality::Guide, &[]);
    for (number, (mut bench, end, _)) in operations(life).into_iter().enumerate() {
        let middle = bench.module().now() + (end - bench.module().now()) / 2;
        bench.run_to(middle);
        bench.set_reset(true);
        bench.run_for(Duration::from_millis(60));
        bench.set_reset(false);
        bench.run_for(MINUTE);
        let survives = survives(&mut bench);
        assert!(survives.is_ok(), "operation {number}: {survives:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_number_of_cuts_is_survived(cuts in prop::collection::vec(1..6_000u64, 1..20)) {
        let mut bench = commanded(Personality::Guide, &[]);
        for milliseconds in cuts {
            bench.run_for(Duration::from_millis(milliseconds));
            bench.set_vbat(false);
            bench.run_for(Duration::from_secs(1));
            bench.power_on();
        }
        bench.run_for(MINUTE);
        prop_assert_eq!(survives(&mut bench).err(), None);
    }
}
