//! One finished request to an Api.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ApiKey, Name, SpanId, Time, TraceId};

/// The evidence a Call was derived from. One request can be seen several times: the engine counts
/// each Api from one kind of evidence only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CallSource {
    Span,
    Log,
    Metric,
    Probe,
}

impl CallSource {
    pub const ALL: [CallSource; 4] = [
        CallSource::Span,
        CallSource::Log,
        CallSource::Metric,
        CallSource::Probe,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            CallSource::Span => "span",
            CallSource::Log => "log",
            CallSource::Metric => "metric",
            CallSource::Probe => "probe",
        }
    }
}

/// How a request ended, as its protocol says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CallStatus {
    Http(u16),
    Grpc(u8),
    /// No code, but the evidence says whether it failed.
    Failed(bool),
    Unknown,
}

/// Who is to blame for a status, which decides what counts as an error of the Api.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    Ok,
    /// The caller's mistake: HTTP 4xx but 429, gRPC `INVALID_ARGUMENT` and its like.
    ClientError,
    /// 429, `RESOURCE_EXHAUSTED`.
    Throttled,
    /// HTTP 5xx, gRPC `INTERNAL` and its like, an error without a code.
    ServerError,
}

impl CallStatus {
    /// HTTP by its class; gRPC as OpenTelemetry's semantic conventions divide server spans:
    /// `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`
    /// are the server's errors.
    pub fn outcome(self) -> Outcome {
        match self {
            CallStatus::Http(429) | CallStatus::Grpc(8) => Outcome::Throttled,
            CallStatus::Http(code) if code >= 500 => Outcome::ServerError,
            CallStatus::Http(code) if code >= 400 => Outcome::ClientError,
            CallStatus::Grpc(2 | 4 | 12 | 13 | 14 | 15) | CallStatus::Failed(true) => {
                Outcome::ServerError
            }
            CallStatus::Grpc(0) => Outcome::Ok,
            CallStatus::Grpc(_) => Outcome::ClientError,
            CallStatus::Http(_) | CallStatus::Failed(false) | CallStatus::Unknown => Outcome::Ok,
        }
    }
}

/// How a duration's unit was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DurationOrigin {
    /// Start and end, or a span.
    Measured,
    /// The text carries the unit: `12ms`.
    Written,
    /// The field's name carries it: `latency_ms`.
    FieldName,
    /// The format defines it: nginx `$request_time` is seconds.
    Format,
    /// From the magnitude of the stream's values; the weakest evidence.
    Magnitude,
}

impl DurationOrigin {
    pub fn as_str(self) -> &'static str {
        match self {
            DurationOrigin::Measured => "measured",
            DurationOrigin::Written => "written with its unit",
            DurationOrigin::FieldName => "unit in the field's name",
            DurationOrigin::Format => "defined by the format",
            DurationOrigin::Magnitude => "inferred from magnitude",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub api: Arc<ApiKey>,
    pub source: CallSource,
    /// When it ended: an observer learns of a call at its end, and buckets are by end.
    pub end: Time,
    /// `None` when the evidence has no duration (a log line without one).
    pub duration: Option<Duration>,
    /// Of the answer's body, in bytes.
    pub response_bytes: Option<u64>,
    pub status: CallStatus,
    /// Low-cardinality, as OpenTelemetry's `error.type`.
    pub error_type: Option<Name>,
    pub instance: Name,
    pub version: Option<Name>,
    /// The calling service, when the evidence names it.
    pub caller: Option<Name>,
    pub client: Option<Name>,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    pub parent: Option<SpanId>,
    pub request_id: Option<Name>,
    /// Made by a bot or our own probe (`user_agent.synthetic.type`): kept out of baselines.
    pub synthetic: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_follows_the_code() {
        assert_eq!(CallStatus::Http(204).outcome(), Outcome::Ok);
        assert_eq!(CallStatus::Http(404).outcome(), Outcome::ClientError);
        assert_eq!(CallStatus::Http(429).outcome(), Outcome::Throttled);
        assert_eq!(CallStatus::Http(503).outcome(), Outcome::ServerError);
        assert_eq!(CallStatus::Grpc(5).outcome(), Outcome::ClientError);
        assert_eq!(CallStatus::Grpc(14).outcome(), Outcome::ServerError);
    }
}
