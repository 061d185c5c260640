//! The recent past of one Api: seconds, then 10 s, minutes and hours, in bounded rings.
//!
//! The last minute keeps whole sketches, because any of its windows may be asked for. The coarser
//! steps keep quantiles only: 32 bytes a point, so that an idle Api costs next to nothing and a
//! busy one about 11 KiB for ten minutes, two hours and a week.

use std::collections::VecDeque;

use monitor_core::{Sketch, Time};
use serde::{Deserialize, Serialize};

use crate::bucket::CallBucket;

/// Seconds kept with their sketches.
const RECENT_SECS: i64 = 60;
/// Step in seconds and points kept.
const LEVELS: [(i64, usize); 3] = [(10, 60), (60, 120), (3600, 168)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    TenSeconds,
    Minute,
    Hour,
}

/// One interval of an Api's past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesPoint {
    pub start: Time,
    pub calls: u64,
    /// Server errors.
    pub errors: u64,
    /// Seconds; 0 when no call had a duration.
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) latencies: Sketch,
}

impl Stats {
    pub(crate) fn add(&mut self, calls: u64, errors: u64, latencies: &Sketch) {
        self.calls = self.calls.saturating_add(calls);
        self.errors = self.errors.saturating_add(errors);
        self.latencies.merge(latencies);
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    start: i64,
    calls: u32,
    errors: u32,
    p50: f32,
    p95: f32,
    p99: f32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Level {
    start: i64,
    current: Stats,
    done: VecDeque<Point>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rollups {
    recent: VecDeque<(i64, Stats)>,
    levels: [Level; 3],
}

impl Rollups {
    /// Adds one judged second; seconds come in ascending order.
    pub(crate) fn add(&mut self, second: i64, bucket: &CallBucket) {
        while self
            .recent
            .front()
            .is_some_and(|oldest| oldest.0 <= second - RECENT_SECS)
        {
            self.recent.pop_front();
        }
        self.recent.push_back((
            second,
            Stats {
                calls: bucket.calls,
                errors: bucket.server_errors,
                latencies: bucket.latencies.clone(),
            },
        ));
        for (level, (step, keep)) in self.levels.iter_mut().zip(LEVELS) {
            let start = second.div_euclid(step) * step;
            if start != level.start {
                level.close(keep);
                level.start = start;
            }
            level
                .current
                .add(bucket.calls, bucket.server_errors, &bucket.latencies);
        }
    }

    /// All calls of the seconds in `from..to`, at most the last minute.
    pub(crate) fn between(&self, from: i64, to: i64) -> Stats {
        let mut sum = Stats::default();
        for (_, stats) in self
            .recent
            .iter()
            .filter(|(second, _)| (from..to).contains(second))
        {
            sum.add(stats.calls, stats.errors, &stats.latencies);
        }
        sum
    }

    /// The latest interval with calls; it may be incomplete.
    pub(crate) fn latest(&self, step: Step) -> Option<SeriesPoint> {
        self.newest(step).next()
    }

    /// The newest first; intervals without calls are absent, the first one may be incomplete.
    pub(crate) fn newest(&self, step: Step) -> impl Iterator<Item = SeriesPoint> {
        let level = self.level(step);
        let current = (level.current.calls > 0).then(|| level.point());
        let done = level.done.iter().rev();
        current
            .into_iter()
            .chain(done.cloned())
            .map(|point| point.told())
    }

    fn level(&self, step: Step) -> &Level {
        &self.levels[match step {
            Step::TenSeconds => 0,
            Step::Minute => 1,
            Step::Hour => 2,
        }]
    }

    /// Ascending in time; intervals without calls are absent, the last one may be incomplete.
    pub(crate) fn series(&self, step: Step) -> Vec<SeriesPoint> {
        let level = self.level(step);
        let current = (level.current.calls > 0).then(|| level.point());
        level
            .done
            .iter()
            .chain(current.as_ref())
            .map(Point::told)
            .collect()
    }
}

impl Point {
    fn told(&self) -> SeriesPoint {
        SeriesPoint {
            start: Time::from_secs(self.start),
            calls: u64::from(self.calls),
            errors: u64::from(self.errors),
            p50: f64::from(self.p50),
            p95: f64::from(self.p95),
            p99: f64::from(self.p99),
        }
    }
}

impl Level {
    fn close(&mut self, keep: usize) {
        if self.current.calls == 0 {
            return;
        }
        if self.done.len() >= keep {
            self.done.pop_front();
        }
        self.done.push_back(self.point());
        self.current = Stats::default();
    }

    fn point(&self) -> Point {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seven digits are enough to draw"
        )]
        let quantile = |q| self.current.latencies.quantile(q).unwrap_or(0.0) as f32;
        Point {
            start: self.start,
            calls: u32::try_from(self.current.calls).unwrap_or(u32::MAX),
            errors: u32::try_from(self.current.errors).unwrap_or(u32::MAX),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}
