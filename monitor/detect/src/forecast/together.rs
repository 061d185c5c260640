//! How wide the intervals of many signals of one kind have to be.
//!
//! The own quantiles of a signal follow its own errors, and one that has had a quiet morning knows
//! nothing of incidents. Many signals together do: so what lies between the median and an end of the
//! interval is widened by a factor that all of a kind share, for each horizon and side, moved by how many
//! of them lay outside: adaptive conformal inference as in [`super::quantiles`], over all instead of over
//! one, and so quicker by their number. Where the signals' own quantiles are right it stays near 1.

use serde::{Deserialize, Serialize};

use super::{HORIZONS, Scored};

/// The share that may lie below an interval, and above it.
const OUTSIDE: f32 = 0.05;
/// How far one comparison moves the logarithm of a factor …
const GAIN: f32 = 0.05;
/// … as long as there are not more of them in a round: an incident of a thousand signals is one.
const A_ROUND: f32 = 10.0;
/// Bounds of the factors' logarithms: a third, and twenty times.
const BOUNDS: (f32, f32) = (-1.1, 3.0);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Together {
    horizons: [Ends; HORIZONS.len()],
}

/// Below the median, and above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ends {
    /// Logarithms of the factors.
    widths: [f32; 2],
    /// Of the round that is under way.
    compared: u32,
    outside: [u32; 2],
}

impl Together {
    /// The interval's ends moved to where those of all of its kind should be; for a horizon that nothing
    /// is known of they stay.
    pub(super) fn widen(&self, horizon: u32, quantiles: &mut [f64; 5]) {
        let Some(ends) = place(horizon).map(|at| self.horizons[at]) else {
            return;
        };
        let [below, above] = ends.widths.map(|width| f64::from(width.exp()));
        let median = quantiles[2];
        quantiles[0] = (median - (median - quantiles[0]) * below).min(quantiles[1]);
        quantiles[4] = (median + (quantiles[4] - median) * above).max(quantiles[3]);
    }

    /// One of them has been compared with what came.
    pub fn learn(&mut self, scored: &Scored) {
        if !scored.counts {
            return;
        }
        if let Some(at) = place(scored.horizon) {
            let ends = &mut self.horizons[at];
            ends.compared += 1;
            ends.outside[0] += u32::from(scored.actual < scored.quantiles[0]);
            ends.outside[1] += u32::from(scored.actual > scored.quantiles[4]);
        }
    }

    /// All that have come in the meantime move the factors together; call it when each signal has had its
    /// turn.
    pub fn end_round(&mut self) {
        for ends in &mut self.horizons {
            let compared = std::mem::take(&mut ends.compared) as f32;
            let outside = std::mem::take(&mut ends.outside);
            let gain = GAIN / (compared / A_ROUND).max(1.0);
            for (width, outside) in ends.widths.iter_mut().zip(outside) {
                let moved = *width + gain * (outside as f32 - OUTSIDE * compared);
                *width = moved.clamp(BOUNDS.0, BOUNDS.1);
            }
        }
    }
}

fn place(horizon: u32) -> Option<usize> {
    HORIZONS.iter().position(|known| *known == horizon)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(quantiles: [f64; 5], actual: f64) -> Scored {
        Scored {
            horizon: 1_800,
            quantiles,
            actual,
            naive: 0.0,
            counts: true,
        }
    }

    /// Of so many signals, what share lay inside in the second half, if each says so and these come.
    fn inside(signals: u32, said: [f64; 5], came: impl Fn(u32, u32) -> f64) -> f64 {
        let mut together = Together::default();
        let (mut inside, mut all) = (0, 0);
        for round in 0..2_000 {
            for signal in 0..signals {
                let mut quantiles = said;
                together.widen(1_800, &mut quantiles);
                let scored = scored(quantiles, came(round, signal));
                together.learn(&scored);
                if round >= 1_000 {
                    all += 1;
                    inside += u32::from(scored.is_inside());
                }
            }
            together.end_round();
        }
        f64::from(inside) / f64::from(all)
    }

    fn unit(round: u32, signal: u32) -> f64 {
        let mixed = (round * 7_919 + signal * 104_729).wrapping_mul(2_654_435_761);
        f64::from(mixed >> 8) / f64::from(1u32 << 24)
    }

    #[test]
    fn what_all_say_too_narrowly_or_too_widely_is_put_right() {
        for width in [0.2, 2.5] {
            let said = [-width, -0.1, 0.0, 0.1, width];
            let uniform = |round, signal| 2.0 * unit(round, signal) - 1.0;
            for signals in [5, 500] {
                let share = inside(signals, said, uniform);
                assert!((0.87..=0.93).contains(&share), "{width} {signals}: {share}");
            }
        }
    }

    #[test]
    fn an_incident_of_very_many_is_one() {
        let mut together = Together::default();
        for signal in 0..100_000 {
            together.learn(&scored([-1.0, -0.5, 0.0, 0.5, 1.0], f64::from(signal + 2)));
        }
        together.end_round();
        let mut quantiles = [-1.0, -0.5, 0.0, 0.5, 1.0];
        together.widen(1_800, &mut quantiles);
        assert!((1.2..2.0).contains(&quantiles[4]), "{quantiles:?}");
        assert!(quantiles[0] > -1.0 && quantiles[0] <= -0.5, "{quantiles:?}");
    }
}
