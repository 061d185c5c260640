//! A Forecast that crosses a limit, and how such statements have done.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Measure, Name, SignalKey, Time};

/// The hash of the signal and of the time at which it was stated: the same input gives the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RiskId(pub u64);

impl fmt::Display for RiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a signal should not exceed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// In the signal's unit.
    pub value: f64,
    /// The objective that says so; `None` for a limit that was learned.
    pub objective: Option<Name>,
}

/// How a risk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RiskOutcome {
    /// The limit was crossed.
    Came,
    /// It stopped growing before that.
    Averted,
    /// The time passed in which it was expected.
    NotCome,
}

impl RiskOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            RiskOutcome::Came => "came",
            RiskOutcome::Averted => "averted",
            RiskOutcome::NotCome => "not-come",
        }
    }
}

/// Something is foreseen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    pub id: RiskId,
    pub signal: SignalKey,
    /// The part of the signal that grows: `p50`, `p95`, `error ratio`, `budget`.
    pub statistic: Name,
    pub limit: Limit,
    /// What it usually is, and what it is now; in the signal's unit.
    pub typical: f64,
    pub actual: f64,
    /// Units an hour.
    pub growth_per_hour: f64,
    /// When it was first said.
    pub stated: Time,
    pub updated: Time,
    /// When the limit is crossed if it goes on, with nine chances of ten between the other two.
    pub expected: Time,
    pub earliest: Time,
    /// `None`: it may well never come.
    pub latest: Option<Time>,
    /// That it comes by `latest`, as such statements have come true so far; 0 to 1.
    pub probability: f64,
    /// What was said when it was stated, which it is held to.
    pub first_expected: Time,
    pub first_probability: f64,
    pub ended: Option<Time>,
    pub outcome: Option<RiskOutcome>,
    /// One sentence for a person.
    pub why: String,
}

/// How well predictions came true since the monitor first started on this data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackRecord {
    pub risks: ScoredRisks,
    pub failures: ScoredFailures,
    /// The same for types of journeys.
    pub journeys: ScoredFailures,
    /// Of forecasts' intervals, by measure and horizon.
    pub coverage: Vec<Coverage>,
}

/// Risks stated, and limits crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredRisks {
    pub stated: u64,
    pub came: u64,
    pub averted: u64,
    pub not_come: u64,
    /// Limits crossed without a risk having been stated.
    pub missed: u64,
    /// Of those that came: crossed between `earliest` and `latest`, as they were said last.
    pub in_time: u64,
    /// Mean time from the statement to the crossing, in seconds; 0 when none came.
    pub mean_lead_secs: f64,
    /// Mean squared error of the first probabilities; `None` when none has ended.
    pub brier: Option<f64>,
}

/// Probabilities that an Api, or a type of journeys, fails within the next minutes, one a minute of
/// each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredFailures {
    pub horizon_secs: u32,
    pub judged: u64,
    pub failed: u64,
    /// Mean squared error of the probabilities; `None` before any is known.
    pub brier: Option<f64>,
    /// The same for who always says the share that failed.
    pub base_brier: Option<f64>,
    /// By tenths of the probability.
    pub reliability: Vec<Reliability>,
}

/// Of all probabilities about this high, how many came true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    pub judged: u64,
    /// Mean of the probabilities.
    pub said: f64,
    /// Share that came.
    pub came: f64,
}

/// What is expected of an Api.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiFuture {
    /// That it fails within the next minutes, 0 to 1; `None` while nothing can be said.
    pub failure_chance: Option<f64>,
    /// By measure, the nearest first; empty before enough was seen.
    pub signals: Vec<SignalFuture>,
}

/// What a signal of an Api will be, in the measure's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalFuture {
    pub measure: Measure,
    pub at: Time,
    pub horizon_secs: u32,
    pub median: f64,
    /// Nine of ten values lie within; `None` until some such forecasts were compared with what came.
    pub interval: Option<(f64, f64)>,
    /// Forecasts of this signal at this horizon that were compared with what came.
    pub scored: u32,
}

/// How often what came lay in the 90 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// `rate`, `latency`.
    pub measure: Name,
    pub horizon_secs: u32,
    pub scored: u64,
    pub inside: u64,
    /// Stretches of time, each as long as the horizon, that these lie in.
    pub stretches: u64,
    /// Mean error over the mean error of the value at the time; below 1 is better than no model.
    pub relative_error: f64,
}

/// Counts the stretches of time, each as long as a horizon, in which forecasts came due. All signals have one
/// course of load and the same incidents, so what came in one stretch came together: hundreds of forecasts of
/// three stretches say of intervals about what three would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretches {
    count: u64,
    latest: Option<i64>,
}

impl Stretches {
    /// From so many on, a share of nine of ten can be told from another.
    pub const ENOUGH: u64 = 10;

    /// A forecast of that horizon came due; later ones come after earlier ones.
    pub fn came(&mut self, due: Time, horizon_secs: u32) {
        let stretch = due.as_secs().div_euclid(i64::from(horizon_secs.max(1)));
        if self.latest.is_none_or(|latest| latest < stretch) {
            self.count += 1;
            self.latest = Some(stretch);
        }
    }

    pub fn count(self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_within_one_horizon_is_one_stretch() {
        let mut stretches = Stretches::default();
        assert_eq!(stretches.count(), 0);
        for secs in [0, 60, 7_199, 7_199, 7_200, 7_260, 30_000] {
            stretches.came(Time::from_secs(secs), 7_200);
        }
        assert_eq!(stretches.count(), 3);
    }
}
