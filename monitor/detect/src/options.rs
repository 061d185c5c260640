//! What a user may say about a signal; names and meanings are vmanomaly's.

use monitor_core::Direction;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DetectionDirection {
    #[default]
    Both,
    AboveExpected,
    BelowExpected,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Values outside are anomalous whatever was learned.
    pub data_range: (f64, f64),
    pub detection_direction: DetectionDirection,
    /// Smaller absolute deviations from the expected value are normal, in the signal's unit.
    pub min_dev_from_expected: f64,
    /// Smaller relative deviations are normal: 0.2 is a fifth of the expected value.
    pub min_rel_dev_from_expected: f64,
    /// By how much lesser things are of interest than at the usual sensitivity; 1 is as usual.
    pub interest: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            data_range: (f64::NEG_INFINITY, f64::INFINITY),
            detection_direction: DetectionDirection::Both,
            min_dev_from_expected: 0.0,
            min_rel_dev_from_expected: 0.0,
            interest: 1.0,
        }
    }
}

impl Options {
    /// Smaller deviations are of interest too, by this factor.
    #[must_use]
    pub fn interested(self, factor: f64) -> Options {
        Options {
            min_dev_from_expected: self.min_dev_from_expected * factor,
            min_rel_dev_from_expected: self.min_rel_dev_from_expected * factor,
            interest: self.interest * factor,
            ..self
        }
    }

    /// Whether a deviation to this value is one that the user wants to hear of at all.
    pub(crate) fn concerns(&self, actual: f64, expected: f64) -> bool {
        let deviation = actual - expected;
        let direction = match self.detection_direction {
            DetectionDirection::Both => true,
            DetectionDirection::AboveExpected => deviation > 0.0,
            DetectionDirection::BelowExpected => deviation < 0.0,
        };
        direction
            && deviation.abs() >= self.min_dev_from_expected
            && deviation.abs() >= self.min_rel_dev_from_expected * expected.abs()
    }

    pub(crate) fn in_range(&self, actual: f64) -> bool {
        (self.data_range.0..=self.data_range.1).contains(&actual)
    }
}

pub(crate) fn direction(actual: f64, expected: f64) -> Direction {
    if actual < expected {
        Direction::Below
    } else {
        Direction::Above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_deviations_concern_nobody() {
        let options = Options {
            detection_direction: DetectionDirection::AboveExpected,
            min_dev_from_expected: 0.005,
            min_rel_dev_from_expected: 0.2,
            ..Options::default()
        };
        assert!(!options.concerns(0.003, 0.001), "2 ms more");
        assert!(!options.concerns(1.1, 1.0), "a tenth more");
        assert!(!options.concerns(0.1, 1.0), "less");
        assert!(options.concerns(1.3, 1.0));
    }
}
