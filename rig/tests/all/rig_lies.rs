//! How the rig around the module lies, where it is told to: each lie as a host meets it.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;

use rig::virtual_module::{Defect, Rate, Settings};

use crate::tty::{Bench, DEADLINE};

const A: &str = "BC26NBR01A01";

fn lying(defect: Defect) -> Bench {
    let mut bench = Bench::with(Settings {
        console: Rate::Fixed(115_200),
        defects: vec![defect],
        speed: 100,
        ..Settings::default()
    });
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    bench
}

#[test]
fn a_rig_that_cannot_cut_leaves_the_module_alive() {
    for (defect, reads_back) in [(Defect::H01, true), (Defect::H03, false)] {
        let mut bench = lying(defect);
        bench.lines.set_vbat(false);
        bench.send("AT\r");
        bench.wait_for("\r\nOK\r\n");
        assert_eq!(bench.lines.vbat(), reads_back, "{defect}");
        assert!(bench.lines.vdd_ext());
    }
}

#[test]
fn a_module_that_is_fed_lives_until_its_host_lets_go() {
    let mut bench = lying(Defect::H16);
    bench.lines.set_vbat(false);
    bench.send("AT\r");
    bench.wait_for("\r\nOK\r\n");
    assert!(bench.lines.vdd_ext());
    bench.lines.set_to_module(false);
    bench.wait_until("it is dead", |lines| !lines.vdd_ext());

    // Let go of before the cut, there is nothing to live by.
    bench.power_on();
    bench.wait_for("RDY");
    bench.lines.set_vbat(false);
    bench.wait_until("it is dead", |lines| !lines.vdd_ext());
}

#[test]
fn capacitors_that_hold_outlast_any_time_off() {
    let mut bench = lying(Defect::H17);
    bench.lines.set_vbat(false);
    bench.send("AT\r");
    bench.wait_for("\r\nOK\r\n");
    bench.lines.set_vbat(true);
    bench.send("AT\r");
    bench.wait_for("\r\nOK\r\n");
    assert!(bench.lines.vdd_ext());
}

#[test]
fn what_an_adapter_holds_back_comes_when_the_power_is_back() {
    let mut bench = lying(Defect::H18);
    bench.send("ATI\r");
    bench.wait_for("\r\nOK\r\n");
    bench.lines.set_vbat(false);
    bench.wait_until("it is off", |lines| !lines.vdd_ext());
    bench.heard.clear();
    bench.lines.set_vbat(true);
    bench.wait_for("\r\nOK\r\n");
    assert!(!bench.lines.vdd_ext());
}

#[test]
fn a_reset_that_leads_nowhere_resets_nothing() {
    let mut bench = lying(Defect::H19);
    bench.lines.set_reset(true);
    // A minute of this module's time and more.
    for _ in 0..100 {
        bench.read();
    }
    bench.lines.set_reset(false);
    bench.send("AT\r");
    bench.wait_for("\r\nOK\r\n");
    assert!(!String::from_utf8_lossy(&bench.heard).contains("RDY"));
}

#[test]
fn a_pwrkey_that_is_the_supply_s_cuts_a_module_that_runs() {
    let mut bench = lying(Defect::H20);
    bench.lines.set_pwrkey(true);
    bench.wait_until("it is off", |lines| !lines.vdd_ext());
    bench.lines.set_pwrkey(false);
    bench.power_on();
}

#[test]
fn a_stranger_asks_for_what_the_module_asks_for_from_somewhere_else() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/t/p.bin", server.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in server.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut request = [0; 128];
            let len = stream.read(&mut request).unwrap();
            let from = stream.peer_addr().unwrap().ip();
            tell.send((from.to_string(), request[..len].to_vec()))
                .unwrap();
        }
    });
    let mut bench = lying(Defect::H24);
    // Until it is registered, its download waits.
    bench.send(&format!("AT+QFOTADL=\"{url}\"\r"));
    let mut asked: Vec<_> = (0..2)
        .map(|_| told.recv_timeout(DEADLINE).unwrap())
        .collect();
    asked.sort();
    assert_eq!(asked[0].0, "127.0.0.1");
    assert_eq!(asked[1].0, "127.0.0.2");
    assert_eq!(asked[0].1, asked[1].1);
    assert!(asked[0].1.starts_with(b"GET /t/p.bin HTTP/1.1\r\n"));
}

#[test]
fn a_crowd_is_there_before_the_module_and_a_scanner_beside_it() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/t/p.bin", server.local_addr().unwrap());
    let mut bench = Bench::with(Settings {
        console: Rate::Fixed(115_200),
        defects: vec![Defect::H25, Defect::H26],
        speed: 100,
        ..Settings::default()
    });
    bench.power_on();
    bench.wait_for("+CFUN: 1\r\n");
    bench.send(&format!("AT+QFOTADL=\"{url}\"\r"));
    let mut scanned = false;
    let mut asked = false;
    let mut silent = Vec::new();
    for stream in server.incoming() {
        let mut stream = stream.unwrap();
        if silent.len() < 40 {
            silent.push(stream);
            continue;
        }
        let mut request = [0; 128];
        let len = stream.read(&mut request).unwrap();
        asked |= request[..len].starts_with(b"GET /t/p.bin HTTP/1.1\r\n");
        scanned |= request[..len].starts_with(b"GET / HTTP/1.1\r\n");
        silent.push(stream);
        if asked && scanned {
            break;
        }
    }
    let module = silent[0].peer_addr().unwrap().ip();
    assert!(
        silent[..40]
            .iter()
            .all(|one| one.peer_addr().unwrap().ip() == module)
    );
}

#[test]
fn a_cache_answers_for_the_module() {
    let mut bench = lying(Defect::H10);
    bench.send("ATI\r");
    bench.wait_for("\r\nOK\r\n");
    bench.lines.set_vbat(false);
    bench.wait_until("it is off", |lines| !lines.vdd_ext());
    bench.send("ATI\r");
    bench.wait_for(&format!("Revision: {A}\r\n"));
    bench.wait_for("\r\nOK\r\n");
}

#[test]
fn a_cache_knows_one_line_only() {
    let mut bench = lying(Defect::H10);
    bench.send("ATI\r");
    bench.wait_for("\r\nOK\r\n");
    bench.lines.set_vbat(false);
    bench.wait_until("it is off", |lines| !lines.vdd_ext());
    bench.heard.clear();
    bench.send("AT+CGMR\r");
    for _ in 0..20 {
        bench.read();
    }
    assert_eq!(bench.heard, b"");
}

#[test]
fn a_rig_that_cuts_late_cuts_after_all() {
    let mut bench = lying(Defect::H04);
    bench.lines.set_vbat(false);
    bench.send("AT\r");
    bench.wait_for("\r\nOK\r\n");
    bench.wait_until("it is cut", |lines| !lines.vdd_ext());
}

#[test]
fn a_console_that_drops_bytes_drops_some() {
    let mut bench = lying(Defect::H07);
    let line = "AT+IPR=?;+IPR=?\r";
    bench.send(line);
    bench.wait_for("\r\nOK\r");
    let whole = "\r\n+IPR: (4800,9600,115200),(0,110,300,1200,2400,4800,9600,19200,38400,57600,115200,230400,460800,921600)\r\n";
    // Each of the two answers is longer than the distance between two lost bytes.
    bench.send(line);
    while bench.read() > 0 {}
    let heard = String::from_utf8_lossy(&bench.heard).into_owned();
    assert!(!heard.is_empty() && !heard.contains(whole), "{heard}");
}
