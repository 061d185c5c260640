//! One number for how often a false alarm may be raised.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const WEEK_SECS: f64 = 7.0 * 86_400.0;
/// The usual sensitivity, and how the smallest deviation of interest falls with more: to a tenth at a
/// hundred times as many alarms.
const USUAL_PER_WEEK: f64 = 0.1;
const INTEREST: f64 = 0.5;
/// The part of an equal share that whoever does not seem to need it keeps.
const LEAST_PART: usize = 4;

/// A target rate of false alarms, in alarms a week.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    false_alarms_per_week: f64,
}

impl Sensitivity {
    /// At least one alarm in ten thousand weeks and at most one an hour, so that the arithmetic
    /// behind it stays meaningful.
    pub fn per_week(false_alarms: f64) -> Sensitivity {
        Sensitivity {
            false_alarms_per_week: false_alarms.clamp(1e-4, 168.0),
        }
    }

    /// The same budget for `parts` signals together (Bonferroni).
    pub fn shared_by(self, parts: u32) -> Sensitivity {
        Sensitivity {
            false_alarms_per_week: self.false_alarms_per_week / f64::from(parts.max(1)),
        }
    }

    /// What is left of the budget when one of so many parts is another's.
    #[must_use]
    pub fn without_one_of(self, parts: u32) -> Sensitivity {
        let left = 1.0 - 1.0 / f64::from(parts.max(2));
        Sensitivity::per_week(self.false_alarms_per_week * left)
    }

    pub fn false_alarms_per_week(self) -> f64 {
        self.false_alarms_per_week
    }

    /// The same budget for several signals that can use at most so much of it each: what one cannot
    /// use is for the others, in equal parts. Who has never been near an alarm keeps a quarter of an
    /// equal part: a fault may be the first time. O(n log n) in the signals.
    pub fn shared_by_need(self, most: &[f64]) -> Vec<Sensitivity> {
        let least = self.false_alarms_per_week / (LEAST_PART * most.len().max(1)) as f64;
        let (mut left, mut sharing) = (self.false_alarms_per_week, most.len());
        let mut order: Vec<usize> = (0..most.len()).collect();
        order.sort_by(|a, b| most[*a].total_cmp(&most[*b]));
        let mut shares = vec![0.0; most.len()];
        for at in order {
            let equal = left / sharing.max(1) as f64;
            shares[at] = most[at].min(equal).max(least);
            left -= shares[at];
            sharing -= 1;
        }
        shares.into_iter().map(Sensitivity::per_week).collect()
    }

    /// By how much smaller a deviation is worth telling than at the usual sensitivity: whoever wants
    /// more alarms wants to hear of lesser things. 1 at the usual one and below it.
    pub fn interest(self) -> f64 {
        (USUAL_PER_WEEK / self.false_alarms_per_week)
            .powf(INTEREST)
            .min(1.0)
    }

    /// How far apart judgements are, in seconds, that may be false alarms with this probability.
    pub(crate) fn every(self, probability: f64) -> f64 {
        probability * WEEK_SECS / self.false_alarms_per_week
    }

    /// The probability that one judgement may be a false alarm, when one is made every `span`.
    pub fn probability(self, span: Duration) -> f64 {
        let judgements = WEEK_SECS / span.as_secs_f64().max(1.0);
        (self.false_alarms_per_week / judgements).min(0.01)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_of_a_week_is_spread_over_its_judgements() {
        let budget = Sensitivity::per_week(0.1);
        let minute = budget.probability(Duration::from_secs(60));
        assert!((minute * 10_080.0 - 0.1).abs() < 1e-12);
        assert!(budget.probability(Duration::from_secs(5)) < minute);
        let shares: Vec<f64> = Sensitivity::per_week(3.0)
            .shared_by_need(&[0.5, f64::INFINITY, 0.0, 9.0])
            .into_iter()
            .map(Sensitivity::false_alarms_per_week)
            .collect();
        assert_eq!(shares, [0.5, 1.15625, 3.0 / 16.0, 1.15625]);
        assert_eq!(shares.iter().sum::<f64>(), 3.0);
        assert!(budget.shared_by(4).probability(Duration::from_secs(60)) < minute);
    }
}
