//! The virtual module says what the guide prints, byte for byte. No judge is asked.

use std::time::Duration;

use rig::delta::{self, IMAGE_LEN};
use rig::virtual_module::in_process::{InProcess, Web};
use rig::virtual_module::{Personality, Rate, Settings};

const MINUTE: Duration = Duration::from_secs(60);
const EXAMPLE: &str = include_str!("../../../fixtures/guide/example-4.1.txt");
const RESUME: &str = include_str!("../../../fixtures/guide/resume-3.1.txt");

/// One line of a fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Quote {
    Host(String),
    Module(String),
    /// The guide's dots.
    AndSoOn,
}

fn quotes(fixture: &str) -> Vec<Quote> {
    fixture
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(
            |line| match (line.strip_prefix("-> "), line.strip_prefix("<- ")) {
                (Some(host), _) => Quote::Host(unescape(host)),
                (_, Some(module)) => Quote::Module(unescape(module)),
                _ if line == "..." => Quote::AndSoOn,
                _ => panic!("not a line of a fixture: `{line}`"),
            },
        )
        .collect()
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n")
}

/// Writes the dots out: the line before them again, its percentage counting up to the one after
/// them, or to 100 where that has none.
fn in_full(quotes: &[Quote]) -> Vec<Quote> {
    let mut full: Vec<Quote> = Vec::new();
    for (at, quote) in quotes.iter().enumerate() {
        if *quote != Quote::AndSoOn {
            full.push(quote.clone());
            continue;
        }
        let Some(Quote::Module(before)) = full.last().cloned() else {
            panic!("dots after nothing");
        };
        let from = percent(&before).expect("dots follow a percentage");
        let to = match &quotes[at + 1] {
            Quote::Module(after) => percent(after).map_or(100, |to| to - 1),
            other => panic!("dots before {other:?}"),
        };
        for between in from + 1..=to {
            let line = before.replace(&format!("{from}%"), &format!("{between}%"));
            full.push(Quote::Module(line));
        }
    }
    full
}

fn percent(line: &str) -> Option<u32> {
    let before = line.split_once('%')?.0;
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn bench(personality: Personality) -> InProcess {
    let [base, target] =
        ["BC26NBR01A01", "BC26NBR01A02"].map(|version| delta::image(version, 26, IMAGE_LEN));
    let settings = Settings {
        personality,
        console: Rate::Fixed(115_200),
        image: base.clone(),
        ..Settings::default()
    };
    let package = delta::make(&base, &target).unwrap();
    let mut bench = InProcess::new(&settings, Web::Package(package.into()));
    bench.power_on();
    assert!(bench.run_until_said("+CFUN: 1", MINUTE));
    // Until the network has taken it in.
    bench.run_for(MINUTE);
    bench.take_said();
    bench
}

#[test]
fn the_example_of_section_4_1_comes_out_byte_for_byte() {
    let quotes = in_full(&quotes(EXAMPLE));
    let mut bench = bench(Personality::Example);
    let commands = quotes.chunk_by(|_, next| !matches!(next, Quote::Host(_)));
    for exchange in commands {
        let [Quote::Host(command), answers @ ..] = exchange else {
            panic!("the example begins with a command");
        };
        let quoted: String = answers
            .iter()
            .map(|quote| match quote {
                Quote::Module(bytes) => bytes.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        bench.send(command);
        // Nor does it say anything more than the guide.
        bench.run_for(10 * MINUTE);
        assert_eq!(bench.take_said(), quoted);
    }
}

#[test]
fn the_resume_of_section_3_1_comes_out_byte_for_byte() {
    let mut bench = bench(Personality::Typo);
    bench.send("AT+QFOTADL=\"http://www.quectel.com:100/update.bin\"\r");
    assert!(bench.run_until_said("\"UPDATING\", 40%", 5 * MINUTE));
    bench.set_vbat(false);
    bench.run_for(MINUTE);
    bench.take_said();
    bench.power_on();
    assert!(bench.run_until_said("\"END\"", 5 * MINUTE));
    bench.run_for(MINUTE);

    let said = bench.take_said();
    let said: Vec<&str> = said.lines().filter(|line| line.contains("FOTA")).collect();
    let quoted: Vec<String> = in_full(&quotes(RESUME))
        .into_iter()
        .map(|quote| match quote {
            Quote::Module(line) => line.trim().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, quoted);
}
