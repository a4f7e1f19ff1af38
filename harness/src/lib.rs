//! `hil`: a hardware-in-the-loop test harness for the firmware update of BC26 and BC20 modules.
//!
//! ```text
//!  wire ─▶ bytes ─▶ lines ─▶ messages ─▶ timeline ─▶ findings ─▶ verdict ─▶ report
//!  └── rig ──┘ └───────────── dfota: no I/O, no clock ─────────────┘ └─ here ─┘
//! ```
//!
//! In reading order: what a person writes (`scenario`, `packages`), what is done with it
//! (`runner`, `package_server`), what a module is owed when it cannot go on (`safety`), what is left of it (`evidence`, `snapshot`, `report`,
//! `replay`, `coverage`), whether the judge can say no (`selftest`), and the command line.

pub mod diagnostic;
pub mod duration;
pub mod packages;
pub mod scenario;
pub mod schemas;

pub mod contamination;
pub mod guardian;
pub mod interrupt;
pub mod package_server;
pub mod runner;
pub mod safety;
pub mod systemd;
pub mod waker;

pub mod coverage;
pub mod doctor;
pub mod evidence;
pub mod replay;
pub mod report;
pub mod selftest;
pub mod snapshot;

pub mod cli;
pub mod exit_code;
pub mod home;
