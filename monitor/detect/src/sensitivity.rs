//! One number for how often a false alarm may be raised.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const WEEK_SECS: f64 = 7.0 * 86_400.0;

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
        assert!(budget.shared_by(4).probability(Duration::from_secs(60)) < minute);
    }
}
