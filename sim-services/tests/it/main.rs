//! The platform, from the outside.

mod admin;
mod broker;
mod chaos;
mod load;
mod mesh;
mod telemetry;
mod score;
mod net;
mod service;
mod telemetry;
