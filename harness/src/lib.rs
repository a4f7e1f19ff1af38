//! The runner.

pub mod scenario;
