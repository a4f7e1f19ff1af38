//! The body, and what is done to it.

use bytes::Bytes;

use super::{Making, Move, fire_early, in_order};
use crate::package_server::answer::{Answer, MADE_UP_MAX};
use crate::package_server::pace::Pace;
use crate::package_server::random::Sequence;
use crate::package_server::wire_plan::{BodyWhat, Chunked, ChunkedWrong, WirePlan};

/// A body as it is to be sent.
pub(super) struct Body {
    pub(super) moves: Vec<Move>,
    /// What of it is not sent, in its order.
    pub(super) withheld: Vec<Bytes>,
}

/// The body in its transfer coding.
pub(super) fn coded(answer: &Answer, plan: &WirePlan) -> Bytes {
    match plan.chunked {
        None => answer.body.clone(),
        Some(chunked) => Bytes::from(chunks(&answer.body, chunked)),
    }
}

fn chunks(body: &[u8], chunked: Chunked) -> Vec<u8> {
    let size = chunked
        .size
        .map_or(body.len().max(1), |size| size.get() as usize);
    let count = body.len().div_ceil(size);
    let mut coded = Vec::new();
    for (number, chunk) in body.chunks(size).enumerate() {
        if chunked.wrong == Some(ChunkedWrong::EarlyLast) && number == count / 2 {
            coded.extend_from_slice(b"0\r\n\r\n");
        }
        let length = chunk.len();
        let line = match chunked.wrong {
            Some(ChunkedWrong::BadSize) if number == 0 => "12G".to_owned(),
            Some(ChunkedWrong::HugeSize) if number == 0 => "FFFFFFFFFFFFFFFFF".to_owned(),
            Some(ChunkedWrong::LeadingZeros) => format!("{length:016X}"),
            Some(ChunkedWrong::Extension) => format!("{length:X};name=\"value\""),
            _ => format!("{length:X}"),
        };
        coded.extend_from_slice(line.as_bytes());
        coded.extend_from_slice(b"\r\n");
        coded.extend_from_slice(chunk);
        if chunked.wrong != Some(ChunkedWrong::NoLineEnd) {
            coded.extend_from_slice(b"\r\n");
        }
    }
    match chunked.wrong {
        Some(ChunkedWrong::NoLast) => {}
        Some(ChunkedWrong::Trailer) => coded.extend_from_slice(b"0\r\nX-Trailer: 1\r\n\r\n"),
        _ => coded.extend_from_slice(b"0\r\n\r\n"),
    }
    coded
}

/// What whole chunks carry (RFC 9112 §7.1); `None` where they are broken, or not all there.
pub(super) fn unchunked(mut coded: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = coded.windows(2).position(|pair| pair == b"\r\n")?;
        let size = coded[..line].split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        coded = &coded[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(coded.get(..size)?);
        coded = coded.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// Where the bytes come from, and how far they were taken.
struct Source<'a> {
    bytes: Bytes,
    taken: usize,
    random: &'a mut Sequence,
    body: Body,
}

/// What is done to a body, as moves. `from` is the byte of the package at which it begins.
pub(super) fn moves(coded: &Bytes, from: u64, making: Making<'_>, random: &mut Sequence) -> Body {
    let plan = making.plan;
    let mut source = Source {
        bytes: coded.clone(),
        taken: 0,
        random,
        body: Body {
            moves: Vec::new(),
            withheld: Vec::new(),
        },
    };
    let mut paces = Vec::new();
    if let Some(chunked) = plan.chunked {
        source.fired(match chunked.wrong {
            None => "chunked".to_owned(),
            Some(wrong) => format!("chunked: {}", word(&wrong)),
        });
    }
    for (at, what) in in_order(&plan.body, coded.len() as u64) {
        source.say_up_to(usize::try_from(at).unwrap_or(usize::MAX));
        match what {
            BodyWhat::OutOfBand(byte) => {
                source.body.moves.push(Move::OutOfBand(*byte));
                source.fired(format!("0x{byte:02X} out of band at {at}"));
            }
            BodyWhat::Stall(None) => {
                source.body.moves.push(Move::Stall(None));
                source.fired(format!("stall for ever at {at}"));
            }
            BodyWhat::Stall(Some(duration)) => {
                source
                    .body
                    .moves
                    .push(Move::Stall(Some(making.time(*duration))));
                source.fired(format!(
                    "stall of {} at {at}",
                    crate::duration::spell(*duration)
                ));
            }
            BodyWhat::Rate(rate) => {
                source.body.moves.push(Move::Pace(making.pace(*rate)));
                paces.push((
                    source.body.moves.len(),
                    format!("rate {} from {at}", rate.shape().rate),
                ));
            }
            BodyWhat::Drip(drip) => {
                source
                    .body
                    .moves
                    .push(Move::Pace(Pace::Drip(drip.at_speed(making.speed))));
                paces.push((
                    source.body.moves.len(),
                    format!("{} bytes at a time from {at}", drip.bytes),
                ));
            }
            BodyWhat::Segment(bytes) => {
                source.body.moves.push(Move::Segment(bytes.get()));
                paces.push((
                    source.body.moves.len(),
                    format!("segments of {bytes} bytes from {at}"),
                ));
            }
            BodyWhat::Flip(count) => source.flip(*count, at),
            BodyWhat::Zero(count) => source.fill(*count, 0, at),
            BodyWhat::Ones(count) => source.fill(*count, 0xFF, at),
            BodyWhat::Splice(name) => {
                if let Some(other) = making.others.get(name) {
                    source.splice(other, from);
                }
                source.spliced(name, at);
            }
            BodyWhat::Insert(count) => {
                let count = usize::try_from((*count).min(MADE_UP_MAX)).unwrap_or(0);
                let bytes = Bytes::from(source.random.bytes(count));
                source.say(bytes);
                source.changed(count, format!("{count} bytes inserted at {at}"));
            }
            BodyWhat::Delete(count) => {
                let withheld = source.take(*count);
                let length = withheld.len();
                source.body.withheld.push(withheld);
                source.changed(length, format!("{length} bytes left out at {at}"));
            }
            BodyWhat::Repeat(count) => {
                let twice = source.take(*count);
                source.say(twice.clone());
                source.say(twice.clone());
                source.changed(
                    twice.len(),
                    format!("{} bytes repeated at {at}", twice.len()),
                );
            }
            BodyWhat::Swap(count) => {
                let (first, second) = (source.take(*count), source.take(*count));
                let changed = second.len();
                source.say(second);
                source.say(first);
                source.changed(changed, format!("{count} bytes swapped at {at}"));
            }
        }
    }
    source.say_up_to(usize::MAX);
    let mut body = source.body;
    // From the last to the first, so that the places of the others stay.
    for (place, what) in paces.into_iter().rev() {
        let mut rest = body.moves.split_off(place);
        fire_early(&mut rest, what);
        body.moves.append(&mut rest);
    }
    body
}

impl Source<'_> {
    fn say(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.body.moves.push(Move::Say(bytes));
        }
    }

    fn fired(&mut self, what: String) {
        self.body.moves.push(Move::Fired(what));
    }

    /// An operation that changed nothing, since the body was over, did not fire.
    fn changed(&mut self, bytes: usize, what: String) {
        if bytes > 0 {
            self.fired(what);
        }
    }

    /// The next bytes, as many as there are.
    fn take(&mut self, count: u64) -> Bytes {
        let left = self.bytes.len() - self.taken;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(left);
        let taken = self.bytes.slice(self.taken..self.taken + count);
        self.taken += count;
        taken
    }

    fn say_up_to(&mut self, at: usize) {
        let count = at.min(self.bytes.len()).saturating_sub(self.taken);
        let bytes = self.take(count as u64);
        self.say(bytes);
    }

    fn flip(&mut self, count: u64, at: u64) {
        let mut bytes = self.take(count).to_vec();
        for byte in &mut bytes {
            *byte ^= 1 << self.random.below(8);
        }
        let length = bytes.len();
        self.say(Bytes::from(bytes));
        self.changed(
            length,
            format!("a bit flipped in each of {length} bytes at {at}"),
        );
    }

    fn fill(&mut self, count: u64, with: u8, at: u64) {
        let length = self.take(count).len();
        self.say(Bytes::from(vec![with; length]));
        self.changed(length, format!("{length} bytes of 0x{with:02X} at {at}"));
    }

    /// From here on the bytes of another package, as far as it goes.
    fn splice(&mut self, other: &Bytes, from: u64) {
        let start = usize::try_from(from).unwrap_or(usize::MAX);
        let length = self.bytes.len();
        let mut spliced = self.bytes[..self.taken].to_vec();
        let there = start.saturating_add(self.taken).min(other.len());
        spliced.extend_from_slice(&other[there..]);
        spliced.truncate(length);
        let missing = spliced.len();
        spliced.extend_from_slice(&self.bytes[missing..]);
        self.bytes = Bytes::from(spliced);
    }

    /// A splice has fired when the first byte has gone that shows it.
    fn spliced(&mut self, name: &str, at: u64) {
        let first = self.take(PROOF_OF_SPLICE);
        let length = first.len();
        self.say(first);
        self.changed(length, format!("`{name}` from {at} on"));
    }
}

/// How many bytes of the other package prove a splice.
const PROOF_OF_SPLICE: u64 = 64;

/// A value of a plan, as the scenario spells it; a word without its quotes.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match toml::Value::try_from(value) {
        Ok(toml::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}
