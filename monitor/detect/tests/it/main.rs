//! Detectors on seeded series.

mod detectors;
mod isolation;
mod random;
