//! What the minutes of one Api are usually like: some 70 bytes that make its minutes comparable with
//! those of others.
//!
//! Each quantity has a level that remembers half an hour and a spread that remembers a day, both
//! exponentially weighted and winsorised, as in Huber's estimator. How response time goes with the rate is
//! learned as one slope: a minute in which the two part company shows in one feature, however far
//! they usually go together.

use serde::{Deserialize, Serialize};

use super::row::{
    FAILURES, FEATURES, QUANTITIES, RATE, RATE_AT_HOUR, RATE_CHANGE, Row, TAIL, TIME, TIME_AT_HOUR,
    TIME_CHANGE, TIME_FOR_RATE, quantised,
};
use super::{FEWEST_CALLS, Minute};

/// Minutes that levels and spreads remember.
const LEVEL: f32 = 30.0;
const SPREAD: f32 = 1_440.0;
/// Weight of the spread that is assumed at first, in minutes.
const ASSUMED: f32 = 10.0;
/// Minutes before an Api's own count, at first and after its levels began afresh.
const WARM: u16 = 20;
/// How far minutes stray at least: 5 % in rate and median, 10 % in the tail, half a point of failures.
const FLOORS: [f32; QUANTITIES] = [0.05, 0.05, 0.1, 0.005];
/// Where a deviation is cut off for learning, in spreads.
const CUT: f32 = 3.0;
/// What remains of response time's spread, at least, once the rate is known.
const LEAST_APART: f32 = 0.2;
/// Variance of a sample's median, and of its 95th percentile, in units of σ²/n for a normal σ.
const MEDIAN_VARIANCE: f32 = 1.571;
const TAIL_VARIANCE: f32 = 4.47;
/// How many σ the 95th percentile lies above the median.
const TAIL_SIGMAS: f32 = 1.645;
/// Durations below this, in seconds, are all the same.
const SHORTEST: f64 = 1e-6;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Usual {
    level: f32,
    /// Mean square of what minutes deviate from it.
    square: f32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Habit {
    usual: [Usual; QUANTITIES],
    minutes: u16,
    /// Since the levels began afresh.
    fresh: u16,
    /// Of the deviations of rate and response time: mean product, and mean square of the first.
    together: f32,
    rates: f32,
    /// Mean square of what the rate does not tell of the response time.
    apart: f32,
    /// The last minute, and its deviations of rate and response time.
    last: i64,
    before: [f32; 2],
}

/// One minute against what is usual.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) row: Row,
    /// As they came: logarithms of calls a second, of the median, of the 95th percentile over the
    /// median; the share of failures.
    pub(super) values: [f32; QUANTITIES],
    pub(super) levels: [f32; QUANTITIES],
    spreads: [f32; QUANTITIES],
    deviations: [f32; QUANTITIES],
    minute: i64,
}

impl Habit {
    /// Enough is known for a minute to be judged and to teach others.
    pub(super) fn is_warm(&self) -> bool {
        self.minutes >= WARM && self.fresh >= WARM
    }

    /// What was usual is no more; how much minutes stray is.
    pub(super) fn begin_afresh(&mut self) {
        self.fresh = 0;
        self.before = [0.0; 2];
    }

    /// `None` of a minute that is too sparse to tell anything.
    pub(super) fn see(&self, minute: &Minute) -> Option<Seen> {
        if minute.calls < FEWEST_CALLS || !minute.p50.is_finite() || !minute.p95.is_finite() {
            return None;
        }
        let values = values(minute);
        let calls = minute.calls as f32;
        let sigma = values[TAIL] / TAIL_SIGMAS;
        let failures = self.usual[FAILURES].level.clamp(0.0, 1.0) + 1.0 / calls;
        let noise = [
            1.0,
            MEDIAN_VARIANCE * sigma * sigma,
            TAIL_VARIANCE * sigma * sigma,
            failures,
        ];
        let spreads: [f32; QUANTITIES] = std::array::from_fn(|at| {
            let weight = f32::from(self.minutes).min(SPREAD);
            let assumed = FLOORS[at] * FLOORS[at];
            let learned = (assumed * ASSUMED + self.usual[at].square * weight) / (ASSUMED + weight);
            learned.max(assumed).max(noise[at] / calls).sqrt()
        });
        let deviations: [f32; QUANTITIES] = std::array::from_fn(|at| {
            if self.fresh == 0 {
                0.0
            } else {
                (values[at] - self.usual[at].level) / spreads[at]
            }
        });
        let number = minute.start.as_secs().div_euclid(60);
        let follows = number == self.last.saturating_add(1);
        let [rate, time] = [deviations[RATE], deviations[TIME]];
        let mut features = [0.0; FEATURES];
        features[..QUANTITIES].copy_from_slice(&deviations);
        if follows && self.fresh > 0 {
            features[RATE_CHANGE] = rate - self.before[0];
            features[TIME_CHANGE] = time - self.before[1];
        }
        features[TIME_FOR_RATE] = self.apart(rate, time) / self.apart.sqrt().max(LEAST_APART);
        if let Some(usual) = minute.usual_rate {
            features[RATE_AT_HOUR] = beyond(f64::from(values[RATE]), usual) / spreads[RATE];
        }
        if let Some(usual) = minute.usual_time {
            features[TIME_AT_HOUR] = beyond(f64::from(values[TIME]), [0.0, usual]) / spreads[TIME];
        }
        Some(Seen {
            row: quantised(features),
            values,
            levels: self.usual.map(|usual| usual.level),
            spreads,
            deviations,
            minute: number,
        })
    }

    /// Takes a minute for usual. O(1).
    pub(super) fn learn(&mut self, seen: &Seen) {
        let warm = self.is_warm();
        self.minutes = self.minutes.saturating_add(1);
        self.fresh = self.fresh.saturating_add(1);
        let level_weight = 1.0 / f32::from(self.fresh).min(LEVEL);
        let spread_weight = 1.0 / f32::from(self.minutes).min(SPREAD);
        for (at, usual) in self.usual.iter_mut().enumerate() {
            let cut = CUT * seen.spreads[at];
            let off = seen.values[at] - usual.level;
            let step = if warm { off.clamp(-cut, cut) } else { off };
            usual.level += step * level_weight;
            // The first one after a change of levels only tells where they are.
            if self.fresh > 1 {
                let square = off.clamp(-cut, cut).powi(2);
                usual.square += (square - usual.square) * spread_weight;
            }
        }
        let [rate, time] = [RATE, TIME].map(|at| seen.deviations[at].clamp(-CUT, CUT));
        let weight = 1.0 / (ASSUMED + f32::from(self.minutes)).min(SPREAD);
        let apart = self.apart(rate, time).clamp(-CUT, CUT);
        self.together += (rate * time - self.together) * weight;
        self.rates += (rate * rate - self.rates) * weight;
        self.apart += (apart * apart - self.apart) * weight;
        self.note(seen);
    }

    /// Remembers a minute for what changes within minutes, whether it is usual or not.
    pub(super) fn note(&mut self, seen: &Seen) {
        self.before = [seen.deviations[RATE], seen.deviations[TIME]];
        self.last = seen.minute;
    }

    /// What the rate does not tell of the response time.
    fn apart(&self, rate: f32, time: f32) -> f32 {
        time - rate * self.together / self.rates.max(LEAST_APART)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits suffice")]
fn values(minute: &Minute) -> [f32; QUANTITIES] {
    let rate = minute.calls as f64 / minute.span.as_secs_f64().max(1.0);
    let median = minute.p50.max(SHORTEST).ln();
    [
        rate.ln() as f32,
        median as f32,
        (minute.p95.max(SHORTEST).ln() - median) as f32,
        (minute.errors as f64 / minute.calls as f64) as f32,
    ]
}

/// By how much a logarithm lies outside two values.
fn beyond(ln: f64, [low, high]: [f64; 2]) -> f32 {
    let (low, high) = (low.max(0.0).ln(), high.max(0.0).ln());
    let outside = if ln < low {
        ln - low
    } else if ln > high && high.is_finite() {
        ln - high
    } else {
        0.0
    };
    #[expect(clippy::cast_possible_truncation, reason = "seven digits suffice")]
    {
        outside as f32
    }
}
