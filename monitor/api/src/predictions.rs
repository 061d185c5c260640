//! What is foreseen, and how well such statements have come true.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Measure, Subject};

/// A signal that is expected to cross a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Risk {
    /// The same while it lasts; the same input gives the same id.
    pub id: String,
    pub subject: Subject,
    pub measure: Measure,
    /// The part of the signal that grows: `p50`, `p95`, `p99`, `error ratio`; or `budget`, whose values
    /// are how many times faster than evenly the error budget is spent.
    pub statistic: String,
    /// Of the next four: `s`, `ratio` or, for a budget, `times`.
    pub unit: String,
    /// `null` for a budget.
    pub limit: Option<f64>,
    /// What it usually is.
    pub typical: Option<f64>,
    pub actual: Option<f64>,
    pub growth_per_hour: Option<f64>,
    /// The objective whose limit it is; `null` for a limit that was learned.
    pub objective: Option<String>,
    pub open: bool,
    /// When it was first said.
    #[schema(format = DateTime)]
    pub stated: String,
    #[schema(format = DateTime)]
    pub updated: String,
    /// When the limit is crossed if it goes on, with nine chances of ten between the next two.
    #[schema(format = DateTime)]
    pub expected: String,
    #[schema(format = DateTime)]
    pub earliest: String,
    /// `null`: it may well never come.
    #[schema(format = DateTime)]
    pub latest: Option<String>,
    /// That it comes by `latest`, as such statements have come true so far; 0 to 1.
    pub probability: f64,
    /// What was said at first, which it is held to.
    #[schema(format = DateTime)]
    pub first_expected: String,
    pub first_probability: f64,
    /// `null` while open.
    #[schema(format = DateTime)]
    pub ended: Option<String>,
    /// `came`, `averted` (it stopped growing) or `not-come`; `null` while open, and when it could not
    /// be told.
    pub outcome: Option<String>,
    /// One sentence for a person.
    pub why: String,
}

/// The answer to `GET /predictions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Predictions {
    /// The watermark; `null` before the first record.
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// Open ones, the soonest first, then those that ended lately.
    pub risks: Vec<Risk>,
    /// How likely types of journeys fail within the next minutes, the likeliest first; filters hold
    /// for where they enter.
    #[serde(default)]
    pub journeys: Vec<JourneyChance>,
    pub track_record: TrackRecord,
}

/// How likely a type of journeys fails: many more of its journeys fail or are late than usually.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JourneyChance {
    /// The `id` of the type in `GET /journeys/types`.
    pub r#type: String,
    pub name: String,
    /// 0 to 1; 1 while it fails.
    pub probability: f64,
}

/// Since the monitor first started on its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrackRecord {
    pub risks: RiskRecord,
    pub failures: FailureRecord,
    /// The same for types of journeys.
    #[serde(default)]
    pub journeys: FailureRecord,
    /// Of forecasts' intervals, by measure and horizon.
    pub forecasts: Vec<ForecastRecord>,
}

/// Risks stated, and limits crossed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RiskRecord {
    pub stated: u64,
    pub came: u64,
    /// It stopped growing.
    pub averted: u64,
    /// The time passed in which it was expected.
    pub not_come: u64,
    /// Limits crossed of which no risk had been stated.
    pub missed: u64,
    /// Of those that came: within the interval that was said last.
    pub in_time: u64,
    /// Mean time from the first statement to the crossing; `null` when none came.
    pub mean_lead_seconds: Option<f64>,
    /// Mean squared error of the first probabilities; `null` when none has ended.
    pub brier: Option<f64>,
}

/// Probabilities that an Api, or a type of journeys, fails in the next minutes, said once a minute of
/// each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FailureRecord {
    pub horizon_seconds: u32,
    pub judged: u64,
    pub failed: u64,
    /// Mean squared error of the probabilities.
    pub brier: Option<f64>,
    /// The same for who always says the share that failed.
    pub base_brier: Option<f64>,
    /// By tenths of the probability.
    pub reliability: Vec<ReliabilityBin>,
}

/// Of all probabilities about this high, how many came true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReliabilityBin {
    pub judged: u64,
    /// Mean of the probabilities; `null` when there were none.
    pub said_ratio: Option<f64>,
    pub came_ratio: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastRecord {
    /// `rate`, `latency`.
    pub measure: String,
    pub horizon_seconds: u32,
    pub scored: u64,
    /// Stretches of time, each as long as the horizon, that these lie in. What came in one stretch came
    /// together, of all signals: a ratio of fewer than ten stretches says little.
    pub stretches: u64,
    /// Share of what came that lay in the 90 % interval.
    pub coverage_ratio: Option<f64>,
    /// Mean error over that of the value at the time; below 1 is better than no model.
    pub relative_error: Option<f64>,
}

/// Filters of `GET /predictions`' risks. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PredictionsQuery {
    /// `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// `true`: only those that are open; `false`: only those that have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
}
