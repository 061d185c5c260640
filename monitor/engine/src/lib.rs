//! The heart of the monitor, without IO: observations and `now` in, effects out.
//!
//! The monitor's worker thread and `replay` both drive an [`Engine`]. Nothing here reads a clock,
//! opens a file or spawns a task; what has to happen in the world comes back as an [`Effect`].

mod api;
mod backtest;
mod bucket;
mod clocks;
mod combinations;
mod config;
mod contract;
mod contrast;
mod dependency;
mod dimensions;
mod engine;
mod episode;
mod familiar;
mod feedback;
mod fills;
mod flows;
mod journey_risk;
mod journey_steps;
mod kin;
mod ledger;
mod levels;
mod lineage;
mod log_format;
mod manage;
mod models;
mod newcomers;
mod numbers;
mod objectives;
mod peers;
mod places;
mod risk;
mod rollup;
mod service;
mod sizes;
mod snapshot;
mod source;
mod tally;
mod trial;
mod vanished;
mod view;
mod vitals;
mod warnings;
mod window;

pub use backtest::{Backtest, BacktestPlan, BadPlan};
pub use config::{Clock, EngineConfig};
pub use engine::{Effect, Engine, RestoreError};
pub use rollup::{SeriesPoint, Step};
pub use trial::{Models, TrialError};
