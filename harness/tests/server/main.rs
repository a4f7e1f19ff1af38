//! The package server from the outside.

mod apart;
mod faults;
mod hostile;
mod lawful;
mod parts;
