//! The life of alerts, against a reference model; incidents; journeys.

mod blame;
mod explanations;
mod incidents;
mod journeys;
mod life;
mod pages;
mod origin;
mod story;
