//! Examines a rig: tries what its file claims, one step after the other, and tells what it saw.
//!
//! `doctor` has the steps and how they are told. Here they are taken, each with the moves that
//! cases are made of, so that what is proved is what runs rely on. A step that fails leaves
//! those that need it untaken; the power is off in the end, whatever happens.

mod bench;
mod identity;
mod killed;
mod life;
mod network;
mod off;
mod pulse;
mod pwrkey;
mod supply;

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use dfota::brief::Brief;
use dfota::monitor::Monitor;
use dfota::timeline::{Entry, Event};
use rig::config::{Bench, RigFile};
use rig::virtual_module::Settings;
use rig::{Rig, RigError};

use super::RunError;
use super::inbox::Inbox;
use super::session::{Session, Stop};
use crate::contamination::StateFile;
use crate::doctor::kept::rig_sha256;
use crate::doctor::{Examination, Look, Outcome, Step, Verdict, What};
use crate::evidence::RunFolder;
use crate::guardian::{Guard, Guardian};
use crate::interrupt::{Interrupt, Urgency};
use crate::package_server::{Reports, ServerError};
use crate::report::chain;
use crate::safety::Standing;

/// A virtual module lives at most so many times faster while it is examined: what is measured
/// are milliseconds of a bench, and ours are too coarse for more.
const SPEED_MAX: u32 = 20;

/// The folder of an examination's logs, in its run's.
pub const FOLDER: &str = "doctor";

/// What is told of an examination as it goes.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// A step is under way; some take minutes.
    Begins(What),
    /// A step is over.
    Over(&'a Step),
}

/// Examines the rig of a rig file; a virtual module is made as `settings` says. Each step is
/// `told` as it begins and as it ends, and the logs go below `folder`.
pub fn examine(
    file: &RigFile,
    settings: Settings,
    folder: &RunFolder,
    interrupt: &Interrupt,
    told: &mut dyn FnMut(Told<'_>),
) -> Result<Examination, RunError> {
    let began = jiff::Timestamp::now();
    let mut taken = Taken {
        steps: Vec::new(),
        told,
    };
    taken.begins(What::Lock);
    let start = Instant::now();
    let settings = Settings {
        speed: settings.speed.min(SPEED_MAX),
        ..settings
    };
    let opened = Rig::open(file, settings);
    let took = start.elapsed();
    for (what, outcome) in bench::opened(file, &opened) {
        // Opened in one go: the last that was tried has the time.
        let last = matches!(outcome, Outcome::Failed { .. }) || what == What::Lines;
        taken.add(what, if last { took } else { Duration::ZERO }, outcome);
    }
    let interrupted = match opened {
        Ok(mut rig) => {
            let interrupted = powered(&mut rig, file, folder, interrupt, &mut taken)?;
            drop(rig);
            if !interrupted {
                taken.last(file, folder, interrupt);
            }
            interrupted || interrupt.urgency() != Urgency::None
        }
        Err(RigError::VirtualModule(e)) => return Err(RigError::VirtualModule(e).into()),
        Err(_) => {
            taken.rest(None);
            false
        }
    };
    Ok(Examination {
        verdict: Verdict::of(&taken.steps, interrupted),
        rig: file.source.path.display().to_string(),
        rig_sha256: rig_sha256(file),
        r#virtual: file.is_virtual(),
        began: began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        hil: env!("CARGO_PKG_VERSION").to_owned(),
        steps: taken.steps,
    })
}

/// The steps so far.
struct Taken<'a> {
    steps: Vec<Step>,
    told: &'a mut dyn FnMut(Told<'_>),
}

impl Taken<'_> {
    fn add(&mut self, what: What, took: Duration, outcome: Outcome) {
        let step = Step::new(what, took.as_secs_f64(), outcome);
        (self.told)(Told::Over(&step));
        self.steps.push(step);
    }

    fn begins(&mut self, what: What) {
        (self.told)(Told::Begins(what));
    }

    /// The step that needs a rig that nobody has.
    fn last(&mut self, file: &RigFile, folder: &RunFolder, interrupt: &Interrupt) {
        let start = Instant::now();
        let outcome = match What::Killed.blocked(&self.steps) {
            Some(because) => Outcome::NotRun { because },
            None => {
                self.begins(What::Killed);
                killed::killed(file, &folder.path().join(FOLDER), interrupt)
            }
        };
        self.add(What::Killed, start.elapsed(), outcome);
    }

    /// The steps that nobody can take any more: each for want of one that it needs, or
    /// `because` of something else.
    fn rest(&mut self, because: Option<&str>) {
        for what in What::ALL {
            if self.steps.iter().any(|step| step.step == what) {
                continue;
            }
            let because = because
                .map(str::to_owned)
                .or_else(|| what.blocked(&self.steps))
                .unwrap_or_else(|| "the rig cannot be had".to_owned());
            self.add(what, Duration::ZERO, Outcome::NotRun { because });
        }
    }
}

/// The steps that need a rig that is ours. Whether they were interrupted.
fn powered(
    rig: &mut Rig,
    file: &RigFile,
    folder: &RunFolder,
    interrupt: &Interrupt,
    taken: &mut Taken<'_>,
) -> Result<bool, RunError> {
    let evidence = |source| RunError::Evidence {
        path: folder.path().join(FOLDER),
        source,
    };
    let (inbox, reports) = Inbox::new().map_err(|source| ServerError::Threads { source })?;
    interrupt.tell(inbox.waker().clone());
    let mut nobody = |_: &Entry, _: &Monitor| {};
    let monitor = Monitor::new(&Brief {
        case: FOLDER.to_owned(),
        ..Brief::default()
    });
    let logs = folder.case(FOLDER).map_err(evidence)?;
    // Before anything is powered that could be left so.
    let mut guardian = match &file.bench {
        Bench::Virtual(_) => None,
        Bench::Real(bench) => {
            let log = folder.path().join(FOLDER).join("guardian.jsonl");
            let state = StateFile::of(&bench.console);
            let guard = Guard::default();
            Some(Guardian::start(
                &guard,
                rig,
                file,
                Standing::default(),
                &log,
                state.path(),
            )?)
        }
    };
    let mut session = Session::new(rig, &inbox, interrupt, logs, monitor, &mut nobody);
    session.guarded_by(guardian.as_mut());
    let mut examiner = Examiner {
        session: &mut session,
        file,
        facts: Facts::default(),
        reports,
    };
    let interrupted = examiner.steps(taken);
    // Its console may be gone and the supply not.
    let off = examiner.session.supply_off();
    let is_off = off.is_ok() || examiner.session.rig.supply.release().is_ok();
    let interrupted = interrupted.map_err(evidence)?;
    if let Err(Stop::Evidence(e)) = session.over() {
        return Err(evidence(e));
    }
    // One that is not dismissed takes the power, as often as that needs.
    if let Some(guardian) = guardian.take_if(|_| is_off) {
        guardian.dismiss();
    }
    Ok(interrupted)
}

/// What earlier steps found out and later ones build on.
#[derive(Debug, Default)]
struct Facts {
    /// It answered at the rig's rate.
    answered: bool,
    /// How long it took from the power to its first answer, in our time.
    ready_after: Option<Duration>,
    /// The declared PWRKEY pulse did nothing, and this longer one did.
    long_pulse: Option<Duration>,
    /// What its firmware calls itself.
    version: Option<String>,
}

/// One examination under way.
struct Examiner<'a, 's> {
    session: &'a mut Session<'s>,
    file: &'a RigFile,
    facts: Facts,
    /// Where the package server reports to.
    reports: Reports,
}

impl Examiner<'_, '_> {
    /// Takes every step that is left and needs an open rig. `true`: it was interrupted. Fails only for want of a place
    /// for the evidence.
    fn steps(&mut self, taken: &mut Taken<'_>) -> io::Result<bool> {
        for (index, what) in What::ALL.into_iter().enumerate() {
            if what == What::Killed || taken.steps.iter().any(|step| step.step == what) {
                continue;
            }
            if let Some(because) = what.blocked(&taken.steps) {
                taken.add(what, Duration::ZERO, Outcome::NotRun { because });
                continue;
            }
            taken.begins(what);
            let start = Instant::now();
            let title = what.title().to_owned();
            let outcome = self
                .session
                .happened(Event::Step(index + 1, title))
                .and_then(|()| self.step(what));
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(Stop::Evidence(e)) => return Err(e),
                Err(Stop::Interrupted(_)) => {
                    taken.rest(Some("it was interrupted"));
                    return Ok(true);
                }
                Err(broken) => broke_off(what, &broken),
            };
            taken.add(what, start.elapsed(), outcome);
        }
        Ok(false)
    }

    fn step(&mut self, what: What) -> Result<Outcome, Stop> {
        match what {
            What::Lock | What::Console | What::Lines | What::Killed => Ok(Outcome::NotRun {
                because: "it is no step of an open rig".to_owned(),
            }),
            What::Supply => self.supply(),
            What::Rate => self.rate(),
            What::Module => self.module(),
            What::Boot => self.boot(),
            What::PowerGood => self.power_good(),
            What::Pwrkey => self.pwrkey(),
            What::Pulse => self.pulse(),
            What::Reset => self.reset(),
            What::Off => self.off(),
            What::Discharge => self.discharge(),
            What::Network => self.network(),
            What::Server => self.server(),
        }
    }
}

/// A step that the rig did not let come to its end.
fn broke_off(what: What, broken: &Stop) -> Outcome {
    let look = Look {
        did: format!("tried whether {}", what.title()),
        saw: chain(broken),
        expected: "lines, console and server that do what they are told".to_owned(),
        ..Look::default()
    };
    let check = match broken {
        Stop::Line(_) => {
            "the line that is named: what its file, program or chip says when it is used by hand"
        }
        Stop::Console(_) | Stop::Transmit(_) => {
            "the adapter and its cable: `dmesg` says when it comes and goes"
        }
        Stop::Flood(_) => {
            "RXD with the module's power taken: a wire that floats or oscillates is heard as bytes"
        }
        Stop::Server(_) => "which program has the port: `ss -ltnp`",
        Stop::State(_) => "the folder that keeps the rig's state, or another by HIL_STATE",
        Stop::Evidence(_)
        | Stop::Refused(_)
        | Stop::Interrupted(_)
        | Stop::Unguarded
        | Stop::Panicked(_) => "what is said above",
    };
    failed(look, [check])
}

fn passed(look: Look) -> Outcome {
    Outcome::Passed { look }
}

fn failed<S: Into<String>>(look: Look, check: impl IntoIterator<Item = S>) -> Outcome {
    Outcome::Failed {
        look,
        check: check.into_iter().map(Into::into).collect(),
    }
}

fn skipped(because: impl Into<String>) -> Outcome {
    Outcome::Skipped {
        because: because.into(),
    }
}

/// Figures by name.
fn measured<const N: usize>(figures: [(&str, f64); N]) -> BTreeMap<String, f64> {
    figures
        .into_iter()
        .map(|(name, value)| (name.to_owned(), (value * 10.0).round() / 10.0))
        .collect()
}

/// Milliseconds, for `measured`.
fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A time as a person reads it.
fn human(time: Duration) -> String {
    let ms = ms(time);
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1e3)
    }
}
