//! The package server from the outside.

mod alone;
mod apart;
mod catalogue;
mod faults;
mod hostile;
mod lawful;
mod netem;
mod network;
mod parts;
