//! Anomalies: a signal outside what its model expects, and why.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Above,
    Below,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Calls a second.
    Rate,
    /// Share of calls that are server errors.
    ErrorRatio,
    /// Response time in seconds.
    Latency,
    /// Share of log records at ERROR or above.
    LogErrorRatio,
    /// Records a second of one log template.
    TemplateRate,
    /// Share of calls refused as too many.
    ThrottledRatio,
    /// Share of calls refused for want of valid credentials or rights.
    UnauthorisedRatio,
    /// Share of calls that are other mistakes of their callers.
    ClientErrorRatio,
    /// Share of log records in a format that the service does not usually write.
    LogFormatRatio,
    /// Share of calls that end in a status which the Api did not use before.
    NewStatusRatio,
    /// Share of answers that are of a size which the Api did not use before.
    NewSizeRatio,
    /// Calls made to a dependency for each call served.
    CallsPerCall,
    /// Log records a second.
    LogRate,
    /// How full something is by the service's gauges or its own warnings.
    Saturation,
    /// A number out of a log field that people want watched: the subject's `name` says which.
    Number,
    /// How far a minute's rate, response times and failures stand apart together; half is what chance
    /// has it.
    Combination,
    /// Share of log records that bear another time than the one at which they came, all astray by the
    /// same amount.
    MistimedRatio,
    /// Share of the journeys of one type in which a step is missing, repeated or out of order.
    JourneyStepRatio,
}

/// What is expected, in the signal's unit. `null`: not bounded on that side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Band {
    pub lower: Option<f64>,
    pub upper: Option<f64>,
}

/// A value that the anomalous calls have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contribution {
    /// `instance`, `version`, `status`, `error.type`, `client`, …
    pub dimension: String,
    pub value: String,
    /// Its share of the anomalous calls, 0 to 1.
    pub share_ratio: f64,
    /// Its share in normal times, 0 to 1.
    pub usual_share_ratio: f64,
}

/// Why; the same shape whatever the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The unit of `typical`, `actual` and `expected`: `s`, `calls/s`, `records/s`, `calls/call`,
    /// `ratio`, or of the measure `number` what was put with it, if anything.
    pub unit: String,
    pub typical: Option<f64>,
    /// What came: the worst so far.
    pub actual: Option<f64>,
    pub expected: Band,
    /// How many calls or records the actual value rests on.
    pub observations: u64,
    /// How many the typical value rests on.
    pub learned_from: u64,
    /// The largest share first.
    pub contributions: Vec<Contribution>,
    /// One sentence for a person.
    pub why: String,
}

/// Whose signal it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Subject {
    pub environment: String,
    pub namespace: String,
    pub service: String,
    /// With `method` and `route`: absent when the whole service is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// For people: `shop/orders GET /orders/{id} @ cloud-a`.
    pub name: String,
}

/// The search whose answer is the records behind an anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    pub query: String,
    #[schema(format = DateTime)]
    pub from: String,
    #[schema(format = DateTime)]
    pub to: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Anomaly {
    /// The same input gives the same id.
    pub id: String,
    pub subject: Subject,
    pub measure: Measure,
    /// Of the measure `template_rate`: whose rate it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    /// The detector's name: `latency-spike`.
    pub detector: String,
    pub direction: Direction,
    /// Whether it lasts still.
    pub open: bool,
    /// The first interval outside the band.
    #[schema(format = DateTime)]
    pub start: String,
    /// When it was certain enough to say so.
    #[schema(format = DateTime)]
    pub detected: String,
    /// The last interval outside the band; `null` while open.
    #[schema(format = DateTime)]
    pub end: Option<String>,
    pub duration_seconds: f64,
    /// The worst so far: above 1 is anomalous.
    pub score: f64,
    /// The same from 0 to 100.
    pub score_percent: f64,
    /// How bad it is for those who call, from 0 to 100: grows with the effect on a call, with the share of
    /// calls that are hit, and with time.
    pub severity_percent: f64,
    pub explanation: Explanation,
    pub evidence: Evidence,
}

/// Filters of `GET /anomalies`. All given ones must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AnomaliesQuery {
    /// `name` or `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The id of an Api.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// `true`: only those that last still; `false`: only those that are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// At most this many; 1 to 10 000, 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pass over this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}
