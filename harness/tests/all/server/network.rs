//! What only the kernel can do to packets: lose them, swallow them, say that there is no way. Each
//! test says so where this machine cannot, and tests nothing.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::Command;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use harness::package_server::{NetworkNeeds, Seen, Serving, why_not};
use rstest::rstest;

use super::apart::{Apart, Role};
use super::parts::{Bench, DEADLINE, Ending, ask, get, package, read_all, through};
use crate::skipped::skipped;
use crate::tables;

const FIREWALL: NetworkNeeds = NetworkNeeds {
    firewall: true,
    netem: false,
};

/// The kernel's tables, where this machine can; where it cannot, why is printed.
pub(super) fn can(needs: NetworkNeeds) -> Option<MutexGuard<'static, ()>> {
    if let Some(why) = why_not(needs) {
        skipped(why);
        return None;
    }
    Some(tables::alone())
}

/// What was told of a plan so far.
pub(super) fn fired_so_far(bench: &Bench) -> Option<String> {
    bench
        .reports
        .try_iter()
        .find_map(|report| match report.seen {
            Seen::FaultFired { text, .. } => Some(text),
            Seen::Trouble(trouble) => panic!("{trouble}"),
            _ => None,
        })
}

/// Our tables in the kernel, of a process.
fn tables(process: u32) -> usize {
    let listed = Command::new("nft").args(["list", "tables"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let ours = format!("hil_{process}_");
    listed.lines().filter(|line| line.contains(&ours)).count()
}

#[test]
fn packets_get_lost_and_the_package_arrives_all_the_same() {
    let Some(_tables) = can(FIREWALL) else {
        return;
    };
    let bench = Bench::faulty("[[server]]\nnetwork = { loss = '20%' }");
    let until = Instant::now() + DEADLINE;
    // Which packets get lost is chance, so it is tried until one was.
    let fired = loop {
        assert_eq!(get(&bench, None).body(), package());
        bench
            .server
            .set_serving(&bench.offered, Serving::Honestly)
            .unwrap();
        if let Some(fired) = fired_so_far(&bench) {
            break fired;
        }
        assert!(Instant::now() < until, "no packet was lost");
        let again = through("[[server]]\nnetwork = { loss = '20%' }");
        bench.server.set_serving(&bench.offered, again).unwrap();
    };
    assert!(fired.starts_with("loss of 20%: "), "{fired}");
    assert_eq!(tables(std::process::id()), 0);
}

#[test]
fn a_plan_with_two_halves_is_proved_by_both() {
    let Some(_tables) = can(FIREWALL) else {
        return;
    };
    // All packets of the port are lost, so the flip cannot be.
    let bench =
        Bench::faulty("[[server]]\nnetwork = { loss = '100%' }\nbody = [{ at = 0, flip = 1 }]");
    let address = bench.server.local_addr();
    let error = TcpStream::connect_timeout(&address, Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    bench.server.withdraw(&bench.offered).unwrap();
    assert_eq!(fired_so_far(&bench), None);
}

#[test]
fn there_may_be_no_way_to_the_host() {
    let Some(_tables) = can(FIREWALL) else {
        return;
    };
    let bench = Bench::faulty("[[server]]\nconnect = 'unreachable'");
    let error = TcpStream::connect(bench.server.local_addr()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostUnreachable);
    assert!(bench.fired().contains("of our own was told"));
    bench
        .server
        .set_serving(&bench.offered, Serving::Honestly)
        .unwrap();
    assert_eq!(get(&bench, None).body(), package());
}

#[test]
fn a_server_may_vanish_at_a_byte_and_is_never_heard_of_again() {
    let Some(_tables) = can(FIREWALL) else {
        return;
    };
    let bench = Bench::faulty("[[server]]\nrequest = 1\nend = { how = 'vanish', at = 74000 }");
    let mut stream = bench.connect();
    ask(&bench, &mut stream, None);
    let fired = bench.fired();
    assert!(
        fired.starts_with("server-1: cut off after 74000 bytes of the body"),
        "{fired}"
    );
    let closed = bench.closed();
    assert_eq!(closed.body_acked, 74_000, "{closed:?}");
    // Neither a FIN nor, to what the client says, an RST.
    let got = read_all(&mut stream, Duration::from_millis(300));
    assert_eq!((got.body().len(), got.ending), (74_000, Ending::Silence));
    std::io::Write::write_all(&mut stream, b"hello?").unwrap();
    let got = read_all(&mut stream, Duration::from_millis(500));
    assert_eq!((got.bytes.len(), got.ending), (0, Ending::Silence));
    // It is about this one peer.
    assert_eq!(get(&bench, None).body(), package());
    bench.server.withdraw(&bench.offered).unwrap();
    assert_eq!(tables(std::process::id()), 0);
}

#[test]
fn what_was_done_to_the_network_is_undone_when_the_server_is_killed() {
    let Some(_tables) = can(FIREWALL) else {
        return;
    };
    let apart = Apart::start(Role::Lossy);
    let process = apart.id();
    assert_eq!(tables(process), 1);
    // SIGKILL: nothing of ours runs any more.
    drop(apart);
    let until = Instant::now() + DEADLINE;
    while tables(process) > 0 {
        assert!(Instant::now() < until, "the rules outlived their maker");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[rstest]
#[case(
    "lossy-network",
    "there is no `nft` on this machine (Debian: `apt-get install nftables`)"
)]
#[case(
    "unruly-network",
    "there is no `unshare` on this machine (Debian: `apt-get install util-linux`)"
)]
fn a_run_that_needs_what_is_not_there_is_skipped_and_says_why(
    #[case] scenario: &str,
    #[case] why: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::process::hil(folder.path())
        .args(["run", scenario, "--evidence"])
        .arg(folder.path().join("evidence"))
        .env("PATH", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(106), "{said}");
    let said: Vec<_> = said.split_whitespace().collect();
    assert!(said.join(" ").contains(why), "{said:?}");
}
