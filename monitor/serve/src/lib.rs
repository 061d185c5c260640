//! axum and tonic: receivers, query API, WebSocket, page, metrics.
//!
//! Knows neither tantivy nor the engine: everything comes through [`Ports`].

pub mod configuration;
mod health;
mod live;
mod metrics;
mod openapi;
mod page;
pub mod ports;
mod query;
pub mod receive;
mod site;
pub mod workloads;

pub use openapi::openapi_json;
pub use ports::{
    About, BacktestAnswer, BacktestRequest, Changes, Clock, Configurations, Forecasts, Foreseen,
    Intake, Kept, LiveEvent, Models, ModelsError, NotKept, Opinion, Ports, Refused, Scored, Wanted,
};
pub use site::router;

use site::Shared;

/// All crates of the workspace have one version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Given by whoever builds a release: `CROSSWATCH_REVISION=$(git rev-parse --short HEAD)`.
const REVISION: Option<&str> = option_env!("CROSSWATCH_REVISION");
