//! The package server beside nginx, in the same run on the same machine: throughput of lawful
//! downloads, accuracy of a rate, and what an ordinary client waits for among a thousand slow
//! ones. It ends with exit code 1 where a figure is not what is asked for, which a busy machine may
//! be the reason of; so it is a recipe and no test.
//!
//! `cargo bench -p harness --bench server [-- SECONDS]`: how long the rate is measured, 60 where
//! it is not given.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use harness::package_server::{Limits, NamedPlan, Offer, Options, PackageServer, Serving};

const PACKAGE: usize = 300_000;
const CLIENTS: usize = 8;
const THROUGHPUT_FOR: Duration = Duration::from_secs(3);
/// 25 kbit/s, in bytes a second.
const RATE: f64 = 3_125.0;

/// What is asked for: of nginx's rate of downloads, of the mean of a rate in percent, of its longest
/// gap, of memory and of an ordinary client's wait among a thousand slow ones.
const RATIO_MIN: f64 = 0.2;
const RATE_ERROR_MAX: f64 = 1.0;
const GAP_MAX: Duration = Duration::from_millis(150);
const MEMORY_MAX_KIB: usize = 64 * 1024;
const WAIT_MAX: Duration = Duration::from_millis(100);

/// Whether a figure is what is asked for, in words; those that are not are kept.
#[derive(Default)]
struct Asked(Vec<&'static str>);

impl Asked {
    fn is(&mut self, what: &'static str, met: bool) -> &'static str {
        if !met {
            self.0.push(what);
        }
        if met { "met" } else { "NOT MET" }
    }
}

fn main() -> std::process::ExitCode {
    let mut asked = Asked::default();
    // `cargo bench` itself passes `--bench`.
    let seconds = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(60);
    let directory = tempfile::tempdir().expect("a directory for nginx");
    let package: Vec<u8> = (0..PACKAGE).map(|at| (at * 31 % 251) as u8).collect();
    std::fs::write(directory.path().join("package"), &package).expect("a file for nginx");
    let nginx = Nginx::start(directory.path());
    if nginx.is_none() {
        println!(
            "nginx is not installed (Debian: `apt-get install nginx-light`): nothing to compare with"
        );
    }
    throughput(&package, nginx.as_ref(), &mut asked);
    crowd(&package, &mut asked);
    let how_long = Duration::from_secs(seconds);
    rate(&package, nginx.as_ref(), how_long, &mut asked);
    if asked.0.is_empty() {
        return std::process::ExitCode::SUCCESS;
    }
    println!("not met: {}", asked.0.join(", "));
    std::process::ExitCode::FAILURE
}

fn throughput(package: &[u8], nginx: Option<&Nginx>, asked: &mut Asked) {
    let (_server, target) = ours(package, Serving::Honestly);
    let ours = downloads_per_second(&target);
    println!("lawful: {ours:.0} downloads/s of 300 kB by {CLIENTS} clients");
    if let Some(nginx) = nginx {
        let theirs = downloads_per_second(&nginx.target("/package"));
        let ratio = ours / theirs;
        let met = asked.is("ratio to nginx", ratio >= RATIO_MIN);
        println!(
            "        {theirs:.0} from nginx; ratio {ratio:.2} ({RATIO_MIN} is asked for: {met})"
        );
    }
    let mut waits: Vec<_> = (0..200)
        .map(|_| timed(|| download(&target)).as_secs_f64() * 1e3)
        .collect();
    waits.sort_by(f64::total_cmp);
    println!(
        "        one client alone: median {:.2} ms, 99th percentile {:.2} ms",
        waits[100], waits[198]
    );
}

fn crowd(package: &[u8], asked: &mut Asked) {
    let (_server, target) = ours(package, Serving::Honestly);
    let mut readers: Vec<_> = (0..1_000).map(|_| ask(&target)).collect();
    let mut piece = vec![0; 16 << 10];
    let (mut worst, mut served, mut round) = (Duration::ZERO, 0, 0_u32);
    while !readers.is_empty() {
        readers.retain_mut(|reader| {
            match reader.read(&mut piece).expect("a slow reader is served") {
                0 => {
                    served += 1;
                    false
                }
                _ => true,
            }
        });
        if round < 10 {
            worst = worst.max(timed(|| {
                ask(&target).read_exact(&mut [0; 100]).expect("an answer");
            }));
        }
        round += 1;
    }
    let peak = memory_peak_kib();
    let met = asked.is(
        "a thousand slow clients",
        served == 1_000 && worst <= WAIT_MAX && peak <= MEMORY_MAX_KIB,
    );
    println!(
        "crowd:  {served} slow readers served; another is answered within {:.1} ms meanwhile; {} MiB of memory at most, the readers' own included ({} ms, {} MiB are asked for: {met})",
        worst.as_secs_f64() * 1e3,
        peak / 1024,
        WAIT_MAX.as_millis(),
        MEMORY_MAX_KIB / 1024,
    );
}

fn rate(package: &[u8], nginx: Option<&Nginx>, how_long: Duration, asked: &mut Asked) {
    let plan = serde_json::from_str(r#"{"rate": "25kbit/s"}"#).expect("a plan");
    let serving = Serving::Through(vec![NamedPlan {
        name: "server-1".to_owned(),
        plan,
    }]);
    let (_server, target) = ours(package, serving);
    let theirs = nginx.map(|nginx| nginx.target("/slow/package"));
    std::thread::scope(|scope| {
        let theirs = theirs.map(|target| scope.spawn(move || measure_rate(&target, how_long)));
        let ours = measure_rate(&target, how_long);
        let met = ours.error.abs() <= RATE_ERROR_MAX && ours.longest_gap <= GAP_MAX;
        println!(
            "rate:   25 kbit/s over {} s: {ours} ({RATE_ERROR_MAX} %, {} ms are asked for: {})",
            how_long.as_secs(),
            GAP_MAX.as_millis(),
            asked.is("rate", met)
        );
        if let Some(theirs) = theirs.and_then(|theirs| theirs.join().ok()) {
            println!("        nginx: {theirs}");
        }
    });
}

/// Where a package is.
struct Target {
    address: SocketAddr,
    path: String,
}

fn ours(package: &[u8], serving: Serving) -> (PackageServer, Target) {
    let limits = Limits {
        connections: 1_200,
        connections_per_address: 1_200,
        connections_per_second: 1_000_000,
        burst: 1_000_000,
        bytes_per_day: u64::MAX,
        ..Limits::default()
    };
    let (events, reports) = channel();
    std::thread::spawn(move || for _ in reports {});
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = PackageServer::start(
        Options {
            listen,
            public_url: None,
            limits,
        },
        events,
    )
    .expect("a server");
    let offer = Offer {
        name: "package".to_owned(),
        package: package.into(),
        others: Default::default(),
        serving,
        seed: 1,
        speed: 1,
    };
    let offered = server.offer(offer).expect("an offer");
    let target = Target {
        address: server.local_addr(),
        path: offered.path,
    };
    (server, target)
}

/// nginx, with the package and a slow way to it.
struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// `None` where it is not installed.
    fn start(directory: &Path) -> Option<Nginx> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|it| it.local_addr())
            .expect("a port")
            .port();
        let root = directory.display();
        let configuration = format!(
            "worker_processes auto;\npid {root}/pid;\nerror_log {root}/error;\nevents {{ worker_connections 1024; }}\n\
             http {{\n access_log off;\n client_body_temp_path {root}/1;\n proxy_temp_path {root}/2;\n fastcgi_temp_path {root}/3;\n\
             uwsgi_temp_path {root}/4;\n scgi_temp_path {root}/5;\n sendfile on;\n\
             server {{ listen 127.0.0.1:{port}; root {root};\n\
             location /slow/ {{ alias {root}/; limit_rate {RATE}; }} }}\n}}\n"
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, configuration).expect("nginx's configuration");
        open_to_all(directory);
        let child = Command::new("nginx")
            .arg("-p")
            .arg(directory)
            .arg("-c")
            .arg(&file)
            .args(["-g", "daemon off;"])
            .stderr(Stdio::null())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().expect("nginx");
            assert!(
                ended.is_none() && Instant::now() < until,
                "nginx does not start: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Nginx { child, address })
    }

    fn target(&self, path: &str) -> Target {
        Target {
            address: self.address,
            path: path.to_owned(),
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that the master ends its workers.
        let id = self.child.id().cast_signed();
        if let Some(process) = rustix::process::Pid::from_raw(id) {
            let _ended_already =
                rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        drop(self.child.wait());
    }
}

/// nginx's workers are another user where it is started by root.
fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
        .expect("permissions");
}

fn ask(target: &Target) -> TcpStream {
    let mut stream = TcpStream::connect(target.address).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a timeout");
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        target.path
    );
    stream.write_all(request.as_bytes()).expect("a request");
    stream
}

fn download(target: &Target) {
    let mut stream = ask(target);
    let (mut piece, mut all) = (vec![0; 64 << 10], 0);
    loop {
        match stream.read(&mut piece).expect("a download") {
            0 => break,
            count => all += count,
        }
    }
    assert!(all > PACKAGE, "{all} bytes");
}

fn downloads_per_second(target: &Target) -> f64 {
    let began = Instant::now();
    let downloads: u32 = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut downloads = 0;
                    while began.elapsed() < THROUGHPUT_FOR {
                        download(target);
                        downloads += 1;
                    }
                    downloads
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .sum()
    });
    f64::from(downloads) / began.elapsed().as_secs_f64()
}

/// What came of a rate.
struct Measured {
    /// Of the mean, in percent.
    error: f64,
    longest_gap: Duration,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gap = self.longest_gap.as_secs_f64() * 1e3;
        write!(f, "mean {:+.2} %, longest gap {gap:.0} ms", self.error)
    }
}

fn measure_rate(target: &Target, how_long: Duration) -> Measured {
    let mut stream = ask(target);
    let mut piece = [0; 4_096];
    let first = stream.read(&mut piece).expect("a first byte");
    let began = Instant::now();
    let (mut bytes, mut last, mut longest_gap) = (0, began, Duration::ZERO);
    assert_ne!(first, 0);
    while began.elapsed() < how_long {
        let count = stream.read(&mut piece).expect("a byte");
        assert_ne!(count, 0, "the package is too small for so long a time");
        bytes += count;
        longest_gap = longest_gap.max(last.elapsed());
        last = Instant::now();
    }
    let expected = RATE * (last - began).as_secs_f64();
    Measured {
        error: (bytes as f64 / expected - 1.0) * 100.0,
        longest_gap,
    }
}

fn timed(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

/// The most that this process ever had.
fn memory_peak_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
