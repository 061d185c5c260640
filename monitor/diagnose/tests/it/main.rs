//! The life of alerts, against a reference model.

mod blame;
mod explanations;
mod incidents;
mod life;
mod origin;
mod story;
