//! `scenarios/FAULTS.md`: that it is complete, that its scenarios exist, and that each of its plans
//! does what it says.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::package_server::{Limits, NetworkNeeds, Seen, Serving, why_not};

use super::parts::{Bench, package, through};
use crate::tables;

/// The faults that a harness for downloads over a cellular network should have: connection,
/// status, head, length, body, timing and transport, range, keep-alive, names. Written down here
/// once more, so that no row can get lost.
const FAULTS: &str = "\
    C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14 \
    S01 S02 S03 S04 S05 S06 S07 S08 S09 S10 S11 S12 S13 \
    H01 H03 H04 H05 H06 H07 H09 H10 H11 \
    L01 L02 L03 L04 L05 L06 L07 L08 L09 L10 L11 L12 L13 \
    B01 B02 B03 B04 B05 B06 B07 B08 B09 B10 \
    T01 T02 T03 T04 T05 T06 T07 T08 T09 T10 T11 T12 T13 \
    R01 R02 R03 R04 R05 R06 R07 K01 K02 K03 K04 N01 N02 N03 N04 N05 N06";

struct Row {
    id: String,
    /// As it would stand in a scenario; `None` where no plan can do it.
    plans: Option<String>,
    scenarios: Vec<String>,
}

fn scenarios_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(scenarios_folder().join("FAULTS.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    lines
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
            let [id, _fault, plan, scenarios] = cells[..] else {
                panic!("no four cells: {line}");
            };
            let code = plan
                .trim()
                .strip_prefix('`')
                .and_then(|code| code.strip_suffix('`'));
            assert!(
                code.is_some() || plan.trim().starts_with("– "),
                "neither a plan nor a reason: {line}"
            );
            Row {
                id: id.trim().to_owned(),
                plans: code.map(|code| match code.starts_with('[') {
                    true => format!("server = {code}"),
                    false => format!("server = [{code}]"),
                }),
                scenarios: scenarios
                    .split(',')
                    .map(|name| name.trim().trim_matches('`').to_owned())
                    .filter(|name| !name.is_empty())
                    .collect(),
            }
        })
        .collect()
}

#[test]
fn every_fault_has_its_row_and_every_plan_a_scenario_that_exists() {
    let rows = rows();
    let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, FAULTS.split_whitespace().collect::<Vec<_>>());
    for row in &rows {
        let asked = row.plans.is_none() || !row.scenarios.is_empty();
        assert!(asked, "{}: no scenario asks a module about it", row.id);
        for name in &row.scenarios {
            let file = scenarios_folder().join(format!("{name}.toml"));
            assert!(file.is_file(), "{}: there is no scenario `{name}`", row.id);
        }
    }
}

#[test]
fn every_scenario_with_a_plan_is_in_a_row() {
    let named: BTreeSet<_> = rows().into_iter().flat_map(|row| row.scenarios).collect();
    for entry in std::fs::read_dir(scenarios_folder()).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
            continue;
        };
        let is_scenario = path.extension().is_some_and(|end| end == "toml");
        if is_scenario
            && std::fs::read_to_string(&path)
                .unwrap()
                .contains("\n[[server]]")
        {
            // Many failures in a row, of a kind that has its row.
            assert!(
                named.contains(name) || name == "many-failures",
                "`{name}` is in no row of FAULTS.md"
            );
        }
    }
}

/// Asks as a module does, takes as much as tells, and leaves after so long a silence.
fn visit(bench: &Bench, within: Duration) {
    let Ok(mut stream) = TcpStream::connect_timeout(&bench.server.local_addr(), within) else {
        return;
    };
    stream.set_read_timeout(Some(within)).unwrap();
    let asked = write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\n\r\n",
        bench.offered.path
    );
    let mut piece = [0; 16 << 10];
    let mut taken = 0;
    while asked.is_ok() && taken < 2 * package().len() {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => taken += count,
        }
    }
}

/// Plays the plans of a row until each is proved; says what was not.
fn play(plans: &str) -> Result<(), String> {
    let serving = through(plans);
    let Serving::Through(named) = serving.clone() else {
        return Err("no plan".to_owned());
    };
    let mut waits_for: BTreeSet<_> = named.iter().map(|named| named.name.clone()).collect();
    // A module that lives fast, so that ten minutes are short.
    let bench = Bench::new(Limits::default(), serving, 10_000);
    let until = Instant::now() + Duration::from_secs(60);
    let disturbs = named.iter().any(|named| named.plan.network.is_some());
    let (mut visits, mut patience) = (0, Duration::from_millis(100));
    while Instant::now() < until {
        visit(&bench, patience);
        visits += 1;
        // Where the silence was not the plan's but a busy machine's, longer is enough.
        patience = (patience * 2).min(Duration::from_secs(5));
        if disturbs && visits == 8 {
            // What is done to the network is proved when it ends.
            let ended = bench.server.set_serving(&bench.offered, Serving::Honestly);
            ended.map_err(|error| format!("{error:?}"))?;
        }
        while let Ok(report) = bench.reports.recv_timeout(Duration::from_millis(50)) {
            match report.seen {
                Seen::FaultFired { name, .. } => waits_for.remove(&name),
                Seen::Trouble(trouble) => return Err(trouble),
                _ => continue,
            };
            if waits_for.is_empty() {
                return Ok(());
            }
        }
    }
    Err(format!("not proved: {waits_for:?}"))
}

/// Plays a row's plans where this machine can; says what was not proved.
fn play_row(row: &Row) -> Result<(), String> {
    let Some(plans) = &row.plans else {
        return Ok(());
    };
    let Serving::Through(named) = through(plans) else {
        return Ok(());
    };
    let needs = named
        .iter()
        .map(|named| NetworkNeeds::of(&named.plan))
        .fold(NetworkNeeds::default(), NetworkNeeds::and);
    if let Some(why) = why_not(needs) {
        crate::skipped::skipped(format_args!("{}: {why}", row.id));
        return Ok(());
    }
    let _tables = (needs != NetworkNeeds::default()).then(tables::alone);
    play(plans).map_err(|why| format!("{}: {why}", row.id))
}

#[test]
fn every_plan_does_what_it_says() {
    let rows = rows();
    // Most plans are about waiting: four servers wait at once.
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let quarters: Vec<_> = rows
            .chunks(rows.len().div_ceil(4))
            .map(|rows| {
                scope.spawn(|| {
                    let wrong = rows.iter().filter_map(|row| play_row(row).err());
                    wrong.collect::<Vec<_>>()
                })
            })
            .collect();
        let quarters = quarters.into_iter();
        quarters
            .flat_map(|quarter| quarter.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}
