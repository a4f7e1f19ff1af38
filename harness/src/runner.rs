//! Runs cases on a rig and has them judged.
//!
//! `session` is the one loop: everything that happens passes through it. `moves` are what is
//! done again and again, `case` is the order of a case's stages. Here stands what is around a
//! case: its rig, its server, its folder, its verdict. A real bench runs one case after the
//! other; virtual modules are as many as there are jobs.

mod bench;
mod briefing;
mod case;
mod depot;
mod ending;
pub mod examine;
mod fresh;
pub(crate) mod identity;
mod inbox;
mod lies;
mod moves;
mod rate;
pub mod reaction;
mod recovery;
mod session;
mod table;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dfota::brief::Brief;
use dfota::monitor::Monitor;
use dfota::timeline::{Entry, Event};
use dfota::verdict::Verdict;
use rig::config::{Bench, RigFile};
use rig::virtual_module::Defect;
use rig::{Rig, RigError};

pub use self::briefing::factory_settings;
use self::case::Around;
use self::depot::Depot;
use self::identity::{Memory, Met};
use self::session::{Over, Session, Stop};
use self::table::{Table, marking};
use crate::contamination::StateError;
use crate::evidence::RunFolder;
use crate::guardian::{Guard, GuardianError};
use crate::interrupt::{Interrupt, Urgency};
use crate::package_server::ServerError;
use crate::packages::{Package, Packages};
use crate::report::Finished;
use crate::scenario::Case;

/// How a run is done.
#[derive(Debug)]
pub struct Run {
    /// The bench.
    pub rig: RigFile,
    /// All packages, checked.
    pub packages: Packages,
    /// Every random choice comes from it.
    pub seed: u64,
    /// Whether the sequence is compared with the accepted one.
    pub snapshots: bool,
    /// How many virtual modules live at a time; a real bench has one.
    pub jobs: usize,
    /// Defects that the virtual module has in each case, beside those of its scenario.
    pub defects: Vec<Defect>,
    /// Who acts for this process on a real bench when this process is gone.
    pub guard: Guard,
}

/// Told what happens while it happens.
pub trait Observer: Sync {
    /// A case begins.
    fn begins(&self, case: &Case);
    /// Something happened in a case.
    fn happened(&self, case: &Case, entry: &Entry, monitor: &Monitor);
    /// Something is odd that is no finding.
    fn warns(&self, case: &Case, what: &str);
    /// A case is over.
    fn over(&self, finished: &Finished);
    /// Something is to be known about the rig, in a sentence.
    fn says(&self, what: &str) {
        let _ = what;
    }
}

/// Nothing can be run on this rig.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bench cannot be had.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// The package server cannot be had.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The bench has no guardian.
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    /// What the rig remembers forbids a run, or cannot be had.
    #[error(transparent)]
    State(#[from] StateError),
    /// The module that an earlier run left cannot be recovered, because the rig broke.
    #[error("cannot recover the module that an earlier run left")]
    Recovery(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The run was interrupted before it had the rig.
    #[error("interrupted; the rig was not touched")]
    Interrupted,
    /// The evidence cannot be written.
    #[error("cannot write evidence to `{}`", path.display())]
    Evidence {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Run {
    /// Runs all cases and returns them in the order in which they were given. An interrupt ends
    /// the cases that are under way, in order, and begins no others.
    pub fn all(
        &self,
        cases: &[Case],
        folder: &RunFolder,
        interrupt: &Interrupt,
        observer: &dyn Observer,
    ) -> Result<Vec<Finished>, RunError> {
        match &self.rig.bench {
            Bench::Virtual(_) => self.on_virtual_modules(cases, folder, interrupt, observer),
            Bench::Real(bench) => self.on_the_bench(bench, cases, folder, interrupt, observer),
        }
    }

    fn on_virtual_modules(
        &self,
        cases: &[Case],
        folder: &RunFolder,
        interrupt: &Interrupt,
        observer: &dyn Observer,
    ) -> Result<Vec<Finished>, RunError> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(cases.len()));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, cases.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::SeqCst);
                        let Some(case) = cases.get(index) else {
                            return;
                        };
                        if interrupt.urgency() != Urgency::None {
                            return;
                        }
                        let done = self.on_its_own_module(case, folder, interrupt, observer);
                        let failed = done.is_err();
                        results
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .push((index, done));
                        if failed {
                            next.store(cases.len(), Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        let mut results = results
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, done)| done).collect()
    }

    fn on_its_own_module(
        &self,
        case: &Case,
        folder: &RunFolder,
        interrupt: &Interrupt,
        observer: &dyn Observer,
    ) -> Result<Finished, RunError> {
        let settings = self.settings(case);
        let mut table = Table::set(self, Rig::open(&self.rig, settings)?, interrupt)?;
        self.one(&mut table, case, folder, interrupt, observer)
    }

    /// One case on a bench that is set.
    fn one(
        &self,
        table: &mut Table,
        case: &Case,
        folder: &RunFolder,
        interrupt: &Interrupt,
        observer: &dyn Observer,
    ) -> Result<Finished, RunError> {
        observer.begins(case);
        let started = Instant::now();
        let evidence = |source| RunError::Evidence {
            path: folder.path().join(&case.id),
            source,
        };
        let case_folder = folder.case(&case.id).map_err(evidence)?;
        case_folder
            .write_text("scenario.toml", &case.scenario.source)
            .map_err(evidence)?;
        let brief = self.brief(case);
        let memory = self.memory();
        let lies = self.defects(case);
        let met = RefCell::new(None);
        let finished = match self.why_skipped(&table.rig, case) {
            Some(why) => Finished::skipped(case, brief, why, case_folder.path().to_owned()),
            None => {
                let path = case_folder.path().to_owned();
                let person = lies::person(&lies, table.inbox.waker());
                let interrupt = person.as_ref().unwrap_or(interrupt);
                let mut tell = |entry: &Entry, monitor: &Monitor| {
                    if let Some(person) = &person {
                        lies::end_the_run(person, entry);
                    }
                    observer.happened(case, entry, monitor);
                };
                let mut session = Session::new(
                    &mut table.rig,
                    &table.inbox,
                    interrupt,
                    case_folder,
                    Monitor::new(&brief),
                    &mut tell,
                );
                session.guarded_by(table.guardian.as_mut());
                session.hold_at_most(self.guard.hold_max);
                let around = Around {
                    case,
                    made_for_this: self.rig.is_virtual(),
                    package: self.package(case),
                    depot: Depot {
                        server: &table.server,
                        packages: &self.packages,
                        public: (&table.public.0, table.public.1),
                        seed: self.seed,
                        lies: &lies,
                        marking: marking(table.state.as_ref(), &self.rig, folder),
                    },
                    wanted: &self.rig.module,
                    met: &|module| {
                        let module = Met::now(module, memory.as_ref());
                        if let Some(warning) = module.warning() {
                            observer.warns(case, &warning);
                        }
                        met.replace(Some(module));
                    },
                };
                let over = case::run(&mut session, &around).and_then(|()| session.over());
                match over {
                    Ok(over) => self.conclude(case, brief, over).map_err(evidence)?,
                    Err(Stop::Evidence(e)) => return Err(evidence(e)),
                    Err(broken) => Finished::broken(case, brief, &broken, path),
                }
            }
        };
        let finished = finished.with(self, met.into_inner(), started.elapsed());
        finished.write().map_err(evidence)?;
        observer.over(&finished);
        Ok(finished)
    }

    fn conclude(&self, case: &Case, brief: Brief, over: Over) -> io::Result<Finished> {
        let judgement = over.monitor.conclude();
        // What a person ended early is no sequence to accept, and leaves none to review.
        let whole = !over
            .timeline
            .iter()
            .any(|entry| matches!(entry.event, Event::Interrupted));
        let snapshot = if self.snapshots && whole && case.has_one_sequence() {
            let text = dfota::timeline::render(&brief, &over.timeline);
            Some(crate::report::compare_snapshot(case, &text, &self.rig)?)
        } else {
            None
        };
        Ok(Finished::judged(
            case,
            brief,
            judgement,
            snapshot,
            over.timeline,
            over.folder.path().to_owned(),
        ))
    }

    /// What this bench remembers of its module; a virtual one is made anew for each case.
    fn memory(&self) -> Option<Memory> {
        match &self.rig.bench {
            Bench::Virtual(_) => None,
            Bench::Real(bench) => Some(Memory::of(&bench.console)),
        }
    }

    fn package(&self, case: &Case) -> Option<&Package> {
        self.packages.get(case.scenario.package.as_deref()?).ok()
    }
}

/// The strongest verdict of a run; `pass` only when something passed and nothing else came.
#[must_use]
pub fn strongest(finished: &[Finished]) -> Option<Verdict> {
    finished.iter().map(|f| f.verdict).max()
}

/// Where a run's snapshots are: beside the scenario, in `accepted`.
#[must_use]
pub fn accepted_dir(scenario: &Path) -> PathBuf {
    scenario
        .parent()
        .unwrap_or_else(|| Path::new(""))
        .join("accepted")
}
