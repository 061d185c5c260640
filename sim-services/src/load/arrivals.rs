//! When the journeys of one class of clients begin.
//!
//! A Poisson process whose rate follows the [`Shape`], by thinning (P. A. W. Lewis and G. S.
//! Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", Naval Research Logistics
//! Quarterly 26, 1979): candidates come at the highest rate there is, and each is kept with the
//! probability of the rate at its moment. Pure: knows neither a clock nor what an arrival does.

use crate::clock::Moment;
use crate::load::shape::Shape;
use crate::random::Dice;

/// A journey that begins, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub at: Moment,
    /// False when it would have come, had the factor not been below 1.
    pub comes: bool,
}

/// Without an end; where it stands is [`next`](Self::next).
#[derive(Debug)]
pub struct Arrivals {
    dice: Dice,
    shape: Shape,
    /// On average over the week, while the factor is 1.
    per_second: f64,
    factor: f64,
    next: Option<Arrival>,
}

impl Arrivals {
    pub fn new(dice: Dice, shape: Shape, per_second: f64, from: Moment) -> Arrivals {
        let mut arrivals = Arrivals {
            dice,
            shape,
            per_second,
            factor: 1.0,
            next: None,
        };
        arrivals.next = arrivals.after(from);
        arrivals
    }

    /// The next one; none when the rate is 0.
    pub fn next(&self) -> Option<Arrival> {
        self.next
    }

    /// The next one, and goes on to the one after it.
    pub fn take(&mut self) -> Option<Arrival> {
        let taken = self.next?;
        self.next = self.after(taken.at);
        Some(taken)
    }

    /// So many times as many arrivals from `now` on. Does nothing when the factor is as it was.
    ///
    /// A Poisson process does not remember when its last arrival was, so the one that is pending
    /// may be drawn anew.
    pub fn adapt(&mut self, now: Moment, factor: f64) {
        let factor = factor.max(0.0);
        if factor != self.factor {
            self.factor = factor;
            self.next = self.after(now);
        }
    }

    /// With a factor below 1, those that stay away are drawn too: somebody may want to know them.
    fn after(&mut self, from: Moment) -> Option<Arrival> {
        let peak = self.shape.peak();
        let fastest = self.per_second * peak * self.factor.max(1.0);
        if !(fastest > 0.0 && fastest.is_finite()) {
            return None;
        }
        let mut at = from;
        loop {
            at = at + self.dice.gap(fastest);
            if at.0 == i64::MAX {
                return None;
            }
            if self.dice.unit() * peak < self.shape.at(at) {
                let comes = self.factor >= 1.0 || self.dice.chance(self.factor);
                return Some(Arrival { at, comes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use statrs::distribution::{ChiSquared, ContinuousCDF};

    use super::*;
    use crate::topology::LoadSpec;

    const START: Moment = Moment(1_767_571_200_000_000_000);

    fn constant(seed: u64, per_second: f64) -> Arrivals {
        let dice = Dice::new(seed, "arrivals");
        Arrivals::new(dice, Shape::constant(), per_second, START)
    }

    #[test]
    fn gaps_are_exponential() {
        let mut arrivals = constant(1, 40.0);
        let mut last = START;
        let mut gaps: Vec<f64> = (0..20_000)
            .map(|_| {
                let at = arrivals.take().unwrap().at;
                let gap = at.since(last).as_secs_f64();
                last = at;
                gap
            })
            .collect();
        gaps.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov's largest distance to the distribution they should have; beyond
        // 1.63/√n it would be so far off by chance once in a hundred times.
        let n = gaps.len() as f64;
        let distance = gaps
            .iter()
            .enumerate()
            .map(|(index, gap)| {
                let wanted = 1.0 - (-40.0 * gap).exp();
                let (below, above) = (index as f64 / n, (index + 1) as f64 / n);
                (wanted - below).abs().max((wanted - above).abs())
            })
            .fold(0.0, f64::max);
        assert!(distance < 1.63 / n.sqrt(), "{distance}");
    }

    #[test]
    fn a_compressed_week_follows_the_shape() {
        let spec = LoadSpec {
            journeys_per_second: 30.0,
            daily_swing: 0.6,
            weekend: 0.5,
            time_compression: 24.0 * 7.0,
            ids: 1,
            timeout: Duration::from_secs(8),
        };
        let shape = Shape::new(&spec, START);
        let mut arrivals = Arrivals::new(Dice::new(3, "week"), shape, 30.0, START);
        let bins = 84;
        let bin = Duration::from_secs(3_600) / bins;
        let mut statistic = 0.0;
        for index in 0..bins {
            let (from, to) = (START + bin * index, START + bin * (index + 1));
            let mut count = 0.0;
            while arrivals.next().is_some_and(|next| next.at < to) {
                assert!(arrivals.take().unwrap().comes);
                count += 1.0;
            }
            let pieces = 50;
            let mean = (0..pieces)
                .map(|piece| shape.at(from + bin * piece / pieces + bin / pieces / 2))
                .sum::<f64>()
                / f64::from(pieces);
            let expected = 30.0 * bin.as_secs_f64() * mean;
            statistic += (count - expected).powi(2) / expected;
        }
        let p = 1.0 - ChiSquared::new(f64::from(bins)).unwrap().cdf(statistic);
        assert!(p > 0.01, "chi² {statistic} of {bins}");
    }

    #[test]
    fn a_factor_multiplies_from_its_moment_on() {
        let mut arrivals = constant(5, 50.0);
        let mut counts = Vec::new();
        for (minute, factor) in [1.0, 3.0, 0.25, 0.0, 1.0].into_iter().enumerate() {
            let start = START + Duration::from_secs(60) * minute as u32;
            arrivals.adapt(start, factor);
            let (mut came, mut stayed) = (0_i32, 0_i32);
            while arrivals
                .next()
                .is_some_and(|next| next.at < start + Duration::from_secs(60))
            {
                if arrivals.take().unwrap().comes {
                    came += 1;
                } else {
                    stayed += 1;
                }
            }
            counts.push((came, stayed));
        }
        let wanted = [(3_000, 0), (9_000, 0), (750, 2_250), (0, 3_000), (3_000, 0)];
        for ((came, stayed), (wanted_came, wanted_stayed)) in counts.into_iter().zip(wanted) {
            // Four standard deviations of a Poisson count.
            let near =
                |got: i32, want: i32| f64::from((got - want).abs()) <= 4.0 * f64::from(want).sqrt();
            assert!(near(came, wanted_came), "{came} for {wanted_came}");
            assert!(near(stayed, wanted_stayed), "{stayed} for {wanted_stayed}");
        }
    }

    #[test]
    fn nobody_comes_at_a_rate_of_nothing() {
        assert_eq!(constant(1, 0.0).next(), None);
        assert_eq!(constant(1, 0.0).take(), None);
    }

    #[test]
    fn the_same_factor_again_changes_nothing() {
        let mut arrivals = constant(9, 1.0);
        let next = arrivals.next();
        arrivals.adapt(START, 1.0);
        assert_eq!(arrivals.next(), next);
    }
}
