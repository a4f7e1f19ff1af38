//! Everything that touches a wire.

pub mod virtual_module;
