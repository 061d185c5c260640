//! The platform, from the outside.

mod broker;
mod load;
mod mesh;
mod telemetry;
mod net;
