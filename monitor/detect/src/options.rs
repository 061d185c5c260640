//! What a user may say about a signal; names and meanings are vmanomaly's.

use std::time::Duration;

use monitor_core::Direction;
use serde::{Deserialize, Serialize};

use crate::evidence::Most;
use crate::sensitivity::Sensitivity;

/// So often two windows of an Api's that follow each other are strange together when nothing is wrong and
/// p-values are just as they should be: 4.5 of ten thousand (a simulation of 4·10⁷; [`crate::evidence`]) for
/// response time, and as many for traffic. Whoever permits more false alarms than that could not be served by
/// windows that agree.
const AGREE_BY_CHANCE: f64 = 2.0 * 4.5e-4;

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
    /// Where single windows can mislead, one of so many seconds is told of alone; of shorter ones two must
    /// agree.
    pub alone_from: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            data_range: (f64::NEG_INFINITY, f64::INFINITY),
            detection_direction: DetectionDirection::Both,
            min_dev_from_expected: 0.0,
            min_rel_dev_from_expected: 0.0,
            interest: 1.0,
            alone_from: f64::INFINITY,
        }
    }
}

impl Options {
    /// Of an Api that may raise so many false alarms: with more of them smaller deviations are of
    /// interest too, and windows that are strange alone.
    #[must_use]
    pub fn permitted(self, whole: Sensitivity) -> Options {
        let factor = whole.interest();
        Options {
            min_dev_from_expected: self.min_dev_from_expected * factor,
            min_rel_dev_from_expected: self.min_rel_dev_from_expected * factor,
            interest: self.interest * factor,
            alone_from: whole.every(AGREE_BY_CHANCE),
            ..self
        }
    }

    /// How much of an alarm one window of this length may contribute, where it is `share` as usual.
    pub(crate) fn most_of_one(&self, span: Duration, share: f64) -> Most {
        if span.as_secs_f64() < self.alone_from {
            Most::Share(share)
        } else {
            Most::AllTheSame
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

    #[test]
    fn who_permits_more_alarms_than_two_windows_agree_hears_of_single_ones() {
        let alone = |per_week: f64, seconds: u64| {
            Options::default()
                .permitted(Sensitivity::per_week(per_week))
                .most_of_one(Duration::from_secs(seconds), 0.5)
                == Most::AllTheSame
        };
        assert!(!alone(0.1, 600), "as usual two agree");
        assert!(!alone(30.0, 10) && alone(100.0, 10), "of ten seconds each");
        assert!(
            !alone(0.5, 400) && alone(2.0, 400),
            "of an Api with few calls"
        );
    }
}
