//! How often, and how far, a signal's windows stray in normal times.
//!
//! A robust level ignores the pauses of a garbage collector, and then two of them in a row look
//! impossible. So the windows beyond a threshold are counted apart: their frequency and mean excess
//! give the far tail, as in the peaks-over-threshold method with an exponential tail (Pickands,
//! "Statistical inference using extreme order statistics", Annals of Statistics 3, 1975). A window
//! that strays as others did in normal times is then as likely as it is.

use serde::{Deserialize, Serialize};

/// Deviations beyond which a window strays.
const THRESHOLD: f64 = 3.0;
/// Windows remembered: a day of five seconds each.
const MEMORY: f64 = 17_280.0;
/// Prior of the mean excess, in deviations, at the weight of one window.
const PRIOR_EXCESS: f64 = 2.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stragglers {
    windows: f64,
    strayed: f64,
    excess: f64,
    /// Those of the present excursion, which may turn out to be an anomaly and no part of normal
    /// times.
    undecided: (f64, f64),
}

impl Stragglers {
    /// The probability of a window this many deviations out, by what strayed before.
    pub(crate) fn beyond(&self, deviations: f64) -> f64 {
        if deviations <= THRESHOLD || self.strayed == 0.0 {
            return 0.0;
        }
        let mean_excess = (PRIOR_EXCESS + self.excess) / (1.0 + self.strayed);
        self.strayed / self.windows.max(1.0) * (-(deviations - THRESHOLD) / mean_excess).exp()
    }

    pub(crate) fn see(&mut self, deviations: f64) {
        self.windows += 1.0;
        if deviations > THRESHOLD {
            self.undecided.0 += 1.0;
            self.undecided.1 += deviations - THRESHOLD;
        }
        if self.windows > MEMORY {
            self.windows /= 2.0;
            self.strayed /= 2.0;
            self.excess /= 2.0;
        }
    }

    /// The excursion ended without an anomaly: so this happens.
    pub(crate) fn was_normal(&mut self) {
        self.strayed += self.undecided.0;
        self.excess += self.undecided.1;
        self.undecided = (0.0, 0.0);
    }

    /// It was an anomaly: so this does not tell what is normal.
    pub(crate) fn was_anomaly(&mut self) {
        self.undecided = (0.0, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_often_strayed_may_stray_again_but_not_further() {
        let mut stragglers = Stragglers::default();
        for window in 0..1_000 {
            stragglers.see(if window % 100 == 7 { 13.0 } else { 0.5 });
            stragglers.was_normal();
        }
        assert!(stragglers.beyond(13.0) > 1e-3);
        assert!(stragglers.beyond(100.0) < 1e-6);
        assert_eq!(stragglers.beyond(2.0), 0.0);
    }
}
