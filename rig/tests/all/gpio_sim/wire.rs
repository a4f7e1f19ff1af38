//! What a line does on the wire, driven and read.

use rig::config::{Bias, Drive, GpioLine, Level};
use rig::line::Claim;

use super::{Sim, in_words, line};

#[test]
fn an_output_is_released_from_the_first_moment_and_then_does_as_it_is_told() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        // Whatever the pull makes of it before.
        for pull in [true, false] {
            sim.pull(0, pull);
            let mut supply = sim.output(&line(0, active), Claim::Released).unwrap();
            assert_eq!(sim.level(0), !on, "{active:?}, claimed");
            assert_eq!(supply.read().unwrap(), Some(false));
            supply.assert().unwrap();
            assert_eq!(sim.level(0), on, "{active:?}, asserted");
            assert_eq!(supply.read().unwrap(), Some(true));
            supply.release().unwrap();
            assert_eq!(sim.level(0), !on, "{active:?}, released");
            assert_eq!(supply.read().unwrap(), Some(false));
        }
    }
}

#[test]
fn an_output_that_is_taken_over_keeps_its_level_and_can_be_driven() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        for level in [true, false] {
            sim.pull(0, level);
            let mut supply = sim.output(&line(0, active), Claim::AsIs).unwrap();
            assert_eq!(sim.level(0), level, "{active:?}, taken over");
            assert_eq!(supply.read().unwrap(), Some(level == on));
            // It is driven, and no more the pull's.
            sim.pull(0, !level);
            assert_eq!(sim.level(0), level, "{active:?}, against the pull");
            supply.assert().unwrap();
            assert_eq!(sim.level(0), on);
            supply.release().unwrap();
            assert_eq!(sim.level(0), !on);
        }
    }
}

#[test]
fn an_input_follows_the_wire_and_cannot_be_driven() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        let mut power_good = sim.input(&line(2, active));
        for level in [true, false, true] {
            sim.pull(2, level);
            assert_eq!(power_good.read().unwrap(), Some(level == on), "{active:?}");
        }
        let refused = power_good.assert().unwrap_err();
        assert_eq!(
            in_words(&refused),
            "line `power_good`: it is an input: the module drives it"
        );
    }
}

#[test]
fn a_pull_of_the_rig_file_reaches_the_wire() {
    let Some(sim) = Sim::get() else { return };
    for (bias, level) in [(Bias::PullUp, true), (Bias::PullDown, false)] {
        sim.pull(2, !level);
        let mut power_good = sim.input(&GpioLine {
            bias,
            ..line(2, Level::High)
        });
        assert_eq!(power_good.read().unwrap(), Some(level), "{bias:?}");
    }
}

// What the simulator shows of an open drain or source is right until it has driven once: it does
// not hear that the kernel lets go again. So each level is looked at on a line that was just taken.
#[test]
fn an_open_drain_pulls_low_and_otherwise_leaves_the_wire_to_its_pull() {
    let Some(sim) = Sim::get() else { return };
    let pwrkey = GpioLine {
        drive: Drive::OpenDrain,
        ..line(1, Level::Low)
    };
    for pull in [true, false] {
        sim.pull(1, pull);
        let mut pwrkey = sim.output(&pwrkey, Claim::Released).unwrap();
        assert_eq!(sim.level(1), pull, "released, it is the pull's");
        pwrkey.assert().unwrap();
        assert!(!sim.level(1), "asserted, it is low");
        assert_eq!(pwrkey.read().unwrap(), Some(true));
    }
}

#[test]
fn an_open_source_pulls_high_and_otherwise_leaves_the_wire_to_its_pull() {
    let Some(sim) = Sim::get() else { return };
    let supply = GpioLine {
        drive: Drive::OpenSource,
        ..line(0, Level::High)
    };
    for pull in [true, false] {
        sim.pull(0, pull);
        let mut supply = sim.output(&supply, Claim::Released).unwrap();
        assert_eq!(sim.level(0), pull, "released, it is the pull's");
        supply.assert().unwrap();
        assert!(sim.level(0), "asserted, it is high");
        assert_eq!(supply.read().unwrap(), Some(true));
    }
}
