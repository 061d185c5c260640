//! How high evidence climbs when nothing is wrong: by theory first, by what was seen later.
//!
//! A cumulative sum returns to zero again and again; what happens between two returns is a cycle, and
//! the highest points of cycles decide how often there is a false alarm (S. Asmussen, "Extreme value
//! theory for queues via cycle maxima", Extremes 1, 1998). If p-values were uniform and independent,
//! cycles would exceed a level at a known rate and by an exponential excess. Real ones are neither: tails
//! are heavier than assumed, and levels wander, so that unlikely windows come in a row. So the cycles
//! that exceed a level are counted, and the mean of their excess is the scale of an exponential tail:
//! peaks over threshold, as in SPOT (Siffer et al., "Anomaly detection in streams with extreme value
//! theory", KDD 2017), with the shape fixed at 0, since the excess is of a logarithm. The level that
//! is exceeded as often as the sensitivity permits follows from both.
//!
//! What was an anomaly must not teach. A cycle that raised an alarm counts as one of limited height,
//! at most one a day; and the level that is needed moves between bounds. So incidents hardly move it,
//! a signal that raises a false alarm every hour calms down within days, and nobody who makes trouble
//! grow slowly gains more than the upper bound.

use std::time::Duration;

use monitor_core::Time;
use serde::{Deserialize, Serialize};

/// Cycles are counted above this.
const LEVEL: f64 = 3.0;
/// How many of a window's cycles do, and their mean excess, when p-values are uniform and independent
/// and the drift is 3: a simulation of 2·10⁷ windows.
const RATE: f64 = 2.73e-3;
const EXCESS: f64 = 1.07;
/// The weight of theory, in cycles above the level.
const RATE_PRIOR: f64 = 2.0;
const EXCESS_PRIOR: f64 = 6.0;
/// A cycle's excess counts for at most so many times the mean.
const MOST_EXCESS: f64 = 5.0;
/// Bounds of the mean excess.
const EXCESS_BOUNDS: (f64, f64) = (0.5, 5.0);
/// Windows remembered: four weeks of five seconds each.
const MEMORY: f64 = 480_000.0;
/// An anomaly counts at most this often.
const ALARM_EVERY: Duration = Duration::from_secs(86_400);
/// What is needed stays between these: a single window just outside the band is never enough, and
/// what theory asks for three times over always is.
const LEAST: f64 = 1.5;
const MOST: f64 = 3.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    windows: f64,
    /// Cycles that exceeded the level, and the sum of their excess.
    exceeded: f64,
    excess: f64,
    alarmed: Option<Time>,
}

impl Tail {
    /// The evidence that cycles exceed once in 1/`probability` windows.
    pub(crate) fn needed(&self, probability: f64) -> f64 {
        let rate = (RATE_PRIOR + self.exceeded) / (RATE_PRIOR / RATE + self.windows);
        let theory = LEVEL + EXCESS * (RATE / probability).ln();
        let seen = LEVEL + self.mean_excess() * (rate / probability).ln();
        seen.min(MOST * theory).max(LEAST)
    }

    fn mean_excess(&self) -> f64 {
        let (least, most) = EXCESS_BOUNDS;
        let mean = (EXCESS_PRIOR * EXCESS + self.excess) / (EXCESS_PRIOR + self.exceeded);
        mean.clamp(least, most)
    }

    /// A window was judged.
    pub(crate) fn window(&mut self) {
        self.windows += 1.0;
        if self.windows > MEMORY {
            self.windows /= 2.0;
            self.exceeded /= 2.0;
            self.excess /= 2.0;
        }
    }

    /// A cycle has ended that reached `peak`, with or without an alarm.
    pub(crate) fn cycle(&mut self, peak: f64, end: Time, alarmed: bool) {
        if peak <= LEVEL {
            return;
        }
        if alarmed {
            if self.alarmed.is_some_and(|last| end.since(last) < ALARM_EVERY) {
                return;
            }
            self.alarmed = Some(end);
        }
        let most = MOST_EXCESS * self.mean_excess();
        self.exceeded += 1.0;
        self.excess += (peak - LEVEL).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles every so many windows, with exponential peaks of this mean.
    fn seen(every: u32, mean: f64) -> Tail {
        let mut tail = Tail::default();
        for window in 0..200_000u32 {
            tail.window();
            if window % every == 0 {
                let quantile = f64::from(window / every % 100) / 100.0 + 0.005;
                tail.cycle(LEVEL - mean * quantile.ln(), Time::EPOCH, false);
            }
        }
        tail
    }

    #[test]
    fn theory_counts_until_cycles_were_seen() {
        let tail = Tail::default();
        let needed = tail.needed(1e-6);
        assert!((needed - (LEVEL + EXCESS * (RATE / 1e-6f64).ln())).abs() < 1e-9);
    }

    #[test]
    fn what_climbs_higher_in_normal_times_has_to_climb_higher_for_an_alarm() {
        let theory = Tail::default().needed(1e-6);
        assert!(seen(100, 2.5).needed(1e-6) > 1.8 * theory);
        assert!(seen(5_000, 1.0).needed(1e-6) < 0.9 * theory);
    }

    #[test]
    fn incidents_do_not_move_what_is_needed_by_much() {
        let mut tail = seen(400, 1.07);
        let before = tail.needed(1e-6);
        for hour in 0..100 {
            tail.cycle(500.0, Time::from_secs(hour * 3_600), true);
        }
        assert!(tail.needed(1e-6) < 1.05 * before);
    }

    #[test]
    fn nobody_can_grow_out_of_sight() {
        let mut tail = seen(400, 1.07);
        for round in 0..10_000 {
            tail.window();
            tail.cycle(5.0 + f64::from(round) * 0.01, Time::EPOCH, false);
        }
        assert!(tail.needed(1e-6) <= MOST * Tail::default().needed(1e-6));
    }
}
