//! The virtual module as a host meets it: behind a tty, with a real clock and a real network.
//!
//! Waits are for something, each with a deadline; how long anything took is never asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rig::delta::{self, IMAGE_LEN};
use rig::virtual_module::{FlashStore, Rate, Settings, VirtualModule};
use serialport::SerialPort;

use crate::tty::{Bench, DEADLINE};

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";

fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
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
    // A hundred times faster, it is through with the rest of its update in a fifth of a second.
    let mut bench = Bench::with(Settings {
        console: Rate::Fixed(115_200),
        speed: 100,
        waits_for_host: DEADLINE,
        ..Settings::default()
    });
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
    // As on a machine that gives this thread no turn.
    thread::sleep(Duration::from_millis(800));
    bench.lines.set_vbat(false);
    bench.power_on();
    bench.wait_for("\"START\"");
    bench.wait_for("\"UPDATING\",100%,1,1\r\n");
    bench.wait_for("\"END\",0\r\n");
    bench.send("ATI\r");
    bench.wait_for(&format!("Revision: {B}\r\n"));
    assert!(bench.module.is_alive());
}

#[test]
fn vbat_alone_boots_nothing_and_pwrkey_does() {
    let mut bench = Bench::new(Rate::Fixed(115_200));
    bench.lines.set_vbat(true);
    assert!(bench.lines.vbat());
    bench.lines.set_pwrkey(true);
    bench.wait_for("RDY");
    bench.lines.set_pwrkey(false);
    assert!(bench.lines.vdd_ext());

    bench.lines.set_vbat(false);
    bench.lines.set_vbat(true);
    // PWRKEY is not asserted: what comes now would be a boot. A hundred reads are over a minute
    // of this module's time.
    bench.heard.clear();
    for _ in 0..100 {
        bench.read();
    }
    assert_eq!(bench.heard, b"");
    assert!(!bench.lines.vdd_ext());
    bench.power_on();
    bench.wait_for("RDY");
}

/// It answers 20 ms after the command, and the answer takes its time on the wire.
#[test]
fn it_tells_when_it_said_something_whenever_that_is_read() {
    let mut bench = Bench::with(Settings {
        console: Rate::Fixed(115_200),
        speed: 1,
        ..Settings::default()
    });
    assert_eq!(bench.lines.said_at(), None);
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    let before = Instant::now();
    bench.send("AT\r");
    bench.lines.sent();
    bench.wait_for("\r\nOK\r\n");
    let said = bench.lines.said_at().unwrap();
    let answer = Duration::from_millis(20) + Duration::from_micros(6 * 10 * 1_000_000 / 115_200);
    assert!(before + answer <= said && said <= Instant::now());
}

#[test]
fn a_cut_takes_back_what_nobody_has_read() {
    let mut bench = Bench::new(Rate::Fixed(115_200));
    bench.lines.set_vbat(true);
    bench.lines.set_pwrkey(true);
    let deadline = Instant::now() + DEADLINE;
    while bench.console.bytes_to_read().unwrap() == 0 {
        assert!(Instant::now() < deadline, "no banner");
        thread::yield_now();
    }
    bench.lines.set_vbat(false);
    let deadline = Instant::now() + DEADLINE;
    while bench.console.bytes_to_read().unwrap() > 0 {
        assert!(Instant::now() < deadline, "the banner is still there");
        thread::yield_now();
    }
    assert_eq!(bench.read(), 0);
}

#[test]
fn with_autobaud_it_is_mute_until_it_has_seen_an_at() {
    for rate in [4800, 9600, 115_200] {
        let mut bench = Bench::new(Rate::Auto);
        bench.power_on();
        // Past the moment at which RDY would be said, were the rate known.
        for _ in 0..10 {
            bench.read();
        }
        assert_eq!(bench.heard, b"\n\r\n\r", "nothing after the boot text");
        bench.console.set_baud_rate(rate).unwrap();
        bench.synchronise();
        bench.send("AT+IPR?\r");
        bench.wait_for("+IPR: 0\r\n\r\nOK\r\n");
    }
}

#[test]
fn a_rate_that_autobaud_cannot_tell_is_not_answered() {
    let mut bench = Bench::new(Rate::Auto);
    bench.power_on();
    bench.console.set_baud_rate(57_600).unwrap();
    for _ in 0..20 {
        bench.send("AT\r");
        bench.read();
    }
    assert_eq!(bench.heard, b"\n\r\n\r", "nothing after the boot text");
    bench.console.set_baud_rate(115_200).unwrap();
    bench.synchronise();
}

#[test]
fn at_a_wrong_rate_both_sides_hear_garbage() {
    let mut bench = Bench::new(Rate::Fixed(115_200));
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    bench.console.set_baud_rate(9600).unwrap();
    bench.send("ATE0\r");
    // The echo: something, and nothing that was sent.
    while bench.read() == 0 {}
    while bench.read() > 0 {}
    assert!(!bench.heard.is_empty());
    assert!(
        bench.heard.iter().all(|byte| !byte.is_ascii()),
        "{:?}",
        bench.heard
    );
    bench.heard.clear();

    bench.console.set_baud_rate(115_200).unwrap();
    bench.send("AT\r");
    // The echo is still on: the command did not get through.
    bench.wait_for("AT\r\r\nOK\r\n");
}

#[test]
fn a_rate_is_kept_over_a_power_cut_when_it_was_saved_and_only_then() {
    let mut bench = Bench::new(Rate::Fixed(115_200));
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    bench.send("AT+IPR=57600\r");
    bench.wait_for("OK\r\n");
    bench.console.set_baud_rate(57_600).unwrap();
    bench.send("AT\r");
    bench.wait_for("OK\r\n");

    // Not saved: back at 115200, at which the boot text comes in any case.
    bench.lines.set_vbat(false);
    bench.console.set_baud_rate(115_200).unwrap();
    bench.power_on();
    bench.wait_for("RDY");

    bench.send("AT+IPR=57600;&W\r");
    bench.wait_for("OK\r\n");
    bench.console.set_baud_rate(57_600).unwrap();
    bench.send("AT&W\r");
    bench.wait_for("OK\r\n");
    bench.lines.set_vbat(false);
    bench.console.set_baud_rate(115_200).unwrap();
    bench.power_on();
    bench.console.set_baud_rate(57_600).unwrap();
    bench.wait_for("RDY");
}

#[test]
fn a_flash_in_a_file_outlives_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        console: Rate::Fixed(115_200),
        flash: FlashStore::File(folder.path().join("flash.bin")),
        speed: 100,
        ..Settings::default()
    };
    let mut bench = Bench::with(settings.clone());
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    bench.send("AT+CGDCONT=1,\"IP\",\"iot.example\"\r");
    bench.wait_for("OK\r\n");
    drop(bench);

    let mut bench = Bench::with(settings);
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    bench.send("AT+CGDCONT?\r");
    bench.wait_for("\"iot.example\"");
}

#[test]
fn a_file_of_another_size_is_no_flash() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "firmware").unwrap();
    let settings = Settings {
        flash: FlashStore::File(file.path().to_owned()),
        ..Settings::default()
    };
    let refused = VirtualModule::start(settings).unwrap_err().to_string();
    assert!(
        refused.contains("has 8 bytes and is no flash of this module"),
        "{refused}"
    );
}

#[test]
fn a_host_that_does_not_read_does_not_stop_it() {
    let mut bench = Bench::new(Rate::Fixed(115_200));
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    // Each answered with 14 KB: more than a pty holds, and none of it is read.
    for _ in 0..4 {
        bench.send(&format!("AT{}\r", ["+IPR=?"; 120].join(";")));
    }
    bench.send("AT+QPOWD=0\r");
    let deadline = Instant::now() + DEADLINE;
    while bench.lines.vdd_ext() {
        assert!(Instant::now() < deadline, "it does not go on");
        thread::yield_now();
    }
}

#[test]
fn a_closed_port_is_a_failed_download_by_address_and_by_name() {
    // Bound and closed again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut bench = Bench::new(Rate::Fixed(115_200));
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    for host in ["127.0.0.1", "localhost"] {
        bench.send(&format!("AT+QFOTADL=\"http://{host}:{port}/p.bin\"\r"));
        bench.wait_for("\"HTTPEND\",12\r\n");
    }
}
