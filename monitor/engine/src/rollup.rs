//! The recent past of one Api: seconds, then 10 s, minutes and hours, in bounded rings.
//!
//! The last minute keeps whole sketches, because any of its windows may be asked for. The coarser
//! steps keep quantiles only: 16 bytes a point, so that an idle Api costs next to nothing and a
//! busy one 5.6 kB for ten minutes, two hours and a week.

use std::collections::VecDeque;

use monitor_core::{Bin, Sketch, Time};
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
    /// Steps from this one to the next one, or to the current interval.
    until_next: u16,
    /// p50, p95, p99.
    quantiles: [Bin; 3],
    calls: u32,
    errors: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Level {
    /// Of the current interval, which has calls unless it is the first.
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
        if bucket.calls == 0 {
            return;
        }
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
                level.go_on(start, step, keep);
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
        let (level, secs) = self.level(step);
        let mut start = level.start;
        let done = level.done.iter().rev().map(move |point| {
            start -= i64::from(point.until_next) * secs;
            point.told(start)
        });
        level.latest().into_iter().chain(done)
    }

    fn level(&self, step: Step) -> (&Level, i64) {
        let at = match step {
            Step::TenSeconds => 0,
            Step::Minute => 1,
            Step::Hour => 2,
        };
        (&self.levels[at], LEVELS[at].0)
    }

    /// Ascending in time; intervals without calls are absent, the last one may be incomplete.
    pub(crate) fn series(&self, step: Step) -> Vec<SeriesPoint> {
        let (level, secs) = self.level(step);
        let lasts = |point: &Point| i64::from(point.until_next) * secs;
        let mut start = level.start - level.done.iter().map(lasts).sum::<i64>();
        let done = level.done.iter().map(|point| {
            let told = point.told(start);
            start += lasts(point);
            told
        });
        done.chain(level.latest()).collect()
    }
}

impl Point {
    fn told(&self, start: i64) -> SeriesPoint {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seven digits are more than a sketch knows"
        )]
        let [p50, p95, p99] = self.quantiles.map(|bin| f64::from(bin.value() as f32));
        SeriesPoint {
            start: Time::from_secs(start),
            calls: u64::from(self.calls),
            errors: u64::from(self.errors),
            p50,
            p95,
            p99,
        }
    }
}

impl Level {
    /// The interval that begins at `start` is the current one now. What was before a pause of
    /// 65,535 steps (a week of the shortest) is forgotten.
    fn go_on(&mut self, start: i64, step: i64, keep: usize) {
        let steps = start.saturating_sub(self.start).div_euclid(step);
        let point = self.point(u16::try_from(steps).unwrap_or(u16::MAX));
        self.start = start;
        self.current = Stats::default();
        if point.until_next == u16::MAX || point.calls == 0 {
            self.done.clear();
            return;
        }
        if self.done.len() >= keep {
            self.done.pop_front();
        }
        if self.done.len() == self.done.capacity() {
            // By a quarter: a ring that doubles would be half empty in many an Api for ever.
            let more = (self.done.len() / 4).max(4);
            self.done.reserve_exact(more.min(keep - self.done.len()));
        }
        self.done.push_back(point);
    }

    fn latest(&self) -> Option<SeriesPoint> {
        (self.current.calls > 0).then(|| self.point(0).told(self.start))
    }

    fn point(&self, until_next: u16) -> Point {
        let quantile = |q| self.current.latencies.quantile_bin(q).unwrap_or(Bin::ZERO);
        Point {
            until_next,
            quantiles: [0.5, 0.95, 0.99].map(quantile),
            calls: u32::try_from(self.current.calls).unwrap_or(u32::MAX),
            errors: u32::try_from(self.current.errors).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One call of so many seconds.
    fn call(rollups: &mut Rollups, second: i64, took: f64) {
        let mut bucket = CallBucket {
            calls: 1,
            ..CallBucket::default()
        };
        bucket.latencies.add(took);
        rollups.add(second, &bucket);
    }

    #[test]
    fn points_keep_their_times_across_pauses_and_are_as_long_as_was_said() {
        let mut rollups = Rollups::default();
        let seconds = [7, 12, 13, 40, 4_000, 4_011, 90_000];
        for second in seconds {
            call(&mut rollups, second, 0.25);
        }
        let series = rollups.series(Step::TenSeconds);
        let starts = |points: &[SeriesPoint]| -> Vec<i64> {
            points.iter().map(|point| point.start.as_secs()).collect()
        };
        assert_eq!(starts(&series), [0, 10, 40, 4_000, 4_010, 90_000]);
        assert_eq!(series[1].calls, 2);
        assert!((series[3].p95 / 0.25 - 1.0).abs() < 0.01);
        let mut newest: Vec<SeriesPoint> = rollups.newest(Step::TenSeconds).collect();
        newest.reverse();
        assert_eq!(newest, series);
        assert_eq!(starts(&rollups.series(Step::Hour)), [0, 3_600, 90_000]);
    }

    #[test]
    fn rings_end_and_the_oldest_go() {
        let mut rollups = Rollups::default();
        (0..2_000).for_each(|at| call(&mut rollups, at * 10, 0.1));
        let series = rollups.series(Step::TenSeconds);
        assert_eq!(series.len(), 61);
        assert_eq!(series[0].start, Time::from_secs(19_390));
        assert_eq!(rollups.levels[0].done.capacity(), 60);
    }

    #[test]
    fn what_was_before_a_very_long_pause_is_forgotten() {
        let mut rollups = Rollups::default();
        for second in [0, 10, 20, 20 + 65_535 * 10] {
            call(&mut rollups, second, 0.1);
        }
        assert_eq!(rollups.series(Step::TenSeconds).len(), 1);
        assert_eq!(rollups.series(Step::Minute).len(), 2);
    }
}
