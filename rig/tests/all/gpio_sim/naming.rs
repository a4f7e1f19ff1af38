//! Which chip and which line a rig file means.

use rig::config::{Bias, GpioPin, Level, OutputLine};
use rig::line::{Claim, Line};

use super::{Sim, line, named, refusal};

#[test]
fn a_chip_is_found_by_path_or_by_label() {
    let Some(mut sim) = Sim::get() else { return };
    let path = sim.chip.clone();
    for chip in [path.as_str(), "hil-bench"] {
        sim.chip = chip.to_owned();
        let mut supply = sim.output(&named("VBAT"), Claim::Released).unwrap();
        supply.assert().unwrap();
        assert!(sim.level(0), "line VBAT of {chip}");
    }
    sim.chip = "hil-brench".to_owned();
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    assert!(
        refused.starts_with("line `supply`: no GPIO chip `hil-brench`: there is ")
            && refused.contains(&format!("`{path}` (hil-bench) with 8 lines")),
        "{refused}"
    );
    sim.chip = "twins".to_owned();
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    assert!(
        refused.starts_with(
            "line `supply`: more than one GPIO chip has the label `twins`: name its path, there is "
        ),
        "{refused}"
    );
}

#[test]
fn a_line_is_found_by_offset_or_by_name() {
    let Some(mut sim) = Sim::get() else { return };
    let mut reset = sim.output(&named("RESET_N"), Claim::Released).unwrap();
    reset.assert().unwrap();
    assert!(sim.level(3));
    assert_eq!(
        refusal(sim.output(&named("RESETN"), Claim::Released)),
        format!(
            "line `supply`: no line `RESETN` on `{}` (hil-bench): the nearest is `RESET_N`",
            sim.chip
        )
    );
    assert_eq!(
        refusal(sim.output(&line(8, Level::High), Claim::Released)),
        format!(
            "line `supply`: no line 8 on `{}` (hil-bench): it has 8, counted from 0",
            sim.chip
        )
    );
    // The second of the twins, whatever its number is.
    sim.chip = std::env::var("GPIO_SIM_TWIN").unwrap();
    assert_eq!(
        refusal(sim.output(&named("TWICE"), Claim::Released)),
        format!(
            "line `supply`: lines 0 and 1 of `{}` (twins) are both called `TWICE`: name one by its offset",
            sim.chip
        )
    );
}

#[test]
fn a_machine_that_is_no_raspberry_pi_says_so_and_which_chips_it_has() {
    let Some(sim) = Sim::get() else { return };
    let pin = OutputLine::Rppal(GpioPin {
        line: 17,
        active: Level::High,
        bias: Bias::AsIs,
    });
    let refused = refusal(Line::output("supply", &pin, Claim::Released));
    assert!(
        refused
            .starts_with("line `supply`: this is no Raspberry Pi that the `rppal` driver knows; ")
            && refused.contains(&sim.chip),
        "{refused}"
    );
}
