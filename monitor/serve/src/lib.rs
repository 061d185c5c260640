//! axum and tonic: receivers, query API, WebSocket, page, metrics.
//!
//! Knows neither tantivy nor the engine: everything comes through [`Ports`].

pub mod ports;
pub mod query;
pub mod receive;

pub use ports::{Clock, Intake, LiveEvent, Ports, Refused};
