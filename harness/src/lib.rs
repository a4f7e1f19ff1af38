//! The runner.

pub mod duration;
pub mod package_server;
pub mod scenario;
