//! The platform, from the outside.

mod load;
mod telemetry;
mod score;
