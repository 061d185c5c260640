//! Apis: one route of one service, observed in one environment.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Alert, Anomaly, Band, Measure};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ApiState {
    /// No verdict yet: too little has been seen.
    Learning,
    Ok,
    /// A forecast crosses an objective.
    AtRisk,
    Anomalous,
    /// Expected to be called, and is not.
    Silent,
    Paused,
}

impl ApiState {
    pub const ALL: [ApiState; 6] = [
        ApiState::Learning,
        ApiState::Ok,
        ApiState::AtRisk,
        ApiState::Anomalous,
        ApiState::Silent,
        ApiState::Paused,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ApiState::Learning => "learning",
            ApiState::Ok => "ok",
            ApiState::AtRisk => "at-risk",
            ApiState::Anomalous => "anomalous",
            ApiState::Silent => "silent",
            ApiState::Paused => "paused",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Api {
    /// Stable: the same Api has the same id after a restart and on every monitor.
    #[schema(example = "8c1f6e2d90ab34f7")]
    pub id: String,
    pub environment: String,
    /// `service.namespace`; empty when the sender gave none.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// `GET`, `RPC`, `CONSUME`, …; empty when the evidence does not say.
    pub method: String,
    /// The route's template: `/orders/{id}`.
    pub route: String,
    pub state: ApiState,
    /// Why it is in this state, in a sentence.
    pub reason: String,
    /// The worst of its signals: at most 1 is normal, above 1 anomalous.
    pub score: f64,
    /// The same from 0 to 100; 50 is the limit of normal.
    pub score_percent: f64,
    /// The evidence the numbers come from: `span`, `log`, `metric`, `probe`.
    pub source: String,
    /// Over the last minute.
    pub calls_per_second: f64,
    /// Over the last minute: server errors among all calls, 0 to 1.
    pub error_ratio: f64,
    pub latency_p50_seconds: Option<f64>,
    pub latency_p95_seconds: Option<f64>,
    pub latency_p99_seconds: Option<f64>,
    pub signals: Signals,
    /// Since the Api is known.
    pub calls_total: u64,
    pub errors_total: u64,
    #[schema(format = DateTime)]
    pub first_seen: String,
    #[schema(format = DateTime)]
    pub last_seen: String,
}

/// What is measured of an Api, each beside what its model expects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Signals {
    pub calls_per_second: Signal,
    pub error_ratio: Signal,
    /// The 95th percentile of response times; the median while only that has moved.
    pub latency_seconds: Signal,
}

/// One signal now, in the unit its name says. `null`: not enough data to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Signal {
    pub actual: Option<f64>,
    pub typical: Option<f64>,
    pub expected: Option<Band>,
    /// At most 1 is normal.
    pub score: f64,
}

/// An Api with everything known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiDetail {
    pub api: Api,
    /// Its own and its service's, open ones first, then newest first.
    pub anomalies: Vec<Anomaly>,
    pub alerts: Vec<Alert>,
    /// The objectives that are about it.
    #[serde(default)]
    pub objectives: Vec<ObjectiveState>,
}

/// How far an objective is kept, over all the Apis of the service that it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ObjectiveState {
    pub name: String,
    /// Of the calls, how many should be good, 0 to 1.
    pub objective_ratio: f64,
    /// Slower calls are bad.
    pub latency_threshold_seconds: Option<f64>,
    pub window_seconds: f64,
    /// Within the window, as far as the monitor has seen it.
    pub calls: u64,
    pub bad: u64,
    /// 1 when nothing of the error budget is spent, 0 when all is, less when more. `null` without
    /// calls.
    pub error_budget_remaining_ratio: Option<f64>,
    /// How many times faster than evenly the budget is spent, over the last hour and the last six.
    pub burn_rate_1h: Option<f64>,
    pub burn_rate_6h: Option<f64>,
    /// How many Apis it is about.
    pub apis: u64,
}

/// The answer to `GET /apis/{id}/forecast`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiForecast {
    /// The watermark; `null` before the first record.
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// That it fails within `failure_horizon_seconds`, 0 to 1; `null` while nothing can be said.
    pub failure_probability: Option<f64>,
    pub failure_horizon_seconds: u32,
    /// By measure, the nearest first; empty for some twenty minutes.
    pub forecasts: Vec<SignalForecast>,
}

/// What a signal will be at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignalForecast {
    /// `rate`, or `latency`: the median of response times.
    pub measure: Measure,
    pub unit: String,
    #[schema(format = DateTime)]
    pub at: String,
    pub horizon_seconds: u32,
    pub median: Option<f64>,
    /// Nine of ten values lie between these; `null` until five such forecasts were compared with what came.
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    /// Forecasts of this signal at this horizon that were compared with what came.
    pub scored: u32,
    /// Of all Apis' intervals at this horizon, the share that held: how far to believe the 90 %. `null`
    /// before any was compared.
    pub coverage_ratio: Option<f64>,
}

/// Filters of `GET /apis`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApisQuery {
    /// `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// One state, or several with commas between: `anomalous,silent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}
