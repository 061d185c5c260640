//! The platform, from the outside.
mod telemetry;
