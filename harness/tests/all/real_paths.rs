//! `hil run` on benches of real paths: which module is on them, and what they lack.

mod identity;
mod not_had;
