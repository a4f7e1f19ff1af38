//! What a module does in its life, in process and in virtual time: commands, downloads, updates.

use std::time::Duration;

use rig::delta::{self, IMAGE_LEN};
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Circumstance, Personality, Rate, Settings};
use rstest::rstest;

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";
const C: &str = "BC26NBR01A03";
const MINUTE: Duration = Duration::from_secs(60);
const UPDATE: &str = "AT+QFOTADL=\"http://10.0.0.1:8080/t/p.bin\"\r";

fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
}

fn package(base: &str, target: &str) -> Vec<u8> {
    delta::make(&firmware(base), &firmware(target)).unwrap()
}

fn settings() -> Settings {
    Settings {
        console: Rate::Fixed(115_200),
        ..Settings::default()
    }
}

fn switched_on(settings: &Settings, web: Web) -> InProcess {
    let mut bench = InProcess::new(settings, web);
    bench.power_on();
    bench.run_for(Duration::from_secs(10));
    bench.take_said();
    bench
}

fn serving(base: &str, target: &str) -> InProcess {
    switched_on(&settings(), Web::Package(package(base, target).into()))
}

/// Sends a command line and gives the answer, without echo.
fn ask(bench: &mut InProcess, line: &str) -> String {
    bench.take_said();
    bench.send(&format!("{line}\r"));
    bench.run_for(Duration::from_secs(1));
    let said = bench.take_said();
    said.strip_prefix(&format!("{line}\r"))
        .unwrap_or(&said)
        .to_owned()
}

/// The version, as both commands that know it say.
fn version(bench: &mut InProcess) -> String {
    let cgmr = ask(bench, "AT+CGMR");
    let ati = ask(bench, "ATI");
    let version = |said: &str| {
        let after = said.split_once("Revision: ").unwrap().1;
        after.split_once('\r').unwrap().0.to_owned()
    };
    assert_eq!(version(&ati), version(&cgmr));
    version(&ati)
}

fn says(reply: impl AsRef<[u8]>) -> Web {
    Web::Says(reply.as_ref().into())
}

#[rstest]
#[case("AT", "\r\nOK\r\n")]
#[case("at", "\r\nOK\r\n")]
#[case(
    "ATI",
    "\r\nQuectel_Ltd\r\nQuectel_BC26\r\nRevision: BC26NBR01A01\r\n\r\nOK\r\n"
)]
#[case("AT+CGMR", "\r\nRevision: BC26NBR01A01\r\n\r\nOK\r\n")]
#[case("AT+CMEE?", "\r\n+CMEE: 0\r\n\r\nOK\r\n")]
#[case("AT+CESQ", "\r\n+CESQ: 47,6,255,255,0,54\r\n\r\nOK\r\n")]
#[case("AT+CEREG?", "\r\n+CEREG: 0,1\r\n\r\nOK\r\n")]
#[case("AT+CGATT?", "\r\n+CGATT: 1\r\n\r\nOK\r\n")]
#[case("AT+CGPADDR=1", "\r\n+CGPADDR: 1,101.43.5.1\r\n\r\nOK\r\n")]
#[case("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n")]
#[case("AT+COPS?", "\r\n+COPS: 0,2,\"46011\",9\r\n\r\nOK\r\n")]
#[case("AT+CGSN=1", "\r\n+CGSN: 860000000000000\r\n\r\nOK\r\n")]
#[case("AT+CGSN", "\r\n860000000000000\r\n\r\nOK\r\n")]
#[case("AT+CFUN?", "\r\n+CFUN: 1\r\n\r\nOK\r\n")]
#[case("AT+IPR?", "\r\n+IPR: 115200\r\n\r\nOK\r\n")]
#[case("AT+CGDCONT?", "\r\n+CGDCONT: 1,\"IP\",\"cmnbiot\",,0,0\r\n\r\nOK\r\n")]
#[case("AT+QFOTADL=?", "\r\nOK\r\n")]
#[case("AT+QGMR", "\r\nERROR\r\n")]
#[case("AT+CMEE=1;+QFOTADL=\"ftp://h/f\"", "\r\n+CME ERROR: 50\r\n")]
#[case(
    "AT+CMEE=2;+QFOTADL=\"ftp://h/f\"",
    "\r\n+CME ERROR: Incorrect parameters\r\n"
)]
#[case("AT+QFOTADL=\"ftp://h/f\"", "\r\nERROR\r\n")]
#[case("+++", "")]
fn commands_are_answered(#[case] line: &str, #[case] answer: &str) {
    let mut bench = serving(A, B);
    assert_eq!(ask(&mut bench, line), answer);
}

#[test]
fn what_stands_before_an_at_is_ignored() {
    let mut bench = serving(A, B);
    assert!(ask(&mut bench, "\u{80}noiseAT+CMEE?").contains("+CMEE: 0\r\n\r\nOK\r\n"));
}

#[test]
fn a_line_beyond_bounds_is_refused_and_the_next_is_not() {
    let mut bench = serving(A, B);
    assert!(ask(&mut bench, &format!("AT{}", ";+CFUN?".repeat(1000))).ends_with("\r\nERROR\r\n"));
    assert_eq!(ask(&mut bench, "AT"), "\r\nOK\r\n");
}

#[test]
fn settings_are_lost_with_the_power_unless_saved() {
    let mut bench = serving(A, B);
    ask(&mut bench, "ATE0;+CMEE=1;+CGDCONT=1,\"IP\",\"iot.example\"");
    bench.set_vbat(false);
    bench.power_on();
    bench.run_for(MINUTE);
    assert_eq!(ask(&mut bench, "AT+CMEE?"), "\r\n+CMEE: 0\r\n\r\nOK\r\n");
    assert!(
        ask(&mut bench, "AT+CGDCONT?").contains("\"iot.example\""),
        "an APN is kept at once"
    );

    ask(&mut bench, "ATE0&W;+CMEE=1;&W");
    bench.set_vbat(false);
    bench.power_on();
    bench.run_for(MINUTE);
    bench.take_said();
    bench.send("AT+CMEE?\r");
    bench.run_for(MINUTE);
    assert_eq!(bench.take_said(), "\r\n+CMEE: 1\r\n\r\nOK\r\n");
}

#[test]
fn it_is_switched_off_and_reset_by_command() {
    let mut bench = serving(A, B);
    bench.send("AT+QRST=1\r");
    assert!(bench.run_until_said("RDY", MINUTE));
    bench.send("AT+QPOWD=0\r");
    bench.run_for(MINUTE);
    assert!(!bench.vdd_ext());
    assert_eq!(ask(&mut bench, "AT"), "");
    bench.power_on();
    assert!(bench.run_until_said("RDY", MINUTE));
}

#[test]
fn a_short_press_and_a_short_reset_do_nothing() {
    let mut bench = InProcess::new(&settings(), Web::Silent);
    bench.set_vbat(true);
    bench.run_for(MINUTE);
    bench.set_pwrkey(true);
    bench.run_for(Duration::from_millis(450));
    bench.set_pwrkey(false);
    bench.run_for(MINUTE);
    assert_eq!(bench.take_said(), "");
    bench.power_on();
    assert!(bench.run_until_said("+CFUN: 1", MINUTE));
    bench.take_said();
    bench.set_reset(true);
    bench.run_for(Duration::from_millis(45));
    bench.set_reset(false);
    bench.run_for(MINUTE);
    assert_eq!(bench.take_said(), "");
    bench.set_reset(true);
    bench.run_for(Duration::from_millis(55));
    bench.set_reset(false);
    assert!(bench.run_until_said("RDY", MINUTE));
}

#[test]
fn there_and_back_again() {
    let mut bench = serving(A, B);
    for (base, target) in [(A, B), (B, A), (A, B)] {
        bench.set_web(Web::Package(package(base, target).into()));
        bench.send(UPDATE);
        assert!(
            bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
            "{}",
            bench.said()
        );
        assert_eq!(version(&mut bench), target);
    }
}

#[test]
fn a_package_for_another_base_is_a_mismatch_and_changes_nothing() {
    let mut bench = serving(C, B);
    bench.send(UPDATE);
    assert!(
        bench.run_until_said("\"END\",254\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
    assert!(!bench.said().contains("UPDATING"));
    assert_eq!(bench.said().matches("Leaving the BROM").count(), 2);
    assert_eq!(version(&mut bench), A);
}

#[rstest]
#[case::body(Personality::Guide, 5000, 255)]
#[case::last_byte(Personality::Guide, usize::MAX, 255)]
#[case::body_by_a03(Personality::A03, 5000, 254)]
#[case::magic_by_a03(Personality::A03, 0, 255)]
fn a_damaged_package_is_refused(
    #[case] personality: Personality,
    #[case] at: usize,
    #[case] err: u8,
) {
    let mut package = package(A, B);
    let at = at.min(package.len() - 1);
    package[at] ^= 1;
    let settings = Settings {
        personality,
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package.into()));
    bench.send(UPDATE);
    assert!(
        bench.run_until_said(&format!("\"END\",{err}\r\n"), 5 * MINUTE),
        "{}",
        bench.said()
    );
    assert!(!bench.said().contains("UPDATING"));
    assert_eq!(version(&mut bench), A);
}

#[test]
fn a_package_to_where_it_is_already_is_no_work() {
    let mut bench = serving(C, A);
    bench.send(UPDATE);
    assert!(bench.run_until_said("\"END\",0\r\n", 5 * MINUTE));
    assert!(!bench.said().contains("UPDATING"));
    assert_eq!(version(&mut bench), A);
}

/// How the guide's and the field's downloads fail: how many requests, and which `<http_err>`.
#[rstest]
#[case::not_found(says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), 1)]
#[case::unavailable(says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), 8)]
#[case::moved(
    says("HTTP/1.1 302 Found\r\nLocation: /q\r\nContent-Length: 0\r\n\r\n"),
    8
)]
#[case::chunked(
    says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    8
)]
#[case::no_length(says("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody"), 8)]
#[case::empty(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 8)]
#[case::too_large(says("HTTP/1.1 200 OK\r\nContent-Length: 917505\r\n\r\n"), 8)]
#[case::header_without_space(says("HTTP/1.1 200 OK\r\nContent-Length:4\r\n\r\nbody"), 8)]
#[case::short_body(says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody"), 8)]
#[case::not_http(says("no\r\n\r\n"), 8)]
#[case::nothing(says(""), 8)]
#[case::stalled(Web::Silent, 8)]
#[case::refused(Web::Refuses, 0)]
#[case::absent(Web::Absent, 0)]
fn a_failed_download_is_12_and_final(#[case] web: Web, #[case] requests: usize) {
    let mut bench = switched_on(&settings(), web);
    bench.send(UPDATE);
    assert!(
        bench.run_until_said("\"HTTPEND\",12\r\n", 25 * MINUTE),
        "{}",
        bench.said()
    );
    assert_eq!(bench.requests().len(), requests);
    bench.take_said();
    bench.run_for(5 * MINUTE);
    assert_eq!(bench.take_said(), "", "nothing follows");

    // And the next one succeeds.
    bench.set_web(Web::Package(package(A, B).into()));
    bench.send("AT+QFOTADL=\"http://10.0.0.1/other.bin\"\r");
    assert!(
        bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
}

#[test]
fn a_stalled_server_is_waited_for_24_minutes() {
    let mut bench = switched_on(&settings(), Web::Silent);
    bench.send(UPDATE);
    assert!(!bench.run_until_said("HTTPEND", 23 * MINUTE));
    assert!(bench.run_until_said("HTTPEND", 2 * MINUTE));
}

#[test]
fn a_short_body_is_gone_on_with_and_a_200_begins_again() {
    let package = package(A, B);
    let half = package.len() / 2;
    let cut = |status: &str| {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            package.len()
        );
        says([head.as_bytes(), &package[..half]].concat())
    };
    let mut bench = switched_on(&settings(), cut("200 OK"));
    bench.send(UPDATE);
    assert!(bench.run_until_said("DOWNLOADING\",49%", 5 * MINUTE));
    // All eight attempts would fail like the first; from here on the server goes on honestly.
    bench.set_web(Web::Package(package.clone().into()));
    assert!(
        bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
    let ranges: Vec<_> = bench
        .requests()
        .iter()
        .filter_map(|request| request.lines().nth(2))
        .collect();
    assert_eq!(
        ranges,
        ["Range: bytes=0-", format!("Range: bytes={half}-").as_str()]
    );
    assert!(
        !bench
            .said()
            .split("49%")
            .nth(1)
            .unwrap()
            .contains("DOWNLOADING\",1%")
    );

    let whole = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        package.len()
    );
    let mut bench = switched_on(&settings(), cut("200 OK"));
    bench.send(UPDATE);
    assert!(bench.run_until_said("DOWNLOADING\",49%", 5 * MINUTE));
    bench.set_web(says([whole.as_bytes(), &package].concat()));
    assert!(
        bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
    assert!(
        bench
            .said()
            .split("49%")
            .nth(1)
            .unwrap()
            .contains("DOWNLOADING\",1%")
    );
}

#[test]
fn the_same_url_goes_on_where_it_failed_and_another_does_not() {
    let package = package(A, B);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        package.len()
    );
    let start = says([head.as_bytes(), &package[..1000]].concat());
    let resumed = |url: &str| {
        let mut bench = switched_on(&settings(), start.clone());
        bench.send(UPDATE);
        assert!(bench.run_until_said("\"HTTPEND\",12", 25 * MINUTE));
        bench.set_web(Web::Package(package.clone().into()));
        bench.send(url);
        assert!(
            bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
            "{}",
            bench.said()
        );
        bench
            .requests()
            .last()
            .and_then(|request| request.lines().nth(2))
            .map(str::to_owned)
    };
    assert_eq!(resumed(UPDATE).as_deref(), Some("Range: bytes=1000-"));
    let other = "AT+QFOTADL=\"http://10.0.0.1/q.bin\"\r";
    assert_eq!(resumed(other).as_deref(), Some("Range: bytes=0-"));
}

#[test]
fn bytes_beyond_the_declared_length_are_no_part_of_the_package() {
    let package = package(A, B);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        package.len()
    );
    let web = says([head.as_bytes(), &package, b"<!-- and more -->"].concat());
    let mut bench = switched_on(&settings(), web);
    bench.send(UPDATE);
    assert!(
        bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
}

#[test]
fn a_page_of_html_is_downloaded_and_then_invalid() {
    let web = says("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>");
    let mut bench = switched_on(&settings(), web);
    bench.send(UPDATE);
    assert!(bench.run_until_said("\"HTTPEND\",0\r\n", 5 * MINUTE));
    assert!(bench.run_until_said("\"END\",255\r\n", 5 * MINUTE));
    assert_eq!(version(&mut bench), A);
}

#[test]
fn without_a_network_it_gives_up_with_13_and_asks_nobody() {
    let settings = Settings {
        registered: false,
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    assert_eq!(
        ask(&mut bench, "AT+CEREG?"),
        "\r\n+CEREG: 0,2\r\n\r\nOK\r\n"
    );
    bench.send(UPDATE);
    assert!(bench.run_until_said("\"HTTPSTART\"", MINUTE));
    assert!(
        bench.run_until_said("\"HTTPEND\",13\r\n", 2 * MINUTE),
        "{}",
        bench.said()
    );
    assert!(bench.requests().is_empty());
}

#[test]
fn a_network_that_is_still_being_activated_is_told_with_20() {
    let settings = Settings {
        circumstances: vec![Circumstance::Activating],
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    bench.send(UPDATE);
    assert!(bench.run_until_said("\"HTTPEND\",20\r\n", 2 * MINUTE));
    assert!(bench.requests().is_empty());
}

#[test]
fn an_order_that_the_flash_does_not_take_is_told_with_1_and_without_a_restart() {
    let settings = Settings {
        circumstances: vec![Circumstance::FlashWorn],
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    bench.send(UPDATE);
    assert!(bench.run_until_said("\"END\",1\r\n", 5 * MINUTE));
    bench.run_for(MINUTE);
    let said = bench.said();
    assert!(
        said.contains("\"START\"\r\n\r\n+QIND: \"FOTA\",\"END\",1\r\n"),
        "{said}"
    );
    assert!(!said.contains("BROM"), "{said}");
    assert_eq!(version(&mut bench), A);
}

#[test]
fn a_network_that_is_taken_away_ends_a_download_with_13() {
    let mut bench = serving(A, B);
    bench.send(UPDATE);
    assert!(bench.run_until_said("DOWNLOADING\",30%", MINUTE));
    bench.send("AT+CFUN=0\r");
    assert!(bench.run_until_said("\"HTTPEND\",13\r\n", MINUTE));
    bench.send("AT+CFUN=1\r");
    bench.run_for(MINUTE);
    bench.send(UPDATE);
    assert!(
        bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
}

#[test]
fn https_is_accepted_and_fails_without_a_connection() {
    let mut bench = serving(A, B);
    bench.send("AT+QFOTADL=\"https://10.0.0.1/p.bin\"\r");
    assert!(bench.run_until_said("\r\nOK\r\n", MINUTE));
    assert!(bench.run_until_said("\"HTTPEND\",12\r\n", MINUTE));
    assert!(bench.requests().is_empty());
}

#[test]
fn a_second_download_while_one_runs_is_refused_and_disturbs_nothing() {
    let mut bench = serving(A, B);
    bench.send(UPDATE);
    assert!(bench.run_until_said("DOWNLOADING\",30%", MINUTE));
    assert!(ask(&mut bench, UPDATE.trim_end()).contains("\r\nERROR\r\n"));
    assert!(
        bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
    assert_eq!(bench.requests().len(), 1);
}

#[test]
fn with_autobaud_the_result_is_lost_and_the_version_tells() {
    let settings = Settings {
        console: Rate::Auto,
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    assert_eq!(
        ask(&mut bench, "AT"),
        "AT\r\r\nOK\r\n".trim_start_matches("AT\r")
    );
    bench.send(UPDATE);
    assert!(bench.run_until_said("UPDATING\",100%", 5 * MINUTE));
    bench.run_for(MINUTE);
    bench.take_said();
    bench.run_for(5 * MINUTE);
    assert_eq!(bench.take_said(), "", "neither RDY nor END");
    assert_eq!(version(&mut bench), B);
    bench.set_vbat(false);
    bench.power_on();
    bench.send("AT\r");
    bench.run_for(MINUTE);
    assert!(
        !bench.said().contains("END"),
        "it does not come later either"
    );
}

#[test]
fn a_half_patched_image_without_a_marker_is_a_brick() {
    let mut image = firmware(A);
    image[IMAGE_LEN / 2] ^= 1;
    let settings = Settings {
        image,
        ..settings()
    };
    let mut bench = InProcess::new(&settings, Web::Silent);
    bench.power_on();
    bench.run_for(10 * MINUTE);
    assert!(bench.take_said().ends_with("Leaving the BROM\n\r\n\r"));
}

#[test]
fn a_cut_while_downloading_begins_nothing_at_the_next_start() {
    let mut bench = serving(A, B);
    bench.send(UPDATE);
    assert!(bench.run_until_said("DOWNLOADING\",50%", MINUTE));
    bench.set_vbat(false);
    bench.run_for(MINUTE);
    bench.take_said();
    bench.power_on();
    bench.run_for(10 * MINUTE);
    assert!(!bench.said().contains("FOTA"), "{}", bench.said());
    assert_eq!(version(&mut bench), A);
    // What was downloaded is forgotten with the RAM.
    bench.send(UPDATE);
    assert!(
        bench.run_until_said("\"END\",0\r\n", 5 * MINUTE),
        "{}",
        bench.said()
    );
    assert!(
        bench
            .requests()
            .iter()
            .all(|request| request.contains("bytes=0-"))
    );
}
