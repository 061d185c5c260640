//! A node's log collector: follows container logs, adds what Kubernetes knows of their pods, and
//! forwards them to a monitor by OTLP.
//!
//! `crosswatch agent` is [`run::run`]. [`follow`] reads files and decides what is new (time and
//! metadata are arguments), [`from_api`] does without files, [`cluster`] knows the node's pods, [`deliver`] sends, spools while the
//! monitor is away, and remembers how far everything is safe. What log lines mean, and which of
//! them belong together, is left to the monitor.

pub mod args;
mod clock;
pub mod cluster;
pub mod deliver;
pub mod explain;
pub mod follow;
pub mod from_api;
pub mod metrics;
pub mod otlp;
pub mod run;
mod serve;
