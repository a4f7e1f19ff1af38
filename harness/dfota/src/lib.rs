//! What a BC26 or BC20 says during a firmware update, understood and judged.
//!
//! ```text
//! bytes ─▶ lines ─▶ messages ─▶ timeline ─▶ findings ─▶ verdict
//! ```
//!
//! No I/O, no clock, no packages beside `std`, and no panic on any bytes.

#![forbid(unsafe_code)]

pub mod brief;
pub mod command;
pub mod explain;
pub mod guide;
pub mod line;
pub mod message;
pub mod monitor;
pub mod outcomes;
pub mod reader;
pub mod rules;
pub mod timeline;
pub mod transcript;
pub mod urc;
pub mod verdict;

pub use brief::Brief;
pub use monitor::{Monitor, judge};
