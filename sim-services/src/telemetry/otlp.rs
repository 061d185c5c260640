//! Batches in OpenTelemetry's protocol, as a Collector's agent would send them.
//!
//! Lines are read from files without being parsed, as the filelog receiver does by itself: the body
//! is the raw line, its time is not known, only when it was read. Spans carry the times of the
//! replica that made them, by its own, wrong, clock.

mod resource;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge as OtlpGauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span as OtlpSpan, Status, span, status,
};

use super::{Attribute, Export, Gauge, Line, Span, SpanKind};
use crate::clock::Moment;

/// Of the semantic conventions that the attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// One `ResourceLogs` for each replica that has lines.
pub fn logs(exports: &[Export]) -> ExportLogsServiceRequest {
    let resource_logs = exports
        .iter()
        .filter(|export| !export.lines.is_empty())
        .map(|export| {
            let path = resource::log_file(&export.identity);
            ResourceLogs {
                resource: Some(resource::resource(&export.identity)),
                scope_logs: vec![ScopeLogs {
                    scope: None,
                    log_records: export
                        .lines
                        .iter()
                        .map(|line| record(line, &path))
                        .collect(),
                    schema_url: String::new(),
                }],
                schema_url: SCHEMA.to_owned(),
            }
        })
        .collect();
    ExportLogsServiceRequest { resource_logs }
}

/// One `ResourceSpans` for each replica that has spans.
pub fn traces(exports: &[Export]) -> ExportTraceServiceRequest {
    let resource_spans = exports
        .iter()
        .filter(|export| !export.spans.is_empty())
        .map(|export| ResourceSpans {
            resource: Some(resource::resource(&export.identity)),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "crosswatch.sim".to_owned(),
                    ..InstrumentationScope::default()
                }),
                spans: export
                    .spans
                    .iter()
                    .map(|span| encoded(span, export.clock_offset))
                    .collect(),
                schema_url: String::new(),
            }],
            schema_url: SCHEMA.to_owned(),
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

/// One `ResourceMetrics` for each replica that has readings.
pub fn metrics(exports: &[Export]) -> ExportMetricsServiceRequest {
    let resource_metrics = exports
        .iter()
        .filter(|export| !export.gauges.is_empty())
        .map(|export| ResourceMetrics {
            resource: Some(resource::resource(&export.identity)),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "crosswatch.sim".to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics: gauges(&export.gauges, export.clock_offset),
                schema_url: String::new(),
            }],
            schema_url: SCHEMA.to_owned(),
        })
        .collect();
    ExportMetricsServiceRequest { resource_metrics }
}

/// One metric for each name, in the order of their first readings.
fn gauges(readings: &[Gauge], clock_offset: i64) -> Vec<Metric> {
    let mut metrics: Vec<(Metric, OtlpGauge)> = Vec::new();
    for reading in readings {
        let point = NumberDataPoint {
            attributes: reading
                .attributes
                .iter()
                .map(|(key, value)| attribute(key, text(value.clone())))
                .collect(),
            time_unix_nano: nanos(reading.at.shifted(clock_offset)),
            value: Some(number_data_point::Value::AsDouble(reading.value)),
            ..NumberDataPoint::default()
        };
        let known = metrics
            .iter_mut()
            .find(|(metric, _)| metric.name == reading.name);
        if let Some((_, gauge)) = known {
            gauge.data_points.push(point);
            continue;
        }
        let metric = Metric {
            name: reading.name.to_owned(),
            unit: reading.unit.to_owned(),
            ..Metric::default()
        };
        let data_points = vec![point];
        metrics.push((metric, OtlpGauge { data_points }));
    }
    let whole = |(metric, gauge): (Metric, OtlpGauge)| Metric {
        data: Some(metric::Data::Gauge(gauge)),
        ..metric
    };
    metrics.into_iter().map(whole).collect()
}

/// Of each resource only the service's name, namespace and version stay; the others are these.
pub fn say_instead<'a>(
    resources: impl Iterator<Item = &'a mut Option<Resource>>,
    attributes: &[(String, String)],
) {
    for resource in resources {
        let Some(resource) = resource else {
            continue;
        };
        let stays = ["service.name", "service.namespace", "service.version"];
        (resource.attributes).retain(|attribute| stays.contains(&attribute.key.as_str()));
        for (key, value) in attributes {
            if !stays.contains(&key.as_str()) {
                (resource.attributes).push(attribute(key, text(value.clone())));
            }
        }
    }
}

fn record(line: &Line, path: &str) -> LogRecord {
    LogRecord {
        observed_time_unix_nano: nanos(line.at),
        body: Some(text(line.text.clone())),
        attributes: vec![attribute("log.file.path", text(path.to_owned()))],
        ..LogRecord::default()
    }
}

fn encoded(from: &Span, clock_offset: i64) -> OtlpSpan {
    let kind = match from.kind {
        SpanKind::Server => span::SpanKind::Server,
        SpanKind::Client => span::SpanKind::Client,
        SpanKind::Producer => span::SpanKind::Producer,
        SpanKind::Consumer => span::SpanKind::Consumer,
    };
    OtlpSpan {
        trace_id: from.trace.to_vec(),
        span_id: from.id.to_vec(),
        parent_span_id: from.parent.map(|id| id.to_vec()).unwrap_or_default(),
        flags: flags(from),
        name: from.name.clone(),
        kind: kind.into(),
        start_time_unix_nano: nanos(from.start.shifted(clock_offset)),
        end_time_unix_nano: nanos(from.end.shifted(clock_offset)),
        attributes: from
            .attributes
            .iter()
            .map(|(key, value)| attribute(key, any(value)))
            .collect(),
        status: from.error.as_ref().map(|message| Status {
            message: message.clone(),
            code: status::StatusCode::Error.into(),
        }),
        ..OtlpSpan::default()
    }
}

/// Sampled, and whether the parent is in another process (`SpanFlags` of the protocol).
fn flags(span: &Span) -> u32 {
    const SAMPLED: u32 = 0x001;
    const KNOWS_WHERE_THE_PARENT_IS: u32 = 0x100;
    const PARENT_IS_REMOTE: u32 = 0x200;
    let enters = matches!(span.kind, SpanKind::Server | SpanKind::Consumer);
    let remote = if enters && span.parent.is_some() {
        PARENT_IS_REMOTE
    } else {
        0
    };
    SAMPLED | KNOWS_WHERE_THE_PARENT_IS | remote
}

fn nanos(at: Moment) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

fn any(value: &Attribute) -> AnyValue {
    match value {
        Attribute::Text(value) => text(value.clone()),
        Attribute::Int(value) => AnyValue {
            value: Some(Value::IntValue(*value)),
        },
        Attribute::Bool(value) => AnyValue {
            value: Some(Value::BoolValue(*value)),
        },
    }
}

fn text(value: String) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(value)),
    }
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}
