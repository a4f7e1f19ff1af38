//! Everything that touches a wire.

pub mod config;
pub mod duration;
pub mod delta;
pub mod virtual_module;
pub mod written;
