//! What the server saw of a case, for snapshots: how often a request was repeated, and where a
//! broken download was taken up again, is left out.

use crate::timeline::ServerEvent;

/// What the server saw, in its order.
#[derive(Debug, Default)]
pub(super) struct Served(Vec<Sight>);

#[derive(Debug)]
enum Sight {
    Connection(Connection),
    Fault(String),
}

#[derive(Debug)]
struct Connection {
    number: u64,
    method: String,
    from_start: bool,
    end: Option<Reply>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
struct Reply {
    status: Option<u16>,
    honest: bool,
    complete: bool,
}

impl Served {
    /// A request.
    pub(super) fn request(&mut self, connection: u64, method: &str, range_from: Option<u64>) {
        self.0.push(Sight::Connection(Connection {
            number: connection,
            method: method.to_owned(),
            from_start: range_from.unwrap_or(0) == 0,
            end: None,
        }));
    }

    /// The end of a connection, if its request was seen.
    pub(super) fn closed(&mut self, event: &ServerEvent) {
        let ServerEvent::Closed {
            connection,
            status,
            acked,
            sent: _,
            declared,
            honest,
            how: _,
        } = event
        else {
            return;
        };
        let open = self.0.iter_mut().rev().find_map(|sight| match sight {
            Sight::Connection(open) if open.number == *connection => Some(open),
            _ => None,
        });
        if let Some(open) = open {
            open.end = Some(Reply {
                status: *status,
                honest: *honest,
                complete: declared.is_some_and(|declared| *acked >= declared),
            });
        }
    }

    /// A fault of the server fired.
    pub(super) fn fault(&mut self, name: &str) {
        self.0.push(Sight::Fault(name.to_owned()));
    }

    /// The section of the rendering; empty where nothing was seen.
    pub(super) fn text(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut lines: Vec<String> = Vec::new();
        let mut faults: Vec<String> = Vec::new();
        for sight in &self.0 {
            match sight {
                Sight::Connection(connection) => {
                    let line = connection.text();
                    let again = format!("{line}, and again");
                    match lines.last_mut() {
                        Some(last) if *last == again => {}
                        Some(last) if *last == line => *last = again,
                        _ => lines.push(line),
                    }
                }
                // A fault that covers every request fires as often as the module asks.
                Sight::Fault(name) => {
                    let line = format!("fault {name} fired");
                    if !faults.contains(&line) {
                        faults.push(line);
                    }
                }
            }
        }
        let lines = lines.iter().chain(&faults);
        let lines: String = lines.map(|line| format!("  {line}\n")).collect();
        format!("server:\n{lines}")
    }
}

impl Connection {
    fn text(&self) -> String {
        let from = if self.from_start {
            "from 0"
        } else {
            "from where it broke"
        };
        format!("{} {from}: {}", self.method, self.outcome())
    }

    /// How far a reply was that the module did not want, or left, is chance.
    fn outcome(&self) -> String {
        let Some(reply) = self.end else {
            return "incomplete".to_owned();
        };
        match reply.status {
            Some(status @ (200 | 206)) if reply.complete => {
                let honest = if reply.honest { "honest" } else { "altered" };
                format!("{status}, {honest}, complete")
            }
            Some(status @ (200 | 206)) => format!("{status}, incomplete"),
            Some(status) => status.to_string(),
            None => "no status".to_owned(),
        }
    }
}
