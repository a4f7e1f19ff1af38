//! What the kernel tells of an input's edges.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rig::config::{InputLine, Level};
use rig::line::{EDGES_KEPT, Edge, Line};

use super::{Sim, line};

/// The edges that an input has been told of, once there are so many.
fn edges(input: &mut Line, count: usize) -> Vec<Edge> {
    let mut edges = Vec::new();
    let until = Instant::now() + Duration::from_secs(10);
    while edges.len() < count && Instant::now() < until {
        edges.extend(input.edges().unwrap().expect("the chip has interrupts"));
        std::thread::sleep(Duration::from_millis(1));
    }
    edges
}

#[test]
fn an_input_is_told_of_each_edge_and_when_it_was() {
    let Some(sim) = Sim::get() else { return };
    for (active, on) in [(Level::High, true), (Level::Low, false)] {
        sim.pull(2, !on);
        let mut power_good = sim.input(&line(2, active));
        let none = power_good.edges().unwrap();
        assert_eq!(none, Some(Vec::new()), "{active:?}: nothing has changed");
        let mut before = Instant::now();
        for asserted in [true, false, true] {
            sim.pull(2, asserted == on);
            let told = edges(&mut power_good, 1);
            let after = Instant::now();
            let [edge] = told[..] else {
                panic!("{active:?}: {told:?}")
            };
            assert_eq!(edge.asserted, asserted, "{active:?}");
            assert!(before <= edge.at && edge.at <= after, "{active:?}");
            before = after;
        }
    }
}

/// The moment is the edge's: it stands still while nobody looks.
#[test]
fn an_edge_that_is_asked_for_late_is_as_old_as_it_is() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(2, false);
    let mut power_good = sim.input(&line(2, Level::High));
    sim.pull(2, true);
    // The simulator tells of it with the machine's next tick.
    std::thread::sleep(Duration::from_millis(100));
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(50));
    let told = edges(&mut power_good, 1);
    assert!(told[0].at < before, "{:?}", told[0].at - before);
}

#[test]
fn a_line_that_never_rests_leaves_its_latest_edges() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(2, false);
    let mut power_good = sim.input(&line(2, Level::High));
    let mut up = false;
    for _ in 0..EDGES_KEPT * 3 {
        up = !up;
        sim.pull(2, up);
        // Two edges within one tick are one to the simulator.
        std::thread::sleep(Duration::from_millis(30));
    }
    up = !up;
    let before = Instant::now();
    sim.pull(2, up);
    std::thread::sleep(Duration::from_millis(100));
    let told = power_good.edges().unwrap().unwrap();
    assert_eq!(told.len(), EDGES_KEPT);
    let last = told.last().unwrap();
    assert!(last.asserted == up && last.at >= before, "{told:?}");
    assert!(told.is_sorted_by_key(|edge| edge.at), "{told:?}");
    assert_eq!(power_good.edges().unwrap(), Some(Vec::new()));
}

/// A chip with more lines than this kernel has interrupts: the last of its lines has none.
#[test]
fn an_input_without_an_interrupt_is_read_all_the_same() {
    let Some(_sim) = Sim::get() else { return };
    let many = Many::new();
    let inputs: Vec<Line> = (0..Many::LINES)
        .map(|offset| {
            let line = InputLine::Gpiochip {
                chip: Many::LABEL.to_owned(),
                pin: line(offset, Level::Low),
            };
            Line::input("power_good", &line).unwrap()
        })
        .collect();
    let told: Vec<bool> = inputs
        .into_iter()
        .map(|mut input| {
            assert_eq!(input.read().unwrap(), Some(true));
            input.edges().unwrap().is_some()
        })
        .collect();
    drop(many);
    assert!(told[0] && !told[told.len() - 1], "{told:?}");
}

/// A simulated chip of this test's own.
struct Many(PathBuf);

impl Many {
    const LABEL: &str = "many";
    const LINES: u32 = 20;

    fn new() -> Self {
        let device = PathBuf::from("/sys/kernel/config/gpio-sim/many");
        let bank = device.join("bank0");
        fs::create_dir_all(&bank).unwrap();
        fs::write(bank.join("label"), Self::LABEL).unwrap();
        fs::write(bank.join("num_lines"), Self::LINES.to_string()).unwrap();
        fs::write(device.join("live"), "1").unwrap();
        Self(device)
    }
}

impl Drop for Many {
    /// And its interrupts are the others' again.
    fn drop(&mut self) {
        fs::write(self.0.join("live"), "0").unwrap();
        fs::remove_dir(self.0.join("bank0")).unwrap();
        fs::remove_dir(&self.0).unwrap();
    }
}
