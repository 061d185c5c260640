//! The platform, from the outside.

mod broker;
mod load;
mod mesh;
mod net;
mod telemetry;
mod service;
mod chaos;
