//! OTLP/JSON: the specification's own variety of protobuf's JSON form.
//!
//! Ids in hexadecimal, 64-bit integers as strings or numbers, enums as numbers (names are
//! tolerated), unknown fields ignored, `null` meaning absent. opentelemetry-proto's `with-serde`
//! feature is stricter than that (an unknown field inside a value, a missing
//! `aggregationTemporality` or one id of odd length fails the whole request), so the structure is
//! read here, each record by itself: one that does not fit costs only itself.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::metrics::{Points, points};
use super::{DecodeError, Group, Scope};

mod scalar;

use scalar::{Double, Enumeration, HexId, Signed, Unsigned};

pub(super) type Items<T> = std::vec::IntoIter<Result<T, String>>;

pub(super) fn logs(body: &[u8]) -> Result<Vec<Group<Items<LogRecord>>>, DecodeError> {
    let request: LogsRequest<'_> = parse("ExportLogsServiceRequest", body)?;
    Ok(list(request.resource_logs)
        .map(|resource| Group {
            resource: resource_attributes(resource.resource),
            scopes: list(resource.scope_logs)
                .map(|scope| Scope {
                    name: scope_name(scope.scope),
                    items: each::<JsonLog, _>(scope.log_records),
                })
                .collect(),
        })
        .collect())
}

pub(super) fn traces(body: &[u8]) -> Result<Vec<Group<Items<Span>>>, DecodeError> {
    let request: TracesRequest<'_> = parse("ExportTraceServiceRequest", body)?;
    Ok(list(request.resource_spans)
        .map(|resource| Group {
            resource: resource_attributes(resource.resource),
            scopes: list(resource.scope_spans)
                .map(|scope| Scope {
                    name: scope_name(scope.scope),
                    items: each::<JsonSpan, _>(scope.spans),
                })
                .collect(),
        })
        .collect())
}

pub(super) fn metrics(body: &[u8]) -> Result<Vec<Group<Points>>, DecodeError> {
    let request: MetricsRequest<'_> = parse("ExportMetricsServiceRequest", body)?;
    Ok(list(request.resource_metrics)
        .map(|resource| Group {
            resource: resource_attributes(resource.resource),
            scopes: list(resource.scope_metrics)
                .map(|scope| {
                    let mut good = Vec::new();
                    let mut bad = Vec::new();
                    for metric in each::<JsonMetric, metrics::Metric>(scope.metrics) {
                        match metric {
                            Ok(metric) => good.push(metric),
                            Err(detail) => bad.push(Err(detail)),
                        }
                    }
                    bad.extend(points(good));
                    Scope {
                        name: scope_name(scope.scope),
                        items: bad.into_iter(),
                    }
                })
                .collect(),
        })
        .collect())
}

fn parse<'a, T: Deserialize<'a>>(message: &'static str, body: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|source| DecodeError::Json { message, source })
}

/// Each record parsed by itself, so that a bad one costs only itself.
fn each<J, T>(records: Option<Vec<&RawValue>>) -> Items<T>
where
    J: DeserializeOwned + Into<T>,
{
    let records = list(records).map(|raw| {
        serde_json::from_str::<J>(raw.get())
            .map(Into::into)
            .map_err(|error| error.to_string())
    });
    records.collect::<Vec<_>>().into_iter()
}

fn list<T>(list: Option<Vec<T>>) -> std::vec::IntoIter<T> {
    list.unwrap_or_default().into_iter()
}

fn resource_attributes(resource: Option<JsonResource>) -> Vec<common::KeyValue> {
    key_values(resource.and_then(|resource| resource.attributes))
}

fn scope_name(scope: Option<JsonScope>) -> String {
    scope.and_then(|scope| scope.name).unwrap_or_default()
}

fn key_values(list: Option<Vec<JsonKeyValue>>) -> Vec<common::KeyValue> {
    list.unwrap_or_default()
        .into_iter()
        .map(Into::into)
        .collect()
}

fn id(id: Option<HexId>) -> Vec<u8> {
    id.unwrap_or_default().0
}

fn unsigned(number: Option<Unsigned>) -> u64 {
    number.unwrap_or_default().0
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogsRequest<'a> {
    #[serde(borrow)]
    resource_logs: Option<Vec<ResourceLogs<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    resource: Option<JsonResource>,
    #[serde(borrow)]
    scope_logs: Option<Vec<ScopeLogs<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    scope: Option<JsonScope>,
    #[serde(borrow)]
    log_records: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TracesRequest<'a> {
    #[serde(borrow)]
    resource_spans: Option<Vec<ResourceSpans<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Option<JsonResource>,
    #[serde(borrow)]
    scope_spans: Option<Vec<ScopeSpans<'a>>>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    scope: Option<JsonScope>,
    #[serde(borrow)]
    spans: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetricsRequest<'a> {
    #[serde(borrow)]
    resource_metrics: Option<Vec<ResourceMetrics<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: Option<JsonResource>,
    #[serde(borrow)]
    scope_metrics: Option<Vec<ScopeMetrics<'a>>>,
}

#[derive(Deserialize)]
struct ScopeMetrics<'a> {
    scope: Option<JsonScope>,
    #[serde(borrow)]
    metrics: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct JsonResource {
    attributes: Option<Vec<JsonKeyValue>>,
}

#[derive(Deserialize)]
struct JsonScope {
    name: Option<String>,
}

#[derive(Deserialize)]
struct JsonKeyValue {
    key: Option<String>,
    value: Option<JsonValue>,
}

impl From<JsonKeyValue> for common::KeyValue {
    fn from(json: JsonKeyValue) -> common::KeyValue {
        common::KeyValue {
            key: json.key.unwrap_or_default(),
            value: json.value.map(Into::into),
            ..common::KeyValue::default()
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<Signed>,
    double_value: Option<Double>,
    array_value: Option<JsonList<JsonValue>>,
    kvlist_value: Option<JsonList<JsonKeyValue>>,
    bytes_value: Option<String>,
}

#[derive(Deserialize)]
struct JsonList<T> {
    values: Option<Vec<T>>,
}

impl From<JsonValue> for common::AnyValue {
    fn from(json: JsonValue) -> common::AnyValue {
        let value = match json {
            JsonValue {
                string_value: Some(text),
                ..
            } => Some(Any::StringValue(text)),
            JsonValue {
                bool_value: Some(truth),
                ..
            } => Some(Any::BoolValue(truth)),
            JsonValue {
                int_value: Some(Signed(number)),
                ..
            } => Some(Any::IntValue(number)),
            JsonValue {
                double_value: Some(Double(number)),
                ..
            } => Some(Any::DoubleValue(number)),
            JsonValue {
                array_value: Some(array),
                ..
            } => Some(Any::ArrayValue(common::ArrayValue {
                values: list(array.values).map(Into::into).collect(),
            })),
            JsonValue {
                kvlist_value: Some(entries),
                ..
            } => Some(Any::KvlistValue(common::KeyValueList {
                values: key_values(entries.values),
            })),
            JsonValue {
                bytes_value: Some(base64),
                ..
            } => Some(match STANDARD.decode(&base64) {
                Ok(bytes) => Any::BytesValue(bytes),
                Err(_) => Any::StringValue(base64),
            }),
            _ => None,
        };
        common::AnyValue { value }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonLog {
    time_unix_nano: Option<Unsigned>,
    observed_time_unix_nano: Option<Unsigned>,
    severity_number: Option<Enumeration>,
    severity_text: Option<String>,
    body: Option<JsonValue>,
    attributes: Option<Vec<JsonKeyValue>>,
    trace_id: Option<HexId>,
    span_id: Option<HexId>,
    event_name: Option<String>,
}

impl From<JsonLog> for LogRecord {
    fn from(json: JsonLog) -> LogRecord {
        LogRecord {
            time_unix_nano: unsigned(json.time_unix_nano),
            observed_time_unix_nano: unsigned(json.observed_time_unix_nano),
            severity_number: Enumeration::number(json.severity_number, |name| {
                SeverityNumber::from_str_name(name).map(i32::from)
            }),
            severity_text: json.severity_text.unwrap_or_default(),
            body: json.body.map(Into::into),
            attributes: key_values(json.attributes),
            trace_id: id(json.trace_id),
            span_id: id(json.span_id),
            event_name: json.event_name.unwrap_or_default(),
            ..LogRecord::default()
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonSpan {
    trace_id: Option<HexId>,
    span_id: Option<HexId>,
    parent_span_id: Option<HexId>,
    name: Option<String>,
    kind: Option<Enumeration>,
    start_time_unix_nano: Option<Unsigned>,
    end_time_unix_nano: Option<Unsigned>,
    attributes: Option<Vec<JsonKeyValue>>,
    events: Option<Vec<JsonEvent>>,
    status: Option<JsonStatus>,
}

#[derive(Deserialize)]
struct JsonEvent {
    name: Option<String>,
    attributes: Option<Vec<JsonKeyValue>>,
}

#[derive(Deserialize)]
struct JsonStatus {
    message: Option<String>,
    code: Option<Enumeration>,
}

impl From<JsonSpan> for Span {
    fn from(json: JsonSpan) -> Span {
        Span {
            trace_id: id(json.trace_id),
            span_id: id(json.span_id),
            parent_span_id: id(json.parent_span_id),
            name: json.name.unwrap_or_default(),
            kind: Enumeration::number(json.kind, |name| {
                SpanKind::from_str_name(name).map(i32::from)
            }),
            start_time_unix_nano: unsigned(json.start_time_unix_nano),
            end_time_unix_nano: unsigned(json.end_time_unix_nano),
            attributes: key_values(json.attributes),
            events: list(json.events)
                .map(|event| Event {
                    name: event.name.unwrap_or_default(),
                    attributes: key_values(event.attributes),
                    ..Event::default()
                })
                .collect(),
            status: json.status.map(|status| Status {
                message: status.message.unwrap_or_default(),
                code: Enumeration::number(status.code, |name| {
                    StatusCode::from_str_name(name).map(i32::from)
                }),
            }),
            ..Span::default()
        }
    }
}

/// Of a metric that is no histogram only the number of its points matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMetric {
    name: Option<String>,
    unit: Option<String>,
    gauge: Option<JsonPoints<JsonNumberPoint>>,
    sum: Option<JsonPoints<JsonNumberPoint>>,
    summary: Option<JsonPoints<serde::de::IgnoredAny>>,
    histogram: Option<JsonPoints<JsonHistogramPoint>>,
    exponential_histogram: Option<JsonPoints<JsonExponentialPoint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonPoints<T> {
    data_points: Option<Vec<T>>,
    aggregation_temporality: Option<Enumeration>,
    is_monotonic: Option<bool>,
}

impl<T> JsonPoints<T> {
    fn temporality(&mut self) -> i32 {
        Enumeration::number(self.aggregation_temporality.take(), |name| {
            metrics::AggregationTemporality::from_str_name(name).map(i32::from)
        })
    }
}

/// Most are of metrics that we do not use, and one that is odd costs itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonNumberPoint {
    Number(JsonNumber),
    Odd(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonNumber {
    attributes: Option<Vec<JsonKeyValue>>,
    time_unix_nano: Option<Unsigned>,
    as_double: Option<Double>,
    as_int: Option<Signed>,
    flags: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonHistogramPoint {
    attributes: Option<Vec<JsonKeyValue>>,
    start_time_unix_nano: Option<Unsigned>,
    time_unix_nano: Option<Unsigned>,
    count: Option<Unsigned>,
    sum: Option<Double>,
    bucket_counts: Option<Vec<Unsigned>>,
    explicit_bounds: Option<Vec<Double>>,
    flags: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonExponentialPoint {
    attributes: Option<Vec<JsonKeyValue>>,
    start_time_unix_nano: Option<Unsigned>,
    time_unix_nano: Option<Unsigned>,
    count: Option<Unsigned>,
    sum: Option<Double>,
    scale: Option<i32>,
    zero_count: Option<Unsigned>,
    positive: Option<JsonBuckets>,
    negative: Option<JsonBuckets>,
    flags: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonBuckets {
    offset: Option<i32>,
    bucket_counts: Option<Vec<Unsigned>>,
}

impl From<JsonBuckets> for Buckets {
    fn from(json: JsonBuckets) -> Buckets {
        Buckets {
            offset: json.offset.unwrap_or_default(),
            bucket_counts: list(json.bucket_counts).map(|count| count.0).collect(),
        }
    }
}

impl From<JsonMetric> for metrics::Metric {
    fn from(json: JsonMetric) -> metrics::Metric {
        use metrics::metric::Data;
        let data = if let Some(mut histogram) = json.histogram {
            Some(Data::Histogram(metrics::Histogram {
                aggregation_temporality: histogram.temporality(),
                data_points: list(histogram.data_points).map(Into::into).collect(),
            }))
        } else if let Some(mut histogram) = json.exponential_histogram {
            Some(Data::ExponentialHistogram(metrics::ExponentialHistogram {
                aggregation_temporality: histogram.temporality(),
                data_points: list(histogram.data_points).map(Into::into).collect(),
            }))
        } else if let Some(mut sum) = json.sum {
            Some(Data::Sum(metrics::Sum {
                aggregation_temporality: sum.temporality(),
                is_monotonic: sum.is_monotonic.unwrap_or_default(),
                data_points: list(sum.data_points).map(Into::into).collect(),
            }))
        } else if let Some(gauge) = json.gauge {
            Some(Data::Gauge(metrics::Gauge {
                data_points: list(gauge.data_points).map(Into::into).collect(),
            }))
        } else {
            let unused = json.summary.and_then(|summary| summary.data_points);
            let count = unused.map_or(0, |points| points.len());
            Some(Data::Gauge(metrics::Gauge {
                data_points: vec![metrics::NumberDataPoint::default(); count],
            }))
        };
        metrics::Metric {
            name: json.name.unwrap_or_default(),
            unit: json.unit.unwrap_or_default(),
            data,
            ..metrics::Metric::default()
        }
    }
}

impl From<JsonNumberPoint> for metrics::NumberDataPoint {
    fn from(json: JsonNumberPoint) -> metrics::NumberDataPoint {
        use metrics::number_data_point::Value;
        let JsonNumberPoint::Number(json) = json else {
            return metrics::NumberDataPoint::default();
        };
        let double = json.as_double.map(|value| Value::AsDouble(value.0));
        let value = double.or_else(|| json.as_int.map(|value| Value::AsInt(value.0)));
        metrics::NumberDataPoint {
            attributes: key_values(json.attributes),
            time_unix_nano: unsigned(json.time_unix_nano),
            value,
            flags: json.flags.unwrap_or_default(),
            ..metrics::NumberDataPoint::default()
        }
    }
}

impl From<JsonHistogramPoint> for metrics::HistogramDataPoint {
    fn from(json: JsonHistogramPoint) -> metrics::HistogramDataPoint {
        metrics::HistogramDataPoint {
            attributes: key_values(json.attributes),
            start_time_unix_nano: unsigned(json.start_time_unix_nano),
            time_unix_nano: unsigned(json.time_unix_nano),
            count: unsigned(json.count),
            sum: json.sum.map(|sum| sum.0),
            bucket_counts: list(json.bucket_counts).map(|count| count.0).collect(),
            explicit_bounds: list(json.explicit_bounds).map(|bound| bound.0).collect(),
            flags: json.flags.unwrap_or_default(),
            ..metrics::HistogramDataPoint::default()
        }
    }
}

impl From<JsonExponentialPoint> for metrics::ExponentialHistogramDataPoint {
    fn from(json: JsonExponentialPoint) -> metrics::ExponentialHistogramDataPoint {
        metrics::ExponentialHistogramDataPoint {
            attributes: key_values(json.attributes),
            start_time_unix_nano: unsigned(json.start_time_unix_nano),
            time_unix_nano: unsigned(json.time_unix_nano),
            count: unsigned(json.count),
            sum: json.sum.map(|sum| sum.0),
            scale: json.scale.unwrap_or_default(),
            zero_count: unsigned(json.zero_count),
            positive: json.positive.map(Into::into),
            negative: json.negative.map(Into::into),
            flags: json.flags.unwrap_or_default(),
            ..metrics::ExponentialHistogramDataPoint::default()
        }
    }
}
