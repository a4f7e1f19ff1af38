//! The virtual module as a host meets it: behind a tty, with a real clock and a real network.
//!
//! Waits are for something, each with a deadline; how long anything took is never asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rig::delta::{self, IMAGE_LEN};
use rig::virtual_module::{Lines, Rate, Settings, VirtualModule};
use serialport::TTYPort;

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";
const DEADLINE: Duration = Duration::from_secs(20);

fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
}

struct Bench {
    // Dropped before the module, as a host leaves before the bench is switched off.
    console: TTYPort,
    lines: Lines,
    heard: Vec<u8>,
    module: VirtualModule,
}

impl Bench {
    fn new(console: Rate) -> Self {
        let settings = Settings {
            console,
            speed: 100,
            ..Settings::default()
        };
        let module = VirtualModule::start(settings).unwrap();
        let console = serialport::new(module.console_path().to_str().unwrap(), 115_200)
            .timeout(Duration::from_millis(10))
            .open_native()
            .unwrap();
        Self {
            console,
            lines: module.lines(),
            heard: Vec::new(),
            module,
        }
    }

    fn power_on(&mut self) {
        self.lines.set_vbat(true);
        self.lines.set_pwrkey(true);
        self.wait_for("Leaving the BROM");
        self.lines.set_pwrkey(false);
    }

    fn send(&mut self, bytes: &str) {
        self.console.write_all(bytes.as_bytes()).unwrap();
    }

    /// Reads on until `text` has come; what came before it, and it, is taken away.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = self
                .heard
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            if let Some(at) = found {
                self.heard.drain(..at + text.len());
                return;
            }
            let heard = String::from_utf8_lossy(&self.heard);
            assert!(Instant::now() < deadline, "no `{text}` in `{heard}`");
            self.read();
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 1024];
        match self.console.read(&mut buffer) {
            Ok(len) => self.heard.extend_from_slice(&buffer[..len]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}"),
        }
    }
}

/// Serves `package` to one connection, and gives its URL.
fn serve(package: Vec<u8>) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = read_request(&mut connection);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            package.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&package).unwrap();
        request
    });
    (format!("http://{address}/p.bin"), served)
}

fn read_request(connection: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        request.extend_from_slice(&byte);
    }
    String::from_utf8(request).unwrap()
}

#[test]
fn an_update_over_a_tty_and_a_socket_survives_a_cut() {
    let (url, served) = serve(delta::make(&firmware(A), &firmware(B)).unwrap());
    let mut bench = Bench::new(Rate::Fixed(115_200));
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    bench.send(&format!("AT+QFOTADL=\"{url}\"\r"));
    bench.wait_for("\r\nOK\r\n");
    bench.wait_for("\"HTTPEND\",0\r\n");
    assert_eq!(
        served.join().unwrap(),
        "GET /p.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-\r\n\r\n"
    );
    bench.wait_for("\"UPDATING\",37%");
    bench.lines.set_vbat(false);
    bench.power_on();
    bench.wait_for("\"START\"");
    bench.wait_for("\"UPDATING\",100%,1,1\r\n");
    bench.wait_for("\"END\",0\r\n");
    bench.send("ATI\r");
    bench.wait_for(&format!("Revision: {B}\r\n"));
    assert!(bench.module.is_alive());
}
