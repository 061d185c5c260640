//! Detectors on seeded series.

mod clocks;
mod detectors;
mod random;
