//! The wiring of the monitor: arguments, threads and tasks, the clock, adapters to the outside.
//!
//! Decides nothing by itself: what is normal, anomalous or to be told is decided by the pure crates
//! that this one connects to sockets, files and time.

pub mod archive;
pub mod clock;
pub mod config;
mod configuration;
mod deeds;
pub mod embedded;
pub mod follow;
pub mod heart;
mod indexer;
pub mod intake;
mod metrics;
mod models;
pub mod notify;
mod probes;
pub mod replay;
pub mod run;
mod servers;
pub mod signals;
pub mod telemetry;
pub mod templates;
mod wording;
mod worker;
