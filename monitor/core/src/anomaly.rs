//! A Signal outside what its model expects.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Name, SignalKey, Time};

/// How unusual a value is: at most 1 is normal, above 1 anomalous (vmanomaly's scale).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Score(f64);

impl Score {
    pub const NORMAL: Score = Score(0.0);

    /// Negative and NaN become 0; infinity becomes the largest score.
    pub fn new(value: f64) -> Score {
        if value > 0.0 {
            Score(value.min(1e6))
        } else {
            Score(0.0)
        }
    }

    pub fn get(self) -> f64 {
        self.0
    }

    pub fn is_anomalous(self) -> bool {
        self.0 > 1.0
    }

    /// 0 to 100 for people: 1 maps to 50, and each doubling halves what is left to 100.
    pub fn percent(self) -> f64 {
        if self.0 <= 1.0 {
            self.0 * 50.0
        } else {
            100.0 - 50.0 / self.0
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    Above,
    Below,
}

/// What is expected of a value, in the signal's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    pub lower: f64,
    pub upper: f64,
}

/// A dimension's value that the bad calls have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// `instance`, `version`, `status`, `error.type`, `client`, …
    pub dimension: Name,
    pub value: Name,
    /// Its share of the anomalous calls, 0 to 1.
    pub share: f64,
    /// Its share of the calls in normal times, 0 to 1.
    pub usual_share: f64,
}

/// Why: the same shape for every detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What the model expected, in the signal's unit.
    pub typical: f64,
    /// What came (the worst so far).
    pub actual: f64,
    pub band: Band,
    /// How many calls or records the actual value rests on.
    pub observations: u64,
    /// How many the typical value rests on.
    pub learned_from: u64,
    pub contributions: Vec<Contribution>,
    /// One sentence for a person.
    pub why: String,
}

/// The hash of the signal, the detector and the start: the same input gives the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnomalyId(pub u64);

impl fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    pub id: AnomalyId,
    pub signal: SignalKey,
    /// The detector's name, such as `latency-spike`.
    pub detector: Name,
    pub direction: Direction,
    /// The first bucket outside the band.
    pub start: Time,
    /// The end of the bucket at which we were sure enough to say so.
    pub detected: Time,
    /// The last bucket outside the band, once it is over.
    pub end: Option<Time>,
    /// The worst so far.
    pub score: Score,
    pub explanation: Explanation,
}

impl Anomaly {
    /// How long it has lasted at `now`.
    pub fn duration(&self, now: Time) -> Duration {
        self.end.unwrap_or(now).since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_keeps_the_order_and_the_threshold() {
        let percents: Vec<f64> = [0.0, 0.5, 1.0, 2.0, 1e9]
            .iter()
            .map(|s| Score::new(*s).percent())
            .collect();
        assert!(percents.is_sorted());
        assert_eq!(percents[2], 50.0);
        assert!(percents[4] <= 100.0);
    }

    #[test]
    fn what_is_not_a_number_is_normal() {
        assert_eq!(Score::new(f64::NAN), Score::NORMAL);
    }
}
