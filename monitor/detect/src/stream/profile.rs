//! What a signal usually is at this time of the period: one robust mean for each slot of it.
//!
//! A mean is moved by at most a few of its own mean deviations, as in Huber's estimator, so that one
//! bad day does not become the expectation for the next. Several periods and widths of slots are
//! held side by side by the caller: averaging over them costs less than choosing wrongly.

use serde::{Deserialize, Serialize};

/// A residual beyond so many mean deviations moves the mean no further.
const CUT: f32 = 5.0;
/// Visits before the deviation is trusted for that.
const TRUSTED: f32 = 3.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    period_secs: f64,
    /// The least that a new value weighs: memory is its inverse, in values of one slot.
    rate: f32,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    mean: f32,
    deviation: f32,
    seen: f32,
}

impl Profile {
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.slots.as_slice())
    }

    pub(super) fn new(period_secs: f64, slots: usize, rate: f32) -> Profile {
        Profile {
            period_secs,
            rate,
            slots: vec![Slot::default(); slots],
        }
    }

    /// What the slot of `secs` expects, once it has seen anything.
    pub(super) fn expected(&self, secs: f64) -> Option<f32> {
        let slot = self.slots[self.slot(secs)];
        (slot.seen > 0.0).then_some(slot.mean)
    }

    /// Deviation from the expectation, 0 where there is none yet; then learns the value.
    pub(super) fn residual(&mut self, secs: f64, value: f32) -> f32 {
        let at = self.slot(secs);
        let slot = &mut self.slots[at];
        let residual = if slot.seen > 0.0 {
            let residual = value - slot.mean;
            let weight = self.rate.max(1.0 / (slot.seen + 1.0));
            let cut = if slot.seen > TRUSTED {
                CUT * slot.deviation
            } else {
                f32::INFINITY
            };
            slot.mean += weight * residual.clamp(-cut, cut);
            slot.deviation += weight * (residual.abs() - slot.deviation);
            residual
        } else {
            slot.mean = value;
            0.0
        };
        slot.seen += 1.0;
        residual
    }

    fn slot(&self, secs: f64) -> usize {
        slot_of(secs, self.period_secs, self.slots.len())
    }
}

/// Which of `slots` equal parts of the period a time falls into.
pub(super) fn slot_of(secs: f64, period_secs: f64, slots: usize) -> usize {
    let phase = secs.rem_euclid(period_secs) / period_secs;
    ((phase * slots as f64) as usize).min(slots - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_every_day_at_noon_is_expected_at_noon() {
        let mut profile = Profile::new(86_400.0, 24, 0.05);
        let value = |hour: u32| if hour % 24 == 12 { 100.0 } else { 1.0 };
        (0..240u32).for_each(|hour| {
            profile.residual(f64::from(hour) * 3_600.0, value(hour));
        });
        assert!(profile.residual(12.5 * 3_600.0, 100.0).abs() < 1e-3);
        assert!(profile.residual(13.5 * 3_600.0, 100.0) > 90.0);
    }

    #[test]
    fn one_bad_day_does_not_become_the_expectation() {
        let mut profile = Profile::new(86_400.0, 1, 0.05);
        (0..100u32).for_each(|i| {
            profile.residual(0.0, (i % 3) as f32);
        });
        profile.residual(0.0, 1e6);
        assert!(profile.expected(0.0).unwrap() < 2.0);
    }
}
