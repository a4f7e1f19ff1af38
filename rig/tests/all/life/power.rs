//! On, off, reset, and what a start finds.

use super::*;

#[test]
fn it_is_switched_off_and_reset_by_command() {
    let mut bench = serving(A, B);
    bench.send("AT+QRST=1\r");
    hears(&mut bench, "RDY", MINUTE);
    bench.send("AT+QPOWD=0\r");
    bench.run_for(MINUTE);
    assert!(!bench.vdd_ext());
    assert_eq!(ask(&mut bench, "AT"), "");
    bench.power_on();
    hears(&mut bench, "RDY", MINUTE);
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
    hears(&mut bench, "+CFUN: 1", MINUTE);
    bench.take_said();
    bench.set_reset(true);
    bench.run_for(Duration::from_millis(45));
    bench.set_reset(false);
    bench.run_for(MINUTE);
    assert_eq!(bench.take_said(), "");
    bench.set_reset(true);
    bench.run_for(Duration::from_millis(55));
    bench.set_reset(false);
    hears(&mut bench, "RDY", MINUTE);
}

/// 30 ms until VBAT is stable, then 500 ms.
#[rstest]
#[case::too_early(520, false)]
#[case::long_enough(540, true)]
fn a_press_counts_from_when_vbat_is_stable(#[case] millis: u64, #[case] boots: bool) {
    let mut bench = InProcess::new(&settings(), Web::Silent);
    bench.set_vbat(true);
    bench.set_pwrkey(true);
    bench.run_for(Duration::from_millis(millis));
    bench.set_pwrkey(false);
    bench.run_for(MINUTE);
    assert_eq!(bench.said().contains("RDY"), boots);
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
    hears(&mut bench, "DOWNLOADING\",50%", MINUTE);
    bench.set_vbat(false);
    bench.run_for(MINUTE);
    bench.take_said();
    bench.power_on();
    bench.run_for(10 * MINUTE);
    assert!(!bench.said().contains("FOTA"), "{}", bench.said());
    assert_eq!(version(&mut bench), A);
    // What was downloaded is forgotten with the RAM.
    bench.send(UPDATE);
    hears(&mut bench, "\"END\",0\r\n", 5 * MINUTE);
    assert!(
        bench
            .requests()
            .iter()
            .all(|request| request.contains("bytes=0-"))
    );
}
