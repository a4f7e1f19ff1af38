//! The stable rendering of a timeline, for snapshots.
//!
//! It is the same on the virtual module and on hardware, on any machine and at any speed,
//! so it leaves out what differs between two runs that are alike:
//!
//! - times, ports, hosts, and what is named: `{url}`, `{base}`, `{target}`, `{imei}`,
//!   `{model}`;
//! - the numbers in a run of percentages: where a run begins and where it is cut is a race;
//!   that it rises, and whether it reaches 100, is not;
//! - `+CFUN: 1`, `+CPIN`, `+IP` and other URCs, which come late, early or not at all, and
//!   what is said at a boot: some say nothing. That a boot is explained is the judge's affair;
//! - the `START` of a forced update after a power cut, which the guide shows (§3.1 note 1) and
//!   bootloaders of the field cannot print;
//! - lines that are not understood: at a slow fixed rate the bootloader is garbage, and the
//!   judge counts them;
//! - values in information responses, but for the version;
//! - how the module was prepared and what honest update followed: one line each;
//! - how often a request was repeated, and where a broken download was taken up again.
//!
//! Answers stand beside their command, for URCs may come in between. What the server saw
//! has a section of its own, for its log and the console race.

mod served;

use self::served::Served;
use super::{Entry, Event, FaultLife, Pin, Power, Purpose, ServerEvent, Stage};
use crate::brief::{Brief, is_server_fault};
use crate::command::{CommandLine, UrlStanding, url_standing};
use crate::message::{FinalResult, Message};
use crate::urc::{FotaErr, FotaUrc, Urc};

/// Renders a timeline; the brief names what is replaced.
#[must_use]
pub fn render(brief: &Brief, timeline: &[Entry]) -> String {
    let mut renderer = Renderer {
        brief,
        stage: Stage::Steps,
        items: vec![Item::Heading("steps")],
        asked: Asked::Nothing,
        unsent: Vec::new(),
        resuming: false,
        prepared_on: None,
        retry: Retry::default(),
        server: Served::default(),
    };
    for entry in timeline {
        renderer.event(&entry.event);
    }
    renderer.text()
}

/// One line of the rendering.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Heading(&'static str),
    Line(String),
    /// A command of the scenario with its answers.
    Command(String, Vec<String>),
    /// A run of percentages: its last, and whether it ever fell.
    Run {
        word: &'static str,
        last: u32,
        fell: bool,
    },
}

/// Whom the next information response and final result code belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// A probe, or an `AT` to learn whether the module answers.
    ByHarness,
    /// The command at this place in the items.
    ByScenario(usize),
}

#[derive(Clone, Debug, Default)]
struct Retry {
    begun: bool,
    end: Option<FotaErr>,
    before: Option<String>,
    after: Option<String>,
}

struct Renderer<'a> {
    brief: &'a Brief,
    stage: Stage,
    items: Vec<Item>,
    asked: Asked,
    unsent: Vec<u8>,
    /// The supply came back or the module was reset, and neither a command nor a URC of an
    /// update has come since: a `START` now is that of a forced update.
    resuming: bool,
    prepared_on: Option<String>,
    retry: Retry,
    server: Served,
}

impl Renderer<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Stage(stage) => self.stage(*stage),
            Event::Supply { to, .. } => {
                self.resuming = *to == Power::On;
                self.asked = Asked::Nothing;
                self.shown_in_steps(match to {
                    Power::On => "supply on",
                    Power::Off => "supply off",
                });
            }
            Event::Pin {
                pin: Pin::ResetN,
                asserted: true,
            } => {
                self.resuming = true;
                self.shown_in_steps("reset");
            }
            Event::Rate(rate) => self.shown_in_steps(&format!("rate {rate}")),
            Event::Sent { bytes, purpose } => self.sent(bytes, *purpose),
            Event::Received { message, .. } => self.received(message),
            Event::Ready => self.shown_in_steps("ready"),
            Event::Server(ServerEvent::Request {
                connection,
                method,
                range_from,
                ..
            }) if self.stage == Stage::Steps => {
                self.server.request(*connection, method, *range_from);
            }
            Event::Server(event) => self.server.closed(event),
            Event::Fault {
                name,
                life: FaultLife::Fired(_),
            } if is_server_fault(name) => self.server.fault(name),
            Event::Unmet { expectation, .. } => self.line(format!("unmet: {expectation}")),
            Event::Interrupted => self.line("interrupted".to_owned()),
            Event::Trouble(_) => self.line("trouble".to_owned()),
            Event::Fault { .. }
            | Event::Step(..)
            | Event::Rail { .. }
            | Event::Transmit(_)
            | Event::Pin { .. }
            | Event::Reaction { .. } => {}
        }
    }

    fn stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.asked = Asked::Nothing;
        match stage {
            Stage::Aftercare => self.items.push(Item::Heading("aftercare")),
            Stage::Retry => {
                self.retry.begun = true;
                self.retry.before.clone_from(&self.retry.after);
            }
            Stage::Prepare | Stage::Steps => {}
        }
    }

    fn line(&mut self, text: String) {
        self.items.push(Item::Line(text));
    }

    fn shown_in_steps(&mut self, text: &str) {
        if self.stage == Stage::Steps {
            self.line(text.to_owned());
        }
    }

    fn sent(&mut self, bytes: &[u8], purpose: Purpose) {
        self.unsent.extend_from_slice(bytes);
        if !self.unsent.contains(&b'\r') {
            return;
        }
        let line = CommandLine::parse(&std::mem::take(&mut self.unsent));
        if line.bytes.is_empty() {
            return;
        }
        if purpose != Purpose::Step || self.stage != Stage::Steps {
            self.asked = Asked::ByHarness;
            return;
        }
        self.resuming &= line.download().is_none();
        self.asked = Asked::ByScenario(self.items.len());
        self.items
            .push(Item::Command(show_command(&line), Vec::new()));
    }

    fn received(&mut self, message: &Message) {
        match message {
            Message::Information(text) => self.information(text),
            Message::FinalResult(result) => {
                self.answer(match result {
                    FinalResult::Ok => "OK".to_owned(),
                    FinalResult::Error => "ERROR".to_owned(),
                    FinalResult::CmeError(Some(code)) => format!("+CME ERROR: {code}"),
                    FinalResult::CmeError(None) => "+CME ERROR".to_owned(),
                });
                self.asked = Asked::Nothing;
            }
            Message::Urc(Urc::Fota(urc)) => self.fota(urc),
            Message::Echo | Message::Unrecognised | Message::BootText(_) | Message::Urc(_) => {}
        }
    }

    fn information(&mut self, text: &str) {
        let version = text.strip_prefix("Revision:").map(str::trim);
        if let Some(version) = version {
            self.version_read(version);
        }
        if let Asked::ByScenario(_) = self.asked {
            let shown = match (version, text.split_once(':')) {
                (Some(_), _) => self.named(text),
                (None, Some((name, _))) if name.starts_with('+') => format!("{name}: …"),
                (None, _) => self.named(text),
            };
            self.answer(shown);
        }
    }

    fn version_read(&mut self, version: &str) {
        let shown = self.named(version);
        self.retry.after = Some(version.to_owned());
        match (self.stage, self.asked) {
            (Stage::Prepare, _) => self.prepared_on = Some(shown),
            (Stage::Steps | Stage::Aftercare, Asked::ByHarness) => {
                let line = Item::Line(format!("firmware {shown}"));
                if self.items.last() != Some(&line) {
                    self.items.push(line);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, text: String) {
        if let Asked::ByScenario(place) = self.asked
            && let Some(Item::Command(_, answers)) = self.items.get_mut(place)
        {
            answers.push(text);
        }
    }

    fn fota(&mut self, urc: &FotaUrc) {
        if let (Stage::Retry, FotaUrc::End(code)) = (self.stage, urc) {
            self.retry.end = Some(*code);
        }
        if matches!(self.stage, Stage::Prepare | Stage::Retry) {
            return;
        }
        let forced = std::mem::take(&mut self.resuming);
        match urc {
            FotaUrc::Start if forced => {}
            FotaUrc::HttpStart => self.line("FOTA HTTPSTART".to_owned()),
            FotaUrc::Downloading(percent) => self.percent("DOWNLOADING", *percent),
            FotaUrc::HttpEnd(code) => self.line(format!("FOTA HTTPEND {}", code.0)),
            FotaUrc::Start => self.line("FOTA START".to_owned()),
            FotaUrc::Updating { percent, .. } => self.percent("UPDATING", *percent),
            FotaUrc::End(code) => self.line(format!("FOTA END {}", code.0)),
            FotaUrc::Unknown(form) => self.line(format!("FOTA {form}")),
        }
    }

    fn percent(&mut self, this: &'static str, percent: u32) {
        if let Some(Item::Run { word, last, fell }) = self.items.last_mut()
            && *word == this
        {
            *fell |= percent < *last;
            *last = percent;
            return;
        }
        self.items.push(Item::Run {
            word: this,
            last: percent,
            fell: false,
        });
    }

    /// Puts names in place of what differs from bench to bench.
    fn named(&self, text: &str) -> String {
        let brief = self.brief;
        let mut names: Vec<(&str, &str)> = vec![
            (&brief.target, "{target}"),
            (&brief.base, "{base}"),
            (&brief.model, "{model}"),
        ];
        if let Some(imei) = &brief.imei {
            names.push((imei, "{imei}"));
        }
        // The longer first: one version may begin like the other.
        names.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        names
            .into_iter()
            .filter(|(value, _)| !value.is_empty())
            .fold(text.to_owned(), |text, (value, name)| {
                text.replace(value, name)
            })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(version) = &self.prepared_on {
            text += &format!("prepared on {version}\n");
        }
        for item in &self.items {
            match item {
                Item::Heading(heading) => text += &format!("{heading}:\n"),
                Item::Line(line) => text += &format!("  {line}\n"),
                Item::Command(command, answers) => {
                    text += &format!("  -> {command}\n");
                    for answer in answers {
                        text += &format!("     {answer}\n");
                    }
                }
                Item::Run { word, last, fell } => {
                    let how = match (fell, last) {
                        (true, _) => "…, falling",
                        (false, 100) => "to 100%",
                        (false, _) => "…, rising",
                    };
                    text += &format!("  FOTA {word} {how}\n");
                }
            }
        }
        if self.retry.begun {
            text += &format!("retry: {}\n", self.retry.outcome());
        }
        text + &self.server.text()
    }
}

impl Retry {
    fn outcome(&self) -> String {
        match (self.end, &self.before, &self.after) {
            (Some(FotaErr(0)), ..) => "an honest update succeeded".to_owned(),
            (Some(code), ..) => format!("an honest update ended with END {}", code.0),
            (None, Some(before), Some(after)) if before != after => {
                "an honest update succeeded".to_owned()
            }
            (None, ..) => "an honest update changed nothing".to_owned(),
        }
    }
}

/// A command line of the scenario, with names for its URL.
fn show_command(line: &CommandLine) -> String {
    let Some(argument) = line.download() else {
        return crate::transcript::escape(&line.bytes);
    };
    let url = argument.trim_matches('"');
    match url_standing(argument) {
        UrlStanding::Lawful if url.len() == crate::guide::URL_LEN_MAX => {
            "AT+QFOTADL=\"{url}\" (255 bytes)".to_owned()
        }
        UrlStanding::Lawful => "AT+QFOTADL=\"{url}\"".to_owned(),
        UrlStanding::Unlawful(why) | UrlStanding::Undecided(why) => {
            format!("AT+QFOTADL={{url}} ({why})")
        }
    }
}
