//! The life of alerts, against a reference model; incidents; journeys.

mod blame;
mod explanations;
mod incidents;
mod journeys;
mod life;
mod origin;
mod pages;
mod story;
mod users;
