//! The runner.

pub mod diagnostic;
pub mod duration;
pub mod package_server;
pub mod packages;
pub mod scenario;
pub mod schemas;
