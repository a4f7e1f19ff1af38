//! The judge accepts what is lawful and refuses what is not: transcripts, and mutations of
//! them.

mod mutants;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dfota::brief::{Brief, Console, EndState, Fitness, PackageFacts};
use dfota::reader::{Record, What};
use dfota::timeline::render;
use dfota::verdict::{Judgement, Verdict};
use dfota::{explain, judge, outcomes, rules, transcript};
use mutants::{HARMLESS, Mutant, Mutation, banner, mutants, text};
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
        .filter(|id| !kept.contains(id))
        .collect();
    let never_broken: Vec<&str> = rules::ALL
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !broken.contains(*id))
        .collect();
    assert_eq!(never_kept, [""; 0], "no accepted transcript exercises them");
    assert_eq!(never_broken, [""; 0], "no refused transcript breaks them");
}

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

/// What may differ between two runs that are alike, and must not show in a snapshot.
fn is_a_race(mutant: &Mutant) -> bool {
    let passing_percent = mutant.line.contains('%') && !mutant.line.contains("100%");
    let boot = mutant.line == "RDY"
        || mutant.line == "+CFUN: 1"
        || (mutant.mutation == Mutation::NumberAltered && banner(&mutant.line));
    let network = ["+CEREG:", "+CGDCONT:"]
        .iter()
        .any(|name| mutant.line.starts_with(name));
    passing_percent || boot || network
}

#[test]
fn what_differs_from_run_to_run_does_not_show_in_a_rendering() {
    let mut compared = 0;
    for fixture in fixtures("accepted") {
        if !["update", "resume-note-1", "mismatched-two-restarts"].contains(&fixture.name.as_str())
        {
            continue;
        }
        let timeline = transcript::entries(fixture.records.clone());
        let rendering = render(&fixture.brief, &timeline);
        for mutant in mutants(&fixture.records).into_iter().filter(is_a_race) {
            let timeline = transcript::entries(mutant.lines);
            if judge(&fixture.brief, &timeline).verdict == Verdict::Pass {
                compared += 1;
                assert_eq!(
                    render(&fixture.brief, &timeline),
                    rendering,
                    "{}: {:?}: {}",
                    fixture.name,
                    mutant.mutation,
                    mutant.line
                );
            }
        }
    }
    assert!(compared > 100, "only {compared} were compared");
}

#[test]
fn the_rendering_of_each_accepted_transcript() {
    let renderings: Vec<String> = fixtures("accepted")
        .iter()
        .map(|fixture| {
            let timeline = transcript::entries(fixture.records.clone());
            format!("== {}\n{}", fixture.name, render(&fixture.brief, &timeline))
        })
        .collect();
    insta::assert_snapshot!(renderings.join("\n"));
}
