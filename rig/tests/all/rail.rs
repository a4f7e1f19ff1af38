//! VDD_EXT as a bench follows it: each edge at the moment at which it happened in the module's life,
//! however late anybody looks.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rig::line::{Driver, Edge, VirtualDriver, VirtualLine};
use rig::virtual_module::{Defect, Lines, Rate, Settings};

use crate::tty::Bench;

/// M95's hardware design has VBAT stable before PWRKEY; the BC26's has no figure.
const STABLE: Duration = Duration::from_millis(30);
/// What BC26's hardware manual says of VDD_EXT: after PWRKEY, after RESET_N and after VBAT.
const RISES: Duration = Duration::from_millis(42);
const DIPS: Duration = Duration::from_millis(20);
const FALLS: Duration = Duration::from_millis(5);

struct Watched {
    bench: Bench,
    power_good: VirtualDriver,
    speed: u32,
}

impl Watched {
    /// A module that is up and has nothing more to say, so that its time does not stand still.
    fn on(speed: u32, defects: &[Defect]) -> Self {
        let mut bench = Bench::with(Settings {
            console: Rate::Fixed(115_200),
            speed,
            defects: defects.to_vec(),
            ..Settings::default()
        });
        bench.power_on();
        bench.wait_for("+CFUN: 1\r\n");
        let power_good = VirtualDriver::new(VirtualLine::PowerGood, bench.lines.clone());
        Self {
            bench,
            power_good,
            speed,
        }
    }

    /// Does something to the lines, and tells between which two moments it was done.
    fn does(&self, deed: impl FnOnce(&Lines)) -> RangeInclusive<Instant> {
        let before = Instant::now();
        deed(&self.bench.lines);
        before..=Instant::now()
    }

    fn edges(&mut self) -> Vec<Edge> {
        let told = self.power_good.edges().unwrap();
        told.expect("VDD_EXT is told of by its edges")
    }

    /// The one edge there is, once VDD_EXT is where it goes.
    fn goes(&mut self, up: bool) -> Edge {
        let where_to = if up { "up" } else { "down" };
        self.bench
            .wait_until(where_to, |lines| lines.vdd_ext() == up);
        match self.edges()[..] {
            [edge] if edge.asserted == up => edge,
            ref other => panic!("{where_to}: {other:?}"),
        }
    }

    /// What follows a deed after `time` of the module's.
    #[track_caller]
    fn is_after(&self, edge: Edge, deed: &RangeInclusive<Instant>, time: Duration) {
        // A nanosecond is not divided.
        let time = time / self.speed;
        let least = time.saturating_sub(Duration::from_nanos(1));
        let lawful = *deed.start() + least..=*deed.end() + time;
        assert!(lawful.contains(&edge.at), "{edge:?}, {lawful:?}");
    }
}

#[test]
fn a_cut_and_a_start_are_told_at_their_moments() {
    let mut module = Watched::on(1, &[]);
    let cut = module.does(|lines| lines.set_vbat(false));
    let fall = module.goes(false);
    module.is_after(fall, &cut, FALLS);

    // PWRKEY counts from when VBAT is stable.
    let on = module.does(|lines| {
        lines.set_vbat(true);
        lines.set_pwrkey(true);
    });
    let rise = module.goes(true);
    module.is_after(rise, &on, STABLE + RISES);
    assert_eq!(module.edges(), []);
}

#[test]
fn a_reset_dips_the_rail_and_lets_it_up_again() {
    let mut module = Watched::on(1, &[]);
    let pressed = module.does(|lines| lines.set_reset(true));
    let dip = module.goes(false);
    module.is_after(dip, &pressed, DIPS);
    let released = module.does(|lines| lines.set_reset(false));
    let rise = module.goes(true);
    module.is_after(rise, &released, Duration::ZERO);
}

#[test]
fn a_fast_module_s_rail_falls_by_its_own_time() {
    let mut module = Watched::on(100, &[]);
    let cut = module.does(|lines| lines.set_vbat(false));
    let fall = module.goes(false);
    module.is_after(fall, &cut, FALLS);
}

#[test]
fn a_module_that_is_fed_has_its_rail_until_its_host_lets_go() {
    let mut module = Watched::on(100, &[Defect::H16]);
    module.bench.lines.set_vbat(false);
    module.bench.send("AT\r");
    module.bench.wait_for("\r\nOK\r\n");
    assert_eq!(module.edges(), []);
    let let_go = module.does(|lines| lines.set_to_module(false));
    let fall = module.goes(false);
    module.is_after(fall, &let_go, FALLS);
}

#[test]
fn a_module_that_capacitors_hold_has_its_rail_as_long() {
    /// As long as they hold: twenty minutes, and the rail after it.
    const HELD: Duration = Duration::from_secs(20 * 60);
    let mut module = Watched::on(10_000, &[Defect::H17]);
    let cut = module.does(|lines| lines.set_vbat(false));
    let fall = module.goes(false);
    module.is_after(fall, &cut, HELD + FALLS);
}

#[test]
fn of_the_module_s_lines_only_its_rail_is_told_of_by_edges() {
    let bench = Bench::new(Rate::Auto);
    for which in [VirtualLine::Supply, VirtualLine::Pwrkey, VirtualLine::Reset] {
        let mut line = VirtualDriver::new(which, bench.lines.clone());
        assert_eq!(line.edges().unwrap(), None, "{which:?}");
    }
}
