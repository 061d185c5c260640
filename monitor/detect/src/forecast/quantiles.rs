//! Quantiles of the errors made, followed as they change.
//!
//! A quantile is lowered a little each time the error was below it and raised in proportion when it was
//! above, so that in the long run the stated share lies below, whatever the errors' distribution and
//! however it drifts (Gibbs, Candès, "Adaptive conformal inference under distribution shift", NeurIPS
//! 2021; in this form: Angelopoulos, Candès, Tibshirani, "Conformal PID control for time series
//! prediction", NeurIPS 2023). Errors are taken in units of their own recent size, which follows calm
//! and restless times; the quantiles have to follow only the shape.

use serde::{Deserialize, Serialize};

pub(super) const SHARES: [f32; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// Of Laplace's distribution, in units of its mean deviation: where the quantiles begin.
const BEGIN: [f32; 5] = [-2.3, -0.69, 0.0, 0.69, 2.3];
/// How far one error moves a quantile at first, and at least.
const FIRST: f32 = 0.4;
const LEAST: f32 = 0.06;
/// The mean size is over about so many errors.
const MEMORY: f32 = 30.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Quantiles {
    /// In units of the size.
    at: [f32; 5],
    /// Mean of the errors' sizes.
    size: f32,
    seen: u32,
}

impl Quantiles {
    pub(super) fn new() -> Quantiles {
        Quantiles {
            at: BEGIN,
            size: 0.0,
            seen: 0,
        }
    }

    pub(super) fn seen(&self) -> u32 {
        self.seen
    }

    /// The mean size of the errors; while few are known mostly what is `usual` for such a signal.
    pub(super) fn size(&self, usual: f32) -> f32 {
        let known = (self.seen as f32).min(MEMORY);
        (usual * 3.0 + self.size * known) / (3.0 + known)
    }

    pub(super) fn learn(&mut self, error: f32, usual: f32) {
        let size = self.size(usual);
        if size > 0.0 {
            // One wild error is no reason to expect such ones: it moves as far as any that was missed.
            let relative = error / size;
            let rate = (FIRST * 8.0 / (8.0 + self.seen as f32)).max(LEAST);
            for (at, share) in self.at.iter_mut().zip(SHARES) {
                let below = if relative <= *at { 1.0 } else { 0.0 };
                *at += rate * (share - below);
            }
            // Neighbours must not cross.
            self.at.sort_unstable_by(f32::total_cmp);
        }
        // What never erred knows no usual error.
        let cut = if self.seen > 5 && size > 0.0 {
            8.0 * size
        } else {
            f32::INFINITY
        };
        self.seen = self.seen.saturating_add(1);
        let weight = (1.0 / self.seen as f32).max(1.0 / MEMORY);
        self.size += weight * (error.abs().min(cut) - self.size);
    }

    /// Errors that the stated shares stay below, the outer ones at least `least` apart from the
    /// inner ones: of what is nearly always the same, hairs are not split.
    pub(super) fn errors(&self, usual: f32, least: f32) -> [f32; 5] {
        let size = self.size(usual);
        let mut errors = self.at.map(|at| at * size);
        for (error, apart) in errors.iter_mut().zip([-2.0, -1.0, 0.0, 1.0, 2.0]) {
            *error += apart * least;
        }
        errors
    }
}

/// The chance of more than `limit`, from values at [`SHARES`].
pub(super) fn chance_above(values: &[f64; 5], limit: f64) -> f64 {
    let tail = |beyond: f64, width: f64| {
        // From 25 to 5 % an exponential tail falls by a factor of 5 over the outer width.
        let falls = if width > 0.0 {
            beyond / width
        } else {
            f64::INFINITY
        };
        0.05 * 5f64.powf(-falls)
    };
    if limit >= values[4] {
        return if limit > values[4] || values[4] > values[3] {
            tail(limit - values[4], values[4] - values[3])
        } else {
            0.05
        };
    }
    if limit < values[0] {
        return 1.0 - tail(values[0] - limit, values[1] - values[0]);
    }
    for at in 0..4 {
        let (low, high) = (values[at], values[at + 1]);
        if limit < high {
            let part = if high > low {
                (limit - low) / (high - low)
            } else {
                1.0
            };
            let below = f64::from(SHARES[at]);
            return 1.0 - (below + part * f64::from(SHARES[at + 1] - SHARES[at]));
        }
    }
    0.05
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_many_errors_lie_inside_as_is_said_whatever_their_distribution() {
        // Squares are far from symmetric; their size changes by ten in the middle.
        let mut quantiles = Quantiles::new();
        let mut inside = 0;
        for at in 0..4_000u32 {
            let unit = f64::from(at.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24);
            let error = (unit * unit * if at < 2_000 { 1.0 } else { 10.0 }) as f32;
            let errors = quantiles.errors(1.0, 0.0);
            inside += u32::from((errors[0]..=errors[4]).contains(&error));
            quantiles.learn(error, 1.0);
        }
        let share = f64::from(inside) / 4_000.0;
        assert!((0.88..=0.92).contains(&share), "{share}");
    }

    proptest! {
        #[test]
        fn chances_fall_as_limits_rise(
            mut values in prop::array::uniform5(-100.0f64..100.0), a in -200.0f64..200.0,
            more in 0.0f64..50.0)
        {
            values.sort_by(f64::total_cmp);
            let (at, above) = (chance_above(&values, a), chance_above(&values, a + more));
            prop_assert!((0.0..=1.0).contains(&at));
            prop_assert!(above <= at + 1e-9, "{} {}", at, above);
        }
    }
}
