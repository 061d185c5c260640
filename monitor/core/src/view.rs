//! The state of everything watched, as one immutable value.
//!
//! The engine makes one each tick; the HTTP API, the UI and the metrics are renderings of it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Alert, Anomaly, ApiKey, Band, CallSource, Change, Environment, Incident, JourneysView, Name,
    Risk, Score, ServiceKey, Time, TrackRecord,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ApiState {
    /// No verdict yet: the model has not seen enough.
    Learning,
    Ok,
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

/// What one signal looks like now and what its model expects. `None`: not enough data to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignalView {
    pub actual: Option<f64>,
    pub typical: Option<f64>,
    pub band: Option<Band>,
    pub score: Score,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiView {
    pub key: Arc<ApiKey>,
    pub state: ApiState,
    /// Why it is in this state, in a sentence: `learning: 41 of 60 seconds with calls`.
    pub reason: String,
    /// Worst of its signals.
    pub score: Score,
    /// The evidence its numbers come from.
    pub source: CallSource,
    /// Over the last minute: calls a second, share of server errors, seconds.
    pub rate: f64,
    pub error_ratio: f64,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub rate_signal: SignalView,
    pub error_signal: SignalView,
    pub latency_signal: SignalView,
    /// Since we know it.
    pub calls_total: u64,
    pub errors_total: u64,
    pub first_seen: Time,
    pub last_seen: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    pub service: ServiceKey,
    pub environment: Name,
    /// Log records and share at ERROR or above, over the last minute.
    pub log_rate: f64,
    pub log_error_ratio: f64,
    pub logs_total: u64,
    pub log_errors_total: u64,
    pub templates: u64,
    pub last_seen: Time,
    /// As its logs alone show it.
    pub state: ApiState,
    pub reason: String,
    pub score: Score,
}

/// What was received of a service's logs, known as soon as they are: the signals come later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogsView {
    pub service: ServiceKey,
    pub environment: Name,
    /// The earliest and the latest time of a record.
    pub first: Time,
    pub last: Time,
    pub records: u64,
    /// That of most records of late; `None` while none is recognised.
    pub format: Option<Name>,
    /// Records that no format fits among those of the last minutes, 0 to 1.
    pub unrecognised_ratio: f64,
}

/// How far an objective is kept, over all the Apis that it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveView {
    pub service: ServiceKey,
    pub environment: Name,
    pub name: Name,
    /// Of the calls, how many should be good; 0 to 1.
    pub ratio: f64,
    /// In seconds; slower calls are bad.
    pub latency_threshold: Option<f64>,
    pub window: Duration,
    /// How much of the window is known.
    pub seen: Duration,
    /// Within the window.
    pub calls: u64,
    pub bad: u64,
    /// 1 when nothing of the error budget is spent, 0 when all is, less when more; `None` without
    /// calls.
    pub budget_remaining: Option<f64>,
    /// How many times faster than evenly the budget is spent, over five minutes, half an hour, an
    /// hour and six.
    pub burn_5m: Option<f64>,
    pub burn_30m: Option<f64>,
    pub burn_1h: Option<f64>,
    pub burn_6h: Option<f64>,
    pub apis: Vec<Arc<ApiKey>>,
}

/// The latest of a number that someone wants out of a log field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldView {
    pub service: ServiceKey,
    pub environment: Name,
    pub name: Name,
    pub unit: Option<Name>,
    pub value: f64,
    pub at: Time,
}

/// The last outcome of a request that the monitor makes itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeView {
    pub service: ServiceKey,
    /// `None`: it was not said which.
    pub environment: Option<Name>,
    pub name: Name,
    /// Why it failed, in a sentence; `None` when it did not.
    pub failure: Option<String>,
    pub duration: Duration,
    pub at: Time,
    /// Since the monitor's start.
    pub made: u64,
    pub failed: u64,
}

/// What the engine counted, since it first started on this data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineCounts {
    pub observations: u64,
    /// Older than the watermark: stored and searchable, but too late for the signals.
    pub late: u64,
    /// Further in the future than the tolerated skew.
    pub future: u64,
    pub anomalies_opened: u64,
    /// Observations whose Api was refused a place of its own because of the limit.
    pub overflowed: u64,
    /// Values of numbers that people want watched, beyond as many numbers as are judged.
    pub numbers_refused: u64,
    /// Who-calls-whom, told or told again.
    pub edges: u64,
    /// Of these, refused because more are known than we keep.
    pub edges_refused: u64,
    /// Readings of how full something is.
    pub levels: u64,
    /// Of these, those of more series than are followed.
    pub levels_refused: u64,
    pub incidents_opened: u64,
    /// Forecasts of incidents' impact that were compared with what came, and how many held it in
    /// their interval of 90 %.
    pub impact_forecasts: u64,
    pub impact_inside: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The watermark: everything before it has been judged.
    pub at: Time,
    pub environments: Vec<Environment>,
    /// Ordered by trouble: worst score first, then by key.
    pub apis: Vec<ApiView>,
    pub services: Vec<ServiceView>,
    /// In order of service and environment.
    pub logs: Vec<LogsView>,
    pub objectives: Vec<ObjectiveView>,
    pub fields: Vec<FieldView>,
    pub probes: Arc<Vec<ProbeView>>,
    /// Open ones, then those that ended lately, newest first.
    pub anomalies: Vec<Anomaly>,
    /// Open ones, the latest first, then those that ended lately.
    pub incidents: Vec<Incident>,
    pub alerts: Vec<Alert>,
    /// Open ones, the soonest first, then those that ended lately.
    pub risks: Vec<Risk>,
    /// How predictions have done.
    pub track_record: TrackRecord,
    /// In order of time.
    pub changes: Arc<[Arc<Change>]>,
    pub journeys: Arc<JourneysView>,
    pub counts: EngineCounts,
}

/// One stream of records and how well we read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamView {
    pub service: ServiceKey,
    pub environment: Name,
    pub stream: Name,
    /// The format recognised now; `None` while none is.
    pub format: Option<Name>,
    /// How many times the stream changed its format.
    pub format_changes: u64,
    pub records: u64,
    /// Records kept as text only, by reason.
    pub unrecognised: Vec<(Name, u64)>,
    /// Up to three lines that were not recognised, for a person to look at.
    pub examples: Vec<String>,
    /// How durations were understood, when there are any: `seconds (defined by the format)`.
    pub duration_unit: Option<String>,
    pub last_seen: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateView {
    pub service: ServiceKey,
    pub id: crate::TemplateId,
    /// With `<*>` for each variable.
    pub text: String,
    pub records: u64,
    pub first_seen: Time,
    pub last_seen: Time,
}

/// What the pipeline workers know, as one immutable value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestView {
    pub streams: Vec<StreamView>,
    pub templates: Vec<TemplateView>,
    /// Redactions made, by kind of secret.
    pub redactions: Vec<(Name, u64)>,
    pub edges: EdgeCounts,
}

/// How well who-calls-whom is known from spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeCounts {
    /// Told to the engine: each pair once in some seconds.
    pub told: u64,
    /// Span ids forgotten to make room before a parent or child of theirs came, if one ever would.
    pub forgotten: u64,
    /// Records of services beyond those that are told apart.
    pub unplaced: u64,
}
