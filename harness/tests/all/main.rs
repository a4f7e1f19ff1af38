//! The tests of the library and of `hil`, all in one program: most of them wait for modules, and
//! here they wait together. Each module says what it tests; `cargo test --test all cli::` runs one.

// What they share.
mod bench;
mod json_schema;
mod module_process;
mod own_module;
mod patient;
mod process;
mod relay;
mod skipped;
mod stubborn;
mod suite;
mod tables;

mod another_run;
mod cli;
mod coverage;
mod doctor;
mod ending;
mod foreign;
mod gpio_sim;
mod guarded;
mod guardian;
mod holding;
mod judge;
mod mistakes;
mod packages;
mod power;
mod reaction;
mod real_paths;
mod scenario_files;
mod scenarios;
mod schemas;
mod selftest;
mod server;
mod signals;
