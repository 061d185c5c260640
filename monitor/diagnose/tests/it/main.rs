//! The life of alerts, against a reference model; incidents; causes in recordings.

mod blame;
mod explanations;
mod incidents;
mod life;
mod origin;
mod story;
