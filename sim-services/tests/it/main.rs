//! The platform, from the outside.

mod broker;
mod load;
mod mesh;
mod telemetry;
mod score;
mod net;
mod chaos;
mod service;
