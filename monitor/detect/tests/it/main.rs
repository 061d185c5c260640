//! Detectors and comparison on seeded series.

mod detectors;
mod random;
