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
//! at most one a day, or ten times as often as alarms are permitted where those are many (what is above
//! the level would otherwise be missing from the tail); and the level that is needed moves between bounds. So incidents hardly move it,
//! a signal that raises a false alarm every hour calms down within days, and nobody who makes trouble
//! grow slowly gains more than the upper bound.

use std::time::Duration;

use monitor_core::Time;
use serde::{Deserialize, Serialize};

use crate::experience::Experience;
use crate::sensitivity::Sensitivity;

/// Cycles are counted above the first of these; the second is where the far tail begins.
const LEVELS: [f64; 2] = [0.5, 3.0];
/// How many of a window's cycles exceed the first, and their mean excess, when p-values are uniform and
/// independent and the drift is 3: a simulation of 2·10⁷ windows.
const RATE: f64 = 0.0285;
const EXCESS: f64 = 1.07;
/// The far tail of a signal of which nothing is known is believed to be a third heavier than what is seen
/// nearer: most wander, and the first days would have most of the alarms.
const FAR_HEAVIER: f64 = 1.35;
/// Where a single window can mislead and counts all the same, more so.
const FAR_HEAVIER_ALONE: f64 = 2.4;
/// The weight of what is believed before, in cycles: theory for the first level, the first level for
/// the second.
const RATE_PRIOR: f64 = 0.5;
const EXCESS_PRIOR: f64 = 25.0;
/// A cycle's excess counts for at most so many times the mean.
const MOST_EXCESS: f64 = 5.0;
/// Bounds of the mean excess.
const EXCESS_BOUNDS: (f64, f64) = (0.3, 5.0);
/// Windows remembered: four weeks of five seconds each.
const MEMORY: f64 = 480_000.0;
/// An anomaly counts at most this often …
const ALARM_EVERY: Duration = Duration::from_secs(86_400);
/// … or so many times as often as alarms are permitted.
const OF_PERMITTED: f64 = 10.0;
/// What is needed stays between these multiples of what theory asks for: that nothing has stirred for
/// weeks does not make the first thing that stirs an incident.
const LEAST: f64 = 0.35;
const MOST: f64 = 3.0;
/// What any alarm needs.
const LEAST_OF_ALL: f64 = 0.1;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    windows: f64,
    above: [Above; 2],
    alarmed: Option<Time>,
}

/// How heavy the far tail is believed to be before it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Far {
    Usual,
    Heavy,
}

/// Cycles that exceeded a level, and the sum of their excess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Above {
    cycles: f64,
    excess: f64,
}

/// So many of a window's cycles exceed the level, by so much on average, as far as so many cycles can
/// tell. An exponential tail whose mean is known no better than that (a gamma distribution of its
/// inverse) is a Lomax tail: the fewer cycles, the heavier.
#[derive(Clone, Copy, Debug)]
struct Exceedance {
    level: f64,
    rate: f64,
    excess: f64,
    cycles: f64,
}

impl Exceedance {
    /// What is exceeded once in 1/`probability` windows.
    fn exceeded(self, probability: f64) -> f64 {
        let rarer = (self.rate / probability).ln() / self.cycles;
        self.level + self.excess * self.cycles * rarer.exp_m1()
    }

    fn rate_above(self, level: f64) -> f64 {
        let further = (level - self.level) / (self.excess * self.cycles);
        self.rate * (1.0 + further.max(-0.9)).powf(-self.cycles)
    }
}

impl Above {
    fn tail(
        self,
        windows: f64,
        level: f64,
        before: Exceedance,
        heavier: f64,
        (least, most): (f64, f64),
    ) -> Exceedance {
        let rate = before.rate_above(level).max(1e-12);
        let believed = EXCESS_PRIOR * heavier * before.excess;
        let excess = (believed + self.excess) / (EXCESS_PRIOR + self.cycles);
        Exceedance {
            level,
            rate: (RATE_PRIOR + self.cycles) / (RATE_PRIOR / rate + windows),
            excess: excess.clamp(least, most),
            cycles: EXCESS_PRIOR + self.cycles,
        }
    }
}

const THEORY: Exceedance = Exceedance {
    level: LEVELS[0],
    rate: RATE,
    excess: EXCESS,
    cycles: EXCESS_PRIOR,
};

impl Tail {
    /// The evidence that cycles exceed once in 1/`probability` windows.
    pub(crate) fn needed(&self, probability: f64, far: Far) -> f64 {
        let seen = Tail::exceeded_by(self.tails(EXCESS_BOUNDS, far), probability);
        let theory = Tail::in_theory(probability);
        seen.clamp(LEAST * theory, MOST * theory)
    }

    /// The same of many signals that are alike, whose evidence all came here: none of them alone moves
    /// it far, so it may follow what is seen without a bound.
    pub(crate) fn needed_of_many(&self, probability: f64) -> f64 {
        let seen = Tail::exceeded_by(
            self.tails((EXCESS_BOUNDS.0, f64::MAX), Far::Usual),
            probability,
        );
        seen.max(LEAST * Tail::in_theory(probability))
    }

    /// What p-values that are just as they should be would exceed so often.
    pub(crate) fn in_theory(probability: f64) -> f64 {
        THEORY.exceeded(probability)
    }

    fn exceeded_by([near, far]: [Exceedance; 2], probability: f64) -> f64 {
        if near.rate_above(far.level) > probability || far.rate > probability {
            far.exceeded(probability).max(far.level)
        } else {
            near.exceeded(probability).min(far.level)
        }
    }

    /// How many of a window's cycles could raise an alarm at the utmost sensitivity, by what was seen
    /// here, and before that by `others` of its kind. What rises here counts in full, however quiet the
    /// others are: there is no other like the one that fails.
    pub(crate) fn most(&self, others: Experience) -> f64 {
        let believed = Exceedance {
            rate: (RATE_PRIOR + others.cycles) / (RATE_PRIOR / RATE + others.windows),
            ..THEORY
        };
        let near = self.above[0].tail(self.windows, LEVELS[0], believed, 1.0, EXCESS_BOUNDS);
        let own = self.above[0].cycles / (RATE_PRIOR / RATE + self.windows);
        let rate = near.rate.max(own);
        Exceedance { rate, ..near }.rate_above(LEAST_OF_ALL)
    }

    pub(crate) fn experience(&self) -> Experience {
        Experience {
            windows: self.windows,
            cycles: self.above[0].cycles,
        }
    }

    /// Windows judged, as far as they are remembered.
    pub(crate) fn windows(&self) -> f64 {
        self.windows
    }

    fn tails(&self, bounds: (f64, f64), far: Far) -> [Exceedance; 2] {
        let heavier = match far {
            Far::Usual => FAR_HEAVIER,
            Far::Heavy => FAR_HEAVIER_ALONE,
        };
        let near = self.above[0].tail(self.windows, LEVELS[0], THEORY, 1.0, bounds);
        [
            near,
            self.above[1].tail(self.windows, LEVELS[1], near, heavier, bounds),
        ]
    }

    /// A window was judged.
    pub(crate) fn window(&mut self) {
        self.windows += 1.0;
        if self.windows > MEMORY {
            self.windows /= 2.0;
            for above in &mut self.above {
                above.cycles /= 2.0;
                above.excess /= 2.0;
            }
        }
    }

    /// A cycle has ended that reached `peak`; with an alarm, this is how many are permitted.
    pub(crate) fn cycle(&mut self, peak: f64, end: Time, alarmed: Option<Sensitivity>) {
        if peak <= LEVELS[0] {
            return;
        }
        if let Some(permitted) = alarmed {
            let often = Duration::from_secs_f64(permitted.every(1.0 / OF_PERMITTED));
            let every = ALARM_EVERY.min(often);
            if self.alarmed.is_some_and(|last| end.since(last) < every) {
                return;
            }
            self.alarmed = Some(end);
        }
        let tails = self.tails(EXCESS_BOUNDS, Far::Usual);
        for (above, tail) in self.above.iter_mut().zip(tails) {
            if peak > tail.level {
                above.cycles += 1.0;
                above.excess += (peak - tail.level).min(MOST_EXCESS * tail.excess);
            }
        }
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
                let quantile = f64::from(window / every * 37 % 100) / 100.0 + 0.005;
                tail.cycle(LEVELS[0] - mean * quantile.ln(), Time::EPOCH, None);
            }
        }
        tail
    }

    #[test]
    fn a_little_more_than_theory_asks_for_is_needed_until_cycles_were_seen() {
        let more = |probability| {
            Tail::default().needed(probability, Far::Usual) / Tail::in_theory(probability)
        };
        assert!((1.15..1.4).contains(&more(1e-6)), "{}", more(1e-6));
        // Near the ground theory is as good as anything.
        assert!((0.95..1.15).contains(&more(3e-3)), "{}", more(3e-3));
    }

    #[test]
    fn what_climbs_higher_in_normal_times_has_to_climb_higher_for_an_alarm() {
        let theory = Tail::default().needed(1e-6, Far::Usual);
        assert!(seen(50, 2.5).needed(1e-6, Far::Usual) > 1.5 * theory);
        assert!(seen(5_000, 1.0).needed(1e-6, Far::Usual) < 0.8 * theory);
    }

    #[test]
    fn others_of_its_kind_tell_what_a_short_past_cannot() {
        let others = |cycles| Experience {
            windows: 100_000.0,
            cycles,
        };
        let mut quiet = Tail::default();
        (0..100).for_each(|_| quiet.window());
        let alone = quiet.most(Experience::default());
        assert!(quiet.most(others(0.0)) < 0.01 * alone);
        assert!(quiet.most(others(3_000.0)) > 0.9 * alone);
        let lively = seen(50, 1.07);
        let among_quiet = lively.most(others(0.0)) / lively.most(Experience::default());
        assert!((0.95..1.05).contains(&among_quiet), "{among_quiet}");
    }

    #[test]
    fn incidents_do_not_move_what_is_needed_by_much() {
        let mut tail = seen(400, 1.07);
        let usual = Sensitivity::per_week(0.1);
        let before = tail.needed(1e-6, Far::Usual);
        for hour in 0..100 {
            tail.cycle(500.0, Time::from_secs(hour * 3_600), Some(usual));
        }
        assert!(tail.needed(1e-6, Far::Usual) < 1.25 * before);
    }

    #[test]
    fn who_permits_many_alarms_learns_from_them() {
        let after_two_days_of_alarms = |permitted: f64| {
            let mut tail = seen(400, 1.07);
            for hour in 0..48 {
                let permitted = Some(Sensitivity::per_week(permitted));
                tail.cycle(20.0, Time::from_secs(hour * 3_600), permitted);
            }
            tail.needed(1e-6, Far::Usual)
        };
        let (usual, many) = (
            after_two_days_of_alarms(0.1),
            after_two_days_of_alarms(100.0),
        );
        assert!(many > 1.02 * usual, "{many} {usual}");
    }

    #[test]
    fn where_a_single_window_can_mislead_far_tails_are_heavier_until_they_are_known() {
        let heavier = |tail: &Tail| tail.needed(1e-6, Far::Heavy) / tail.needed(1e-6, Far::Usual);
        assert!(heavier(&Tail::default()) > 1.3);
        assert!(heavier(&seen(50, 1.07)) < 1.1);
    }

    #[test]
    fn nobody_can_grow_out_of_sight() {
        let mut tail = seen(400, 1.07);
        for round in 0..10_000 {
            tail.window();
            tail.cycle(5.0 + f64::from(round) * 0.01, Time::EPOCH, None);
        }
        assert!(tail.needed(1e-6, Far::Usual) <= MOST * THEORY.exceeded(1e-6));
    }
}
