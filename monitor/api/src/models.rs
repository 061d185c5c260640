//! Models: what was learned, under which recipe, how well it did; and what people say of anomalies.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Band, Subject};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelState {
    /// Its verdicts are told.
    Active,
    /// On trial: judges the same samples; its verdicts are recorded and not told.
    Shadow,
    /// It is no more.
    Retired,
}

/// How a model judges. What is absent is as the active model has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The sensitivity; above 0, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarms_per_api_week: Option<f64>,
    /// Measures (`latency`, `rate`, `error_ratio`, …) that are learned, but of which nothing is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Vec<String>>,
}

/// All that was learned of all Apis and services under one recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// `m1`, `m2`, …
    pub id: String,
    pub state: ModelState,
    pub recipe: Recipe,
    /// The model whose knowledge it began with; `null` when it began with none.
    pub parent: Option<String>,
    #[schema(format = DateTime)]
    pub created: Option<String>,
    /// Since when it is in this state.
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// The event time of what it has learned from.
    #[schema(format = DateTime)]
    pub learned_from: Option<String>,
    #[schema(format = DateTime)]
    pub learned_to: Option<String>,
    pub observations: u64,
    pub apis: u64,
    pub services: u64,
    /// Promoted as soon as it is measurably better.
    pub automatic: bool,
    /// In sentences, the oldest first.
    pub history: Vec<String>,
}

/// A model with how it does beside the other one, while one is on trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelDetail {
    #[serde(flatten)]
    pub model: Model,
    /// `null` unless it is the active one or the one on trial, and there are both.
    pub comparison: Option<Comparison>,
}

/// Two models that judged the same samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    pub active: String,
    pub shadow: String,
    #[schema(format = DateTime)]
    pub since: String,
    #[schema(format = DateTime)]
    pub until: String,
    pub active_tally: Tally,
    pub shadow_tally: Tally,
    /// How likely as few false alarms of the one on trial are by chance, were both alike.
    pub p: f64,
    /// Nothing found by the active one is missed, and there are significantly fewer false alarms.
    pub better: bool,
    /// In a sentence.
    pub why: String,
    /// Alarms that only one of them raised, the latest first, at most 100 of each.
    pub only_active: Vec<Alarm>,
    pub only_shadow: Vec<Alarm>,
    /// Alarms forgotten for want of room; not in the tallies.
    pub forgotten: u64,
}

/// How a model did over some time, by what people said of anomalies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tally {
    /// Apis that were judged, times how long.
    pub api_weeks: f64,
    pub alarms: u64,
    /// Of these, such as people said `expected` or `ignore` to.
    pub unwanted: u64,
    /// Of these, such as nobody said anything of.
    pub unanswered: u64,
    /// Unwanted and unanswered ones; `null` when nothing was judged.
    pub false_alarms_per_api_week: Option<f64>,
    /// Troubles that people called `real`, and how many of them it found.
    pub real: u64,
    pub found: u64,
    pub median_delay_seconds: Option<f64>,
    pub scores: Vec<ScoreRange>,
}

/// What became of alarms by their score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreRange {
    pub from: f64,
    /// `null`: no end.
    pub to: Option<f64>,
    pub alarms: u64,
    pub real: u64,
    pub unwanted: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// The anomaly's id.
    pub id: String,
    /// For people: `latency of shop/orders GET /orders/{id} @ cloud-a`.
    pub signal: String,
    pub detector: String,
    #[schema(format = DateTime)]
    pub start: String,
    #[schema(format = DateTime)]
    pub detected: String,
    #[schema(format = DateTime)]
    pub end: Option<String>,
    pub score: f64,
}

/// Body of `POST /models`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewTrial {
    pub recipe: Recipe,
    /// Learn from nothing, instead of beginning with what the active model has learned.
    pub afresh: bool,
    /// Promote it as soon as it is measurably better.
    pub automatic: bool,
}

/// Body of `POST /models/{id}/promote`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Promotion {
    /// Only if it is measurably better; otherwise because a person says so.
    pub if_better: bool,
}

/// What one Api or service has learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Learned {
    pub subject: Subject,
    pub signals: Vec<LearnedSignal>,
}

/// The model of one signal. A new version begins when the old one does not count any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LearnedSignal {
    /// `latency`, `rate`, …
    pub measure: String,
    /// The kind of model, by its detector: `latency-spike`.
    pub detector: String,
    /// Counted from 1.
    pub version: u32,
    /// The version before; `null` for the first.
    pub parent: Option<u32>,
    /// `made`, `made afresh`, or `shifted`: what had been unusual for long is the new normal.
    pub because: String,
    #[schema(format = DateTime)]
    pub created: String,
    #[schema(format = DateTime)]
    pub learned_from: String,
    #[schema(format = DateTime)]
    pub learned_to: String,
    /// Calls or records that it rests on.
    pub observations: u64,
    /// There is no verdict yet.
    pub learning: bool,
    /// What it expects now, in the signal's unit.
    pub typical: Option<f64>,
    pub expected: Option<Band>,
}

/// Filters of `GET /learned`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LearnedQuery {
    /// The id of an Api.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// That is how it should be: the same again, at about this time of the day or with the same in
    /// common, is no anomaly.
    Expected,
    /// Tell nothing of this signal for a while.
    Ignore,
    /// A real trouble: counts when models are compared, and never becomes normal.
    Real,
}

/// Body of `POST /anomalies/{id}/feedback` and `POST /alerts/{id}/feedback`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeedback {
    pub answer: Answer,
    /// At most 1 000 characters.
    #[serde(default)]
    pub note: String,
    /// Of `ignore`: for how long; a day when absent, 30 days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u64>,
}

/// What a person said of an anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Feedback {
    /// The anomaly's id.
    pub anomaly: String,
    /// For people: `latency of shop/orders GET /orders/{id} @ cloud-a`.
    pub signal: String,
    pub detector: String,
    #[schema(format = DateTime)]
    pub start: String,
    #[schema(format = DateTime)]
    pub end: Option<String>,
    pub answer: Answer,
    pub note: String,
    #[schema(format = DateTime)]
    pub at: String,
    /// Of `ignore`: until when.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// Anomalies that were not told because of it.
    pub held_back: u64,
}

/// Filters of `GET /feedback`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeedbackQuery {
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Body of `POST /models/backtest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewBacktest {
    /// RFC 3339, or relative to now such as `-1d`.
    pub from: String,
    /// Now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Blocks that are judged, each by what was learned from all before it; 2 to 50, 5 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<u32>,
    /// At most 8. The active model's recipe is compared too.
    pub candidates: Vec<Candidate>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Candidate {
    pub name: String,
    pub recipe: Recipe,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BacktestResult {
    /// Stored records that were judged.
    pub records: u64,
    pub results: Vec<Backtested>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backtested {
    pub name: String,
    pub recipe: Recipe,
    /// Over all blocks that were judged.
    pub all: Tally,
    /// The mean over the blocks, and its standard error.
    pub mean_false_alarms_per_api_week: Option<f64>,
    pub standard_error: Option<f64>,
    pub folds: Vec<BacktestFold>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BacktestFold {
    #[schema(format = DateTime)]
    pub from: String,
    #[schema(format = DateTime)]
    pub to: String,
    pub tally: Tally,
}

/// Body of `POST /forecast`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastRequest {
    pub series: Vec<Series>,
    /// How long after the last point of each, at most 50; 0 to 604 800. When empty: five minutes, half
    /// an hour, two and six hours, a day, a week.
    pub after_seconds: Vec<u64>,
}

/// Answer to `POST /forecast`, in the order of the series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesForecasts {
    pub series: Vec<SeriesForecast>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesForecast {
    pub id: String,
    /// What the series is too short to say is left out.
    pub forecasts: Vec<ForecastPoint>,
    /// Why nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastPoint {
    pub after_seconds: u64,
    pub median: Option<f64>,
    /// Nine of ten values lie between these; `null` until five such forecasts were compared with what came.
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    /// Forecasts of this horizon within the series that were compared with what came.
    pub scored: u32,
}

/// One value of a series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub time: String,
    pub value: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Series {
    /// Given back with the answer.
    pub id: String,
    /// In order of time.
    pub points: Vec<Point>,
}

/// Answer to `POST /score`, in the order of the series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scores {
    pub series: Vec<SeriesScore>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesScore {
    pub id: String,
    /// One for each point; empty when there is an error.
    pub opinions: Vec<Opinion>,
    /// Why the series was not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the model of a single signal thinks of one value, by all before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Opinion {
    #[schema(format = DateTime)]
    pub time: String,
    pub value: f64,
    /// What it expected; `null` while it has nothing to expect it from.
    pub typical: Option<f64>,
    /// How strange the present is, over some time: below about 0.5 is ordinary.
    pub evidence: f64,
    /// How strange this value is, in orders of magnitude of probability.
    pub surprise: f64,
    /// Above 0 only where someone should be told.
    pub alarm: f64,
    /// From where it is most surprising: `day`, `week`, `envelope`, `level`, `course`, `shape`.
    pub most_surprising: String,
}
