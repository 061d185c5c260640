use expect_test::{Expect, expect};
use monitor_core::{HistogramPoint, Origin, Payload, Time};
use monitor_ingest::decoded::Decoded;
use monitor_ingest::otlp::{
    CumulativeState, Encoding, decode_logs, decode_logs_bytes, decode_metrics,
    decode_metrics_bytes, decode_traces_bytes,
};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message as _;

const NOW: Time = Time::from_secs(1_795_255_500);
const NOW_NANOS: u64 = 1_795_255_500_000_000_000;
const MINUTE: u64 = 60_000_000_000;

/// Batch and refusals as a person would want to read them.
fn print(decoded: &Decoded) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for item in &decoded.batch.items {
        let source = &decoded.batch.sources[item.source as usize];
        let (service, stream) = (&source.resource.service, &source.stream);
        write!(text, "{service} {stream:?} ").unwrap();
        let attributes = match &item.payload {
            Payload::Log(log) => {
                let time = log.time.map(|time| time.to_string());
                let (severity, trace) = (log.severity, log.trace_id);
                writeln!(text, "log {time:?} {severity:?} {trace:?} {:?}", log.text).unwrap();
                &log.attributes
            }
            Payload::Span(span) => {
                writeln!(
                    text,
                    "span {} {} parent={:?} {:?} {:?} {} +{:?} error={:?} {:?}",
                    span.trace_id,
                    span.span_id,
                    span.parent,
                    span.kind,
                    span.name,
                    span.start,
                    span.duration,
                    span.error,
                    span.status_message
                )
                .unwrap();
                &span.attributes
            }
            Payload::Level(point) => {
                writeln!(text, "level {} {} {}", point.metric, point.at, point.share).unwrap();
                &point.attributes
            }
            Payload::Histogram(point) => {
                writeln!(
                    text,
                    "histogram {} {}..{} {:?} {:?} {}",
                    point.metric,
                    point.start,
                    point.end,
                    point.bounds,
                    point.counts,
                    point.sum_seconds
                )
                .unwrap();
                &point.attributes
            }
        };
        for (key, value) in attributes {
            writeln!(text, "  {key} = {value}").unwrap();
        }
    }
    if !decoded.rejected.is_empty() {
        writeln!(text, "{}", decoded.rejected.summary("records")).unwrap();
    }
    for (reason, count) in decoded.repairs.counts() {
        writeln!(text, "repaired: {count} {}", reason.as_str()).unwrap();
    }
    if decoded.ignored > 0 {
        writeln!(text, "ignored: {}", decoded.ignored).unwrap();
    }
    text
}

fn check_logs(json: &str, expected: Expect) {
    let decoded = decode_logs_bytes(json.as_bytes(), Encoding::Json, Origin::OtlpHttp, NOW);
    expected.assert_eq(&print(&decoded.unwrap()));
}

fn check_traces(json: &str, expected: Expect) {
    let decoded = decode_traces_bytes(json.as_bytes(), Encoding::Json, Origin::OtlpHttp, NOW);
    expected.assert_eq(&print(&decoded.unwrap()));
}

#[test]
fn logs_in_json_as_sdks_and_collectors_write_them() {
    check_logs(
        r#"{"resourceLogs":[{
            "resource":{"attributes":[
                {"key":"service.name","value":{"stringValue":"cart"}},
                {"key":"service.namespace","value":{"stringValue":"shop"}}],"droppedAttributesCount":0},
            "schemaUrl":"https://opentelemetry.io/schemas/1.26.0",
            "scopeLogs":[{"scope":{"name":"cart.http","version":"1"},"logRecords":[
                {"timeUnixNano":"1795255500000000000","severityNumber":9,"severityText":"INFO",
                 "body":{"stringValue":"added"},"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
                 "attributes":[{"key":"n","value":{"intValue":"10"}},{"key":"m","value":{"intValue":7}},
                    {"key":"r","value":{"doubleValue":0.5}},{"key":"t","value":{"boolValue":true}},
                    {"key":"l","value":{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":"1"},{}]}}},
                    {"key":"b","value":{"bytesValue":"AAEC"}},{"key":"nothing","value":{}},
                    {"key":"later","value":{"someNewValue":{"x":[1]}}}]},
                {"observedTimeUnixNano":1795255501000000000,"severityNumber":"SEVERITY_NUMBER_WARN","severityText":"warning",
                 "body":{"kvlistValue":{"values":[{"key":"z","value":{"intValue":"1"}},{"key":"a","value":{"arrayValue":{}}}]}},
                 "traceId":"","spanId":null,"futureField":{"deep":true},"eventName":"cart.slow"},
                {"severityText":"Error","attributes":[{"key":"log.iostream","value":{"stringValue":"stderr"}}]}
            ]}]}],"unknown":1}"#,
        expect![[r#"
            shop/cart "cart.http" log Some("2026-11-21T10:05:00Z") Some(Info) Some(5b8efff798038103d269b633813fc60c) "added"
              n = 10
              m = 7
              r = 0.5
              t = true
              l = ["a",1,null]
              b = AAEC
            shop/cart "cart.http" log Some("2026-11-21T10:05:01Z") Some(Warn) None "{\"z\":1,\"a\":[]}"
              event.name = cart.slow
              severity_text = warning
            shop/cart "stderr" log None Some(Error) None ""
              log.iostream = stderr
        "#]],
    );
}

#[test]
fn a_bad_record_costs_that_record() {
    check_logs(
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
            {"body":{"stringValue":"fine"}},
            {"body":"not an AnyValue"},
            {"timeUnixNano":"soon","body":{"stringValue":"x"}},
            {"timeUnixNano":"5","traceId":"abc","spanId":"00","body":{"stringValue":"kept without time and ids"}},
            {"body":{"stringValue":"fine too"}}]}]}]}"#,
        expect![[r#"
            unknown "" log None None None "fine"
            unknown "" log None None None "kept without time and ids"
            unknown "" log None None None "fine too"
            2 records refused: 2 malformed; [1] invalid type: string "not an AnyValue", expected struct JsonValue at line 1 column 25; [2] invalid value: string "soon", expected an integer or a string with one at line 1 column 22
            repaired: 1 time_ignored
            repaired: 1 id_ignored
        "#]],
    );
}

#[test]
fn spans_in_json() {
    check_traces(
        r#"{"resourceSpans":[{"resource":{"attributes":[
                {"key":"k8s.deployment.name","value":{"stringValue":"pay"}},
                {"key":"k8s.pod.name","value":{"stringValue":"pay-1"}}]},
            "scopeSpans":[{"scope":{},"spans":[
            {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"eee19b7ec3c1b173",
             "name":"POST /pay","kind":2,"startTimeUnixNano":"1795255500000000000","endTimeUnixNano":"1795255500250000000",
             "attributes":[{"key":"http.response.status_code","value":{"intValue":"500"}}],
             "events":[{"name":"retry"},{"timeUnixNano":"1","name":"exception","attributes":[
                {"key":"exception.type","value":{"stringValue":"IOException"}},{"key":"other","value":{"stringValue":"x"}}]}],
             "status":{"code":"STATUS_CODE_ERROR","message":"reset"}},
            {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b175","parentSpanId":"","name":"q","kind":"SPAN_KIND_CLIENT",
             "startTimeUnixNano":1795255500000000000,"endTimeUnixNano":1795255500000000000,"status":{}},
            {"traceId":"00000000000000000000000000000000","spanId":"eee19b7ec3c1b175","name":"zero"},
            {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee1","name":"short"},
            {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b176","name":"backwards",
             "startTimeUnixNano":"1795255500000000001","endTimeUnixNano":"1795255500000000000"},
            {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b177","name":"1970",
             "startTimeUnixNano":"1","endTimeUnixNano":"2"},
            {"traceId":"xyz"}
            ]}]}]}"#,
        expect![[r#"
            pay "" span 5b8efff798038103d269b633813fc60c eee19b7ec3c1b174 parent=Some(eee19b7ec3c1b173) Server "POST /pay" 2026-11-21T10:05:00Z +250ms error=Some(true) "reset"
              http.response.status_code = 500
              exception.type = IOException
            pay "" span 5b8efff798038103d269b633813fc60c eee19b7ec3c1b175 parent=None Client "q" 2026-11-21T10:05:00Z +0ns error=None ""
            5 records refused: 3 invalid_id, 1 impossible_time, 1 end_before_start; [2] the trace id is all zero; [3] the span id has 2 bytes, not 8; [4] span eee19b7ec3c1b176 ends at 2026-11-21T10:05:00Z, before its start at 2026-11-21T10:05:00.000000001Z; [5] span eee19b7ec3c1b177 runs from 1 to 2 ns since 1970, which is not between 1971 and 2200; [6] the trace id has 1 bytes, not 16
        "#]],
    );
}

fn text(value: &str) -> Option<AnyValue> {
    Some(AnyValue {
        value: Some(Any::StringValue(value.to_owned())),
    })
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: text(value),
        ..KeyValue::default()
    }
}

fn logs(records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", "cart")],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "lib".to_owned(),
                    ..InstrumentationScope::default()
                }),
                log_records: records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

#[test]
fn both_encodings_give_the_same_batch() {
    let request = logs(vec![LogRecord {
        time_unix_nano: NOW_NANOS,
        severity_number: 17,
        body: text("no stock"),
        attributes: vec![attribute("sku", "9")],
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        ..LogRecord::default()
    }]);
    let json = serde_json::to_vec(&request).unwrap();
    let decode =
        |body: &[u8], encoding| decode_logs_bytes(body, encoding, Origin::OtlpHttp, NOW).unwrap();
    let from_protobuf = decode(&request.encode_to_vec(), Encoding::Protobuf);
    assert_eq!(from_protobuf.batch.items.len(), 1);
    assert_eq!(decode(&json, Encoding::Json), from_protobuf);
}

#[test]
fn long_texts_and_many_attributes_are_cut_and_counted() {
    let record = LogRecord {
        body: text(&"ä".repeat(600_000)),
        attributes: (0..600).map(|n| attribute(&format!("k{n}"), "v")).collect(),
        ..LogRecord::default()
    };
    let decoded = decode_logs(logs(vec![record]), Origin::OtlpGrpc, NOW);
    let Payload::Log(log) = &decoded.batch.items[0].payload else {
        panic!("a log");
    };
    assert!(
        log.text.ends_with("ä…[151424 bytes cut]"),
        "{}",
        log.text.len()
    );
    assert_eq!(log.attributes.len(), 512);
    let counts: Vec<_> = decoded
        .repairs
        .counts()
        .map(|(reason, count)| (reason.as_str(), count))
        .collect();
    assert_eq!(counts, [("text_cut", 1), ("attributes_dropped", 88)]);
}

fn metrics(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", "cart")],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn histogram(name: &str, temporality: i32, points: Vec<HistogramDataPoint>) -> Metric {
    Metric {
        name: name.to_owned(),
        data: Some(Data::Histogram(Histogram {
            data_points: points,
            aggregation_temporality: temporality,
        })),
        ..Metric::default()
    }
}

fn point(start: u64, end: u64, counts: &[u64], sum: f64) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: vec![attribute("http.route", "/carts/{id}")],
        start_time_unix_nano: start,
        time_unix_nano: end,
        count: counts.iter().sum(),
        sum: Some(sum),
        bucket_counts: counts.to_vec(),
        explicit_bounds: vec![0.1, 1.0],
        ..HistogramDataPoint::default()
    }
}

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
const DURATION: &str = "http.server.request.duration";

fn check_metrics(request: ExportMetricsServiceRequest, expected: Expect) {
    let mut state = CumulativeState::new(NOW);
    let (decoded, _) = decode_metrics(request, Origin::OtlpGrpc, NOW, &mut state);
    expected.assert_eq(&print(&decoded));
}

#[test]
fn deltas_pass_in_seconds_and_other_metrics_are_ignored() {
    let end = NOW_NANOS + MINUTE;
    let mut old = point(NOW_NANOS, end, &[1, 2, 0], 900.0);
    old.explicit_bounds = vec![100.0, 1000.0];
    let gauge = Metric {
        name: "process.memory".to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint::default(); 3],
        })),
        ..Metric::default()
    };
    let mut uneven = point(NOW_NANOS, end, &[1, 2, 0], 0.9);
    uneven.explicit_bounds.pop();
    check_metrics(
        metrics(vec![
            gauge,
            histogram(
                "http.server.duration",
                DELTA,
                vec![old, uneven, point(end, NOW_NANOS, &[1, 0, 0], 0.0)],
            ),
        ]),
        expect![[r#"
            cart "" histogram http.server.request.duration 2026-11-21T10:05:00Z..2026-11-21T10:06:00Z [0.1, 1.0] [1, 2, 0] 0.9
              http.route = /carts/{id}
            2 records refused: 1 end_before_start, 1 invalid_histogram; [2] 3 bucket counts for 1 bounds; [3] the point ends at 2026-11-21T10:05:00Z, before its start at 2026-11-21T10:06:00Z
            ignored: 3
        "#]],
    );
}

#[test]
fn both_names_at_once_count_once() {
    let end = NOW_NANOS + MINUTE;
    let both = |name| histogram(name, DELTA, vec![point(NOW_NANOS, end, &[1, 0, 0], 0.05)]);
    let mut state = CumulativeState::new(NOW);
    let request = metrics(vec![both("http.server.duration"), both(DURATION)]);
    let (decoded, _) = decode_metrics(request, Origin::OtlpGrpc, NOW, &mut state);
    assert_eq!(decoded.batch.items.len(), 1);
    assert_eq!(decoded.ignored, 1);
}

fn deltas(state: &mut CumulativeState, points: Vec<HistogramDataPoint>) -> Vec<HistogramPoint> {
    let request = metrics(vec![histogram(DURATION, CUMULATIVE, points)]);
    let (decoded, _) = decode_metrics(request, Origin::OtlpGrpc, NOW, state);
    assert!(decoded.rejected.is_empty());
    decoded
        .batch
        .items
        .into_iter()
        .map(|item| match item.payload {
            Payload::Histogram(point) => point,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn cumulative_points_become_what_was_added() {
    let mut state = CumulativeState::new(NOW);
    let start = NOW_NANOS + 1;
    let at = |minutes: u64| NOW_NANOS + minutes * MINUTE;
    let points = deltas(
        &mut state,
        vec![
            point(start, at(1), &[5, 1, 0], 1.0),
            point(start, at(2), &[8, 1, 1], 3.5),
            // Repeated, late, unchanged: nothing was added.
            point(start, at(2), &[8, 1, 1], 3.5),
            point(start, at(1), &[5, 1, 0], 1.0),
            point(start, at(3), &[8, 1, 1], 3.5),
            // Began anew, saying so; then without saying so.
            point(at(3), at(4), &[2, 0, 0], 0.1),
            point(at(3), at(5), &[1, 0, 0], 0.05),
        ],
    );
    let told: Vec<_> = points
        .iter()
        .map(|it| (it.counts.clone(), it.end.since(NOW).as_secs() / 60))
        .collect();
    assert_eq!(
        told,
        [
            (vec![5, 1, 0], 1),
            (vec![3, 0, 1], 2),
            (vec![2, 0, 0], 4),
            (vec![1, 0, 0], 5),
        ]
    );
    assert_eq!(points[1].sum_seconds, 2.5);
    assert_eq!(points[1].start, points[0].end);
}

#[test]
fn what_was_counted_before_we_listened_is_history() {
    let mut state = CumulativeState::new(NOW);
    let start = NOW_NANOS - 60 * MINUTE;
    let points = deltas(
        &mut state,
        vec![
            point(start, NOW_NANOS + MINUTE, &[5000, 10, 0], 100.0),
            point(start, NOW_NANOS + 2 * MINUTE, &[5001, 10, 0], 100.05),
        ],
    );
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].counts, [1, 0, 0]);
}

#[test]
fn a_refused_request_can_be_sent_again() {
    let mut state = CumulativeState::new(NOW);
    let first = point(NOW_NANOS, NOW_NANOS + MINUTE, &[5, 0, 0], 0.1);
    let second = point(NOW_NANOS, NOW_NANOS + 2 * MINUTE, &[9, 0, 0], 0.2);
    deltas(&mut state, vec![first]);
    let request = metrics(vec![histogram(DURATION, CUMULATIVE, vec![second.clone()])]);
    let (_, advance) = decode_metrics(request, Origin::OtlpGrpc, NOW, &mut state);
    state.undo(advance);
    assert_eq!(deltas(&mut state, vec![second])[0].counts, [4, 0, 0]);
}

#[test]
fn remembered_series_are_bounded() {
    let mut state = CumulativeState::new(NOW);
    let series = |n: u64| {
        let mut point = point(NOW_NANOS, NOW_NANOS + MINUTE, &[1, 0, 0], 0.1);
        point.attributes = vec![attribute("http.route", &format!("/r{n}"))];
        point
    };
    let request = |points| metrics(vec![histogram(DURATION, CUMULATIVE, points)]);
    let many = request((0..10_050).map(series).collect());
    let (decoded, _) = decode_metrics(many, Origin::OtlpGrpc, NOW, &mut state);
    assert_eq!((state.len(), decoded.rejected.total()), (10_000, 50));
    // Two hours later the old ones are forgotten.
    let later = NOW + std::time::Duration::from_secs(7_200);
    let (decoded, _) = decode_metrics(
        request(vec![series(10_060)]),
        Origin::OtlpGrpc,
        later,
        &mut state,
    );
    assert_eq!((state.len(), decoded.rejected.total()), (1, 0));
}

#[test]
fn exponential_histograms_keep_their_counts() {
    let exponential = |counts: &[u64], minutes: u64| ExponentialHistogramDataPoint {
        start_time_unix_nano: NOW_NANOS,
        time_unix_nano: NOW_NANOS + minutes * MINUTE,
        scale: 0,
        zero_count: 1,
        positive: Some(Buckets {
            offset: -3,
            bucket_counts: counts.to_vec(),
        }),
        ..ExponentialHistogramDataPoint::default()
    };
    check_metrics(
        metrics(vec![Metric {
            name: DURATION.to_owned(),
            unit: "s".to_owned(),
            data: Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential(&[2, 0, 4], 1), exponential(&[2, 0, 7, 1], 2)],
                aggregation_temporality: CUMULATIVE,
            })),
            ..Metric::default()
        }]),
        expect![[r#"
            cart "" histogram http.server.request.duration 2026-11-21T10:05:00Z..2026-11-21T10:06:00Z [0.125, 0.25, 0.5, 1.0] [1, 2, 0, 4, 0] 3.4375
            cart "" histogram http.server.request.duration 2026-11-21T10:06:00Z..2026-11-21T10:07:00Z [0.5, 1.0, 2.0] [0, 3, 1, 0] 3.75
        "#]],
    );
}

#[test]
fn metrics_in_json() {
    let json = r#"{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"metrics":[
        {"name":"x","sum":{"dataPoints":[{"asInt":"1"},{"asDouble":2}],"isMonotonic":true}},
        {"name":"http.server.request.duration","unit":"s","histogram":{"aggregationTemporality":1,"dataPoints":[
            {"startTimeUnixNano":"1795255500000000000","timeUnixNano":"1795255560000000000","count":"3","sum":0.3,
             "bucketCounts":["1","2"],"explicitBounds":[0.1],"attributes":[]}]}},
        {"name":"http.server.request.duration","unit":"fortnights","histogram":{}}
    ]}]}]}"#;
    let mut state = CumulativeState::new(NOW);
    let (decoded, _) = decode_metrics_bytes(
        json.as_bytes(),
        Encoding::Json,
        Origin::OtlpHttp,
        NOW,
        &mut state,
    )
    .unwrap();
    expect![[r#"
        unknown "" histogram http.server.request.duration 2026-11-21T10:05:00Z..2026-11-21T10:06:00Z [0.1] [1, 2] 0.3
        1 records refused: 1 malformed; [2] http.server.request.duration: unknown unit `fortnights`
        ignored: 2
    "#]]
    .assert_eq(&print(&decoded));
}

#[test]
fn gauges_in_json_say_how_full_something_is_and_an_odd_point_costs_itself() {
    let json = r#"{"resourceMetrics":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"orders"}}
    ]},"scopeMetrics":[{"metrics":[
        {"name":"jvm.memory.used","unit":"By","sum":{"aggregationTemporality":2,"dataPoints":[
            {"timeUnixNano":"1795255560000000000","asInt":"300","attributes":[
                {"key":"jvm.memory.pool.name","value":{"stringValue":"G1 Old Gen"}}]},
            {"timeUnixNano":"1795255560000000000","asInt":[]},
            {"timeUnixNano":"1795255560000000000","asInt":7,"attributes":[
                {"key":"jvm.memory.pool.name","value":{"stringValue":"Metaspace"}}]}
        ]}},
        {"name":"jvm.memory.limit","unit":"By","sum":{"aggregationTemporality":2,"dataPoints":[
            {"timeUnixNano":"1795255560000000000","asDouble":400.0,"attributes":[
                {"key":"jvm.memory.pool.name","value":{"stringValue":"G1 Old Gen"}}]}
        ]}},
        {"name":"system.filesystem.utilization","unit":"1","gauge":{"dataPoints":[
            {"timeUnixNano":"9","asDouble":0.93}
        ]}}
    ]}]}]}"#;
    let mut state = CumulativeState::new(NOW);
    let (decoded, _) = decode_metrics_bytes(
        json.as_bytes(),
        Encoding::Json,
        Origin::OtlpHttp,
        NOW,
        &mut state,
    )
    .unwrap();
    expect![[r#"
        orders "" level jvm.memory.used 2026-11-21T10:06:00Z 0.75
          jvm.memory.pool.name = G1 Old Gen
        1 records refused: 1 impossible_time; [4] the point's time is 9 ns since 1970
        ignored: 3
    "#]]
    .assert_eq(&print(&decoded));
}

#[test]
fn what_is_no_request_is_an_error_and_an_empty_one_is_fine() {
    let decode = |body: &[u8], encoding| decode_logs_bytes(body, encoding, Origin::OtlpHttp, NOW);
    assert!(
        decode(b"", Encoding::Protobuf)
            .unwrap()
            .batch
            .items
            .is_empty()
    );
    assert!(
        decode(b"{}", Encoding::Json)
            .unwrap()
            .batch
            .items
            .is_empty()
    );
    for (body, encoding) in [
        (&b"\xff\xff\xff"[..], Encoding::Protobuf),
        (b"", Encoding::Json),
        (b"[]", Encoding::Json),
        (b"{\"resourceLogs\":7}", Encoding::Json),
        (b"{\"resourceLogs\":[", Encoding::Json),
    ] {
        assert!(decode(body, encoding).is_err(), "{body:?}");
    }
    let deep = format!("{{\"resourceLogs\":{}", "[".repeat(100_000));
    assert!(decode(deep.as_bytes(), Encoding::Json).is_err());
}

fn survive(body: &[u8]) {
    let mut state = CumulativeState::new(NOW);
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        _ = decode_logs_bytes(body, encoding, Origin::OtlpHttp, NOW);
        _ = decode_traces_bytes(body, encoding, Origin::OtlpHttp, NOW);
        _ = decode_metrics_bytes(body, encoding, Origin::OtlpHttp, NOW, &mut state);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        survive(&body);
    }

    /// A valid request with a few bytes changed gets further than noise does.
    #[test]
    fn damaged_requests_never_panic(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        json in any::<bool>(),
    ) {
        let request = metrics(vec![
            histogram(DURATION, CUMULATIVE, vec![point(NOW_NANOS, NOW_NANOS + 1, &[1, 2, 3], 0.5)]),
        ]);
        let spans = ExportTraceServiceRequest::default();
        let mut body = if json {
            serde_json::to_vec(&request).unwrap()
        } else {
            [request.encode_to_vec(), spans.encode_to_vec()].concat()
        };
        for (index, byte) in at {
            let index = index.index(body.len());
            body[index] = byte;
        }
        survive(&body);
    }
}
