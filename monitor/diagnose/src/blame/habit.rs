//! What a node loses around a moment, and how much it ever lost so on normal days.

use serde::{Deserialize, Serialize};

use super::{Before, Level, Tuning, Unit};

/// Windows of normal days needed to know a node; fewer say nothing about its largest loss.
const LEAST_WINDOWS: usize = 24;
/// Of a node's time, what is nothing, whatever normal days say.
const LITTLE_TIME: f64 = 0.01;
/// Larger values are of no clock and no counter, and would overflow.
const BELIEVED: f64 = 1e15;
/// With fewer of its usual calls than this it is silent.
const SILENT: f64 = 0.2;

/// Calls of a node and what one costs, bucket by bucket; buckets are of equal length.
///
/// The shorter of the two counts. Values below 0 or above 10¹⁵ are taken as not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// In each bucket; a measured 0 is 0.
    pub calls: Vec<f64>,
    /// Mean seconds a call, or the share of calls that failed; NaN where there were none.
    pub each: Vec<f64>,
}

impl Costs {
    fn rows(&self) -> impl Iterator<Item = (f64, f64)> {
        let clean = |value: &f64| match *value {
            value if (0.0..=BELIEVED).contains(&value) => value,
            _ => f64::NAN,
        };
        self.calls
            .iter()
            .map(clean)
            .zip(self.each.iter().map(clean))
    }
}

/// How a window is divided: buckets before the incident, then of it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Layout {
    pub before: usize,
    pub during: usize,
}

/// What a node's normal days say of windows of one layout.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Habit {
    /// Windows in which it could be measured.
    windows: usize,
    /// The largest loss a bucket.
    most: f64,
    /// Median cost of a call, and median calls in a bucket that has any.
    each: f64,
    calls: f64,
    /// The largest drop in calls a bucket.
    most_missed: f64,
}

impl Habit {
    /// Looks at every window of the layout; time in proportion to buckets times the layout's length.
    /// Learned once for a layout, it serves every incident.
    pub fn learn(normal: &Costs, layout: Layout, tuning: &Tuning) -> Habit {
        let rows: Vec<(f64, f64)> = normal.rows().collect();
        let length = layout.before + layout.during;
        let mut scratch: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let each = median(&mut scratch).unwrap_or(f64::NAN);
        scratch.clear();
        scratch.extend(rows.iter().filter(|row| !row.1.is_nan()).map(|row| row.0));
        let calls = median(&mut scratch).unwrap_or(0.0);
        let mut habit = Habit {
            windows: 0,
            most: 0.0,
            each: if each.is_nan() { 0.0 } else { each },
            calls,
            most_missed: 0.0,
        };
        if length == 0 || layout.during == 0 {
            return habit;
        }
        for window in rows.windows(length) {
            let (before, during) = window.split_at(layout.before);
            let base = base(before, tuning).unwrap_or(each);
            if let Some(lost) = lost(during, base, tuning, &mut scratch) {
                habit.windows += 1;
                habit.most = habit.most.max(lost);
            }
            if let Some((was, is)) = traffic(before, during, &mut scratch) {
                habit.most_missed = habit.most_missed.max(was - is);
            }
        }
        habit
    }

    fn is_known(&self) -> bool {
        self.windows >= LEAST_WINDOWS
    }
}

/// What a node loses in an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Excess {
    pub(super) kind: Kind,
    /// Loss a bucket: seconds or failures; negative where it gains; of newcomers all they cost.
    pub(super) lost: f64,
    /// The most that it loses a bucket in such a window of normal days; above 0 when measured.
    pub(super) usual: f64,
    /// Cost of a call before and now.
    pub(super) before: f64,
    pub(super) now: f64,
    /// Calls a bucket, now.
    pub(super) calls: f64,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Kind {
    /// There is nothing to tell from.
    #[default]
    Unknown,
    Measured,
    /// It is called, and no normal days are known of it.
    Newcomer,
    /// Its calls ceased as they never do on normal days.
    Silent,
}

impl Excess {
    /// Measures the buckets of an incident; `habit` is of the same layout. Time in proportion to the
    /// layout's length.
    pub fn measure(
        habit: &Habit,
        incident: &Costs,
        layout: Layout,
        unit: Unit,
        tuning: &Tuning,
    ) -> Excess {
        let mut scratch = Vec::new();
        let rows: Vec<(f64, f64)> = incident
            .rows()
            .take(layout.before + layout.during)
            .collect();
        let (before, during) = rows.split_at(layout.before.min(rows.len()));
        let lately = base(before, tuning);
        let traffic = traffic(before, during, &mut scratch);
        let calls = traffic.map_or(0.0, |(_, is)| is);
        if let Some((was, is)) = traffic
            && is <= SILENT * was
            && was - is > habit.most_missed.max(1.0)
        {
            return Excess {
                kind: Kind::Silent,
                calls,
                ..Excess::default()
            };
        }
        // Without calls just before, normal days are what there is to compare with.
        let Some(base) = lately.or_else(|| habit.is_known().then_some(habit.each)) else {
            return Self::newcomer(during, calls, tuning, &mut scratch);
        };
        let Some(lost) = lost(during, base, tuning, &mut scratch) else {
            return Excess::default();
        };
        if !habit.is_known() {
            return Self::newcomer(during, calls, tuning, &mut scratch);
        }
        scratch.clear();
        scratch.extend(during.iter().map(|row| row.1));
        let now = level(&mut scratch, tuning).unwrap_or(base);
        Excess {
            kind: Kind::Measured,
            lost,
            usual: usual(habit, &rows, base, calls, unit, tuning),
            before: base,
            now,
            calls,
        }
    }

    fn newcomer(
        during: &[(f64, f64)],
        calls: f64,
        tuning: &Tuning,
        scratch: &mut Vec<f64>,
    ) -> Excess {
        let all = lost(during, 0.0, tuning, scratch);
        scratch.clear();
        scratch.extend(during.iter().filter(|row| row.0 > 0.0).map(|row| row.1));
        match level(scratch, tuning) {
            Some(now) => Excess {
                kind: Kind::Newcomer,
                lost: all.unwrap_or(0.0),
                now,
                calls,
                ..Excess::default()
            },
            None => Excess::default(),
        }
    }

    pub(super) fn is_measured(&self) -> bool {
        self.kind == Kind::Measured
    }

    /// Its loss as a multiple of the most on normal days; 0 when it gains or is not measured.
    pub fn beyond(&self) -> f64 {
        if self.is_measured() {
            (self.lost / self.usual).max(0.0)
        } else {
            0.0
        }
    }
}

/// The most that is usual. A node that takes more time than on its normal days also varies more.
fn usual(
    habit: &Habit,
    rows: &[(f64, f64)],
    base: f64,
    calls: f64,
    unit: Unit,
    tuning: &Tuning,
) -> f64 {
    match unit {
        Unit::Failures => habit.most.max(tuning.few_failures),
        Unit::Seconds => {
            let mut each: Vec<f64> = rows.iter().map(|row| row.1).collect();
            let mut count: Vec<f64> = rows.iter().map(|row| row.0).collect();
            let time = median(&mut each).unwrap_or(0.0) * median(&mut count).unwrap_or(0.0);
            let then = habit.each * habit.calls;
            let grown = if then > 0.0 { time / then } else { 1.0 };
            (habit.most * grown.max(1.0))
                .max(LITTLE_TIME * base * calls)
                .max(f64::MIN_POSITIVE)
        }
    }
}

/// What a call cost before.
fn base(before: &[(f64, f64)], tuning: &Tuning) -> Option<f64> {
    let known = before.iter().map(|row| row.1).filter(|each| !each.is_nan());
    match tuning.before {
        Before::Best => known.min_by(f64::total_cmp),
        Before::Mean => {
            let (sum, count) = known.fold((0.0, 0.0), |(sum, n), each| (sum + each, n + 1.0));
            (count > 0.0).then(|| sum / count)
        }
    }
}

/// Loss a bucket against what a call cost before.
fn lost(during: &[(f64, f64)], base: f64, tuning: &Tuning, scratch: &mut Vec<f64>) -> Option<f64> {
    scratch.clear();
    scratch.extend(during.iter().map(|(calls, each)| calls * (each - base)));
    level(scratch, tuning)
}

/// Median calls before and during, if known of both.
fn traffic(
    before: &[(f64, f64)],
    during: &[(f64, f64)],
    scratch: &mut Vec<f64>,
) -> Option<(f64, f64)> {
    scratch.clear();
    scratch.extend(during.iter().map(|row| row.0));
    let is = median(scratch)?;
    scratch.clear();
    scratch.extend(before.iter().map(|row| row.0));
    Some((median(scratch).unwrap_or(is), is))
}

fn level(values: &mut Vec<f64>, tuning: &Tuning) -> Option<f64> {
    match tuning.level {
        Level::Median => median(values),
        Level::Mean => {
            values.retain(|value| !value.is_nan());
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        }
    }
}

/// Of those known; sorts them.
fn median(values: &mut Vec<f64>) -> Option<f64> {
    values.retain(|value| !value.is_nan());
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
