//! A timeline entry read back from `timeline.jsonl`.

use std::time::Duration;

use dfota::line::Line;
use dfota::timeline::{Event, FaultLife, Power, ReadBack, ServerEvent, Transmit};
use dfota::transcript::unescape;

use super::stored::{StoredEntry, StoredEvent};

/// What an entry is before its line is understood.
#[derive(Debug)]
pub enum Restored {
    /// Nothing to understand.
    Event(Event),
    /// A line, whose meaning depends on the command before it.
    Line(Line),
}

impl StoredEntry {
    /// Reads an entry back; an error says which field cannot be.
    pub fn restore(self) -> Result<(Duration, Restored), String> {
        let at = Duration::from_micros(self.us);
        let event = match self.event {
            StoredEvent::Stage { stage } => Event::Stage(stage.into()),
            StoredEvent::Step { number, text } => Event::Step(number, text),
            StoredEvent::Supply { on, read_back } => Event::Supply {
                to: if on { Power::On } else { Power::Off },
                read_back: match read_back {
                    Some(level) if level == on => ReadBack::Agrees,
                    Some(_) => ReadBack::Differs,
                    None => ReadBack::Unavailable,
                },
            },
            StoredEvent::Rail { up, since_us } => Event::Rail {
                up,
                since: since_us.map(Duration::from_micros),
            },
            StoredEvent::Pin { pin, asserted } => Event::Pin {
                pin: pin.into(),
                asserted,
            },
            StoredEvent::TransmitReleased { by, deaf } => Event::Transmit(Transmit::Released {
                by: by.into(),
                deaf,
            }),
            StoredEvent::TransmitDriven { why } => Event::Transmit(Transmit::Driven(why)),
            StoredEvent::TransmitRestored => Event::Transmit(Transmit::Restored),
            StoredEvent::Rate { baud } => Event::Rate(baud),
            StoredEvent::Sent { bytes, purpose } => Event::Sent {
                bytes: read_bytes(&bytes)?,
                purpose: purpose.into(),
            },
            StoredEvent::Received {
                line_us,
                bytes,
                ending,
                means: _,
            } => {
                let line = Line {
                    at: Duration::from_micros(line_us),
                    bytes: read_bytes(&bytes)?,
                    ending: ending.into(),
                };
                return Ok((at, Restored::Line(line)));
            }
            StoredEvent::Ready => Event::Ready,
            StoredEvent::Reaction { seen_us, acted_us } => Event::Reaction {
                seen: Duration::from_micros(seen_us),
                acted: Duration::from_micros(acted_us),
            },
            StoredEvent::Request {
                connection,
                method,
                range_from,
                peer,
            } => Event::Server(ServerEvent::Request {
                connection,
                method,
                range_from,
                peer,
            }),
            StoredEvent::Acked {
                connection,
                from,
                bytes,
                sent,
                of,
            } => Event::Server(ServerEvent::Acked {
                connection,
                from,
                bytes,
                sent,
                of,
            }),
            StoredEvent::Closed {
                connection,
                status,
                acked,
                sent,
                declared,
                honest,
                how,
            } => Event::Server(ServerEvent::Closed {
                connection,
                status,
                acked,
                sent,
                declared,
                honest,
                how,
            }),
            StoredEvent::Stranger {
                connection,
                why,
                turned_away,
            } => Event::Server(ServerEvent::Stranger {
                connection,
                why,
                turned_away,
            }),
            StoredEvent::MoreStrangers { count, turned_away } => {
                Event::Server(ServerEvent::MoreStrangers { count, turned_away })
            }
            StoredEvent::FaultArmed { name } => Event::Fault {
                name,
                life: FaultLife::Armed,
            },
            StoredEvent::FaultFired { name, proof } => Event::Fault {
                name,
                life: FaultLife::Fired(proof),
            },
            StoredEvent::FaultMissed { name, why } => Event::Fault {
                name,
                life: FaultLife::Missed(why),
            },
            StoredEvent::FaultCleared { name } => Event::Fault {
                name,
                life: FaultLife::Cleared,
            },
            StoredEvent::Unmet { expectation, why } => Event::Unmet { expectation, why },
            StoredEvent::Interrupted => Event::Interrupted,
            StoredEvent::Trouble { what } => Event::Trouble(what),
        };
        Ok((at, Restored::Event(event)))
    }
}

fn read_bytes(text: &str) -> Result<Vec<u8>, String> {
    unescape(text).ok_or_else(|| format!("`{text}` has a backslash that escapes nothing"))
}
