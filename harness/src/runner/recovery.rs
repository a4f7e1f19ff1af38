//! Brings a module back that an earlier run left: on, through its update, known, on the base
//! version, off.

use std::time::{Duration, Instant};

use dfota::brief::Brief;
use dfota::monitor::Monitor;
use dfota::timeline::{Entry, Event, Stage};
use serde::Serialize;

use super::depot::Depot;
use super::ending;
use super::rate::answers_at_some_rate;
use super::session::{Session, Stop};
use super::table::Table;
use super::{Run, RunError};
use crate::contamination::Marker;
use crate::evidence::{CaseFolder, RunFolder};
use crate::interrupt::Interrupt;

/// How long is listened for an `END` of the earlier run, in the module's time.
const LATE_END: Duration = Duration::from_secs(10);

/// What a recovery came to.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Recovery {
    /// The module answers, and runs this version.
    Recovered { version: String },
    /// It does not, and why.
    Lost { reason: String },
    /// Somebody asked the run to end.
    Interrupted,
}

/// `recovery.json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    left_by: &'a Marker,
    #[serde(flatten)]
    recovery: &'a Recovery,
    seconds: f64,
}

/// What was left, for whoever waits.
pub(super) fn words(marker: &Marker) -> String {
    let guardian = marker.guardian.as_ref();
    let guardian = guardian.map_or_else(String::new, |did| format!(" (its guardian: {did})"));
    format!(
        "process {} left an update from `{}` to `{}` unfinished at {}{guardian}: recovering the module first",
        marker.pid, marker.base, marker.target, marker.since
    )
}

impl Run {
    pub(super) fn recovery(
        &self,
        table: &mut Table,
        marker: &Marker,
        folder: &RunFolder,
        interrupt: &Interrupt,
    ) -> Result<Recovery, RunError> {
        let began = Instant::now();
        let evidence = |source| RunError::Evidence {
            path: folder.path().join("recovery"),
            source,
        };
        let documents = folder.clone();
        let case_folder = new_folder(folder).map_err(evidence)?;
        let path = case_folder.path().to_owned();
        let mut tell = |_: &Entry, _: &Monitor| {};
        let mut session = Session::new(
            &mut table.rig,
            &table.inbox,
            interrupt,
            case_folder,
            Monitor::new(&Brief::default()),
            &mut tell,
        );
        session.guarded_by(table.guardian.as_mut());
        session.hold_at_most(self.guard.hold_max);
        let depot = Depot {
            server: &table.server,
            packages: &self.packages,
            public: (&table.public.0, table.public.1),
            seed: self.seed,
            lies: &[],
            marking: None,
        };
        let recovery = match recover(&mut session, &depot, marker) {
            Ok(recovery) => {
                // Also of a module that is lost nothing more is hoped for: a guardian that still
                // believed in it would switch it on again when this run ends.
                session.assume_updating(false);
                session.power_off().map(|()| recovery)
            }
            Err(stop) => {
                let interrupted = matches!(stop, Stop::Interrupted(_));
                let why = crate::report::chain(&stop);
                ending::by_policy(&mut session, stop).and_then(|()| match interrupted {
                    true => Ok(Recovery::Interrupted),
                    false => Err(Stop::Refused(why)),
                })
            }
        };
        let recovery = recovery.and_then(|recovery| session.over().map(|_| recovery));
        let recovery = recovery.map_err(|stop| RunError::Recovery(Box::new(stop)))?;
        let name = path.strip_prefix(documents.path()).unwrap_or(&path);
        let document = Document {
            left_by: marker,
            recovery: &recovery,
            seconds: began.elapsed().as_secs_f64(),
        };
        let name = name.join("recovery.json").display().to_string();
        documents.write(&name, &document).map_err(evidence)?;
        Ok(recovery)
    }
}

/// A folder for this recovery, one of several of a run if need be.
fn new_folder(folder: &RunFolder) -> std::io::Result<CaseFolder> {
    let mut names = std::iter::once("recovery".to_owned())
        .chain((2..).map(|number| format!("recovery-{number}")));
    let free = names.find(|name| !folder.path().join(name).exists());
    folder.case(&free.unwrap_or_default())
}

fn recover(
    session: &mut Session<'_>,
    depot: &Depot<'_>,
    marker: &Marker,
) -> Result<Recovery, Stop> {
    let lost = |reason: String| Ok(Recovery::Lost { reason });
    session.happened(Event::Stage(Stage::Prepare))?;
    session.assume_updating(true);
    if !session.rig.supply.is_off() {
        // Nobody is known to have taken its power, and it may be at its flash: it is listened to
        // first.
        session.supply_on()?;
        session.is_on();
        session.rig.take_transmit()?;
        let until = session.held_until();
        ending::hold(session, until)?;
    } else {
        session.power_on()?;
    }
    if !answers_at_some_rate(session)? {
        session.power_off()?;
        session.power_on()?;
        if !answers_at_some_rate(session)? {
            return lost("the module does not answer at any rate, after two power-ups".to_owned());
        }
    }
    let found = session.identify()?;
    if let (Some(left), Some(found)) = (&marker.imei, &found.imei)
        && left != found
    {
        // It is somebody's, and was asked and nothing else.
        return lost(format!(
            "the module with the IMEI {left} was left half-updated, and the one here is {found}: put that one back"
        ));
    }
    session.hear_out(session.pace(LATE_END))?;
    session.assume_updating(false);
    let Some(mut version) = session.probe()? else {
        return lost("the module answers, and tells no version".to_owned());
    };
    if version != marker.base && depot.packages.way(&version, &marker.base).is_some() {
        session.registered()?;
        match depot.walk(session, &version, &marker.base)? {
            Some(now) => version = now,
            None => {
                return lost(format!(
                    "on the way back from `{version}` to `{}` the module fell silent",
                    marker.base
                ));
            }
        }
    }
    if version == marker.base || version == marker.target || depot.packages.knows(&version) {
        return Ok(Recovery::Recovered { version });
    }
    lost(format!(
        "the module runs `{version}`, which is neither `{}` nor `{}`, and no package knows it",
        marker.base, marker.target
    ))
}
