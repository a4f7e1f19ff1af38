//! The lives. Each is what one kind of host, network or bench makes of a module.

use rig::virtual_module::in_process::Web;
use rig::virtual_module::{Defect, Rate};

use super::host::{Life, MINUTE, SECOND, UPDATE};
use super::web::{A, B, C, damaged, honest, package, reply, says, with_length};

const FIXED: Rate = Rate::Fixed(115_200);

/// How a life is led; what came of it.
pub(super) type Lead = fn(&[Defect]) -> String;

fn updated(defects: &[Defect], web: Web) -> String {
    let mut life = Life::new(defects, web, FIXED);
    life.send("ATI");
    life.update();
    life.end()
}

/// One command, and a long time after it.
fn commanded(defects: &[Defect], web: Web, line: &str) -> String {
    let mut life = Life::new(defects, web, FIXED);
    life.send(line);
    life.rest(30 * MINUTE);
    life.end()
}

/// An update whose power goes at each of these messages.
fn cut(defects: &[Defect], messages: &[&str]) -> String {
    let mut life = Life::new(defects, honest(), FIXED);
    life.command_update();
    for message in messages {
        life.cut_at(message);
    }
    life.end()
}

/// A download that loses its server half-way, and goes on with another.
fn gone_on_with(defects: &[Defect], web: Web) -> String {
    let package = package(A, B);
    let half = with_length("200 OK", package.len(), &package[..package.len() / 2]);
    let mut life = Life::new(defects, half, FIXED);
    life.update_until("DOWNLOADING\",40%");
    life.bench.set_web(web);
    life.rest(2 * MINUTE);
    life.end()
}

fn url_of(len: usize) -> String {
    let start = "http://10.0.0.1/";
    format!("AT+QFOTADL=\"{start}{}\"", "a".repeat(len - start.len()))
}

/// Every life, by its name.
pub(super) fn lives() -> Vec<(&'static str, Lead)> {
    vec![
        ("update", |d| updated(d, honest())),
        ("autobaud", |d| {
            let mut life = Life::new(d, honest(), Rate::Auto);
            life.send("AT");
            life.update();
            life.end()
        }),
        ("not-found", |d| {
            updated(d, with_length("404 Not Found", 4, b"none"))
        }),
        ("moved", |d| updated(d, with_length("302 Found", 0, b""))),
        ("other-base", |d| {
            updated(d, Web::Package(package(C, B).into()))
        }),
        ("damaged", |d| {
            updated(d, Web::Package(damaged(package(A, B)).into()))
        }),
        ("silent", |d| commanded(d, Web::Silent, UPDATE)),
        ("absent", |d| commanded(d, Web::Absent, UPDATE)),
        ("short", |d| {
            updated(d, with_length("200 OK", 9000, &package(A, B)[..5000]))
        }),
        ("reset", |d| {
            let half = reply("200 OK", 9000, &package(A, B)[..5000]);
            updated(d, Web::Breaks(half.into()))
        }),
        ("range-ignored", |d| {
            let package = package(A, B);
            gone_on_with(d, with_length("200 OK", package.len(), &package))
        }),
        ("mixed", |d| {
            gone_on_with(d, Web::Package(damaged(package(A, B)).into()))
        }),
        ("chunked", |d| {
            updated(
                d,
                says(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
                    b"1\r\nx\r\n0\r\n\r\n",
                ),
            )
        }),
        ("beyond", |d| {
            let package = package(A, B);
            updated(
                d,
                with_length("200 OK", package.len(), &[&package[..], b"more"].concat()),
            )
        }),
        ("huge-head", |d| {
            updated(
                d,
                says(
                    &format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(65_536)),
                    b"",
                ),
            )
        }),
        ("too-large", |d| {
            updated(d, with_length("200 OK", 1_000_000, b"x"))
        }),
        ("failures", |d| {
            let mut life = Life::new(d, with_length("404 Not Found", 0, b""), FIXED);
            for _ in 0..20 {
                life.send(UPDATE);
                life.rest(10 * SECOND);
            }
            life.bench.set_web(honest());
            life.update();
            life.end()
        }),
        ("interruptions", |d| {
            let mut life = Life::new(d, honest(), FIXED);
            for _ in 0..9 {
                life.cut_at_download();
            }
            life.update();
            life.end()
        }),
        ("cut-downloading", |d| cut(d, &["DOWNLOADING\",50%"])),
        ("cut-40", |d| cut(d, &["UPDATING\",40%"])),
        ("cuts-everywhere", |d| {
            (1..=100)
                .step_by(3)
                .map(|percent| cut(d, &[&format!("UPDATING\",{percent}%")]))
                .collect()
        }),
        ("cut-twice", |d| {
            let mut life = Life::new(d, honest(), FIXED);
            life.command_update();
            for message in ["UPDATING\",30%", "UPDATING\",70%"] {
                life.bench.run_until_said(message, 2 * MINUTE);
                life.bench.set_vbat(false);
                life.rest(SECOND);
                life.bench.power_on();
            }
            life.rest(2 * MINUTE);
            life.end()
        }),
        ("urls", |d| {
            [
                &url_of(255),
                &url_of(256),
                "AT+QFOTADL=\"HTTP://10.0.0.1/p\"",
                "AT+QFOTADL=\"http://10.0.0.1:0/p\"",
                "AT+QFOTADL=http://10.0.0.1/p",
                "AT+QFOTADL=\"https://10.0.0.1/p\"",
                "AT+QFOTADL=?",
            ]
            .map(|line| commanded(d, honest(), line))
            .concat()
        }),
        ("long-url", |d| commanded(d, honest(), &url_of(250))),
        ("reset-at-40", |d| {
            let mut life = Life::new(d, honest(), FIXED);
            life.update_until("UPDATING\",40%");
            life.bench.set_reset(true);
            life.rest(SECOND);
            life.bench.set_reset(false);
            life.rest(2 * MINUTE);
            life.end()
        }),
        ("damaged-then-honest", |d| {
            let mut life = Life::new(d, Web::Package(damaged(package(A, B)).into()), FIXED);
            life.update();
            life.bench.set_web(honest());
            life.update();
            life.end()
        }),
        ("pwrkey", |d| {
            let mut life = Life::new(d, honest(), FIXED);
            life.bench.set_pwrkey(true);
            life.rest(SECOND);
            life.bench.set_pwrkey(false);
            life.rest(10 * SECOND);
            life.end()
        }),
        ("busy", |d| {
            let mut life = Life::new(d, honest(), FIXED);
            life.update_until("DOWNLOADING\",20%");
            life.update();
            life.end()
        }),
    ]
}
