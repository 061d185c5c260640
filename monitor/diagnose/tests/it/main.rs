//! The life of alerts, against a reference model.

mod explanations;
mod incidents;
mod life;
mod pages;
mod story;
