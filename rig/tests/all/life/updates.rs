//! Packages that were downloaded: what becomes of the firmware, and what is said of it.

use super::*;

#[test]
fn there_and_back_again() {
    let mut bench = serving(A, B);
    for (base, target) in [(A, B), (B, A), (A, B)] {
        bench.set_web(Web::Package(package(base, target).into()));
        bench.send(UPDATE);
        hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
        assert_eq!(version(&mut bench), target);
    }
}

#[test]
fn a_package_for_another_base_is_a_mismatch_and_changes_nothing() {
    let mut bench = serving(C, B);
    bench.send(UPDATE);
    hears(&mut bench, "\"END\",254\r\n", 5 * MINUTE);
    assert!(!bench.said().contains("UPDATING"));
    assert_eq!(bench.said().matches("Leaving the BROM").count(), 2);
    assert_eq!(version(&mut bench), A);
}

#[rstest]
#[case::body(Personality::Guide, 5000, 255)]
#[case::last_byte(Personality::Guide, usize::MAX, 255)]
#[case::body_by_a03(Personality::A03, 5000, 254)]
#[case::body_by_a05(Personality::A05, 5000, 254)]
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
    hears(&mut bench, &format!("\"END\",{err}\r\n"), 5 * MINUTE);
    assert!(!bench.said().contains("UPDATING"));
    assert_eq!(version(&mut bench), A);
}

#[test]
fn a_package_to_where_it_is_already_is_no_work() {
    let mut bench = serving(C, A);
    bench.send(UPDATE);
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
    assert!(!bench.said().contains("UPDATING"));
    assert_eq!(version(&mut bench), A);
}

#[test]
fn a_page_of_html_is_downloaded_and_then_invalid() {
    let web = says("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>");
    let mut bench = switched_on(&settings(), web);
    bench.send(UPDATE);
    hears(&mut bench, "\"HTTPEND\",0\r\n", 5 * MINUTE);
    hears(&mut bench, "\"END\",255\r\n", 5 * MINUTE);
    assert_eq!(version(&mut bench), A);
}

#[test]
fn an_order_that_the_flash_does_not_take_is_told_with_1_and_without_a_restart() {
    let settings = Settings {
        circumstances: vec![Circumstance::FlashWorn],
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    bench.send(UPDATE);
    hears(&mut bench, "\"END\",1\r\n", 5 * MINUTE);
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
fn with_autobaud_the_result_is_lost_and_the_version_tells() {
    let settings = Settings {
        console: Rate::Auto,
        ..settings()
    };
    let mut bench = switched_on(&settings, Web::Package(package(A, B).into()));
    assert_eq!(ask(&mut bench, "AT"), "\r\nOK\r\n");
    bench.send(UPDATE);
    hears(&mut bench, "UPDATING\",100%", 5 * MINUTE);
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
