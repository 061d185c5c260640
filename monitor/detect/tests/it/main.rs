//! Detectors and comparison on seeded series.

mod comparison;
mod detectors;
mod random;
