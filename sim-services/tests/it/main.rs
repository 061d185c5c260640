//! The platform, from the outside.

mod admin;
mod broker;
mod chaos;
mod load;
mod mesh;
mod net;
mod score;
mod service;
mod telemetry;
