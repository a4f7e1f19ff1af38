//! Commands and their final result codes.

use std::time::Duration;

use crate::command::{CommandLine, Form, UrlStanding, url_standing};
use crate::guide;
use crate::message::FinalResult;
use crate::monitor::context::Context;
use crate::monitor::ledger::Moment;
use crate::outcomes;
use crate::rules;
use crate::verdict::Verdict;

/// A command that waits for its final result code.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: CommandLine,
    pub(crate) what: Request,
    moment: Moment,
    /// When its last byte had left: it takes its time at a slow rate.
    sent: Duration,
    answerable: bool,
    information_seen: bool,
}

/// What a command is to the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `AT+QFOTADL=<url>` while no update is under way.
    Download(UrlStanding),
    /// The same during an update.
    SecondDownload,
    /// `AT+QFOTADL=?`
    Test,
    /// Anything else.
    Other,
}

/// What a final result code made of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A download was accepted.
    Accepted,
    /// A download was refused.
    Refused,
    /// Another command was answered, or none that is known.
    Other,
}

impl Asked {
    /// `rate` is the console's; `answerable`, whether the module can be expected to hear us.
    pub(crate) fn new(
        line: CommandLine,
        under_way: bool,
        moment: Moment,
        rate: u32,
        answerable: bool,
    ) -> Asked {
        let what = match line.download() {
            Some(_) if under_way => Request::SecondDownload,
            Some(argument) => Request::Download(url_standing(argument)),
            None if line.commands.iter().any(is_test) => Request::Test,
            None => Request::Other,
        };
        // 8N1: ten bits a byte.
        let bits = (line.bytes.len() as u64 + 1) * 10;
        let travel = Duration::from_micros(bits * 1_000_000 / u64::from(rate.max(1)));
        Asked {
            line,
            what,
            moment,
            sent: moment.at + travel,
            answerable,
            information_seen: false,
        }
    }

    pub(crate) fn information(&mut self) {
        self.information_seen = true;
    }

    /// Its final result code came, with its last byte at `at`.
    pub(crate) fn answered(
        self,
        result: FinalResult,
        at: Duration,
        context: &mut Context<'_>,
    ) -> Answer {
        let ok = result == FinalResult::Ok;
        if self.what != Request::Other && self.answerable {
            let late = at.saturating_sub(self.sent);
            context.check(
                &rules::ANSWER_IN_TIME,
                late <= guide::ANSWER_DEADLINE,
                || {
                    format!(
                        "the final result code came {} ms after the command",
                        late.as_millis()
                    )
                },
                "300 ms",
            );
        }
        match self.what {
            Request::Other => Answer::Other,
            Request::Test => {
                context.check(
                    &rules::TEST_COMMAND,
                    ok && !self.information_seen,
                    || match ok {
                        true => "lines came before its `OK`".to_owned(),
                        false => "it was refused".to_owned(),
                    },
                    "`OK` alone",
                );
                if ok {
                    context.ledger.outcome(outcomes::TEST_OK);
                }
                Answer::Other
            }
            Request::SecondDownload => {
                context.check(
                    &rules::BUSY,
                    !ok,
                    || "a second `AT+QFOTADL` during an update was answered by `OK`".to_owned(),
                    "`ERROR` or `+CME ERROR: <err>`",
                );
                if !ok {
                    context.ledger.outcome(outcomes::ERR_2);
                }
                Answer::Other
            }
            Request::Download(standing) => {
                check_url(standing, ok, context);
                context.ledger.outcome(if ok {
                    outcomes::ACCEPTED
                } else {
                    outcomes::REFUSED
                });
                if ok {
                    Answer::Accepted
                } else {
                    Answer::Refused
                }
            }
        }
    }

    /// It will not be answered any more: the next command was sent, or the run is over.
    pub(crate) fn unanswered(&self, context: &mut Context<'_>) {
        let first = matches!(self.what, Request::Download(_) | Request::Test);
        if first && self.answerable {
            context.ledger.found(
                &rules::ANSWER_IN_TIME,
                Verdict::Fail,
                self.moment,
                "no final result code came",
                "`OK`, `ERROR` or `+CME ERROR: <err>` within 300 ms",
            );
        }
    }
}

fn is_test(command: &crate::command::Command) -> bool {
    command.name == "+QFOTADL" && command.form == Form::Test
}

fn check_url(standing: UrlStanding, ok: bool, context: &mut Context<'_>) {
    match standing {
        UrlStanding::Lawful if ok => context.ledger.relevant(&rules::URL_LIMITS),
        UrlStanding::Lawful => context.fail_if_registered(
            &rules::URL_LIMITS,
            "a URL within all limits was refused",
            "`OK`",
        ),
        UrlStanding::Unlawful(why) => context.check(
            &rules::URL_LIMITS,
            !ok,
            || format!("a URL was accepted, though {why}"),
            "`ERROR` or `+CME ERROR: <err>`",
        ),
        UrlStanding::Undecided(why) => {
            if why.contains("HTTPS") && !ok {
                context.ledger.relevant(&rules::NO_HTTPS);
                context.ledger.outcome(outcomes::NOTE_2);
            }
            let word = if ok { "accepted" } else { "refused" };
            context.ledger.note(format!(
                "a URL is {word} of which the guide says nothing: {why}"
            ));
        }
    }
}
