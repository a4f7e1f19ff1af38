//! What is done to the module, or noted by the harness, as text: what follows `--`.

use std::fmt;

use super::{escape_field, milliseconds, parse_milliseconds, split_word, unescape};
use crate::timeline::{
    Event, FaultLife, Pin, Power, Purpose, ReadBack, ReleasedBy, ServerEvent, Stage, Transmit,
};

pub(super) type Words<T, const N: usize> = [(T, &'static str); N];

pub(super) const PURPOSES: Words<Purpose, 3> = [
    (Purpose::Step, "step"),
    (Purpose::Sync, "sync"),
    (Purpose::Probe, "probe"),
];
pub(super) const STAGES: Words<Stage, 4> = [
    (Stage::Prepare, "prepare"),
    (Stage::Steps, "steps"),
    (Stage::Aftercare, "aftercare"),
    (Stage::Retry, "retry"),
];
pub(super) const POWERS: Words<Power, 2> = [(Power::On, "on"), (Power::Off, "off")];
pub(super) const READ_BACKS: Words<ReadBack, 3> = [
    (ReadBack::Agrees, "agrees"),
    (ReadBack::Differs, "differs"),
    (ReadBack::Unavailable, "unread"),
];
pub(super) const PINS: Words<Pin, 3> = [
    (Pin::Pwrkey, "pwrkey"),
    (Pin::ResetN, "reset_n"),
    (Pin::ConsoleEnable, "console_enable"),
];
const RELEASED_BY: Words<ReleasedBy, 2> = [
    (ReleasedBy::ConsoleEnable, "console_enable"),
    (ReleasedBy::Break, "break"),
];
const RAILS: Words<bool, 2> = [(true, "up"), (false, "down")];
const LEVELS: Words<bool, 2> = [(true, "asserted"), (false, "released")];
/// By whether they were turned away for want of room.
const STRANGERS: Words<bool, 2> = [(true, "turned-away"), (false, "stranger")];
const HONESTY: Words<bool, 2> = [(true, "honest"), (false, "altered")];

pub(super) fn word<T: PartialEq, const N: usize>(words: &Words<T, N>, value: T) -> &'static str {
    words
        .iter()
        .find(|(known, _)| *known == value)
        .map_or("", |(_, word)| word)
}

pub(super) fn named_by<T: Copy, const N: usize>(words: &Words<T, N>, name: &str) -> Option<T> {
    words
        .iter()
        .find(|(_, word)| *word == name)
        .map(|(value, _)| *value)
}

fn or_dash<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn dash_or<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
    match text {
        "-" => Some(None),
        _ => text.parse().ok().map(Some),
    }
}

/// Free text on one line.
fn flat(text: &str) -> String {
    escape_field(text.as_bytes())
}

fn unflat(text: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&unescape(text)?).into_owned())
}

/// Free text that other free text follows: its blanks are escaped too.
fn one_word(text: &str) -> String {
    flat(text).replace(' ', "\\x20")
}

pub(super) fn deed(event: &Event) -> String {
    match event {
        Event::Stage(stage) => format!("stage {}", word(&STAGES, *stage)),
        Event::Step(number, text) => format!("step {number} {}", flat(text)),
        Event::Supply { to, read_back } => format!(
            "supply {} {}",
            word(&POWERS, *to),
            word(&READ_BACKS, *read_back)
        ),
        Event::Rail { up, since } => {
            let since = since.map_or_else(String::new, |at| format!(" since {}", milliseconds(at)));
            format!("rail {}{since}", word(&RAILS, *up))
        }
        Event::Pin { pin, asserted } => {
            format!("pin {} {}", word(&PINS, *pin), word(&LEVELS, *asserted))
        }
        Event::Transmit(transmit) => match transmit {
            Transmit::Released { by, deaf } => {
                let deaf = if *deaf { " deaf" } else { "" };
                format!("transmit released {}{deaf}", word(&RELEASED_BY, *by))
            }
            Transmit::Driven(why) => format!("transmit driven {}", flat(why)),
            Transmit::Restored => "transmit restored".to_owned(),
        },
        Event::Rate(rate) => format!("rate {rate}"),
        Event::Sent { .. } | Event::Received { .. } => String::new(),
        Event::Ready => "ready".to_owned(),
        Event::Reaction { seen, acted } => {
            format!("reaction {} {}", milliseconds(*seen), milliseconds(*acted))
        }
        Event::Server(event) => server_deed(event),
        Event::Fault { name, life } => {
            let name = one_word(name);
            match life {
                FaultLife::Armed => format!("fault {name} armed"),
                FaultLife::Cleared => format!("fault {name} cleared"),
                FaultLife::Fired(how) => format!("fault {name} fired {}", flat(how)),
                FaultLife::Missed(how) => format!("fault {name} missed {}", flat(how)),
            }
        }
        Event::Unmet { expectation, why } => {
            format!("unmet {} {}", one_word(expectation), flat(why))
        }
        Event::Interrupted => "interrupted".to_owned(),
        Event::Trouble(what) => format!("trouble {}", flat(what)),
    }
}

fn server_deed(event: &ServerEvent) -> String {
    match event {
        ServerEvent::Request {
            connection,
            method,
            range_from,
            peer,
        } => {
            let peer = peer.map_or_else(String::new, |peer| format!(" {peer}"));
            format!(
                "server request {connection} {} {}{peer}",
                one_word(method),
                or_dash(*range_from)
            )
        }
        ServerEvent::Acked {
            connection,
            from,
            bytes,
            sent,
            of,
        } => {
            let sent = sent.map_or_else(String::new, |sent| format!(" {sent}"));
            format!("server acked {connection} {from} {bytes} {of}{sent}")
        }
        ServerEvent::Closed {
            connection,
            status,
            acked,
            sent,
            declared,
            honest,
            how,
        } => format!(
            "server closed {connection} {} {acked}{} {} {} {}",
            or_dash(*status),
            sent.map_or_else(String::new, |sent| format!("/{sent}")),
            or_dash(*declared),
            word(&HONESTY, *honest),
            flat(how)
        ),
        ServerEvent::Stranger {
            connection,
            why,
            turned_away,
        } => format!(
            "server {} {connection} {}",
            word(&STRANGERS, *turned_away),
            flat(why)
        ),
        ServerEvent::MoreStrangers { count, turned_away } => {
            format!("server more-strangers {count} {turned_away}")
        }
    }
}

pub(super) fn parse_deed(text: &str) -> Option<Event> {
    let (kind, rest) = split_word(text);
    let (first, after_first) = split_word(rest);
    Some(match kind {
        "stage" => Event::Stage(named_by(&STAGES, rest)?),
        "step" => Event::Step(first.parse().ok()?, unflat(after_first)?),
        "supply" => Event::Supply {
            to: named_by(&POWERS, first)?,
            read_back: match after_first {
                "" => ReadBack::Unavailable,
                read => named_by(&READ_BACKS, read)?,
            },
        },
        "rail" => Event::Rail {
            up: named_by(&RAILS, first)?,
            since: match split_word(after_first) {
                ("", "") => None,
                ("since", at) => Some(parse_milliseconds(at)?),
                _ => return None,
            },
        },
        "pin" => Event::Pin {
            pin: named_by(&PINS, first)?,
            asserted: named_by(&LEVELS, after_first)?,
        },
        "transmit" => Event::Transmit(parse_transmit(first, after_first)?),
        "rate" => Event::Rate(rest.parse().ok()?),
        "ready" if rest.is_empty() => Event::Ready,
        "reaction" => Event::Reaction {
            seen: parse_milliseconds(first)?,
            acted: parse_milliseconds(after_first)?,
        },
        "server" => Event::Server(parse_server_deed(first, after_first)?),
        "fault" => {
            let (life, how) = split_word(after_first);
            Event::Fault {
                name: unflat(first)?,
                life: match life {
                    "armed" => FaultLife::Armed,
                    "cleared" => FaultLife::Cleared,
                    "fired" => FaultLife::Fired(unflat(how)?),
                    "missed" => FaultLife::Missed(unflat(how)?),
                    _ => return None,
                },
            }
        }
        "unmet" => Event::Unmet {
            expectation: unflat(first)?,
            why: unflat(after_first)?,
        },
        "interrupted" if rest.is_empty() => Event::Interrupted,
        "trouble" => Event::Trouble(unflat(rest)?),
        _ => return None,
    })
}

fn parse_transmit(kind: &str, rest: &str) -> Option<Transmit> {
    let (by, deaf) = split_word(rest);
    Some(match kind {
        "released" => Transmit::Released {
            by: named_by(&RELEASED_BY, by)?,
            deaf: match deaf {
                "" => false,
                "deaf" => true,
                _ => return None,
            },
        },
        "driven" => Transmit::Driven(unflat(rest)?),
        "restored" if rest.is_empty() => Transmit::Restored,
        _ => return None,
    })
}

fn parse_server_deed(kind: &str, rest: &str) -> Option<ServerEvent> {
    let (number, rest) = split_word(rest);
    let connection = number.parse().ok()?;
    if let Some(turned_away) = named_by(&STRANGERS, kind) {
        return Some(ServerEvent::Stranger {
            connection,
            why: unflat(rest)?,
            turned_away,
        });
    }
    let (first, rest) = split_word(rest);
    let (second, rest) = split_word(rest);
    Some(match kind {
        "request" => ServerEvent::Request {
            connection,
            method: unflat(first)?,
            range_from: dash_or(second)?,
            peer: match rest {
                "" => None,
                peer => Some(peer.parse().ok()?),
            },
        },
        "more-strangers" => ServerEvent::MoreStrangers {
            count: connection,
            turned_away: first.parse().ok()?,
        },
        "acked" => {
            let (of, sent) = split_word(rest);
            ServerEvent::Acked {
                connection,
                from: first.parse().ok()?,
                bytes: second.parse().ok()?,
                sent: match sent {
                    "" => None,
                    sent => Some(sent.parse().ok()?),
                },
                of: of.parse().ok()?,
            }
        }
        "closed" => {
            let (declared, rest) = split_word(rest);
            let (honest, how) = split_word(rest);
            let (acked, sent) = match second.split_once('/') {
                Some((acked, sent)) => (acked, Some(sent.parse().ok()?)),
                None => (second, None),
            };
            ServerEvent::Closed {
                connection,
                status: dash_or(first)?,
                acked: acked.parse().ok()?,
                sent,
                declared: dash_or(declared)?,
                honest: named_by(&HONESTY, honest)?,
                how: unflat(how)?,
            }
        }
        _ => return None,
    })
}
