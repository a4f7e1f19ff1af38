//! What was sent, so that it is known which command a line may answer.

use super::{FinalResult, Message, begins_with_at, understand};
use crate::command::CommandLine;
use crate::line::{Ending, Line};
use crate::urc;

/// Understands one line after the other: remembers what was sent, so that it knows which
/// command a line may answer.
#[derive(Clone, Debug, Default)]
pub struct Understanding {
    /// Bytes sent since the last CR.
    unsent: Vec<u8>,
    pending: Option<CommandLine>,
    /// Commands that another followed before they were answered: their answers may still
    /// come, as when `AT` is repeated to a module that starts.
    owed: u32,
    /// An information response to the pending command came.
    told: bool,
    /// Lines sent lately: an echo may come when its command is no longer pending, as when
    /// `AT` is repeated until the module answers.
    recent: Vec<Vec<u8>>,
}

/// How many command lines are remembered for their echo.
const RECENT_MAX: usize = 8;

/// How many bytes without a CR are remembered.
const UNSENT_MAX: usize = 4096;

impl Understanding {
    /// Nothing sent, nothing pending.
    #[must_use]
    pub fn new() -> Understanding {
        Understanding::default()
    }

    /// Bytes were sent to the module. A CR makes a pending command of them; a command that
    /// was pending is so no more.
    pub fn sent(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\r' {
                if self.unsent.len() < UNSENT_MAX && byte != b'\n' {
                    self.unsent.push(byte);
                }
                continue;
            }
            let line = CommandLine::parse(&self.unsent);
            self.unsent.clear();
            if line.bytes.is_empty() {
                continue;
            }
            if self.recent.len() == RECENT_MAX {
                self.recent.remove(0);
            }
            self.recent.push(line.bytes.clone());
            if self.pending.replace(line).is_some() {
                self.owed = self.owed.saturating_add(1);
            }
            self.told = false;
        }
    }

    /// The meaning of the next line; a final result code ends the pending command.
    pub fn line(&mut self, line: &Line) -> Message {
        let message = if self.is_echo(line) {
            Message::Echo
        } else {
            understand(line, self.pending.as_ref())
        };
        match &message {
            Message::Information(_) => self.told = true,
            Message::FinalResult(result) => self.final_result(*result),
            _ => {}
        }
        message
    }

    /// An `OK` before a query has told anything is the answer to an older command.
    fn final_result(&mut self, result: FinalResult) {
        let query = self.pending.as_ref().is_some_and(CommandLine::tells);
        if result == FinalResult::Ok && self.owed > 0 && query && !self.told {
            self.owed -= 1;
            return;
        }
        if self.pending.take().is_none() {
            self.owed = self.owed.saturating_sub(1);
        } else if query {
            self.owed = 0;
        }
    }

    /// The power went: nothing is pending any more.
    pub fn power_lost(&mut self) {
        self.unsent.clear();
        self.pending = None;
        self.owed = 0;
        self.recent.clear();
    }

    /// The command that is not answered yet.
    #[must_use]
    pub fn pending(&self) -> Option<&CommandLine> {
        self.pending.as_ref()
    }

    fn is_echo(&self, line: &Line) -> bool {
        let text = urc::trim(&line.bytes);
        line.ending == Ending::Whole
            && begins_with_at(text)
            && self.recent.iter().any(|sent| urc::trim(sent) == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{information, line};
    use crate::urc::Urc;
    use proptest::prelude::*;

    #[test]
    fn an_echo_is_known_after_its_command_was_answered() {
        let mut understanding = Understanding::new();
        understanding.sent(b"AT\r");
        understanding.sent(b"AT\r");
        let messages: Vec<Message> = ["AT", "OK", "AT", "OK"]
            .iter()
            .map(|text| understanding.line(&line(text.as_bytes())))
            .collect();
        let ok = Message::FinalResult(FinalResult::Ok);
        assert_eq!(messages, [Message::Echo, ok.clone(), Message::Echo, ok]);
    }

    #[test]
    fn an_ok_that_is_owed_to_an_older_command_does_not_end_a_query() {
        let mut understanding = Understanding::new();
        understanding.sent(b"AT\r");
        understanding.sent(b"AT\r");
        let ok = Message::FinalResult(FinalResult::Ok);
        assert_eq!(understanding.line(&line(b"OK")), ok);
        understanding.sent(b"ATI\r");
        assert_eq!(understanding.line(&line(b"OK")), ok);
        let revision = "Revision: BC26NBR01A01";
        assert_eq!(
            understanding.line(&line(revision.as_bytes())),
            information(revision)
        );
        assert_eq!(understanding.line(&line(b"OK")), ok);
        assert_eq!(understanding.pending(), None);
    }

    #[test]
    fn a_final_result_code_ends_the_pending_command() {
        let mut understanding = Understanding::new();
        understanding.sent(b"AT+CEREG?");
        understanding.sent(b"\r");
        let answer = line(b"+CEREG: 0,1");
        assert_eq!(understanding.line(&answer), information("+CEREG: 0,1"));
        understanding.line(&line(b"OK"));
        assert!(matches!(
            understanding.line(&answer),
            Message::Urc(Urc::Other(_))
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_at_all_can_trouble_it(
            sent in prop::collection::vec(any::<u8>(), 0..80),
            bytes in prop::collection::vec(any::<u8>(), 1..200),
        ) {
            let mut understanding = Understanding::new();
            understanding.sent(&sent);
            understanding.line(&line(&bytes));
        }
    }
}
