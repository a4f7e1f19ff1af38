//! What is answered to a command line, and what of it is kept.

use super::*;

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
fn a_registration_that_changes_is_told_to_whoever_wants_to_know() {
    let mut bench = serving(A, B);
    ask(&mut bench, "AT+CEREG=1");
    assert!(ask(&mut bench, "AT+CEREG?").contains("+CEREG: 1,1\r\n"));
    ask(&mut bench, "AT+CFUN=0");
    assert!(ask(&mut bench, "AT+CEREG?").contains("+CEREG: 1,0\r\n"));
    bench.send("AT+CFUN=1\r");
    hears(&mut bench, "\r\n+CEREG: 1\r\n", MINUTE);
    ask(&mut bench, "AT+CEREG=2");
    let with_cell = "+CEREG: 2,1,\"1A2B\",\"01A2B3C4\",9\r\n";
    assert!(ask(&mut bench, "AT+CEREG?").contains(with_cell));
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
