//! What a plan makes of one answer, byte by byte. Pure.
//!
//! The answer goes in as it would be sent honestly; a list of moves comes out, which `playout`
//! makes on a socket one after the other. Each operation of the plan is in the list once, behind
//! the bytes that it changes, so that it fires once and the byte at which it does is exact.

mod body;
mod head;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use super::answer::{Answer, Others};
use super::pace::Pace;
use super::random::Sequence;
use super::wire_plan::{BodyOp, BodyWhat, End, EndHow, Extra, Rate, WirePlan};

/// What is to be done with a connection, from its answer's first byte to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    /// In their order.
    pub(super) moves: Vec<Move>,
    /// How many bytes come before the body.
    pub(super) head_length: u64,
    /// The body's length that the head promises.
    pub(super) declared: Option<u64>,
    /// Whether the body is in the chunked coding.
    pub(super) chunked: bool,
    /// How many operations the plan has, its end among them where it has one. Those that can be
    /// reached are in `moves` as [`Move::Fired`].
    pub(super) operations: usize,
    /// How the connection ends.
    pub(super) end: ScriptEnd,
    /// Whether `end` is the plan's doing.
    pub(super) end_is_planned: bool,
    /// What of the answer is not sent, in its order.
    pub(super) withheld: Vec<Bytes>,
}

/// The end of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScriptEnd {
    pub(super) how: EndHow,
    /// So long after the last byte.
    pub(super) after: Duration,
}

/// One move.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Move {
    /// Sends these bytes.
    Say(Bytes),
    /// Sends this byte as urgent data, which is no part of what is said.
    OutOfBand(u8),
    /// Sends nothing for so long; `None`: ever again.
    Stall(Option<Duration>),
    /// Goes on at this pace.
    Pace(Pace),
    /// Goes on with so many bytes in a segment at most.
    Segment(u32),
    /// Waits until all that was sent is acknowledged, so that a new segment begins.
    Settle,
    /// An operation is complete once all that was sent before it is acknowledged.
    Fired(String),
    /// Goes on so for ever.
    Endless(Endless),
}

/// What is said for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endless {
    /// Header lines.
    Lines,
    /// Interim responses of a status.
    Interim(u16),
    /// Random bytes.
    Body,
}

impl Endless {
    /// The next of it.
    pub(super) fn more(self, random: &mut Sequence) -> Bytes {
        match self {
            Endless::Lines => {
                let line = format!("X-Pad-{}: {}\r\n", random.next(), "x".repeat(64));
                Bytes::from(line)
            }
            Endless::Interim(status) => head::interim(status).into(),
            Endless::Body => Bytes::from(random.bytes(4_096)),
        }
    }
}

/// What a script is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making<'a> {
    pub(super) plan: &'a WirePlan,
    pub(super) others: &'a Others,
    /// How many times faster than real time the module lives.
    pub(super) speed: u32,
}

impl Making<'_> {
    fn time(&self, duration: Duration) -> Duration {
        duration / self.speed.max(1)
    }

    fn pace(&self, rate: Rate) -> Pace {
        Pace::Link(rate.shape().at_speed(self.speed))
    }
}

/// Makes a script of an answer.
pub(super) fn make(answer: &Answer, making: Making<'_>, random: &mut Sequence) -> Script {
    let plan = making.plan;
    let coded = body::coded(answer, plan);
    let mut body = body::moves(&coded, answer.from, making, random);
    let sent_length = body.moves.iter().map(length).sum::<u64>();
    let head = head::lines(answer, plan, sent_length);

    let mut script = Script {
        moves: Vec::new(),
        head_length: 0,
        declared: head.declared,
        chunked: plan.chunked.is_some(),
        operations: 0,
        end: ScriptEnd {
            how: EndHow::Close,
            after: Duration::ZERO,
        },
        end_is_planned: false,
        withheld: Vec::new(),
    };
    if let Some(rate) = plan.rate {
        script.moves.push(Move::Pace(making.pace(rate)));
    }
    let finished = head::moves(&head, making, &mut script);
    script.head_length = script.moves.iter().map(length).sum();
    // What cannot be reached on this answer is counted all the same: it never fires, and so the
    // plan is not proved.
    let fired = script
        .moves
        .iter()
        .filter(|it| matches!(it, Move::Fired(_)))
        .count();
    script.operations = fired
        + plan.body.len()
        + [plan.chunked.is_some(), plan.rate.is_some()]
            .iter()
            .filter(|planned| **planned)
            .count();

    let end = plan.end.clone().unwrap_or_default();
    if finished {
        cut(&mut body, &end);
        script.moves.append(&mut body.moves);
        script.withheld.append(&mut body.withheld);
        let whole = script.withheld.is_empty();
        if answer.endless && whole {
            script.moves.push(Move::Endless(Endless::Body));
        }
    } else {
        script
            .withheld
            .extend(body.moves.into_iter().filter_map(|it| match it {
                Move::Say(bytes) => Some(bytes),
                _ => None,
            }));
    }
    if let Some(rate) = plan.rate {
        fire_early(&mut script.moves, format!("rate {}", rate.shape().rate));
    }
    if let Some(extra) = end.extra {
        let bytes = match extra {
            Extra::Random(count) => Bytes::from(random.bytes(count as usize)),
            Extra::Again => again(&head.bytes, &coded),
        };
        // A module that goes by the length leaves before the last of them.
        let mut beyond = vec![Move::Say(bytes)];
        fire_early(&mut beyond, "bytes beyond the end of the answer".to_owned());
        script.moves.append(&mut beyond);
    }
    script.end = ScriptEnd {
        how: end.how,
        after: making.time(end.after.unwrap_or_default()),
    };
    // An answer's connection is closed anyway: that alone is nobody's fault.
    script.end_is_planned = end.how != EndHow::Close || end.at.is_some() || end.after.is_some();
    let ends = [end.extra.is_some(), script.end_is_planned];
    script.operations += ends.iter().filter(|planned| **planned).count();
    script.moves = joined(script.moves);
    script
}

/// How much is put together to be written at once, in bytes.
const JOINED_MAX: usize = 16 << 10;

/// Puts what is small and said in one breath together: a head and a short body are then one write
/// and, where the link has room for it, one segment.
fn joined(moves: Vec<Move>) -> Vec<Move> {
    let mut joined: Vec<Move> = Vec::with_capacity(moves.len());
    for it in moves {
        match (joined.last_mut(), it) {
            (Some(Move::Say(before)), Move::Say(bytes))
                if before.len() + bytes.len() <= JOINED_MAX =>
            {
                *before = again(before, &bytes);
            }
            (_, it) => joined.push(it),
        }
    }
    joined
}

impl Script {
    /// Whether the first so many bytes of the body as it is sent are those of the package, from
    /// the byte `from` on. What is beyond the length that the head promises is no part of it.
    ///
    /// Chunks are undone, as a module does it that knows them; and then all must be there, since
    /// nobody counts the package's bytes in a part of them.
    pub(super) fn is_honest(&self, package: &[u8], from: u64, body_bytes: u64) -> bool {
        let Some(mut package) = usize::try_from(from)
            .ok()
            .and_then(|from| package.get(from..))
        else {
            return body_bytes == 0;
        };
        if self.chunked {
            let body: Vec<u8> = self.said().flatten().copied().collect();
            let acked = self.head_length.saturating_add(body_bytes);
            let acked = body.len().min(usize::try_from(acked).unwrap_or(usize::MAX));
            let head = acked.min(usize::try_from(self.head_length).unwrap_or(usize::MAX));
            return body::unchunked(&body[head..acked]).as_deref() == Some(package);
        }
        let belongs = self.declared.unwrap_or(u64::MAX);
        let (mut before, mut left) = (self.head_length, body_bytes.min(belongs));
        for said in self.said() {
            let in_head = before.min(said.len() as u64);
            before -= in_head;
            let said = &said[usize::try_from(in_head).unwrap_or(said.len())..];
            let said = &said[..said.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            let Some(rest) = package.strip_prefix(said) else {
                return false;
            };
            (package, left) = (rest, left - said.len() as u64);
        }
        left == 0
    }

    /// All that it says, in its order, head and body.
    pub(super) fn said(&self) -> impl Iterator<Item = &Bytes> {
        self.moves.iter().filter_map(said)
    }

    /// Whether it is no more than an honest reply: nothing is timed, nothing can be lost.
    pub(super) fn is_plain(&self) -> bool {
        self.operations == 0 && self.moves.iter().all(|it| matches!(it, Move::Say(_)))
    }
}

fn said(it: &Move) -> Option<&Bytes> {
    match it {
        Move::Say(bytes) => Some(bytes),
        _ => None,
    }
}

fn length(it: &Move) -> u64 {
    said(it).map_or(0, |bytes| bytes.len() as u64)
}

fn again(head: &[u8], body: &[u8]) -> Bytes {
    Bytes::from([head, body].concat())
}

/// Withholds what comes after the end's place.
fn cut(body: &mut body::Body, end: &End) {
    let Some(at) = end.at else { return };
    let total = body.moves.iter().map(length).sum();
    let mut left = at.in_length(total);
    let mut kept = Vec::new();
    let mut moves = std::mem::take(&mut body.moves).into_iter();
    for it in moves.by_ref() {
        match it {
            Move::Say(mut bytes) if bytes.len() as u64 > left => {
                let withheld = bytes.split_off(usize::try_from(left).unwrap_or(usize::MAX));
                if !bytes.is_empty() {
                    kept.push(Move::Say(bytes));
                }
                body.withheld.insert(0, withheld);
                break;
            }
            it => {
                left -= length(&it);
                kept.push(it);
            }
        }
    }
    let rest = moves.filter_map(|it| match it {
        Move::Say(bytes) => Some(bytes),
        _ => None,
    });
    let at = body.withheld.len().min(1);
    body.withheld.splice(at..at, rest);
    body.moves = kept;
}

/// How many bytes prove what is done from a place on.
const PROOF_OF_PACE: usize = 256;

/// Says that a pace, or what is beyond the end, has fired as soon as a few bytes have gone so: a
/// module may well leave before the last one.
fn fire_early(moves: &mut Vec<Move>, what: String) {
    let mut left = PROOF_OF_PACE;
    for index in 0..moves.len() {
        let Move::Say(bytes) = &mut moves[index] else {
            continue;
        };
        if bytes.len() > left {
            let rest = bytes.split_off(left);
            moves.insert(index + 1, Move::Say(rest));
            moves.insert(index + 1, Move::Fired(what));
            return;
        }
        left -= bytes.len();
    }
    moves.push(Move::Fired(what));
}

/// In the order of their places; those of one place in the order of the file.
fn in_order(ops: &[BodyOp], length: u64) -> Vec<(u64, &BodyWhat)> {
    let mut ops: Vec<_> = ops
        .iter()
        .map(|op| (op.at.in_length(length), &op.what))
        .collect();
    ops.sort_by_key(|(at, _)| *at);
    ops
}
