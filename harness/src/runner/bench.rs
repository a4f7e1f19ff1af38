//! A run on a real bench: one case after the other, guarded, from a module that is sound.

use std::thread;
use std::time::{Duration, Instant};

use rig::config::RealBench;
use rig::lock::LockError;
use rig::{Rig, RigError};

use super::recovery::{self, Recovery};
use super::table::Table;
use super::{Observer, Run, RunError};
use crate::contamination::{Marker, StateFile};
use crate::evidence::RunFolder;
use crate::guardian::Guardian;
use crate::interrupt::{Interrupt, Urgency};
use crate::report::Finished;
use crate::safety::{END_WITHIN, HOLD_MAX, Standing};
use crate::scenario::Case;
use crate::systemd;

/// How long the guardian of a run that died may keep the rig: it holds the power, drains `END`,
/// and has lines to switch.
const GUARDED_MAX: Duration = HOLD_MAX
    .saturating_add(END_WITHIN)
    .saturating_add(Duration::from_secs(60));
/// How often is looked whether the rig is free.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Run {
    pub(super) fn on_the_bench(
        &self,
        bench: &RealBench,
        cases: &[Case],
        folder: &RunFolder,
        interrupt: &Interrupt,
        observer: &dyn Observer,
    ) -> Result<Vec<Finished>, RunError> {
        let state = StateFile::of(&bench.console);
        let (rig, left) = self.take(bench, &state, interrupt, observer)?;
        // Before anything is powered that could have to be cared for.
        let log = folder.path().join("guardian.jsonl");
        let standing = match left {
            Some(_) if !rig.supply.is_off() => Standing::left_powered(),
            // What is off can stay so until somebody recovers it.
            Some(_) | None => Standing::default(),
        };
        let (guard, file) = (&self.guard, &self.rig);
        let guardian = Guardian::start(guard, &rig, file, standing, &log, state.path())?;
        let mut table = Table::set(self, rig, interrupt)?;
        table.guardian = Some(guardian);
        table.state = Some(state.clone());
        if let Some(marker) = left {
            self.recover(&mut table, &state, &marker, folder, interrupt, observer)?;
        }
        let mut finished = Vec::with_capacity(cases.len());
        let mut unusable = None;
        for case in cases {
            if interrupt.urgency() != Urgency::None {
                break;
            }
            // An adapter that came back while the case before ended is another tty.
            table.rig.console.open_again();
            // A case may end with a module that does not answer, or runs what nobody knows.
            if unusable.is_none()
                && let Some(marker) = state.marker()?
            {
                let recovered =
                    self.recover(&mut table, &state, &marker, folder, interrupt, observer);
                unusable = recovered.err();
            }
            finished.push(match &unusable {
                None => self.one(&mut table, case, folder, interrupt, observer)?,
                Some(why) => self.leave_out(case, why, folder, observer)?,
            });
        }
        systemd::stopping();
        // One that is not dismissed takes the power, as often as that needs.
        let is_off = table.rig.supply.is_off();
        if let Some(guardian) = table.guardian.take_if(|_| is_off) {
            guardian.dismiss();
        }
        Ok(finished)
    }

    /// Takes the rig, as soon as the guardian of an earlier run gives it back; and what that run
    /// left.
    fn take(
        &self,
        bench: &RealBench,
        state: &StateFile,
        interrupt: &Interrupt,
        observer: &dyn Observer,
    ) -> Result<(Rig, Option<Marker>), RunError> {
        let until = Instant::now() + GUARDED_MAX;
        let mut told = false;
        loop {
            let left = state.marker()?;
            // A module that was left may be at its flash, with its power on.
            let opened = match left {
                Some(_) => Rig::open_as_is(&self.rig, bench),
                None => Rig::open(&self.rig, rig::virtual_module::Settings::default()),
            };
            let guarded = match opened {
                Ok(rig) => return Ok((rig, left)),
                Err(RigError::Lock(guarded @ LockError::Guarded { .. })) => guarded,
                Err(other) => return Err(other.into()),
            };
            if Instant::now() >= until {
                return Err(RigError::Lock(guarded).into());
            }
            if interrupt.urgency() != Urgency::None {
                return Err(RunError::Interrupted);
            }
            if !std::mem::replace(&mut told, true) {
                observer.says(&guarded.to_string());
            }
            systemd::alive();
            thread::sleep(LOOK_EVERY);
        }
    }

    fn recover(
        &self,
        table: &mut Table,
        state: &StateFile,
        marker: &Marker,
        folder: &RunFolder,
        interrupt: &Interrupt,
        observer: &dyn Observer,
    ) -> Result<(), RunError> {
        observer.says(&recovery::words(marker));
        match self.recovery(table, marker, folder, interrupt)? {
            Recovery::Recovered { version } => {
                observer.says(&format!("recovered: the module runs `{version}`"));
                Ok(state.clear()?)
            }
            Recovery::Interrupted => Ok(()),
            Recovery::Lost { reason } => {
                state.condemn(reason, marker.clone())?;
                state.marker().map(drop).map_err(RunError::State)
            }
        }
    }

    /// A case that finds no usable module.
    fn leave_out(
        &self,
        case: &Case,
        why: &RunError,
        folder: &RunFolder,
        observer: &dyn Observer,
    ) -> Result<Finished, RunError> {
        observer.begins(case);
        let evidence = |source| RunError::Evidence {
            path: folder.path().join(&case.id),
            source,
        };
        let case_folder = folder.case(&case.id).map_err(evidence)?;
        let path = case_folder.path().to_owned();
        let why = crate::report::chain(why);
        let finished = Finished::skipped(case, self.brief(case), why, path);
        let finished = finished.with(self, None, Duration::ZERO);
        finished.write().map_err(evidence)?;
        observer.over(&finished);
        Ok(finished)
    }
}
