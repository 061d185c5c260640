//! Scores the production detectors, unmodified, on public benchmarks by the benchmarks' own rules.
//!
//! Works on any directory in a benchmark's format, or on the archive of one. What is read is data,
//! what comes out is a value; printing is the command line's. The same input gives the same bytes.

pub mod baselines;
pub mod failures;
pub mod forecast;
pub mod journeys;
pub mod nab;
pub mod nezha;
pub mod petshop;
pub mod quiet;
pub mod vus;
