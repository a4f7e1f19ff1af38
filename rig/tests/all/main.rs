//! The tests of what touches a wire, all in one program: most of them wait for modules, and here
//! they wait together. Each module says what it tests; `cargo test --test all pty::` runs one.

// What they share.
mod told;
mod tty;

mod against_the_guide;
mod before_the_judge;
mod cuts;
mod defects;
#[cfg(target_os = "linux")]
mod gpio_sim;
mod life;
mod pty;
mod rail;
mod rig_file;
mod rig_lies;
mod standalone;
mod whatever_is_done;
