//! Commands and their final result codes.

use std::time::Duration;

use crate::command::{Command, CommandLine, Form, UrlStanding, url_standing};
use crate::guide;
use crate::message::FinalResult;
use crate::monitor::context::Context;
use crate::monitor::ledger::Moment;
use crate::outcomes;
use crate::rules;
use crate::timeline::Purpose;
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
    pub(crate) purpose: Purpose,
    /// The information responses so far.
    told: Vec<String>,
}

/// More information responses than this are not compared.
const TOLD_MAX: usize = 32;

/// With more bytes missing than this a line is no echo any more.
const ECHO_LOSS_MAX: usize = 2;

/// How long a module stays awake after an answer; the first command after it may be lost.
const AWAKE: Duration = Duration::from_secs(10);

/// What is known of module and console when a command is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// An update is under way.
    pub(crate) under_way: bool,
    /// The console's rate.
    pub(crate) rate: u32,
    /// The module can be expected to hear us and to answer.
    pub(crate) answerable: bool,
    pub(crate) purpose: Purpose,
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

/// How a module takes a query of ours. One that does not have a command may refuse it, accept
/// it and tell nothing, or ignore it; but always in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    Tells,
    Accepts,
    Refuses,
    Silent,
}

impl Habit {
    fn text(self) -> &'static str {
        match self {
            Habit::Tells => "told something",
            Habit::Accepts => "answered by `OK` alone",
            Habit::Refuses => "refused",
            Habit::Silent => "not answered",
        }
    }

    /// The same query was taken so before.
    pub(crate) fn check(self, what: &str, before: Habit, context: &mut Context<'_>) {
        let rule = match (self, before) {
            (Habit::Silent, _) | (_, Habit::Silent) => &rules::ONE_ANSWER,
            _ => &rules::INFORMATION_GIVEN,
        };
        context.check(
            rule,
            self == before,
            || format!("{what} was {}", self.text()),
            format!("{}, as before", before.text()),
        );
    }
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
    pub(crate) fn new(line: CommandLine, moment: Moment, circumstances: Circumstances) -> Asked {
        let Circumstances {
            under_way,
            rate,
            answerable,
            purpose,
        } = circumstances;
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
            purpose,
            told: Vec::new(),
        }
    }

    /// A line that answers it came.
    pub(crate) fn information(&mut self, text: &str, context: &mut Context<'_>) {
        let again = self.told.iter().any(|told| told == text);
        context.check(
            &rules::INFORMATION_GIVEN,
            !again,
            || format!("`{text}` came twice for one command"),
            "each line once",
        );
        if self.told.len() < TOLD_MAX {
            self.told.push(text.to_owned());
        }
    }

    /// Whether an information response came that begins so.
    pub(crate) fn told(&self, beginning: &str) -> bool {
        self.told.iter().any(|told| told.starts_with(beginning))
    }

    /// Whether this line is the echo of it with a byte or two missing.
    pub(crate) fn is_damaged_echo(&self, line: &[u8]) -> bool {
        let sent = &self.line.bytes;
        let missing = sent.len().saturating_sub(line.len());
        // A shorter command says too little: `OK` must not be taken for its remains.
        if sent.len() < 4 || !(1..=ECHO_LOSS_MAX).contains(&missing) {
            return false;
        }
        let mut rest = sent.iter();
        line.iter().all(|byte| rest.any(|other| other == byte))
    }

    /// Whether it is a query that was told something.
    pub(crate) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// Whether nothing was told so far, though something must be.
    pub(crate) fn owes_information(&self) -> bool {
        self.line.tells() && self.told.is_empty()
    }

    /// It ended with `OK`: what did its queries tell?
    fn check_told(&self, context: &mut Context<'_>) {
        if self.purpose == Purpose::Probe {
            return;
        }
        for command in self.line.commands.iter().filter(|command| command.tells()) {
            let told = self.tells_by(&command.name);
            context.check(
                &rules::INFORMATION_GIVEN,
                told,
                || format!("`AT{}` was answered by `OK` alone", command.name),
                "an information response before `OK`",
            );
        }
    }

    fn tells_by(&self, name: &str) -> bool {
        match name {
            "I" => self.told("Revision:"),
            name if name.starts_with('+') => {
                self.told(name) || self.line.may_answer_with_text() && !self.told.is_empty()
            }
            _ => !self.told.is_empty(),
        }
    }

    /// How the module took this probe; `result` is its final result code, if one came.
    pub(crate) fn habit(&self, result: Option<FinalResult>) -> Option<(String, Habit)> {
        if self.purpose != Purpose::Probe || !self.answerable {
            return None;
        }
        let (what, tells) = match self.line.commands.as_slice() {
            [] => return None,
            [command] if command.tells() || command.name == "+CGDCONT" => (
                format!("`AT{}`", command.name),
                self.tells_by(&command.name),
            ),
            [_] => return None,
            several if several.iter().all(Command::tells) => (
                "a line of several commands".to_owned(),
                self.tells_in_order(several),
            ),
            _ => return None,
        };
        let habit = match result {
            None => Habit::Silent,
            Some(FinalResult::Ok) if tells => Habit::Tells,
            Some(FinalResult::Ok) => Habit::Accepts,
            Some(_) => Habit::Refuses,
        };
        Some((what, habit))
    }

    /// Whether each command of a line told something, one after the other.
    fn tells_in_order(&self, commands: &[Command]) -> bool {
        let mut told = self.told.iter();
        commands.iter().all(|command| {
            told.any(|told| match command.name.as_str() {
                "I" | "+CGMR" => told.starts_with("Revision:"),
                name => told.starts_with(name),
            })
        })
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
        context.ledger.relevant(&rules::ONE_ANSWER);
        if ok {
            self.check_told(context);
        }
        match self.what {
            Request::Other => Answer::Other,
            Request::Test => {
                context.check(
                    &rules::TEST_COMMAND,
                    ok && self.told.is_empty(),
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

    /// Whether the deadline of §3.1 has passed for it.
    pub(crate) fn is_overdue(&self, now: Duration) -> bool {
        self.what != Request::Other && now > self.sent + guide::ANSWER_DEADLINE
    }

    /// Whether it began an update, if it was heard.
    pub(crate) fn is_download(&self) -> bool {
        matches!(self.what, Request::Download(_))
    }

    /// It will not be answered any more: the next command was sent, or the run is over.
    /// `last_answer`: when the module answered before.
    pub(crate) fn unanswered(&self, last_answer: Option<Duration>, context: &mut Context<'_>) {
        if !self.answerable {
            return;
        }
        let awake = last_answer.is_some_and(|last| self.moment.at.saturating_sub(last) <= AWAKE);
        // Of these an answer is not guaranteed: `AT+QRST` resets at once.
        let ends_all = self.line.restarts() || self.line.powers_down();
        let (rule, allowed) = match self.what {
            Request::Download(_) | Request::SecondDownload | Request::Test => (
                &rules::ANSWER_IN_TIME,
                "`OK`, `ERROR` or `+CME ERROR: <err>` within 300 ms",
            ),
            Request::Other if awake && !ends_all && self.purpose == Purpose::Step => {
                (&rules::ONE_ANSWER, "a final result code")
            }
            Request::Other => return,
        };
        let what = "no final result code came";
        context
            .ledger
            .found(rule, Verdict::Fail, self.moment, what, allowed);
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
