//! Stored records: search, histogram, facets, tail, traces.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    #[default]
    Newest,
    Oldest,
}

/// Parameters of `GET /search`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// In the search language: `service:cart AND status:>=500 "connection refused"`. Empty matches
    /// everything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Inclusive: RFC 3339, `now`, or before now such as `-15m` (`ms`, `s`, `m`, `h`, `d`, `w`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Exclusive; as `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// 1 to 1 000; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Records to pass over: at most 100 000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `newest` first or `oldest` first; newest when absent.
    #[param(inline)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchPage {
    /// All that match, not only those in `records`.
    pub total: u64,
    pub records: Vec<Record>,
    /// How long the index took.
    pub took_seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    Log,
    Span,
}

/// One stored log record or span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// Names the record for good.
    #[schema(example = "1204-17")]
    pub id: String,
    pub kind: RecordKind,
    #[schema(format = DateTime)]
    pub time: String,
    pub environment: String,
    pub namespace: String,
    pub service: String,
    /// Pod, process or host; empty when unknown.
    pub instance: String,
    /// `TRACE` to `FATAL`.
    pub severity: Option<String>,
    /// The recognised format; `null` when none was.
    pub format: Option<String>,
    /// As it arrived, redactions apart.
    pub text: String,
    /// The message's template, `<*>` for each variable.
    pub template: Option<String>,
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
    /// Strings, numbers and truth values by name.
    #[schema(value_type = Object)]
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

/// Parameters of `GET /search/histogram`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistogramQuery {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// As in `GET /search`; `-1h` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// As in `GET /search`; `now` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// An interval's length such as `10s` or `1m`. When absent, a round one that gives about 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Histogram {
    pub step_seconds: f64,
    /// Empty intervals included, oldest first.
    pub buckets: Vec<HistogramBucket>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistogramBucket {
    #[schema(format = DateTime)]
    pub start: String,
    pub records: u64,
}

/// Parameters of `GET /search/facets`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FacetsQuery {
    /// The field whose values are counted: `service`, `severity`, …
    #[param(required)]
    pub field: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// As in `GET /search`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// As in `GET /search`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// 1 to 1 000; 10 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Facets {
    pub field: String,
    /// The most frequent first.
    pub values: Vec<FacetCount>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FacetCount {
    pub value: String,
    pub records: u64,
}

/// Parameters of `GET /search/tail`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TailQuery {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Start with records since then; `now` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// One event of the tail, which is a stream of Server-Sent Events: its `data` is this as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum TailMessage {
    /// A record that matches, oldest first.
    Record(Box<Record>),
    /// More matched than the tail can send; this many were passed over.
    Skipped { records: u64 },
    /// The search failed; the tail ends.
    Failed { problem: crate::Problem },
}

/// Parameters of `GET /traces/{trace_id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TraceQuery {
    /// 1 to 1 000 records; 1 000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// All stored records of one request, in the order of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    pub trace_id: String,
    /// All its records; more than are in `records` when it is a very long trace.
    pub total: u64,
    /// In the order in which they first appear.
    pub services: Vec<String>,
    #[schema(format = DateTime)]
    pub start: String,
    /// From the first record to the last.
    pub duration_seconds: f64,
    pub records: Vec<Record>,
}
