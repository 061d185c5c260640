//! How near to an alarm detectors of one kind come in normal times, all together.
//!
//! An Api's own past is short when its budget of false alarms is first shared out: a detector that has
//! not stirred for an hour may be one that stirs every other hour, or never. Others of its kind have
//! waited too, and a hundred quiet hours of theirs say which. So the rate at which evidence rises is
//! believed to be theirs until the Api has one of its own: an empirical Bayes estimate of a Poisson
//! rate (H. Robbins, "An empirical Bayes approach to statistics", 1956), with a gamma prior whose mean is
//! that of the others and whose weight is half a case.

use std::iter::Sum;

/// Windows judged, and how many cycles of evidence in them rose above the lowest level that is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Experience {
    pub(crate) windows: f64,
    pub(crate) cycles: f64,
}

impl Experience {
    /// What the others have seen.
    #[must_use]
    pub fn without(self, own: Experience) -> Experience {
        Experience {
            windows: (self.windows - own.windows).max(0.0),
            cycles: (self.cycles - own.cycles).max(0.0),
        }
    }
}

impl Sum for Experience {
    fn sum<I: Iterator<Item = Experience>>(all: I) -> Experience {
        all.fold(Experience::default(), |sum, one| Experience {
            windows: sum.windows + one.windows,
            cycles: sum.cycles + one.cycles,
        })
    }
}
