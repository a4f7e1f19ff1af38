//! The head, and what is done to it.

use bytes::Bytes;

use super::body::word;
use super::{Endless, Making, Move, Script};
use crate::package_server::answer::{Answer, reason};
use crate::package_server::pace::Pace;
use crate::package_server::wire_plan::{HeadAt, HeadPlan, Length, Letters, LineEnd, Pad, WirePlan};

/// A head as it is to be sent, and the places that a plan can name in it.
pub(super) struct Head {
    /// Interim responses, which come before it.
    interim: Bytes,
    pub(super) bytes: Bytes,
    /// The length that it promises: of exactly one line, which is a number.
    pub(super) declared: Option<u64>,
    /// Behind the first digit of the length.
    in_length: usize,
    /// Between the two line ends.
    in_end: usize,
    /// What was done to its words.
    changes: Vec<String>,
}

/// Puts the head together. `sent_length` is that of the body after all that is done to it.
pub(super) fn lines(answer: &Answer, plan: &WirePlan, sent_length: u64) -> Head {
    let honest = HeadPlan::default();
    let head = plan.head.as_ref().unwrap_or(&honest);
    let mut headers = answer.headers.clone();
    let mut changes = Vec::new();
    if let Some(instead) = &plan.answer {
        changes.push(format!("answer {}", word(instead)));
    }
    if let Some(lie) = &plan.range {
        changes.push(format!("range {}", word(lie)));
    }
    if let Some(chunked) = plan.chunked {
        headers.retain(|(name, _)| chunked.with_length || !is(name, "Content-Length"));
        headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
    }
    if let Some(length) = head.length {
        set_length(&mut headers, length, sent_length);
        changes.push(format!("length {}", word(&length)));
    }
    for unwanted in &head.remove {
        headers.retain(|(name, _)| !is(name, unwanted));
        changes.push(format!("without {unwanted}"));
    }
    for (wanted, value) in &head.set {
        match headers.iter_mut().find(|(name, _)| is(name, wanted)) {
            Some(header) => *header = (wanted.clone(), value.clone()),
            None => headers.push((wanted.clone(), value.clone())),
        }
        changes.push(format!("{wanted}: {value}"));
    }
    let colon = head.colon.as_deref().unwrap_or(": ");
    let letters = |name: &str| match head.names {
        None => name.to_owned(),
        Some(Letters::Lower) => name.to_ascii_lowercase(),
        Some(Letters::Upper) => name.to_ascii_uppercase(),
    };
    let status = head.status.unwrap_or(answer.status);
    let reason = match (&head.reason, head.status) {
        (Some(reason), _) => reason.as_str(),
        (None, Some(status)) => reason(status),
        (None, None) => answer.reason.as_str(),
    };
    let version = head.version.as_deref().unwrap_or("HTTP/1.1");
    let mut lines = vec![format!("{version} {status} {reason}")];
    lines.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{}{colon}{value}", letters(name))),
    );
    match head.pad {
        // What else the line has is `X-Pad` and the colon.
        Some(Pad::Line(bytes)) => {
            let filling = (bytes as usize).saturating_sub("X-Pad".len() + colon.len());
            lines.push(format!("X-Pad{colon}{}", "x".repeat(filling)));
        }
        Some(Pad::Lines(count)) => {
            lines.extend((0..count).map(|number| format!("X-Pad-{number}{colon}x")));
        }
        Some(Pad::Endless | Pad::Interim(_)) | None => {}
    }
    lines.extend(head.add.iter().cloned());
    changes.extend(changes_of(head));
    let mut assembled = assemble(&lines, head, changes);
    // A head that is not sent to its end promises nothing.
    if head.cut.is_none() && !head.pad.is_some_and(Pad::is_endless) {
        assembled.declared = declared(&lines);
    }
    assembled
}

/// What a careful reader takes for the body's length; `None` where the lines do not say, or say
/// it in two ways. A transfer coding, whichever it is, overrides a length (RFC 9112 §6.3).
fn declared(lines: &[String]) -> Option<u64> {
    let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
    if headers
        .clone()
        .any(|(name, _)| is(name.trim(), "Transfer-Encoding"))
    {
        return None;
    }
    let mut lengths = headers
        .filter(|(name, _)| is(name.trim(), "Content-Length"))
        .map(|(_, value)| value.trim());
    let (only, None) = (lengths.next()?, lengths.next()) else {
        return None;
    };
    let is_number = only.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| only.parse().ok()).flatten()
}

/// What else was changed, in the words of the scenario.
fn changes_of(head: &HeadPlan) -> impl Iterator<Item = String> {
    [
        head.version
            .as_ref()
            .map(|version| format!("version {version}")),
        head.status.map(|status| format!("status {status}")),
        head.reason
            .as_ref()
            .map(|reason| format!("reason {reason}")),
        head.names
            .map(|names| format!("names in {} letters", word(&names))),
        head.colon.as_ref().map(|colon| format!("colon `{colon}`")),
        head.line_end
            .map(|line_end| format!("line ends {}", word(&line_end))),
        head.pad.map(|pad| format!("pad {}", word(&pad))),
        (!head.interim.is_empty()).then(|| format!("interim {:?}", head.interim)),
        (!head.add.is_empty()).then(|| format!("{} lines added", head.add.len())),
    ]
    .into_iter()
    .flatten()
}

fn assemble(lines: &[String], head: &HeadPlan, changes: Vec<String>) -> Head {
    let line_end = |number: usize| -> &[u8] {
        match head.line_end {
            None | Some(LineEnd::Crlf) => b"\r\n",
            Some(LineEnd::Lf) => b"\n",
            Some(LineEnd::Cr) => b"\r",
            Some(LineEnd::Mixed) if number.is_multiple_of(2) => b"\r\n",
            Some(LineEnd::Mixed) => b"\n",
        }
    };
    let (mut bytes, mut in_length) = (Vec::new(), None);
    for (number, line) in lines.iter().enumerate() {
        if line
            .get(..14)
            .is_some_and(|name| is(name, "Content-Length"))
        {
            let digit = line.find(|c: char| c.is_ascii_digit());
            in_length = in_length.or(digit.map(|digit| bytes.len() + digit + 1));
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(line_end(number));
    }
    let in_end = bytes.len();
    if head.pad != Some(Pad::Endless) {
        bytes.extend_from_slice(line_end(lines.len()));
    }
    let interim: String = head.interim.iter().copied().map(self::interim).collect();
    Head {
        interim: Bytes::from(interim),
        declared: None,
        in_length: in_length.unwrap_or(in_end),
        in_end,
        bytes: Bytes::from(bytes),
        changes,
    }
}

/// An interim response (RFC 9110 §15.2).
pub(super) fn interim(status: u16) -> String {
    format!("HTTP/1.1 {status} {}\r\n\r\n", reason(status))
}

fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

fn set_length(headers: &mut Vec<(String, String)>, length: Length, sent: u64) {
    let declared = headers.iter().find(|(name, _)| is(name, "Content-Length"));
    let honest = declared
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(sent);
    let says = match length {
        Length::Absent => None,
        Length::Actual => Some(sent),
        Length::More(more) => Some(honest.saturating_add(more)),
        Length::Less(less) => Some(honest.saturating_sub(less)),
        Length::Says(says) => Some(says),
        Length::Twice(_) => Some(honest),
    };
    headers.retain(|(name, _)| !is(name, "Content-Length"));
    let name = || "Content-Length".to_owned();
    if let Some(says) = says {
        headers.push((name(), says.to_string()));
    }
    if let Length::Twice(other) = length {
        headers.push((name(), other.to_string()));
    }
}

impl Head {
    fn place(&self, at: HeadAt) -> usize {
        match at {
            HeadAt::Byte(byte) => (byte as usize).min(self.bytes.len()),
            HeadAt::InLength => self.in_length,
            HeadAt::InEnd => self.in_end,
            HeadAt::End => self.bytes.len(),
        }
    }
}

/// Adds the head's moves to a script. Whether the body may follow is returned: not where the
/// head is cut, or has no end.
pub(super) fn moves(head: &Head, making: Making<'_>, script: &mut Script) -> bool {
    let honest = HeadPlan::default();
    let plan = making.plan.head.as_ref().unwrap_or(&honest);
    if let Some(wait) = plan.wait {
        script.moves.push(Move::Stall(Some(making.time(wait))));
        script.moves.push(Move::Fired(format!(
            "first byte after {}",
            crate::duration::spell(wait)
        )));
    }
    if let Some(drip) = plan.drip {
        script
            .moves
            .push(Move::Pace(Pace::Drip(drip.at_speed(making.speed))));
    }
    if !head.interim.is_empty() {
        script.moves.push(Move::Say(head.interim.clone()));
    }
    // Where the final head never comes, what was made of it is not begun.
    let whole = match plan.pad {
        Some(Pad::Interim(_)) => 0,
        _ => head.bytes.len(),
    };
    let end = plan.cut.map_or(whole, |at| head.place(at).min(whole));
    let mut breaks: Vec<_> = plan
        .split
        .iter()
        .map(|at| (head.place(*at), None))
        .collect();
    breaks.extend(plan.stall.map(|stall| (head.place(stall.at), Some(stall))));
    breaks.sort_by_key(|(at, _)| *at);
    let mut said = 0;
    for (at, stall) in breaks.into_iter().filter(|(at, _)| *at <= end) {
        say(script, head.bytes.slice(said..at));
        said = at;
        match stall {
            None => script.moves.push(Move::Settle),
            Some(stall) => {
                script
                    .moves
                    .push(Move::Stall(Some(making.time(stall.how_long))));
                let how_long = crate::duration::spell(stall.how_long);
                script.moves.push(Move::Fired(format!(
                    "stall of {how_long} at byte {at} of the head"
                )));
            }
        }
    }
    say(script, head.bytes.slice(said..end));
    for what in &head.changes {
        script.moves.push(Move::Fired(what.clone()));
    }
    if !plan.split.is_empty() {
        script.moves.push(Move::Fired(format!(
            "head in {} segments",
            plan.split.len() + 1
        )));
    }
    if let Some(drip) = plan.drip {
        script
            .moves
            .push(Move::Fired(format!("head {} bytes at a time", drip.bytes)));
        let rate = making
            .plan
            .rate
            .map_or(Pace::Free, |rate| making.pace(rate));
        script.moves.push(Move::Pace(rate));
    }
    if plan.cut.is_some() {
        script.withheld.push(head.bytes.slice(end..));
        script
            .moves
            .push(Move::Fired(format!("head cut at byte {end}")));
        return false;
    }
    let endless = match plan.pad {
        Some(Pad::Endless) => Endless::Lines,
        Some(Pad::Interim(status)) => Endless::Interim(status),
        Some(Pad::Line(_) | Pad::Lines(_)) | None => return true,
    };
    script.moves.push(Move::Endless(endless));
    false
}

fn say(script: &mut Script, bytes: Bytes) {
    if !bytes.is_empty() {
        script.moves.push(Move::Say(bytes));
    }
}
