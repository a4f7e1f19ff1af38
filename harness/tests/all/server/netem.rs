//! What netem does to packets: late, twice, out of order, damaged. Few kernels of containers have
//! it; `just netem` brings one that has. Each test says so where this machine has none.

use std::process::Command;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use harness::package_server::{NetworkNeeds, Serving};
use rstest::rstest;

use super::network::{can, fired_so_far};
use super::parts::{Bench, DEADLINE, get, package, through};

fn can_netem() -> Option<MutexGuard<'static, ()>> {
    can(NetworkNeeds {
        firewall: false,
        netem: true,
    })
}

/// Ends what is done to packets; what was told of it.
fn end(bench: &Bench) -> Option<String> {
    let ended = bench.server.set_serving(&bench.offered, Serving::Honestly);
    ended.unwrap();
    fired_so_far(bench)
}

/// The disciplines of the loopback.
fn disciplines() -> String {
    let listed = Command::new("tc")
        .args(["qdisc", "show", "dev", "lo"])
        .output();
    String::from_utf8(listed.unwrap().stdout).unwrap()
}

#[test]
fn packets_are_late_by_as_much_as_the_plan_says() {
    let Some(_tables) = can_netem() else { return };
    let bench = Bench::faulty("[[server]]\nnetwork = { delay = '100ms', duplicate = '10%' }");
    let began = Instant::now();
    drop(bench.connect());
    // There and back.
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(get(&bench, None).body() == package());
    assert!(disciplines().contains("4e2:"));
    let fired = end(&bench).unwrap();
    assert!(
        fired.starts_with("netem delay 100000us duplicate 10%: "),
        "{fired}"
    );
    assert!(!disciplines().contains("4e1:"), "{}", disciplines());
    let began = Instant::now();
    drop(bench.connect());
    assert!(began.elapsed() < Duration::from_millis(200));
}

/// What this machine's TCP has counted so far, by the kernel's own name for it: `TcpExt: TCPOFOQueue`.
fn counted(name: &str) -> u64 {
    let (table, name) = name.split_once(' ').unwrap();
    let tables = ["/proc/net/snmp", "/proc/net/netstat"];
    let text: String = tables
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let lines: Vec<_> = text.lines().collect();
    // A table's names stand in one line, their numbers in the next.
    let mut ours = lines.chunks(2).filter(|two| two[0].starts_with(table));
    let number = ours.find_map(|two| {
        let column = two[0].split(' ').position(|word| word == name)?;
        two[1].split(' ').nth(column)?.parse().ok()
    });
    number.unwrap_or_else(|| panic!("this kernel does not count {name}"))
}

#[rstest]
#[case::twice("duplicate = '20%'", "TcpExt: TCPDSACKOldSent")]
#[case::out_of_order("delay = '5ms', reorder = '50%'", "TcpExt: TCPOFOQueue")]
#[case::damaged("corrupt = '5%'", "Tcp: InCsumErrors")]
fn whatever_happens_to_packets_the_package_arrives(#[case] network: &str, #[case] name: &str) {
    let Some(_tables) = can_netem() else { return };
    // The stall makes for a small buffer, and so for many packets.
    let plan =
        format!("[[server]]\nnetwork = {{ {network} }}\nbody = [{{ at = 1000, stall = '1ms' }}]");
    let bench = Bench::faulty(&plan);
    let until = Instant::now() + DEADLINE;
    let before = counted(name);
    // Which packets it is done to is chance, so it is tried until one was met.
    while counted(name) == before {
        assert!(Instant::now() < until, "{name} stays {before}");
        assert!(get(&bench, None).body() == package());
    }
    let fired = end(&bench).unwrap();
    assert!(fired.starts_with("netem "), "{fired}");
}

#[test]
fn an_emulator_that_no_packet_went_through_has_not_fired() {
    let Some(_tables) = can_netem() else { return };
    let bench = Bench::faulty("[[server]]\nnetwork = { delay = '1ms' }");
    assert!(disciplines().contains("4e2:"));
    assert_eq!(end(&bench), None);
}

#[test]
fn packets_of_another_port_go_as_they_went() {
    let Some(_tables) = can_netem() else { return };
    let delayed = Bench::faulty("[[server]]\nnetwork = { delay = '2s' }");
    let other = Bench::new(
        harness::package_server::Limits::default(),
        through("[[server]]\nanswer = { status = 404 }"),
        1,
    );
    let began = Instant::now();
    assert_eq!(get(&other, None).status(), 404);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(end(&delayed), None);
}
