//! The Numenta Anomaly Benchmark: univariate streams with labelled windows.
//!
//! A. Lavin, S. Ahmad, "Evaluating real-time anomaly detection algorithms – the Numenta anomaly
//! benchmark", ICMLA 2015. [`read`] takes its directory, [`detect`] runs our detector over it as it
//! would run in production (one value after another, nothing known of the future), [`score`] holds
//! the official rules, [`report`] compares with what others published on the same files.

pub mod detect;
pub mod read;
pub mod report;
pub mod score;
pub mod write;
