//! What a receiver hands over: already redacted, not yet understood.
//!
//! A [`Batch`] is the unit of acknowledgement. It is what the write-ahead log holds, so its serde
//! form is a file format: fields are only ever appended, and `store` guards it with a version.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Name, Resource, Severity, SpanId, SpanKind, Time, TraceId, Value};

/// Which door a batch came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Origin {
    OtlpGrpc,
    OtlpHttp,
    JsonLines,
    File,
    Replay,
    /// A request of the monitor's own.
    Probe,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::OtlpGrpc => "otlp-grpc",
            Origin::OtlpHttp => "otlp-http",
            Origin::JsonLines => "json-lines",
            Origin::File => "file",
            Origin::Replay => "replay",
            Origin::Probe => "probe",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub origin: Origin,
    /// When we took it. For a replay, the time of the newest item.
    pub received: Time,
    /// Items refer to these by index.
    pub sources: Vec<Source>,
    pub items: Vec<Item>,
}

/// A stream of records of one structure: one output of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub resource: Arc<Resource>,
    /// Tells apart several outputs of one resource: a file's path, `stdout`, `stderr`, a scope.
    /// Formats are recognised per resource and stream.
    pub stream: Name,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub source: u32,
    pub payload: Payload,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Payload {
    Log(LogItem),
    Span(SpanItem),
    Histogram(HistogramPoint),
    Level(LevelPoint),
}

/// One log record: a line of text, with whatever its carrier already knew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogItem {
    /// The carrier's time (OTLP `Timestamp`, container runtime); the text may know better.
    pub time: Option<Time>,
    pub severity: Option<Severity>,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    /// The line exactly as it arrived, redactions apart.
    pub text: String,
    pub attributes: Vec<(Name, Value)>,
}

/// One finished span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanItem {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent: Option<SpanId>,
    pub kind: SpanKind,
    pub name: Name,
    pub start: Time,
    pub duration: Duration,
    /// `Some(true)` when the span's status is an error, `None` when unset.
    pub error: Option<bool>,
    pub status_message: String,
    pub attributes: Vec<(Name, Value)>,
}

/// One interval of a duration histogram (`http.server.request.duration`), already a delta.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistogramPoint {
    pub metric: Name,
    pub start: Time,
    pub end: Time,
    /// Upper bounds in seconds; `counts` has one more entry than `bounds`.
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
    pub sum_seconds: f64,
    pub attributes: Vec<(Name, Value)>,
}

/// How full something was: memory, a pool, a disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelPoint {
    pub metric: Name,
    pub at: Time,
    /// Of what there is, 0 to 1.
    pub share: f64,
    pub attributes: Vec<(Name, Value)>,
}
