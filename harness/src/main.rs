//! The `hil` binary.

fn main() {}
