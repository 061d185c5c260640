//! Simple views of a signal's future, all learned at once.

use serde::{Deserialize, Serialize};

/// How many there are.
pub(super) const VIEWS: usize = 7;
/// Values before anything is said.
const READY: u32 = 12;
const DAY_SECS: f64 = 86_400.0;
const WEEK_SECS: f64 = 604_800.0;
const DAY_SLOTS: usize = 48;
const WEEK_SLOTS: usize = 168;
/// A value this many usual changes away from what was expected teaches as one at this distance.
const CUT: f32 = 6.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Views {
    seen: u32,
    first: f64,
    latest: f64,
    /// Usual distance between values, in seconds.
    step: f64,
    /// The last three, the latest last.
    last: [f32; 3],
    /// Means over about 6, 30 and 200 values.
    fast: f32,
    middle: f32,
    slow: f32,
    /// Of a line, per second, and its level.
    level: f32,
    slope: f32,
    /// Mean change from one value to the next.
    change: f32,
    /// Mean distance from the mean of all.
    spread: f32,
    all: f32,
    day: Slots,
    week: Slots,
}

/// A robust mean for each part of a period, in columns: 5 bytes a part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slots {
    means: Vec<f32>,
    /// How many values each rests on.
    seen: Vec<u8>,
}

impl Default for Views {
    fn default() -> Views {
        Views {
            seen: 0,
            first: 0.0,
            latest: 0.0,
            step: 0.0,
            last: [0.0; 3],
            fast: 0.0,
            middle: 0.0,
            slow: 0.0,
            level: 0.0,
            slope: 0.0,
            change: 0.0,
            spread: 0.0,
            all: 0.0,
            day: Slots::default(),
            week: Slots::default(),
        }
    }
}

impl Views {
    pub(super) fn bytes(&self) -> usize {
        self.day.bytes() + self.week.bytes()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.seen >= READY
    }

    pub(super) fn step_secs(&self) -> f64 {
        self.step
    }

    /// How far values usually lie from the mean of all.
    pub(super) fn spread(&self) -> f32 {
        self.spread
    }

    /// Differences that do not matter: half a percent of the spread.
    pub(super) fn least(&self) -> f32 {
        0.005 * self.spread
    }

    pub(super) fn learn(&mut self, secs: f64, value: f32) {
        if self.seen == 0 {
            *self = Views {
                seen: 1,
                first: secs,
                latest: secs,
                last: [value; 3],
                fast: value,
                middle: value,
                slow: value,
                level: value,
                all: value,
                ..Views::default()
            };
            return;
        }
        let gap = secs - self.latest;
        let share = |memory: f64| (2.0 / (memory + 1.0)).max(1.0 / f64::from(self.seen + 1)) as f32;
        if self.step == 0.0 {
            self.step = gap;
        }
        // A gap is not what is usual.
        let weight = f64::from(share(50.0));
        self.step += weight * (gap.min(3.0 * self.step) - self.step);
        let cut = |limit: f32, error: f32| {
            if limit > 0.0 {
                error.clamp(-limit, limit)
            } else {
                error
            }
        };
        let limit = CUT * self.change.max(self.spread * 0.1);
        let changed = (value - self.last[2]).abs();
        let change_cut = if self.seen > 10 && self.change > 0.0 {
            CUT * self.change
        } else {
            f32::INFINITY
        };
        self.change += share(100.0) * (changed.min(change_cut) - self.change);
        // After a gap older values count less.
        let steps = (gap / self.step.max(1e-9)).clamp(1.0, 1_000.0) as f32;
        let mean = |mean: &mut f32, memory: f64, value: f32| {
            let keep = (1.0 - share(memory)).powf(steps);
            *mean += (1.0 - keep) * (value - *mean);
        };
        let robust = self.fast + cut(limit, value - self.fast);
        mean(&mut self.fast, 6.0, value);
        mean(&mut self.middle, 30.0, robust);
        mean(&mut self.slow, 200.0, robust);
        // Holt's line. Its slope is learned slowly: a wrong one costs more than none.
        let expected = self.level + self.slope * gap as f32;
        let error = cut(limit, value - expected);
        let before = self.level;
        self.level = expected + share(12.0) * error;
        self.slope += share(60.0) * ((self.level - before) / gap as f32 - self.slope);
        // Of all that has been, the last ten thousand weigh.
        let weight = (1.0 / (self.seen as f32 + 1.0)).max(1e-4);
        let away = (value - self.all).abs();
        let far = if self.seen > 20 && self.spread > 0.0 {
            CUT * self.spread
        } else {
            f32::INFINITY
        };
        self.spread += weight.max(1.0 / 2_000.0) * (away.min(far) - self.spread);
        self.all += weight * cut(CUT * self.spread, value - self.all);
        self.day
            .learn(secs, DAY_SECS, DAY_SLOTS, value, CUT * self.spread);
        self.week
            .learn(secs, WEEK_SECS, WEEK_SLOTS, value, CUT * self.spread);
        self.last = [self.last[1], self.last[2], value];
        self.latest = secs;
        self.seen = self.seen.saturating_add(1);
    }

    /// What each view expects at `secs`, `after` seconds from now; NaN from those that cannot say.
    pub(super) fn at(&self, secs: f64, after: f64) -> [f32; VIEWS] {
        let known = self.latest - self.first;
        // A trend goes on for about as long as it has been seen, and at most some two hundred steps.
        let damped = (self.step * 200.0).min(known / 3.0).max(self.step);
        let line = self.level + self.slope * (damped * (1.0 - (-after / damped).exp())) as f32;
        // What is unusual now is so for a while.
        let lasting = (-after / (self.step * 60.0).max(7_200.0)).exp() as f32;
        let season = |slots: &Slots, period: f64, count: usize, enough: f64| {
            let then = slots.at(secs, period, count);
            let now = slots.at(self.latest, period, count);
            if known < enough * period || then.is_nan() || now.is_nan() {
                f32::NAN
            } else {
                then + lasting * (self.fast - now)
            }
        };
        [
            self.last[2],
            self.fast,
            self.slow,
            line,
            season(&self.day, DAY_SECS, DAY_SLOTS, 1.0),
            season(&self.week, WEEK_SECS, WEEK_SLOTS, 1.0),
            self.all,
        ]
    }
}

impl Slots {
    fn bytes(&self) -> usize {
        self.means.capacity() * size_of::<f32>() + self.seen.capacity()
    }

    /// A value beyond `limit` from the mean moves it no further.
    fn learn(&mut self, secs: f64, period: f64, count: usize, value: f32, limit: f32) {
        if self.means.is_empty() {
            self.means = vec![0.0; count];
            self.seen = vec![0; count];
        }
        let slot = slot(secs, period, count);
        let (mean, seen) = (&mut self.means[slot], &mut self.seen[slot]);
        if *seen == 0 {
            *mean = value;
        } else {
            let error = value - *mean;
            let error = if limit > 0.0 {
                error.clamp(-limit, limit)
            } else {
                error
            };
            *mean += (1.0 / (f32::from(*seen) + 1.0)).max(0.04) * error;
        }
        *seen = seen.saturating_add(1);
    }

    /// Between the middles of the two nearest parts; NaN where nothing is known.
    fn at(&self, secs: f64, period: f64, count: usize) -> f32 {
        if self.means.is_empty() {
            return f32::NAN;
        }
        let place = secs.rem_euclid(period) / period * count as f64 - 0.5;
        let low = place.floor();
        let part = (place - low) as f32;
        let low = (low as isize).rem_euclid(count as isize) as usize;
        let high = (low + 1) % count;
        let (before, after) = (self.means[low], self.means[high]);
        match (self.seen[low] > 0, self.seen[high] > 0) {
            (true, true) => before + part * (after - before),
            (true, false) => before,
            (false, true) => after,
            (false, false) => f32::NAN,
        }
    }
}

/// Which of `count` equal parts of the period a time falls into.
fn slot(secs: f64, period: f64, count: usize) -> usize {
    let place = secs.rem_euclid(period) / period * count as f64;
    (place as usize).min(count - 1)
}
