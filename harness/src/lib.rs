//! The runner.

pub mod duration;
pub mod scenario;
