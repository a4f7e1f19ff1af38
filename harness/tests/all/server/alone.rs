//! `hil serve`, as a person starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rstest::rstest;

use super::parts::{Ending, package, read_all};

/// A folder with a package and a plan.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(plan: &str) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("package"), package()).unwrap();
        std::fs::write(folder.path().join("plan.toml"), plan).unwrap();
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, listen: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hil"));
        command
            .args(["serve", "--listen", listen, "--plan"])
            .arg(self.path("plan.toml"))
            .arg("--log")
            .arg(self.path("log"))
            .arg(self.path("package"))
            .env("TMPDIR", self.0.path());
        command
    }

    fn refused(&self, listen: &str) -> Output {
        self.command(listen).output().unwrap()
    }
}

/// One that serves.
struct Serves {
    child: Child,
    says: BufReader<ChildStdout>,
    url: String,
}

impl Serves {
    fn start(folder: &Folder, listen: &str) -> Serves {
        let mut child = folder
            .command(listen)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        says.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("package: 200000 bytes at ");
        let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
        Serves { child, says, url }
    }

    fn get(&self) -> super::parts::Got {
        let (host, path) = self.url["http://".len()..].split_once('/').unwrap();
        let mut stream = TcpStream::connect(host.parse::<SocketAddr>().unwrap()).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_all(&mut stream, super::parts::DEADLINE)
    }

    /// Ctrl-C: what it still said, and its exit code.
    fn interrupt(mut self) -> (String, Option<i32>) {
        let id = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        let mut said = String::new();
        self.says.read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code())
    }
}

#[rstest]
#[case("127.0.0.1:0", "http://127.0.0.1:")]
#[case("0.0.0.0:0", "http://127.0.0.1:")]
#[case("[::1]:0", "http://[::1]:")]
fn what_it_prints_can_be_asked_for_until_it_is_interrupted(
    #[case] listen: &str,
    #[case] begins: &str,
) {
    let folder = Folder::new("[[server]]\nbody = [{ at = 100, flip = 1 }]");
    let serves = Serves::start(&folder, listen);
    assert!(serves.url.starts_with(begins), "{}", serves.url);
    let got = serves.get();
    assert_eq!(got.ending, Ending::Fin);
    assert!(got.body()[..100] == package()[..100] && got.body()[100] != package()[100]);
    // An interrupt before it has heard that we are through would end the connection, too.
    let until = Instant::now() + super::parts::DEADLINE;
    while std::fs::read(folder.path("log")).unwrap().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (said, code) = serves.interrupt();
    assert_eq!(code, Some(0));
    for part in [
        "1: GET",
        "fault server-1: a bit flipped in each of 1 bytes at 100",
        "1: 200, 200000 bytes of the body acknowledged, closed by us",
    ] {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    let record: serde_json::Value = serde_json::from_str(log.trim()).unwrap();
    assert_eq!(record["body_acked"], 200_000);
}

#[test]
fn what_one_that_was_killed_left_goes_with_the_next_one() {
    let folder = Folder::new("");
    let directories = || {
        let entries = std::fs::read_dir(folder.0.path()).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count()
    };
    let mut killed = Serves::start(&folder, "127.0.0.1:0");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert_eq!(directories(), 1);
    let serves = Serves::start(&folder, "127.0.0.1:0");
    let beside = Serves::start(&folder, "127.0.0.1:0");
    assert_eq!(directories(), 2);
    assert_eq!(serves.get().body(), package());
    for one in [serves, beside] {
        assert_eq!(one.interrupt().1, Some(0));
    }
    assert_eq!(directories(), 0);
}

#[rstest]
fn everybody_s_client_gets_the_package(#[values("curl", "wget", "python3")] name: &str) {
    let folder = Folder::new("");
    let serves = Serves::start(&folder, "127.0.0.1:0");
    let Some(output) = super::lawful::fetch(name, &serves.url, None) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(output.stdout == package(), "{said}");
    let (_said, code) = serves.interrupt();
    assert_eq!(code, Some(0));
}

#[test]
fn a_port_that_somebody_has_is_told_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Folder::new("").refused(&address);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(105));
    assert!(
        said.starts_with(&format!("error: cannot listen on `{address}`: another program does; end it (`ss -ltnp` shows which), or choose another port")),
        "{said}"
    );
}

#[rstest]
#[case::an_address_without_port("127.0.0.1", "", 2, "write an address and a port")]
#[case::no_address_of_ours("192.0.2.1:0", "", 105, "no network device has that address")]
#[case::a_package_that_is_not_there(
    "127.0.0.1:0",
    "[[server]]\nanswer = { body = { package = 'x' } }",
    96,
    "a plan names the package `x`, which the offer has not: it has package"
)]
#[case::an_unknown_key(
    "127.0.0.1:0",
    "[[server]]\nbody = [{ at = 0, stal = '5s' }]",
    96,
    "did you mean `stall`?"
)]
#[case::nothing_to_vary(
    "127.0.0.1:0",
    "[[server]]\nnetwork = { jitter = '5ms' }",
    96,
    "add `delay`"
)]
#[case::no_share(
    "127.0.0.1:0",
    "[[server]]\nnetwork = { loss = '101%' }",
    96,
    "no share of packets"
)]
fn a_mistake_is_told_with_a_way_out(
    #[case] listen: &str,
    #[case] plan: &str,
    #[case] code: i32,
    #[case] way_out: &str,
) {
    let output = Folder::new(plan).refused(listen);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(way_out), "{said}");
}
