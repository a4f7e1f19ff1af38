//! The judge accepts what is lawful and refuses what is not: transcripts, and mutations of
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dfota::brief::{Brief, Console, EndState, Fitness, PackageFacts};
use dfota::reader::{Record, What};
use dfota::verdict::{Judgement, Verdict};
use dfota::{explain, judge, outcomes, rules, transcript};
use rstest::rstest;

/// A transcript with what its head says of the case.
struct Fixture {
    name: String,
    head: BTreeMap<String, String>,
    brief: Brief,
    records: Vec<Record>,
}

impl Fixture {
    fn read(path: &Path) -> Fixture {
        let text = fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let head: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# ")?.split_once(": "))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let records =
            transcript::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stem = path.file_stem().expect("a file has a name");
        Fixture {
            name: stem.to_string_lossy().into_owned(),
            brief: brief(&head),
            head,
            records,
        }
    }

    fn judge(&self) -> Judgement {
        judge(&self.brief, &transcript::entries(self.records.clone()))
    }

    /// Why the judge decided as it did, for the message of a test that fails.
    fn told(&self, judgement: &Judgement) -> String {
        let timeline = transcript::entries(self.records.clone());
        let findings: Vec<String> = judgement
            .findings
            .iter()
            .map(|finding| explain::explain(finding, &timeline))
            .collect();
        format!(
            "{}: {}: {}\n{}",
            self.name,
            judgement.verdict.word(),
            judgement.reason,
            findings.join("\n")
        )
    }
}

fn brief(head: &BTreeMap<String, String>) -> Brief {
    let get = |key: &str| head.get(key).map_or("", String::as_str);
    let console = match get("console").split_once(' ') {
        Some(("fixed", rate)) => Console::Fixed(rate.parse().expect("a rate is a number")),
        _ => Console::Auto,
    };
    let package = get("package")
        .split_once(' ')
        .map(|(fitness, size)| PackageFacts {
            sha256: String::new(),
            size: size.parse().expect("a size is a number"),
            fitness: match fitness {
                "fits" => Fitness::Fits,
                "other-base" => Fitness::OtherBase,
                "damaged" => Fitness::Damaged,
                other => panic!("unknown fitness `{other}`"),
            },
        });
    let end = match get("end") {
        "target" => EndState::Target,
        "base" => EndState::Base,
        "either" => EndState::Either,
        "unchecked" => EndState::Unchecked,
        other => panic!("unknown end `{other}`"),
    };
    Brief {
        base: get("base").to_owned(),
        target: get("target").to_owned(),
        package,
        console,
        imei: head.get("imei").cloned(),
        end,
        faults_planned: get("faults")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        ..Brief::default()
    }
}

fn fixtures(folder: &str) -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/transcripts")
        .join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Fixture::read(path)).collect()
}

#[rstest]
fn an_accepted_transcript_passes(#[files("../fixtures/transcripts/accepted/*.txt")] path: PathBuf) {
    let fixture = Fixture::read(&path);
    let judgement = fixture.judge();
    assert_eq!(
        judgement.verdict,
        Verdict::Pass,
        "{}",
        fixture.told(&judgement)
    );
}

#[rstest]
fn a_refused_transcript_is_refused_by_its_rule(
    #[files("../fixtures/transcripts/refused/*.txt")] path: PathBuf,
) {
    let fixture = Fixture::read(&path);
    let judgement = fixture.judge();
    assert_eq!(
        judgement.verdict.word(),
        fixture.head["verdict"],
        "{}",
        fixture.told(&judgement)
    );
    let rule = &fixture.head["rule"];
    let deciding = judgement
        .findings
        .iter()
        .any(|finding| finding.rule == rule && finding.verdict == judgement.verdict);
    assert!(deciding, "not by {rule}\n{}", fixture.told(&judgement));
}

#[test]
fn every_rule_is_kept_by_an_accepted_transcript_and_broken_by_a_refused_one() {
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    for fixture in fixtures("accepted") {
        let exercised = fixture.judge().exercised;
        kept.extend(
            exercised
                .iter()
                .filter(|(_, times)| **times > 0)
                .map(|(id, _)| *id),
        );
    }
    let broken: BTreeSet<String> = fixtures("refused")
        .iter()
        .map(|fixture| fixture.head["rule"].clone())
        .collect();
    let never_kept: Vec<&str> = rules::ALL
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !kept.contains(id) && !ONLY_EVER_BROKEN.contains(id))
        .collect();
    let never_broken: Vec<&str> = rules::ALL
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !broken.contains(*id))
        .collect();
    assert_eq!(never_kept, [""; 0], "no accepted transcript exercises them");
    assert_eq!(never_broken, [""; 0], "no refused transcript breaks them");
}

/// Rules about trouble: without it there is nothing to count.
const ONLY_EVER_BROKEN: [&str; 8] = [
    rules::EXPECTATION.id,
    rules::CLEAN_START.id,
    rules::MANIFEST_PACKAGE.id,
    rules::NO_STRANGER.id,
    rules::SERVER_REACHED.id,
    rules::OBSERVED.id,
    rules::UNINTERRUPTED.id,
    rules::RIG_WORKS.id,
];

#[test]
fn every_outcome_of_the_guide_is_recognised_in_a_transcript() {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for fixture in fixtures("accepted").iter().chain(&fixtures("refused")) {
        seen.extend(fixture.judge().outcomes);
    }
    let missing: Vec<&str> = outcomes::ALL
        .iter()
        .map(|outcome| outcome.id)
        .filter(|id| !seen.contains(id))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn a_transcript_in_other_chunks_is_judged_the_same() {
    for fixture in fixtures("accepted").iter().chain(&fixtures("refused")) {
        let bytewise = fixture
            .records
            .iter()
            .flat_map(|record| match &record.what {
                What::Chunk(bytes) => bytes
                    .iter()
                    .map(|byte| Record {
                        at: record.at,
                        what: What::Chunk(vec![*byte]),
                    })
                    .collect(),
                What::Event(_) => vec![record.clone()],
            });
        let timeline = transcript::entries(bytewise.collect());
        assert_eq!(
            judge(&fixture.brief, &timeline),
            fixture.judge(),
            "{}",
            fixture.name
        );
    }
}

#[test]
fn a_transcript_that_was_written_is_judged_as_the_one_that_was_read() {
    for fixture in fixtures("accepted").iter().chain(&fixtures("refused")) {
        let mut writer = transcript::Writer::new();
        let text: String = fixture
            .records
            .iter()
            .map(|record| writer.write(record))
            .collect();
        assert_eq!(
            transcript::parse(&text).as_ref(),
            Ok(&fixture.records),
            "{}",
            fixture.name
        );
    }
}

/// What was done to one line that the module said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mutation {
    Deleted,
    Repeated,
    SwappedWithNext,
    NumberAltered,
}

/// One mutation of a transcript.
struct Mutant {
    mutation: Mutation,
    /// The line, as text; for a swap, both.
    line: String,
    next: String,
    lines: Vec<Record>,
}

/// The transcript with one record a line, so that a line can be taken away.
fn by_line(records: &[Record]) -> Vec<Record> {
    let mut lines = Vec::new();
    let mut held: Vec<u8> = Vec::new();
    for record in records {
        let What::Chunk(bytes) = &record.what else {
            lines.push(record.clone());
            continue;
        };
        for &byte in bytes {
            if !matches!(byte, b'\r' | b'\n') {
                held.push(byte);
            } else if !held.is_empty() {
                held.extend(b"\r\n");
                lines.push(Record {
                    at: record.at,
                    what: What::Chunk(std::mem::take(&mut held)),
                });
            }
        }
    }
    lines
}

fn text(record: &Record) -> Option<String> {
    match &record.what {
        What::Chunk(bytes) => Some(String::from_utf8_lossy(bytes).trim_end().to_owned()),
        What::Event(_) => None,
    }
}

/// Every number of the line made one more, and a hundred more.
fn with_numbers_altered(line: &str) -> Vec<String> {
    let bytes = line.as_bytes();
    let mut altered = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        // Digits within a name are no number: `BC26NBR01A01`.
        let in_a_name = at > 0 && bytes[at - 1].is_ascii_alphanumeric();
        if digits > 0
            && !in_a_name
            && let Ok(number) = line[at..at + digits].parse::<u64>()
        {
            for more in [1, 100] {
                let number = number.saturating_add(more);
                altered.push(format!("{}{number}{}", &line[..at], &line[at + digits..]));
            }
        }
        at += digits.max(1);
    }
    altered
}

fn mutants(records: &[Record]) -> Vec<Mutant> {
    let lines = by_line(records);
    let places: Vec<usize> = (0..lines.len())
        .filter(|&at| text(&lines[at]).is_some())
        .collect();
    let mut mutants = Vec::new();
    for (index, &at) in places.iter().enumerate() {
        let line = text(&lines[at]).expect("these are lines of the module");
        let next = places
            .get(index + 1)
            .and_then(|&next| text(&lines[next]))
            .unwrap_or_default();
        let mut add = |mutation, lines| {
            mutants.push(Mutant {
                mutation,
                line: line.clone(),
                next: next.clone(),
                lines,
            });
        };
        let mut deleted = lines.clone();
        deleted.remove(at);
        add(Mutation::Deleted, deleted);
        let mut repeated = lines.clone();
        repeated.insert(at, lines[at].clone());
        add(Mutation::Repeated, repeated);
        if let Some(&other) = places.get(index + 1)
            && lines[at].what != lines[other].what
        {
            let mut swapped = lines.clone();
            swapped[at].what = lines[other].what.clone();
            swapped[other].what = lines[at].what.clone();
            add(Mutation::SwappedWithNext, swapped);
        }
        for other in with_numbers_altered(&line) {
            let mut altered = lines.clone();
            altered[at].what = What::Chunk(format!("{other}\r\n").into_bytes());
            add(Mutation::NumberAltered, altered);
        }
    }
    mutants
}

/// What may be done to a transcript without making it unlawful, and why.
struct Harmless {
    reason: &'static str,
    applies: fn(&Mutant) -> bool,
}

/// Any mutation that the judge lets pass stands here.
const HARMLESS: &[Harmless] = &[
    Harmless {
        reason: "percentages have gaps and may repeat: none is required but the last of a download",
        applies: |mutant| {
            mutant.mutation != Mutation::SwappedWithNext
                && (mutant.line.contains("\"DOWNLOADING\"") || mutant.line.contains("\"UPDATING\""))
        },
    },
    Harmless {
        reason: "a download that begins anew may fall to any percentage",
        applies: |mutant| swapped(mutant, "\"DOWNLOADING\",20%", "\"DOWNLOADING\",100%"),
    },
    Harmless {
        reason: "an echo is our own line: a module may be told not to send it",
        applies: |mutant| {
            let swap = mutant.mutation == Mutation::SwappedWithNext;
            mutant.line.starts_with("AT") || (swap && mutant.next.starts_with("AT"))
        },
    },
    Harmless {
        reason: "a URC may come between a command and its answer",
        applies: |mutant| {
            swapped(mutant, "ERROR", "\"DOWNLOADING\",40%") || swapped(mutant, "+IP:", "OK")
        },
    },
    Harmless {
        reason: "network, signal and address are as they are, and come in any order",
        applies: |mutant| {
            let changing = [
                "+CEREG:",
                "+CESQ:",
                "+CGATT:",
                "+COPS:",
                "+CPIN:",
                "+IP:",
                "+CGDCONT:",
            ];
            changing.iter().any(|name| mutant.line.starts_with(name))
        },
    },
    Harmless {
        reason: "maker and model stand in any order beside the version, or are missing",
        applies: |mutant| mutant.line.starts_with("Quectel_"),
    },
    Harmless {
        reason: "`RDY` and `+CFUN: 1` may be missing, and come before or after `END`",
        applies: |mutant| {
            let boot = |text: &str| text == "RDY" || text == "+CFUN: 1";
            match mutant.mutation {
                Mutation::Deleted => boot(&mutant.line),
                Mutation::Repeated => mutant.line == "+CFUN: 1",
                Mutation::SwappedWithNext => boot(&mutant.line) || boot(&mutant.next),
                Mutation::NumberAltered => false,
            }
        },
    },
    Harmless {
        reason: "the values in a boot banner differ from module to module",
        applies: |mutant| mutant.mutation == Mutation::NumberAltered && banner(&mutant.line),
    },
    Harmless {
        reason: "the first line of a banner may be eaten when the power comes on",
        applies: |mutant| mutant.mutation == Mutation::Deleted && mutant.line.starts_with("F1:"),
    },
    Harmless {
        reason: "a power cut may break a banner off",
        applies: |mutant| mutant.mutation == Mutation::Deleted && mutant.line == "Leaving the BROM",
    },
    Harmless {
        reason: "after a cut before the first `UPDATING` the module may boot once more, to update",
        applies: |mutant| {
            mutant.mutation == Mutation::Repeated && (banner(&mutant.line) || mutant.line == "RDY")
        },
    },
    Harmless {
        reason: "`AT` is sent until it is answered, and each may be; the last answer before a cut \
                 may be lost with the power",
        applies: |mutant| {
            mutant.line == "OK" && matches!(mutant.mutation, Mutation::Deleted | Mutation::Repeated)
        },
    },
    Harmless {
        reason: "what the bootloader says at 115200 is garbage at 9600",
        applies: |mutant| mutant.line.contains('\u{fffd}'),
    },
    Harmless {
        reason: "another code of chapter 5 that the case allows",
        applies: |mutant| {
            mutant.mutation == Mutation::NumberAltered
                && ["\"HTTPEND\",12", "\"END\",253", "+CME ERROR: 50"]
                    .iter()
                    .any(|code| mutant.line.ends_with(code))
        },
    },
    Harmless {
        reason: "a resumed update may begin without `START` (firmware of 2018)",
        applies: |mutant| {
            mutant.mutation == Mutation::Deleted && mutant.line.ends_with("\"START\"")
        },
    },
];

fn swapped(mutant: &Mutant, first: &str, second: &str) -> bool {
    mutant.mutation == Mutation::SwappedWithNext
        && mutant.line.contains(first)
        && mutant.next.contains(second)
}

fn banner(line: &str) -> bool {
    let labelled = line.as_bytes().get(2) == Some(&b':');
    labelled || line == "Leaving the BROM"
}

#[test]
fn every_mutation_of_an_accepted_transcript_is_refused_or_harmless_for_a_reason() {
    let mut used = vec![0; HARMLESS.len()];
    let mut unexplained = Vec::new();
    let (mut all, mut refused) = (0, 0);
    for fixture in fixtures("accepted") {
        for mutant in mutants(&fixture.records) {
            all += 1;
            let timeline = transcript::entries(mutant.lines.clone());
            if judge(&fixture.brief, &timeline).verdict != Verdict::Pass {
                refused += 1;
                continue;
            }
            match HARMLESS
                .iter()
                .position(|harmless| (harmless.applies)(&mutant))
            {
                Some(place) => used[place] += 1,
                None => unexplained.push(format!(
                    "{}: {:?}: `{}` (next `{}`)",
                    fixture.name, mutant.mutation, mutant.line, mutant.next
                )),
            }
        }
    }
    let share = 100.0 * f64::from(refused) / f64::from(all);
    println!("{refused} of {all} mutations refused ({share:.1} %); harmless:");
    for (harmless, times) in HARMLESS.iter().zip(&used) {
        println!("{times:6}  {}", harmless.reason);
    }
    assert!(
        unexplained.is_empty(),
        "pass for no reason:\n{}",
        unexplained.join("\n")
    );
    let idle: Vec<&str> = HARMLESS
        .iter()
        .zip(&used)
        .filter(|(_, times)| **times == 0)
        .map(|(harmless, _)| harmless.reason)
        .collect();
    assert_eq!(idle, [""; 0], "these reasons explain nothing any more");
}

#[test]
fn an_update_is_refused_without_any_one_of_the_lines_that_make_it() {
    let fixture = fixtures("accepted")
        .into_iter()
        .find(|fixture| fixture.name == "guide-4.1")
        .expect("the guide's example is a fixture");
    let load_bearing = [
        "OK",
        "\"HTTPTART\"",
        "\"DOWNLOADING\",100%",
        "\"HTTPEND\",0",
        "\"START\"",
        "\"END\",0",
    ];
    for what in load_bearing {
        let places: Vec<usize> = (0..fixture.records.len())
            .filter(|&at| {
                text(&fixture.records[at]).is_some_and(|line| line.trim().ends_with(what))
            })
            .collect();
        let mut lines = fixture.records.clone();
        lines.remove(*places.last().expect("the example has this line"));
        let judgement = judge(&fixture.brief, &transcript::entries(lines));
        assert_eq!(judgement.verdict, Verdict::Fail, "without {what}");
    }
}
