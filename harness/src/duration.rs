//! Durations as a person writes them: the same in scenarios, wire plans and rig files.

pub use rig::duration::{DurationError, deserialize, parse, serialize, spell};
