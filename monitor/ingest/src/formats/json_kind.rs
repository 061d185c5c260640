//! Which logger wrote a JSON record: its name for people, and the few fields whose meaning
//! differs from what their name says elsewhere.

use std::sync::LazyLock;
use std::time::Duration;

use monitor_core::{CallStatus, FormatName, Severity};
use rustc_hash::FxHashMap;

use super::Parsed;
use super::aliases::Field;
use super::duration::Unit;
use super::facts::Scalar;
use super::json::Leaf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bunyan,
    Pino,
    Zap,
    Caddy,
    Slog,
    Logrus,
    Ecs,
    Logstash,
    Serilog,
    Docker,
    KubernetesAudit,
    KubernetesEvent,
    GoogleCloud,
    Otel,
    MongoDb,
    Envoy,
    Traefik,
    Nginx,
    Log4j,
    PythonJson,
    Gelf,
    Plain,
}

/// Which of the tell-tale keys a record has.
#[derive(Default)]
struct Seen {
    bits: u64,
}

const KEYS: &[&str] = &[
    "v",
    "hostname",
    "pid",
    "level",
    "ts",
    "msg",
    "time",
    "@timestamp",
    "@version",
    "ecs.version",
    "@t",
    "log",
    "stream",
    "auditID",
    "involvedObject.kind",
    "logging.googleapis.com/trace",
    "severity",
    "Body",
    "SeverityText",
    "t.$date",
    "s",
    "c",
    "response_code",
    "response_flags",
    "DownstreamStatus",
    "RequestMethod",
    "remote_addr",
    "request_time",
    "loggerName",
    "thread",
    "levelname",
    "name",
    "short_message",
    "version",
    "request.uri",
    "logger",
    "logger_name",
    "body_bytes_sent",
    "caller",
    "log.level",
    "SeverityNumber",
    "severityText",
    "body",
    "timeUnixNano",
    "instant.epochSecond",
    "asctime",
    "httpRequest.status",
    "textPayload",
    "regarding.kind",
    "severityNumber",
    "body.stringValue",
];

static INDEX: LazyLock<FxHashMap<&'static str, u32>> =
    LazyLock::new(|| KEYS.iter().copied().zip(0..).collect());

impl Seen {
    fn note(&mut self, key: &str) {
        if let Some(index) = INDEX.get(key) {
            self.bits |= 1 << index;
        }
    }

    fn has(&self, key: &str) -> bool {
        INDEX
            .get(key)
            .is_some_and(|index| self.bits & (1 << index) != 0)
    }

    fn all(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.has(key))
    }

    fn any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.has(key))
    }
}

pub(super) fn of(leaves: &[Leaf<'_>]) -> Kind {
    let mut seen = Seen::default();
    let mut level = None;
    let mut time = None;
    for leaf in leaves {
        seen.note(&leaf.path);
        match &*leaf.path {
            "level" => level = Some(leaf.value.scalar()),
            "time" | "ts" => time = Some(leaf.value.scalar()),
            _ => {}
        }
    }
    let numeric_level = matches!(level, Some(Scalar::Int(10..=60)));
    let capital_level = matches!(level, Some(Scalar::Str(text)) if text.starts_with(|c: char| c.is_ascii_uppercase()));
    let numeric_time = matches!(time, Some(Scalar::Int(_) | Scalar::Float(_)));
    if seen.all(&["log", "stream", "time"]) && leaves.len() <= 8 {
        Kind::Docker
    } else if numeric_level && seen.all(&["v", "name", "hostname"]) {
        Kind::Bunyan
    } else if numeric_level && seen.any(&["msg", "time"]) {
        Kind::Pino
    } else if seen.has("@t") {
        Kind::Serilog
    } else if seen.has("auditID") {
        Kind::KubernetesAudit
    } else if seen.any(&["involvedObject.kind", "regarding.kind"]) {
        Kind::KubernetesEvent
    } else if seen.all(&["t.$date", "s", "c"]) {
        Kind::MongoDb
    } else if seen.all(&["response_code", "response_flags"]) {
        Kind::Envoy
    } else if seen.all(&["DownstreamStatus", "RequestMethod"]) {
        Kind::Traefik
    } else if seen.all(&["ts", "request.uri", "logger"]) {
        Kind::Caddy
    } else if seen.any(&["ecs.version"]) || seen.all(&["@timestamp", "log.level"]) {
        Kind::Ecs
    } else if seen.all(&["@timestamp", "@version"]) || seen.all(&["@timestamp", "logger_name"]) {
        Kind::Logstash
    } else if seen.any(&[
        "SeverityText",
        "SeverityNumber",
        "severityText",
        "severityNumber",
    ]) && seen.any(&["Body", "body", "timeUnixNano", "body.stringValue"])
    {
        Kind::Otel
    } else if seen.has("logging.googleapis.com/trace")
        || seen.all(&["severity", "httpRequest.status"])
        || seen.all(&["severity", "textPayload"])
    {
        Kind::GoogleCloud
    } else if seen.has("remote_addr") && seen.any(&["request_time", "body_bytes_sent"]) {
        Kind::Nginx
    } else if seen.has("instant.epochSecond") || seen.all(&["loggerName", "thread", "level"]) {
        Kind::Log4j
    } else if seen.all(&["short_message", "version"]) {
        Kind::Gelf
    } else if seen.any(&["levelname", "asctime"]) {
        Kind::PythonJson
    } else if seen.all(&["ts", "level", "msg"]) && (numeric_time || seen.has("caller")) {
        Kind::Zap
    } else if seen.all(&["time", "level", "msg"]) {
        if capital_level {
            Kind::Slog
        } else {
            Kind::Logrus
        }
    } else {
        Kind::Plain
    }
}

impl Kind {
    pub(super) fn name(self) -> FormatName {
        match self {
            Kind::Bunyan => "bunyan",
            Kind::Pino => "pino",
            Kind::Zap => "zap-json",
            Kind::Caddy => "caddy",
            Kind::Slog => "slog-json",
            Kind::Logrus => "logrus-json",
            Kind::Ecs => "ecs-json",
            Kind::Logstash => "logstash-json",
            Kind::Serilog => "serilog-json",
            Kind::Docker => "docker-json",
            Kind::KubernetesAudit => "kubernetes-audit",
            Kind::KubernetesEvent => "kubernetes-event",
            Kind::GoogleCloud => "google-cloud-json",
            Kind::Otel => "otel-json",
            Kind::MongoDb => "mongodb-json",
            Kind::Envoy => "envoy-json",
            Kind::Traefik => "traefik-json",
            Kind::Nginx => "nginx-json",
            Kind::Log4j => "log4j-json",
            Kind::PythonJson => "python-json",
            Kind::Gelf => "gelf",
            Kind::Plain => "json",
        }
    }

    /// What the logger's own documentation says of its durations.
    pub(super) fn duration_unit(self) -> Option<Unit> {
        match self {
            // `SecondsDurationEncoder` is what zap's production configuration uses.
            Kind::Zap | Kind::Caddy => Some(Unit::Seconds),
            Kind::Traefik | Kind::Slog => Some(Unit::Nanos),
            // So does Serilog's request logging with its `Elapsed`.
            Kind::Envoy | Kind::Pino | Kind::Serilog => Some(Unit::Millis),
            _ => None,
        }
    }

    /// What can be said only when all fields are known.
    pub(super) fn finish(self, leaves: &[Leaf<'_>], parsed: &mut Parsed) {
        let text = |path: &str| {
            leaves
                .iter()
                .find(|leaf| leaf.path == path)
                .and_then(|leaf| match leaf.value.scalar() {
                    Scalar::Str(text) => Some(text),
                    _ => None,
                })
        };
        match self {
            // Serilog leaves `@l` out for Information.
            Kind::Serilog => parsed.severity = parsed.severity.or(Some(Severity::Info)),
            Kind::KubernetesEvent => {
                parsed.severity = match text("type") {
                    Some("Warning") => Some(Severity::Warn),
                    Some("Normal") => Some(Severity::Info),
                    _ => parsed.severity,
                };
            }
            // An audit event speaks of a call to the Kubernetes API with a verb, not a method.
            Kind::KubernetesAudit => {
                let method = match text("verb") {
                    Some("get" | "list" | "watch") => Some("GET"),
                    Some("create") => Some("POST"),
                    Some("update") => Some("PUT"),
                    Some("patch") => Some("PATCH"),
                    Some("delete" | "deletecollection") => Some("DELETE"),
                    _ => None,
                };
                parsed.facts.method = method.and_then(super::facts::http_method);
                let start = text("requestReceivedTimestamp").and_then(|text| text.parse().ok());
                if let (Some(start), Some(end), Some("ResponseComplete")) =
                    (start, parsed.time, text("stage"))
                {
                    parsed.facts.duration =
                        Some((end.since(start), monitor_core::DurationOrigin::Measured));
                }
            }
            Kind::Log4j => {
                let nanos = leaves
                    .iter()
                    .find(|leaf| leaf.path == "instant.nanoOfSecond")
                    .and_then(|leaf| leaf.value.scalar().as_int())
                    .and_then(|nanos| u64::try_from(nanos).ok())
                    .filter(|nanos| *nanos < 1_000_000_000);
                if let (Some(time), Some(nanos)) = (parsed.time, nanos)
                    && text("instant.epochSecond").is_none()
                {
                    parsed.time = Some(time + Duration::from_nanos(nanos));
                }
            }
            // Envoy's status 0 is a request that got no answer.
            Kind::Envoy if parsed.facts.status.is_none() && parsed.facts.path.is_some() => {
                parsed.facts.status = Some(CallStatus::Failed(true));
            }
            _ => {}
        }
    }
}

/// The meaning of a field where this kind of record differs from the table of aliases.
pub(super) fn special(kind: Kind, path: &str) -> Option<Field> {
    Some(match (kind, path) {
        (Kind::Bunyan, "name") => Field::Service,
        (Kind::MongoDb, "s") => Field::Level,
        (Kind::MongoDb, "attr.durationMillis") => Field::Duration(Some(Unit::Millis)),
        (Kind::MongoDb, "attr.remote" | "attr.client") => Field::Client,
        (Kind::Otel, "Timestamp" | "timestamp") => Field::Time(0),
        (Kind::KubernetesAudit, "level" | "verb") => Field::Other,
        (Kind::KubernetesAudit, "responseStatus.code") => Field::Status,
        (Kind::KubernetesAudit, "responseStatus.status" | "responseStatus.message") => Field::Other,
        (Kind::KubernetesEvent, "metadata.creationTimestamp") => Field::Time(2),
        (Kind::Traefik, "Duration") => Field::DurationIn(Unit::Nanos),
        (Kind::Traefik, "ServiceName") => Field::Callee,
        (Kind::Envoy, "duration") => Field::DurationIn(Unit::Millis),
        (Kind::Envoy, "bytes_received") => Field::RequestBytes,
        (Kind::Envoy, "request_duration" | "upstream_service_time") => Field::Other,
        (Kind::Caddy, "request.host") => Field::Other,
        (Kind::GoogleCloud, "httpRequest.latency") => Field::DurationIn(Unit::Seconds),
        (Kind::Log4j, "instant.epochSecond") => Field::Time(0),
        // A logger's position in the source is no service.
        (Kind::Zap | Kind::Logrus | Kind::Slog, "caller") => Field::Other,
        _ => return None,
    })
}
