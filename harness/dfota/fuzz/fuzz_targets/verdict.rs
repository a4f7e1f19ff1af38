//! Bytes to verdict: no crash, no hang, no memory that grows with nonsense.
//!
//! ```text
//! cargo +nightly fuzz run verdict --fuzz-dir harness/dfota/fuzz -- -rss_limit_mb=512 -timeout=5
//! ```
//!
//! The input is taken twice: as what a module says while an update is asked for and its power
//! is cut, and as a transcript.

#![no_main]

use std::time::Duration;

use dfota::brief::{Brief, Console, PackageFacts};
use dfota::reader::{Record, What};
use dfota::timeline::{Event, Power, Purpose, ReadBack, Stage, render};
use dfota::verdict::Judgement;
use dfota::{explain, judge, transcript};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let brief = Brief {
        base: "A".to_owned(),
        target: "B".to_owned(),
        package: Some(PackageFacts::default()),
        console: match data.first() {
            Some(0..=127) => Console::Fixed(115_200),
            _ => Console::Auto,
        },
        ..Brief::default()
    };
    put_to_the_judge(&brief, as_said_by_a_module(data));
    if let Ok(records) = transcript::parse(&String::from_utf8_lossy(data)) {
        put_to_the_judge(&brief, records);
    }
});

/// The bytes in pieces, and between the pieces what hosts do.
fn as_said_by_a_module(data: &[u8]) -> Vec<Record> {
    let deeds = [
        Event::Stage(Stage::Prepare),
        supply(Power::On),
        sent("ATI\r", Purpose::Probe),
        Event::Stage(Stage::Steps),
        sent("AT+QFOTADL=\"http://h/p\"\r", Purpose::Step),
        supply(Power::Off),
        supply(Power::On),
        Event::Stage(Stage::Aftercare),
        sent("ATI\r", Purpose::Probe),
    ];
    let piece = data.len() / deeds.len() + 1;
    let mut pieces = data.chunks(piece);
    let mut records = Vec::new();
    for (number, deed) in deeds.into_iter().enumerate() {
        let at = Duration::from_secs(number as u64);
        records.push(Record {
            at,
            what: What::Event(deed),
        });
        let bytes = pieces.next().unwrap_or_default().to_vec();
        records.push(Record {
            at,
            what: What::Chunk(bytes),
        });
    }
    records
}

fn put_to_the_judge(brief: &Brief, records: Vec<Record>) {
    let timeline = transcript::entries(records);
    let judgement = judge(brief, &timeline);
    assert_bounded(&judgement);
    let _ = render(brief, &timeline);
    for finding in &judgement.findings {
        let _ = explain::explain(finding, &timeline);
    }
}

fn assert_bounded(judgement: &Judgement) {
    assert!(judgement.findings.len() <= 80 && judgement.notes.len() <= 80);
}

fn supply(to: Power) -> Event {
    Event::Supply {
        to,
        read_back: ReadBack::Agrees,
    }
}

fn sent(text: &str, purpose: Purpose) -> Event {
    Event::Sent {
        bytes: text.as_bytes().to_vec(),
        purpose,
    }
}
