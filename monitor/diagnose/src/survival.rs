//! How long incidents last: a survival curve, learned from those that are over.
//!
//! The product-limit estimate of Kaplan and Meier ("Nonparametric estimation from incomplete
//! observations", JASA 53, 1958): one that became a part of another is known to have lasted for at
//! least as long. Where hardly any lasted as long there is little to learn from, and the estimate
//! gives way to that of Gott ("Implications of the Copernican principle for our future prospects",
//! Nature 363, 1993): who meets a thing at a random moment of its life may expect it to last again
//! for as long as it has, so it lasts for `h` more with a chance of `age / (age + h)`.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The latest incidents that are learned from.
const REMEMBERED: usize = 200;
/// Incidents that the prior counts for.
const PRIOR: f64 = 4.0;
/// Seconds: what is younger is taken to be as old.
const YOUNGEST: f64 = 30.0;

/// How long the latest incidents lasted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Survival {
    /// Seconds, and whether it was over then.
    lasted: VecDeque<(f64, bool)>,
}

impl Survival {
    /// One has lasted for `secs`; it is over, or nothing more will be known of it.
    pub(crate) fn learn(&mut self, secs: f64, over: bool) {
        if !secs.is_finite() || secs < 0.0 {
            return;
        }
        if self.lasted.len() >= REMEMBERED {
            self.lasted.pop_front();
        }
        self.lasted.push_back((secs, over));
    }

    /// The chance that one that has lasted for `age` lasts for `more`, both in seconds; from 0 to 1,
    /// less for more. O(n log n) in those remembered.
    pub(crate) fn lasts(&self, age: f64, more: f64) -> f64 {
        let (age, more) = (age.max(0.0), more.max(0.0));
        let prior = age.max(YOUNGEST) / (age.max(YOUNGEST) + more);
        let mut older: Vec<(f64, bool)> = (self.lasted.iter().copied())
            .filter(|(secs, _)| *secs > age)
            .collect();
        older.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut survives = 1.0;
        for (place, (secs, over)) in older.iter().enumerate() {
            if *secs > age + more {
                break;
            }
            #[expect(clippy::cast_precision_loss, reason = "200 at most")]
            let at_risk = (older.len() - place) as f64;
            if *over {
                survives *= 1.0 - 1.0 / at_risk;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "200 at most")]
        let rests_on = older.len() as f64;
        (survives * rests_on + prior * PRIOR) / (rests_on + PRIOR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lasted: &[(f64, bool)]) -> Survival {
        let mut survival = Survival::default();
        for (secs, over) in lasted {
            survival.learn(*secs, *over);
        }
        survival
    }

    #[test]
    fn nothing_known_lasts_as_long_again_half_of_the_time() {
        let none = Survival::default();
        assert_eq!(none.lasts(600.0, 600.0), 0.5);
        assert_eq!(none.lasts(0.0, 0.0), 1.0);
    }

    #[test]
    fn short_ones_teach_that_they_are_short() {
        let short = of(&[(120.0, true); 100]);
        assert!(
            short.lasts(60.0, 300.0) < 0.02,
            "{}",
            short.lasts(60.0, 300.0)
        );
        assert!(short.lasts(60.0, 30.0) > 0.95);
        // None has lasted this long: nothing is known but that.
        assert_eq!(short.lasts(600.0, 600.0), 0.5);
    }

    #[test]
    fn one_that_was_swallowed_counts_as_long_as_it_was_seen() {
        // Of four, one is over after a minute, one was lost sight of, one lasts two minutes.
        let mixed = of(&[(60.0, true), (90.0, false), (120.0, true), (500.0, true)]);
        let many: Vec<_> = (0..40)
            .flat_map(|_| [(60.0, true), (90.0, false), (120.0, true), (500.0, true)])
            .collect();
        // Kaplan and Meier: 3/4 · 1/2 beyond 120 s.
        let learned = of(&many).lasts(30.0, 100.0);
        assert!((learned - 0.375).abs() < 0.02, "{learned}");
        assert!((mixed.lasts(30.0, 100.0) - 0.375).abs() < 0.2);
    }

    proptest! {
        #[test]
        fn it_is_a_chance_and_less_for_longer(
            lasted in prop::collection::vec((0.0..5_000.0, any::<bool>()), 0..60),
            age in 0.0..4_000.0, more in 0.0..4_000.0,
        ) {
            let survival = of(&lasted);
            let (sooner, later) = (survival.lasts(age, more), survival.lasts(age, more * 2.0));
            prop_assert!((0.0..=1.0).contains(&sooner));
            prop_assert!(later <= sooner + 1e-12, "{sooner} {later}");
        }
    }
}
