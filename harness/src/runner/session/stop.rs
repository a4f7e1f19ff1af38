//! Why a session cannot go on.

use std::io;

use rig::console::ConsoleError;
use rig::line::LineError;
use rig::transmit::TransmitError;

use crate::contamination::StateError;
use crate::interrupt::Urgency;
use crate::package_server::ServerError;

/// Why a session cannot go on. What the module did wrong is never here: that is a finding.
#[derive(Debug, thiserror::Error)]
pub(in crate::runner) enum Stop {
    /// The console failed.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// A line failed.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Our transmit line could not be switched.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
    /// The evidence cannot be written.
    #[error("cannot write evidence")]
    Evidence(#[from] io::Error),
    /// The module said more than a case may hold.
    #[error("the module floods: {0}")]
    Flood(&'static str),
    /// The package server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A step cannot be done on this rig.
    #[error("{0}")]
    Refused(String),
    /// Nobody would act for this process any more, so it ends while it can.
    #[error(
        "the guardian of this run is gone, or does not answer: see `guardian.jsonl`, and who ended it"
    )]
    Unguarded,
    /// What the rig remembers cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The harness has a defect.
    #[error("the runner panicked: {0}")]
    Panicked(String),
    /// The person at the terminal, or the system, asked the run to end.
    #[error("interrupted")]
    Interrupted(Urgency),
}

impl Stop {
    /// What a panic was about.
    pub(in crate::runner) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panicked(text.unwrap_or("without a word").to_owned())
    }
}
