//! The lowest and highest that a signal reaches around this time of day, slowly forgotten.
//!
//! A backup that runs every night at about three leaves its trace in the envelope, where a mean
//! would average it away; neighbouring slots count, so "about" is forgiven.

use serde::{Deserialize, Serialize};

use super::profile::slot_of;

/// Slots on either side whose envelope counts as well.
const NEIGHBOURS: usize = 2;
/// How far the envelope opens towards a new extreme, and how fast it closes towards lesser ones.
const OPENS: f32 = 0.5;
const CLOSES: f32 = 0.02;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Envelope {
    period_secs: f64,
    /// Lowest and highest of every slot; `None` before its first visit has ended.
    slots: Vec<Option<(f32, f32)>>,
    /// The slot of the last value, and the extremes of this visit.
    visit: Option<(usize, f32, f32)>,
}

impl Envelope {
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.slots.as_slice())
    }

    pub(super) fn new(period_secs: f64, slots: usize) -> Envelope {
        Envelope {
            period_secs,
            slots: vec![None; slots],
            visit: None,
        }
    }

    /// How far outside the envelope the value lies, signed, 0 inside; then learns the value.
    pub(super) fn residual(&mut self, secs: f64, value: f32) -> f32 {
        let at = slot_of(secs, self.period_secs, self.slots.len());
        self.visit = Some(match self.visit {
            Some((slot, low, high)) if slot == at => (at, low.min(value), high.max(value)),
            left => {
                if let Some(visit) = left {
                    self.close(visit);
                }
                (at, value, value)
            }
        });
        let count = self.slots.len();
        let (low, high) = (0..=2 * NEIGHBOURS)
            .filter_map(|step| self.slots[(at + count + step - NEIGHBOURS) % count])
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), slot| {
                (low.min(slot.0), high.max(slot.1))
            });
        match () {
            () if low > high => 0.0,
            () if value > high => value - high,
            () if value < low => value - low,
            () => 0.0,
        }
    }

    fn close(&mut self, (slot, low, high): (usize, f32, f32)) {
        let follow = |old: f32, new: f32, opens: bool| {
            old + (new - old) * if opens { OPENS } else { CLOSES }
        };
        self.slots[slot] = Some(match self.slots[slot] {
            None => (low, high),
            Some((lowest, highest)) => (
                follow(lowest, low, low < lowest),
                follow(highest, high, high > highest),
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nightly_peak_that_comes_a_little_late_is_inside() {
        let mut envelope = Envelope::new(86_400.0, 96);
        let quarter = |i: u32| f64::from(i) * 900.0;
        (0..96 * 5u32).for_each(|i| {
            envelope.residual(quarter(i), if i % 96 == 12 { 50.0 } else { 1.0 });
        });
        let late = 96 * 5 + 14;
        assert_eq!(envelope.residual(quarter(late), 50.0), 0.0);
        assert!(envelope.residual(quarter(late + 30), 50.0) > 40.0);
        assert!(envelope.residual(quarter(late + 40), -3.0) < -3.5);
    }
}
