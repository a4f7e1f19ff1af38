//! Questions that were never asked before.
//!
//! What stands between us and a module (a multiplexer, a proxy, a cache of ours) could repeat an
//! answer that it has heard. It cannot have heard one to a line that was never sent, so the
//! version is asked once more in such a line: the order of a few harmless queries before it is
//! another each time. That the two answers agree is for the judge to see.

use std::time::{SystemTime, UNIX_EPOCH};

/// What every module can be asked and nothing is changed by.
const QUERIES: [&str; 4] = ["+CFUN?", "+CMEE?", "+IPR?", "+CEREG?"];

/// So many orders there are.
const ORDERS: usize = 24;

/// A supply of new lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    next: usize,
}

impl Fresh {
    /// Begins somewhere else in every run: what repeats answers may have been there in the last.
    /// This is the one choice that does not come from the seed, since it must not be repeated.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            next: now.map_or(0, |now| now.subsec_micros() as usize) % ORDERS,
        }
    }

    /// The next line that ends with this command.
    pub(super) fn line(&mut self, command: &str) -> String {
        let mut order = self.next;
        self.next = (self.next + 1) % ORDERS;
        let mut left = QUERIES.to_vec();
        let mut line = "AT".to_owned();
        while !left.is_empty() {
            line += left.remove(order % left.len());
            line += ";";
            order /= left.len() + 1;
        }
        line + command
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_line_comes_twice_until_all_have_come() {
        let mut fresh = Fresh::new();
        let lines: BTreeSet<String> = (0..ORDERS).map(|_| fresh.line("I")).collect();
        assert_eq!(lines.len(), ORDERS);
        assert!(
            lines.contains("AT+CFUN?;+CMEE?;+IPR?;+CEREG?;I"),
            "{lines:?}"
        );
    }
}
