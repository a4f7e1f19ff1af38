//! One line of a transcript deleted, repeated, swapped with the next or altered; and which of
//! these make it no less lawful.

use dfota::reader::{Record, What};

/// What was done to one line that the module said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mutation {
    Deleted,
    Repeated,
    SwappedWithNext,
    NumberAltered,
}

/// One mutation of a transcript.
pub(crate) struct Mutant {
    pub(crate) mutation: Mutation,
    /// The line, as text; for a swap, both.
    pub(crate) line: String,
    pub(crate) next: String,
    pub(crate) lines: Vec<Record>,
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

pub(crate) fn text(record: &Record) -> Option<String> {
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

pub(crate) fn mutants(records: &[Record]) -> Vec<Mutant> {
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
pub(crate) struct Harmless {
    pub(crate) reason: &'static str,
    pub(crate) applies: fn(&Mutant) -> bool,
}

/// Any mutation that the judge lets pass stands here.
pub(crate) const HARMLESS: &[Harmless] = &[
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
        applies: |mutant| mutant.line.starts_with("Quectel"),
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
        reason: "what a bootloader says of itself is its own affair",
        applies: |mutant| {
            let swap = mutant.mutation == Mutation::SwappedWithNext;
            mutant.line == "BL_V01" || (swap && mutant.next == "BL_V01")
        },
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
        applies: |mutant| match mutant.mutation {
            Mutation::Deleted => {
                let last = mutant.next.is_empty() || banner(&mutant.next);
                mutant.line == "OK" || (mutant.line == "ERROR" && last)
            }
            Mutation::Repeated => mutant.line == "OK",
            Mutation::SwappedWithNext | Mutation::NumberAltered => false,
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
                && [
                    "\"HTTPEND\",12",
                    "\"END\",1",
                    "\"END\",253",
                    "+CME ERROR: 50",
                ]
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

pub(crate) fn banner(line: &str) -> bool {
    let labelled = line.as_bytes().get(2) == Some(&b':');
    labelled || line == "Leaving the BROM"
}
