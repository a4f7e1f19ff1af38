//! The package server from the outside.

mod alone;
mod answers;
mod apart;
mod catalogue;
mod faults;
mod hostile;
mod lawful;
mod netem;
mod network;
mod parts;
mod peers;
mod soak;
