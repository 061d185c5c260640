//! The platform, from the outside.

mod broker;
mod chaos;
mod load;
mod mesh;
mod net;
mod service;
mod telemetry;
