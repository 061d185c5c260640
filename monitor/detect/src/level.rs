//! The robust location and spread of a stream of windows' statistics.
//!
//! Each window's value x comes with the variance v that its sample size alone would give it, so a
//! window of three calls is expected to stray further than one of three thousand. How much windows
//! really stray, in units of that, is one learned number κ: predictive variance is κ(s₀² + v). Both
//! location and κ are exponentially weighted and winsorised, as in Huber's estimator.

use serde::{Deserialize, Serialize};

use crate::tails::{student_above, student_one_percent};

/// Windows remembered; 200 windows of 5 s are 17 minutes, so the daily tide is followed.
const MEMORY: f64 = 200.0;
/// The first values are summed up by their median.
const EARLY: f64 = 7.0;
/// Prior weight of κ = 1, in windows.
const PRIOR: f64 = 8.0;
/// Where a residual is cut off for learning, in predictive deviations.
const CUT: f64 = 2.5;
/// An hour that reaches this much more is remarkable, in logarithms.
const REMARKABLE: f64 = 0.22;
/// The mean square of a normal residual that is cut off there (0.958), inverted.
const CUT_CORRECTION: f64 = 1.0 / 0.958;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Level {
    /// Spread between windows that is taken for granted, in the value's unit.
    floor: f64,
    /// The first values; empty again once there are enough.
    early: Vec<f64>,
    location: f64,
    /// Weighted mean of squared residuals in units of the expected variance.
    inflation: f64,
    windows: f64,
    /// What is known of the scatter from others, in windows.
    borrowed: f64,
}

/// What the next window should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) location: f64,
    pub(crate) deviation: f64,
    freedom: f64,
}

impl Expected {
    /// Probability of a value at least this far above.
    pub(crate) fn above(self, value: f64) -> f64 {
        student_above(self.deviations(value), self.freedom)
    }

    /// At this hour the value is known to reach so much. It counts when that is remarkable: more than
    /// a quarter above the level, which otherwise knows better.
    pub(crate) fn reaches(&mut self, usual: f64) {
        if usual > self.location + REMARKABLE {
            self.location = usual;
        }
    }

    /// How many deviations above a value lies.
    pub(crate) fn deviations(self, value: f64) -> f64 {
        (value - self.location) / self.deviation
    }

    /// Half the width of the interval that leaves one of a hundred on either side.
    pub(crate) fn margin(self) -> f64 {
        self.deviation * student_one_percent(self.freedom)
    }
}

impl Level {
    pub(crate) fn new(floor: f64) -> Level {
        Level {
            floor,
            early: Vec::new(),
            location: 0.0,
            inflation: 1.0,
            windows: 0.0,
            borrowed: 0.0,
        }
    }

    /// Begins with the scatter of others, as if it had been seen in so many windows, and with no
    /// idea of the location.
    pub(crate) fn scatters(&mut self, inflation: f64, windows: f64) {
        self.inflation = inflation;
        self.borrowed = windows;
    }

    /// How much windows stray, and in how many that was seen.
    pub(crate) fn scatter(&self) -> f64 {
        self.inflation
    }

    pub(crate) fn expect(&self, sampling_variance: f64) -> Expected {
        let weight = (self.windows + self.borrowed).min(MEMORY);
        let inflation = (PRIOR + weight * self.inflation) / (PRIOR + weight);
        let variance = inflation.max(0.25) * (self.floor * self.floor + sampling_variance);
        Expected {
            location: self.location,
            // The location itself is uncertain, most of all early.
            deviation: (variance * (1.0 + 1.5 / self.windows.clamp(1.0, MEMORY))).sqrt(),
            // Tails stay heavier than normal: latencies are.
            freedom: (4.0 + weight / 4.0).min(20.0),
        }
    }

    pub(crate) fn learn(&mut self, value: f64, sampling_variance: f64) {
        if !value.is_finite() {
            return;
        }
        let expected = self.expect(sampling_variance);
        self.windows += 1.0;
        let weight = 1.0 / self.windows.min(MEMORY);
        let of_scatter = 1.0 / (self.windows + self.borrowed).min(MEMORY);
        if self.windows <= EARLY {
            let residual = value - self.location;
            self.early.push(value);
            self.early.sort_by(f64::total_cmp);
            self.location = self.early[self.early.len() / 2];
            if self.windows >= EARLY {
                self.early = Vec::new();
            }
            if self.windows > 1.0 {
                let variance = self.floor * self.floor + sampling_variance;
                let square = (residual * residual / variance).min(CUT * CUT * 4.0);
                self.inflation += (square - self.inflation) * of_scatter;
            }
            return;
        }
        let cut = CUT * expected.deviation;
        let residual = (value - self.location).clamp(-cut, cut);
        self.location += residual * weight.max(1.0 / MEMORY);
        let square = residual * residual / (self.floor * self.floor + sampling_variance);
        self.inflation += (square * CUT_CORRECTION - self.inflation) * of_scatter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wild_windows_do_not_move_the_level() {
        let mut level = Level::new(0.05);
        for i in 0..100 {
            let wild = i % 20 == 7;
            level.learn(
                if wild {
                    50.0
                } else {
                    1.0 + 0.05 * f64::from(i % 3 - 1)
                },
                0.001,
            );
        }
        let expected = level.expect(0.001);
        assert!((expected.location - 1.0).abs() < 0.1, "{expected:?}");
        assert!(expected.above(1.0 + 1.0) < 1e-4, "{expected:?}");
    }

    #[test]
    fn a_smaller_sample_may_stray_further() {
        let mut level = Level::new(0.05);
        (0..50).for_each(|i| level.learn(f64::from(i % 3) * 0.05, 0.002));
        assert!(level.expect(0.2).above(1.0) > 1e3 * level.expect(0.002).above(1.0));
    }
}
