//! Forecasts against what came, and against forecasts that need no model.
//!
//! [`read`] takes any series of `timestamp,value` lines, as the Numenta Anomaly Benchmark has them;
//! [`synthetic`] makes some whose nature is known; [`report`] runs the production forecaster over each,
//! value by value, and says how often its 90 % intervals held, how large its errors were and how those
//! compare with the value at the time (naive) and the value of the same time a day before (seasonal
//! naive). No value is seen before it is forecast, and nothing is chosen by series.

pub mod read;
pub mod report;
pub mod synthetic;

/// A signal to forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    /// Seconds of Unix time, ascending.
    pub secs: Vec<f64>,
    pub values: Vec<f64>,
}
