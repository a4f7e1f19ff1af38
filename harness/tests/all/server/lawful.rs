//! Clients that everybody has: curl, wget and Python's, each against an honest offer. One that
//! this machine has not is skipped, and says so.

use std::process::{Command, Output};

use rstest::rstest;

use super::parts::{Bench, package};

/// Runs a client; `None` where there is none, which is told.
fn run(client: &mut Command) -> Option<Output> {
    match client.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = client.get_program().display();
            crate::skipped::skipped(format_args!("there is no `{name}` on this machine"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A client that fetches a URL, from a byte on where that is given, to its standard output.
fn client(name: &str, url: &str, from: Option<usize>) -> Command {
    let mut client = Command::new(name);
    match (name, from) {
        ("curl", None) => client.args(["-sSf", "--max-time", "20", url]),
        ("curl", Some(from)) => {
            client.args(["-sSf", "--max-time", "20", "-r", &format!("{from}-"), url])
        }
        ("wget", None) => client.args(["-q", "-T", "20", "-t", "1", "-O", "-", url]),
        ("wget", Some(from)) => client.args([
            "-q",
            "-T",
            "20",
            "-t",
            "1",
            "-O",
            "-",
            &format!("--start-pos={from}"),
            url,
        ]),
        (_, from) => {
            let script = "import sys, http.client, urllib.parse\n\
                u = urllib.parse.urlparse(sys.argv[1])\n\
                c = http.client.HTTPConnection(u.hostname, u.port, timeout=20)\n\
                c.request('GET', u.path, headers={'Range': 'bytes=' + sys.argv[2] + '-'} if sys.argv[2] else {})\n\
                sys.stdout.buffer.write(c.getresponse().read())\n";
            let from = from.map_or_else(String::new, |from| from.to_string());
            client.args(["-c", script, url, &from])
        }
    };
    client
}

/// Fetches with such a client; `None` where there is none, which is told.
pub(super) fn fetch(name: &str, url: &str, from: Option<usize>) -> Option<Output> {
    run(&mut client(name, url, from))
}

#[rstest]
fn it_fetches_the_package(
    #[values("curl", "wget", "python3")] name: &str,
    #[values(None, Some(0), Some(150_000))] from: Option<usize>,
) {
    let bench = Bench::honest();
    let url = format!("http://{}{}", bench.server.local_addr(), bench.offered.path);
    let Some(output) = fetch(name, &url, from) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(output.stdout == package()[from.unwrap_or(0)..], "{said}");
    assert!(bench.closed().honest);
}

#[test]
fn curl_agrees_on_what_a_head_request_is_told() {
    let bench = Bench::honest();
    let url = format!("http://{}{}", bench.server.local_addr(), bench.offered.path);
    let Some(output) = run(Command::new("curl").args(["-sSfI", "--max-time", "20", &url])) else {
        return;
    };
    let head = String::from_utf8(output.stdout).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Length: 200000\r\n"), "{head}");
    assert!(head.contains("ETag: \""), "{head}");
    assert!(
        !head.to_ascii_lowercase().contains("transfer-encoding"),
        "{head}"
    );
    let closed = bench.closed();
    assert_eq!((closed.body_acked, closed.declared), (0, Some(200_000)));
}

#[test]
fn curl_gets_on_with_a_download_that_broke_off() {
    let bench = Bench::faulty("[[server]]\nrequest = 1\nend = { how = 'reset', at = '37%' }");
    let url = format!("http://{}{}", bench.server.local_addr(), bench.offered.path);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("package");
    let fetch = |resume: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "-o"])
            .arg(&file)
            .args(resume)
            .arg(&url);
        run(&mut curl)
    };
    let Some(broken) = fetch(&[]) else { return };
    assert!(!broken.status.success());
    assert_eq!(std::fs::read(&file).unwrap().len(), 74_000);
    assert!(fetch(&["-C", "-"]).unwrap().status.success());
    assert!(std::fs::read(&file).unwrap() == package());
    let closed = [bench.closed(), bench.closed()];
    assert_eq!(
        closed.map(|closed| (closed.from, closed.body_acked)),
        [(0, 74_000), (74_000, 126_000)]
    );
}
