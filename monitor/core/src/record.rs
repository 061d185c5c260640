//! A record that has been understood: what ingest produces, the store keeps and the engine reads.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{CallStatus, DurationOrigin, Name, Resource, SpanId, Time, TraceId};

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Str(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Str(text) => f.write_str(text),
            Value::Int(number) => number.fmt(f),
            Value::Float(number) => number.fmt(f),
            Value::Bool(truth) => truth.fmt(f),
        }
    }
}

/// OpenTelemetry's severity ranges, without their four sub-levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    pub const ALL: [Severity; 6] = [
        Severity::Trace,
        Severity::Debug,
        Severity::Info,
        Severity::Warn,
        Severity::Error,
        Severity::Fatal,
    ];

    /// OpenTelemetry's `SeverityNumber`, 1 to 24; `None` outside.
    pub fn from_number(number: i32) -> Option<Severity> {
        match number {
            1..=4 => Some(Severity::Trace),
            5..=8 => Some(Severity::Debug),
            9..=12 => Some(Severity::Info),
            13..=16 => Some(Severity::Warn),
            17..=20 => Some(Severity::Error),
            21..=24 => Some(Severity::Fatal),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Trace => "TRACE",
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    Log,
    Span,
}

/// OpenTelemetry's span kind.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum SpanKind {
    #[default]
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl SpanKind {
    pub fn as_str(self) -> &'static str {
        match self {
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        }
    }
}

/// Where a record's event time came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeOrigin {
    /// Written in the record.
    Record,
    /// Given by the carrier: container runtime, OTLP.
    Carrier,
    /// When we received it: the record had none, or an impossible one.
    Received,
}

/// The name of a recognised format, for people: `nginx-combined`, `spring-boot`, `otlp`.
pub type FormatName = &'static str;

/// Stable across restarts; the same message family keeps its id while its shapes vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TemplateId(pub u64);

/// The hash of a shape's exact literal pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShapeId(pub u64);

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One exact layout of a template: `pieces[0] variable[0] pieces[1] … pieces[n]` is the message,
/// byte for byte. Immutable; when a template generalises it gets another shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub id: ShapeId,
    pub template: TemplateId,
    /// One more than there are variables.
    pub pieces: Vec<Box<str>>,
}

impl Shape {
    /// The shape with `<*>` for each variable.
    pub fn text(&self) -> String {
        self.pieces.join("<*>")
    }
}

/// How a message fits a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateMatch {
    pub shape: Arc<Shape>,
    /// Byte ranges of the message, ascending, one for each gap between the shape's pieces.
    pub variables: SmallVec<[Range<u32>; 8]>,
}

/// The part of a record that a person would read.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A byte range of [`Record::text`].
    Within(Range<u32>),
    /// Decoded (a JSON string with escapes), so not a slice of the text.
    Decoded(Box<str>),
}

/// Ids that tie records of one request together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correlation {
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    pub parent_span_id: Option<SpanId>,
    pub request_id: Option<Name>,
    pub correlation_id: Option<Name>,
}

/// What a record says of a request; `None` is "not said".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFacts {
    pub method: Option<Name>,
    /// The path as requested, without the query.
    pub path: Option<String>,
    /// A low-cardinality template, given by the sender or learned.
    pub route: Option<Name>,
    pub status: Option<CallStatus>,
    pub duration: Option<(Duration, DurationOrigin)>,
    pub caller: Option<Name>,
    pub callee: Option<Name>,
    pub client: Option<Name>,
    pub user_agent: Option<String>,
    pub request_bytes: Option<u64>,
    pub response_bytes: Option<u64>,
    pub error_type: Option<Name>,
    pub error_message: Option<String>,
}

/// A log line or span, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub kind: Kind,
    pub time: Time,
    pub time_origin: TimeOrigin,
    /// When we received it.
    pub observed: Time,
    /// By how many seconds what it wrote is ahead of `time`, which somebody else knew better; behind it
    /// when negative. A text without a zone tells only what is left of quarters of an hour. `None` when
    /// it wrote nothing, or `time` is what it wrote.
    pub written_ahead: Option<i32>,
    pub resource: Arc<Resource>,
    pub stream: Name,
    pub severity: Option<Severity>,
    /// `None` when the format was not recognised; the text is still stored and searchable.
    pub format: Option<FormatName>,
    /// As it arrived, redactions apart. For a span: `name`.
    pub text: String,
    pub message: Message,
    pub template: Option<TemplateMatch>,
    pub ids: Correlation,
    pub facts: CallFacts,
    /// Present on spans only.
    pub span: Option<(SpanKind, Duration)>,
    /// Structured fields that are not among the facts and ids above.
    pub attributes: Vec<(Name, Value)>,
}

impl Record {
    /// The message, which is the whole text when the format was not recognised.
    pub fn message(&self) -> &str {
        match &self.message {
            Message::Within(range) => self
                .text
                .get(range.start as usize..range.end as usize)
                .unwrap_or(&self.text),
            Message::Decoded(text) => text,
        }
    }
}
