//! The life of alerts, against a reference model; incidents; journeys.

mod explanations;
mod incidents;
mod journeys;
mod life;
mod story;
