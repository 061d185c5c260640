//! What an Api usually is and should not exceed, and where it is between the two.

use monitor_core::{Measure, Name};
use serde::{Deserialize, Serialize};

use crate::api::ApiTrack;
use crate::rollup::{Rollups, SeriesPoint, Step};

/// A limit that was learned is so many times the usual …
const TIMES: f64 = 3.0;
/// … and more than that by so many of the deviations that are usual from one look to the next.
const DEVIATIONS: f64 = 6.0;
/// Differences of response time that nobody feels, in seconds.
const UNFELT: f64 = 0.002;
/// Of failing calls so many more than usual, and so many times.
const FAILING_MORE: f64 = 0.1;
const FAILING_TIMES: f64 = 5.0;
/// An error budget that is spent this much faster than evenly is gone in two days of thirty (Beyer et
/// al., "The Site Reliability Workbook", chapter 5).
const FAST_BURN: f64 = 14.4;
/// Intervals with calls before the usual is known.
const KNOWN: usize = 5;
/// A day of hours is better than two hours of minutes.
const HOURS: usize = 24;
/// Calls that a look rests on, and the oldest of them in seconds.
const CALLS: u64 = 8;
const OLDEST_SECS: i64 = 60;

/// A part of a signal that has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Statistic {
    Median,
    P95,
    P99,
    Errors,
}

impl Statistic {
    pub(super) fn name(self) -> &'static str {
        match self {
            Statistic::Median => "p50",
            Statistic::P95 => "p95",
            Statistic::P99 => "p99",
            Statistic::Errors => "error ratio",
        }
    }

    pub(super) fn measure(self) -> Measure {
        match self {
            Statistic::Errors => Measure::ErrorRatio,
            _ => Measure::Latency,
        }
    }

    /// Calls without which it says nothing: of few the 95th of a hundred is the slowest.
    pub(super) fn fewest_calls(self) -> u64 {
        match self {
            Statistic::Median | Statistic::Errors => 4,
            Statistic::P95 => 40,
            Statistic::P99 => 150,
        }
    }

    pub(super) fn of(self, point: &SeriesPoint) -> f64 {
        match self {
            Statistic::Median => point.p50,
            Statistic::P95 => point.p95,
            Statistic::P99 => point.p99,
            Statistic::Errors => point.errors as f64 / point.calls.max(1) as f64,
        }
    }
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) statistic: Statistic,
    pub(super) typical: f64,
    pub(super) limit: f64,
    pub(super) objective: Option<Name>,
}

impl Line {
    /// 0 as usual, 1 at the limit.
    pub(super) fn way(&self, value: f64) -> f64 {
        (value - self.typical) / (self.limit - self.typical).max(1e-12)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// How far the median of the recent calls usually is from its typical value, as a share of it.
    noise: f64,
    looks: u32,
}

impl Lines {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    pub(super) fn noise(&self) -> f64 {
        self.noise
    }

    /// Learns what is usual from the hours, or the minutes while there are few hours. A median: what
    /// has grown for less than half of that time changes it little.
    pub(super) fn renew(&mut self, api: &ApiTrack) {
        let hours = api.rollups.series(Step::Hour);
        let past = if hours.len() >= HOURS {
            hours
        } else {
            api.rollups.series(Step::Minute)
        };
        self.lines.clear();
        if past.len() < KNOWN {
            return;
        }
        let usual = |statistic: Statistic| {
            let mut values: Vec<f64> = past.iter().map(|point| statistic.of(point)).collect();
            let middle = values.len() / 2;
            *values.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        for statistic in [Statistic::Median, Statistic::P95] {
            let typical = usual(statistic);
            if typical > 0.0 {
                let limit = typical * TIMES.max(1.0 + DEVIATIONS * self.noise);
                self.push(statistic, typical, limit.max(typical + UNFELT), None);
            }
        }
        let calls: u64 = past.iter().map(|point| point.calls).sum();
        let errors: u64 = past.iter().map(|point| point.errors).sum();
        let failing = usual(Statistic::Errors).min(errors as f64 / calls.max(1) as f64);
        self.push(
            Statistic::Errors,
            failing,
            (failing * FAILING_TIMES)
                .max(failing + FAILING_MORE)
                .min(1.0),
            None,
        );
        for (objective, _) in api.objectives() {
            let (statistic, limit) = match objective.latency_threshold {
                None => (Statistic::Errors, FAST_BURN * (1.0 - objective.ratio)),
                Some(limit) if objective.ratio >= 0.97 => (Statistic::P99, limit),
                Some(limit) if objective.ratio >= 0.8 => (Statistic::P95, limit),
                Some(limit) => (Statistic::Median, limit),
            };
            self.push(
                statistic,
                usual(statistic),
                limit,
                Some(Name::clone(&objective.name)),
            );
        }
    }

    /// What is beyond its limit as a rule has none to cross.
    fn push(&mut self, statistic: Statistic, typical: f64, limit: f64, objective: Option<Name>) {
        if limit > typical && limit.is_finite() {
            self.lines.push(Line {
                statistic,
                typical,
                limit,
                objective,
            });
        }
    }

    pub(super) fn learn_noise(&mut self, recent: &Recent) {
        let Some(line) = self
            .lines
            .first()
            .filter(|line| line.statistic == Statistic::Median)
        else {
            return;
        };
        let away = (recent.value(Statistic::Median) / line.typical - 1.0).abs();
        self.looks = self.looks.saturating_add(1);
        let weight = (1.0 / f64::from(self.looks)).max(0.005);
        // What is far out is trouble and not noise.
        self.noise += weight * (away.min(0.5_f64.min(3.0 * self.noise.max(0.05))) - self.noise);
    }

    /// Some statistic is beyond its limit.
    pub(super) fn are_crossed(&self, recent: &Recent) -> bool {
        self.lines.iter().any(|line| {
            let enough = line.statistic != Statistic::Errors || recent.errors >= 3;
            enough && recent.says(line.statistic) && recent.value(line.statistic) > line.limit
        })
    }

    /// All are well below their limits.
    pub(super) fn are_below(&self, recent: &Recent, share: f64) -> bool {
        self.lines.iter().all(|line| {
            recent.value(line.statistic) < line.typical + share * (line.limit - line.typical)
        })
    }

    /// The furthest of response time, and of failing calls.
    pub(super) fn way(&self, recent: &Recent) -> (f64, f64) {
        let furthest = |errors: bool| {
            let lines = self.lines.iter();
            lines
                .filter(|line| (line.statistic == Statistic::Errors) == errors)
                .filter(|line| recent.says(line.statistic))
                .map(|line| line.way(recent.value(line.statistic)))
                .fold(0.0, f64::max)
        };
        (furthest(false), furthest(true))
    }
}

/// The latest calls, as many as a look needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recent {
    pub(super) calls: u64,
    pub(super) errors: u64,
    p50: f64,
    p95: f64,
    p99: f64,
}

impl Recent {
    /// `None` when there were hardly any.
    pub(super) fn of(rollups: &Rollups, end: i64) -> Option<Recent> {
        let mut sum = Recent {
            calls: 0,
            errors: 0,
            p50: 0.0,
            p95: 0.0,
            p99: 0.0,
        };
        for point in rollups.newest(Step::TenSeconds) {
            let enough = sum.calls >= CALLS && point.start.as_secs() < end - 20;
            if enough || point.start.as_secs() < end - OLDEST_SECS {
                break;
            }
            let calls = point.calls as f64;
            sum.calls += point.calls;
            sum.errors += point.errors;
            sum.p50 += calls * point.p50;
            sum.p95 += calls * point.p95;
            sum.p99 += calls * point.p99;
        }
        let calls = sum.calls as f64;
        (sum.calls > 0).then(|| Recent {
            p50: sum.p50 / calls,
            p95: sum.p95 / calls,
            p99: sum.p99 / calls,
            ..sum
        })
    }

    fn says(&self, statistic: Statistic) -> bool {
        self.calls >= statistic.fewest_calls()
    }

    pub(super) fn value(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Median => self.p50,
            Statistic::P95 => self.p95,
            Statistic::P99 => self.p99,
            Statistic::Errors => self.errors as f64 / self.calls as f64,
        }
    }
}
