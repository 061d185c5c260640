//! What a service says of itself: who it is, log events before they are lines, spans.
//!
//! Services say *what* happened; a dialect decides how it is written, an exporter where it goes.

pub mod collector;
pub mod dialect;
pub mod otlp;
pub mod sink;
pub mod voice;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::topology::{EnvironmentKind, Level};

/// A replica: what its resource attributes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub service: String,
    pub namespace: String,
    pub version: String,
    /// The pod's name: `cart-6d5f7c9b8-x2x4k`, or a host's for what runs on-premises.
    pub instance: String,
    pub replica: u32,
    pub environment: String,
    pub kind: EnvironmentKind,
    pub provider: Option<String>,
    pub region: Option<String>,
    pub zone: Option<String>,
    pub cluster: Option<String>,
    pub site: Option<String>,
}

/// Ids of one request, as far as the service knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    pub trace: Option<[u8; 16]>,
    /// The span of this service.
    pub span: Option<[u8; 8]>,
    pub request: Option<Arc<str>>,
}

/// One request, finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    pub ids: Ids,
    /// `GET`, or `POST` for gRPC.
    pub method: String,
    /// `/products/{id}`, or `shop.Catalog/GetProduct`.
    pub route: String,
    /// `/products/4711?page=2`; as it was asked for.
    pub path: String,
    /// HTTP's; for gRPC 200, and `grpc_status` says more.
    pub status: u16,
    pub grpc_status: Option<u8>,
    pub duration: Duration,
    pub request_bytes: usize,
    pub response_bytes: usize,
    /// An address, as a peer is seen.
    pub peer: String,
    pub user_agent: String,
    pub client: Option<String>,
    pub tenant: Option<String>,
    /// The service that was waited for longest, with its address, as proxies log it.
    pub upstream: Option<(String, Duration)>,
}

impl Access {
    /// It failed for the server's fault, as HTTP or gRPC say it.
    pub fn is_fault(&self) -> bool {
        let code = self.grpc_status.unwrap_or(0);
        self.status >= 500 || matches!(code, 2 | 4 | 12 | 13 | 14 | 15)
    }

    pub fn level(&self) -> Level {
        level_of(self.status, self.grpc_status)
    }
}

/// Of a request that ended so. For gRPC, the levels of go-grpc-middleware: only what should never
/// happen is an error.
pub fn level_of(status: u16, grpc_status: Option<u8>) -> Level {
    match grpc_status.unwrap_or(0) {
        _ if status >= 500 => Level::Error,
        2 | 12 | 13 | 15 => Level::Error,
        4 | 7..=11 | 14 => Level::Warn,
        _ => Level::Info,
    }
}

/// Something worth a line that is not the end of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub ids: Ids,
    pub level: Level,
    /// The part of the program: `OrderService`.
    pub logger: &'static str,
    pub text: String,
    /// More about it; dialects without fields append them to the text.
    pub fields: Vec<(&'static str, String)>,
    /// Type and message of what was thrown; dialects of Java print a stack trace with it.
    pub error: Option<(&'static str, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LogEvent {
    Access(Access),
    Message(Message),
}

impl LogEvent {
    pub fn level(&self) -> Level {
        match self {
            LogEvent::Access(access) => access.level(),
            LogEvent::Message(message) => message.level,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Text(String),
    Int(i64),
    Bool(bool),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub trace: [u8; 16],
    pub id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    pub name: String,
    pub kind: SpanKind,
    /// By the platform's true clock; the exporter applies the replica's own.
    pub start: Moment,
    pub end: Moment,
    /// OpenTelemetry's semantic conventions.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A reading of a gauge, by OpenTelemetry's semantic conventions.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// By the platform's true clock; the exporter applies the replica's own.
    pub at: Moment,
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
    pub attributes: Vec<(&'static str, String)>,
}

/// A line as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was read, by the platform's true clock. What the line itself says is the replica's.
    pub at: Moment,
    /// Without the newline at its end; may have some within.
    pub text: String,
}

/// What one replica said since the last time.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    pub identity: Arc<Identity>,
    /// By how much its clock is wrong, in nanoseconds; the spans' times are still true.
    pub clock_offset: i64,
    pub lines: Vec<Line>,
    pub spans: Vec<Span>,
    pub gauges: Vec<Gauge>,
}
