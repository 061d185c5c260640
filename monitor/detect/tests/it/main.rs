//! Detectors on seeded series.

mod clocks;
mod detectors;
mod isolation;
mod random;
