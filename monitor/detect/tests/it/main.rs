//! Detectors on seeded series.

mod detectors;
mod random;
