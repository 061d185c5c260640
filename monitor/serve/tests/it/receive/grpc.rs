use std::time::Duration;

use expect_test::expect;
use monitor_serve::Refused;
use monitor_serve::receive::Limits;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::{Bench, listen, locked};

fn logs(text: &str) -> ExportLogsServiceRequest {
    let record = LogRecord {
        body: Some(AnyValue {
            value: Some(Value::StringValue(text.to_owned())),
        }),
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

async fn channel(router: axum::Router) -> Channel {
    let address = listen(router).await;
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn logs_arrive_plain_and_compressed() {
    let bench = Bench::new();
    let channel = channel(bench.grpc()).await;
    let mut plain = LogsServiceClient::new(channel.clone());
    let mut packed = LogsServiceClient::new(channel).send_compressed(CompressionEncoding::Gzip);
    let answer = plain.export(logs("plain")).await.unwrap().into_inner();
    assert_eq!(answer.partial_success, None);
    packed.export(logs("packed")).await.unwrap();
    assert_eq!(
        bench.recorder.told(),
        ["unknown - plain", "unknown - packed"]
    );
}

#[tokio::test]
async fn a_bad_span_is_a_partial_success() {
    let bench = Bench::new();
    let good = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "GET /carts".to_owned(),
        start_time_unix_nano: 1_795_262_400_000_000_000,
        end_time_unix_nano: 1_795_262_400_000_000_005,
        ..Span::default()
    };
    let bad = Span {
        end_time_unix_nano: 1_795_262_300_000_000_000,
        ..good.clone()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![bad, good],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    let mut client = TraceServiceClient::new(channel(bench.grpc()).await);
    let answer = client.export(request).await.unwrap().into_inner();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    expect!["1 spans refused: 1 end_before_start; [0] span 0202020202020202 ends at 2026-11-21T11:58:20Z, before its start at 2026-11-21T12:00:00Z"]
        .assert_eq(&partial.error_message);
    assert_eq!(bench.recorder.told(), ["unknown internal GET /carts"]);
}

#[tokio::test]
async fn refusals_carry_retry_info() {
    let bench = Bench::new();
    let mut client = LogsServiceClient::new(channel(bench.grpc()).await);
    let refusals = [
        (
            Refused::Full {
                retry_after: Duration::from_millis(1_500),
            },
            Code::ResourceExhausted,
            Some(Duration::from_millis(1_500)),
        ),
        (
            Refused::DiskFull {
                detail: "2 MB left".to_owned(),
                retry_after: Duration::from_secs(10),
            },
            Code::Unavailable,
            Some(Duration::from_secs(10)),
        ),
        (Refused::Stopping, Code::Unavailable, None),
    ];
    for (refusal, code, delay) in refusals {
        bench.recorder.refuse(refusal);
        let status = client.export(logs("x")).await.unwrap_err();
        let info = status.get_details_retry_info();
        assert_eq!(status.code(), code);
        assert_eq!(info.and_then(|info| info.retry_delay), delay, "{status}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let bench = Bench::new();
    let mut client = LogsServiceClient::new(channel(bench.receivers.otlp_grpc(locked())).await);
    let status = client.export(logs("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(
        status.message().contains("Authorization: Bearer"),
        "{status}"
    );
    let with = |token: &'static str| {
        let mut request = Request::new(logs("known"));
        request
            .metadata_mut()
            .insert("authorization", token.parse().unwrap());
        request
    };
    let status = client.export(with("Bearer guess")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    client.export(with("Bearer new-token")).await.unwrap();
    assert_eq!(bench.recorder.told(), ["unknown - known"]);
}

#[tokio::test]
async fn messages_are_bounded_before_and_after_decompression() {
    let bench = Bench::with(Limits {
        decoded_bytes: 1 << 20,
        ..Limits::default()
    });
    let channel = channel(bench.grpc()).await;
    let big = "x".repeat(8 << 20);
    let mut client = LogsServiceClient::new(channel.clone());
    let status = client.export(logs(&big)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    // As long as 8 MB packed in 8 kB.
    let mut client = LogsServiceClient::new(channel).send_compressed(CompressionEncoding::Gzip);
    let status = client.export(logs(&big)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_none(), "no use to retry");
    client.export(logs("small")).await.unwrap();
    assert_eq!(bench.recorder.told(), ["unknown - small"]);
    expect![[r#"
        bytes_total{protocol=otlp-grpc} 15
        records_total{kind=log,protocol=otlp-grpc} 1
        requests_total{code=OK,protocol=otlp-grpc} 1
        requests_total{code=OUT_OF_RANGE,protocol=otlp-grpc} 1
        requests_total{code=RESOURCE_EXHAUSTED,protocol=otlp-grpc} 1
    "#]]
    .assert_eq(&bench.counters());
}

#[tokio::test]
async fn hostile_messages_get_a_status() {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;
    let bench = Bench::new();
    let frames: [&[u8]; 7] = [
        b"",
        b"\0",
        b"\0\0\0\0\x02\xff\xff",
        b"\x01\0\0\0\x02\xff\xff",
        b"\x07\0\0\0\x02\xff\xff",
        b"\0\xff\xff\xff\xff",
        b"\0\0\0\0\xffshort",
    ];
    for frame in frames {
        let request = Request::post("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
            .header("content-type", "application/grpc")
            .header("grpc-encoding", "gzip")
            .body(Body::from(frame))
            .unwrap();
        let response = bench.grpc().oneshot(request).await.unwrap();
        let status = tonic::Status::from_header_map(response.headers()).unwrap();
        assert_ne!(status.code(), Code::Ok, "{frame:?}");
    }
    assert!(bench.recorder.told().is_empty());
}
