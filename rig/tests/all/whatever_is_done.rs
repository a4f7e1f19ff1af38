//! Whatever is done to a module, it can be updated afterwards.

use std::time::Duration;

use proptest::prelude::*;
use rig::delta::{self, IMAGE_LEN};
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Personality, Rate, Settings};

use crate::told;

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";
const MINUTE: Duration = Duration::from_secs(60);
const UPDATE: &str = "AT+QFOTADL=\"http://10.0.0.1:8080/t/p.bin\"\r";

fn package(base: &str, target: &str) -> Vec<u8> {
    let [base, target] = [base, target].map(|version| delta::image(version, 26, IMAGE_LEN));
    delta::make(&base, &target).unwrap()
}

/// The version, as `ATI` tells it.
fn version(bench: &mut InProcess) -> Option<&'static str> {
    told::version(bench, [A, B])
}

/// What a host, a bench and a network can do.
#[derive(Clone, Debug)]
enum Deed {
    Send(String),
    Rate(u32),
    Web(u8),
    Vbat(bool),
    Pwrkey(bool),
    Reset(bool),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => prop::sample::select(vec![UPDATE, "AT\r", "ATI\r", "AT&W\r", "AT+IPR=9600\r", "AT+IPR=0;&W\r",
            "AT+CFUN=0\r", "AT+CFUN=1\r", "AT+QRST=1\r", "AT+QPOWD=0\r"]).prop_map(|line| Deed::Send(line.to_owned())),
        1 => "\\PC{0,40}\r?".prop_map(Deed::Send),
        1 => prop::sample::select(vec![4800, 9600, 57_600, 115_200]).prop_map(Deed::Rate),
        1 => (0..6u8).prop_map(Deed::Web),
        1 => any::<bool>().prop_map(Deed::Vbat),
        1 => any::<bool>().prop_map(Deed::Pwrkey),
        1 => any::<bool>().prop_map(Deed::Reset),
        4 => (1..40_000u64).prop_map(Deed::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_done_to_it_it_can_be_updated_afterwards(
        personality in prop::sample::select(Personality::ALL.to_vec()),
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        let settings = Settings {
            personality,
            console: Rate::Fixed(115_200),
            ..Settings::default()
        };
        let mut bench = InProcess::new(&settings, Web::Package(package(A, B).into()));
        bench.power_on();
        for deed in deeds {
            match deed {
                Deed::Send(bytes) => bench.send(&bytes),
                Deed::Rate(rate) => bench.set_rate(rate),
                Deed::Web(kind) => bench.set_web(match kind {
                    0 => Web::Silent,
                    1 => Web::Refuses,
                    2 => Web::Absent,
                    3 => Web::Says(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"[..].into()),
                    4 => Web::Package(package(B, A).into()),
                    _ => Web::Package(package(A, B).into()),
                }),
                Deed::Vbat(on) => bench.set_vbat(on),
                Deed::Pwrkey(asserted) => bench.set_pwrkey(asserted),
                Deed::Reset(asserted) => bench.set_reset(asserted),
                Deed::Wait(milliseconds) => bench.run_for(Duration::from_millis(milliseconds)),
            }
        }
        // Back to order: power, and the rate that was saved.
        bench.set_reset(false);
        bench.set_pwrkey(false);
        bench.set_vbat(false);
        bench.power_on();
        bench.run_for(2 * MINUTE);
        let answers = [115_200, 9600].into_iter().any(|rate| {
            bench.set_rate(rate);
            bench.take_said();
            bench.send("AT\r");
            bench.run_until_said("OK\r\n", MINUTE)
        });
        prop_assert!(answers, "{}", bench.said());
        bench.send("ATE1;+IPR=115200\r");
        bench.run_for(MINUTE);
        bench.set_rate(115_200);
        let before = version(&mut bench).ok_or_else(|| TestCaseError::fail("dead"))?;
        let target = if before == A { B } else { A };
        bench.set_web(Web::Package(package(before, target).into()));
        bench.send("AT+IPR=115200;&W\r");
        bench.run_for(MINUTE);
        bench.send("AT+QFOTADL=\"http://10.0.0.1/fresh.bin\"\r");
        prop_assert!(bench.run_until_said("\"END\",0\r\n", 5 * MINUTE), "{}", bench.said());
        prop_assert_eq!(version(&mut bench), Some(target));
    }
}
