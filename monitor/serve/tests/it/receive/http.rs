use std::io::Write as _;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use expect_test::expect;
use flate2::Compression;
use flate2::write::GzEncoder;
use monitor_serve::Refused;
use monitor_serve::receive::Limits;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message as _;
use tonic_types::{RpcStatusExt as _, pb};
use tower::ServiceExt as _;

use super::{Bench, locked};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

const ONE_LOG: &str = r#"{"resourceLogs":[{"resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"cart"}}]},
    "scopeLogs":[{"logRecords":[{"severityNumber":9,"body":{"stringValue":"added"}}]}]}]}"#;
const ONE_GOOD_ONE_BAD: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
    {"body":{"stringValue":"good"}},{"body":7}]}]}]}"#;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        let kind = self.headers["content-type"].to_str().unwrap();
        let text = String::from_utf8_lossy(&self.body);
        format!("{} {kind} {text}", self.status.as_u16())
    }
}

async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}

fn post(path: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("content-type", kind)
        .body(body.into())
        .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(path: &str, kind: &str, body: Vec<u8>) -> Request<Body> {
    Request::post(path)
        .header("content-type", kind)
        .header("content-encoding", "gzip")
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn all_taken_is_an_empty_answer_in_the_requests_encoding() {
    let bench = Bench::new();
    let answer = send(bench.http(), post("/v1/logs", JSON, ONE_LOG)).await;
    assert_eq!(answer.text(), "200 application/json {}");
    let packed = gzipped(
        "/v1/logs",
        "application/json; charset=utf-8",
        gzip(ONE_LOG.as_bytes()),
    );
    assert_eq!(
        send(bench.http(), packed).await.text(),
        "200 application/json {}"
    );
    // An empty protobuf request is an empty message.
    let answer = send(bench.http(), post("/v1/traces", PROTOBUF, "")).await;
    assert_eq!(answer.text(), "200 application/x-protobuf ");
    assert_eq!(
        bench.recorder.told(),
        ["cart INFO added", "cart INFO added"]
    );
}

#[tokio::test]
async fn partial_success_says_how_many_and_why() {
    let bench = Bench::new();
    let answer = send(bench.http(), post("/v1/logs", JSON, ONE_GOOD_ONE_BAD)).await;
    expect![[r#"200 application/json {"partialSuccess":{"errorMessage":"1 log records refused: 1 malformed; [1] invalid type: integer `7`, expected struct JsonValue at line 1 column 9","rejectedLogRecords":"1"}}"#]]
        .assert_eq(&answer.text());
    let spans = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":""}]}]}]}"#;
    let answer = send(bench.http(), post("/v1/traces", JSON, spans)).await;
    assert!(
        answer.text().contains(r#""rejectedSpans":"1""#),
        "{}",
        answer.text()
    );
    assert_eq!(bench.recorder.told(), ["unknown - good"]);
}

#[tokio::test]
async fn what_is_no_request_gets_a_status_in_its_own_encoding() {
    let bench = Bench::new();
    let answer = send(bench.http(), post("/v1/logs", JSON, "{\"resourceLogs\":[")).await;
    expect![[r#"400 application/json {"code":3,"message":"the body is not the JSON form of ExportLogsServiceRequest: EOF while parsing a list at line 1 column 17"}"#]]
        .assert_eq(&answer.text());
    let answer = send(bench.http(), post("/v1/logs", PROTOBUF, &b"\xff\xff"[..])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["content-type"], PROTOBUF);
    let status = pb::Status::decode(&answer.body[..]).unwrap();
    assert!(
        status.message.starts_with("the body is not a protobuf"),
        "{}",
        status.message
    );
    assert!(status.get_details_bad_request().is_some());
}

#[tokio::test]
async fn unknown_encodings_are_refused_with_what_is_known() {
    let bench = Bench::new();
    let answer = send(bench.http(), post("/v1/logs", "text/plain", ONE_LOG)).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let request = Request::post("/v1/logs")
        .header("content-type", JSON)
        .header("content-encoding", "br")
        .body(Body::empty());
    let answer = send(bench.http(), request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.headers["accept-encoding"], "gzip, identity");
    let request = Request::get("/v1/logs").body(Body::empty()).unwrap();
    let answer = send(bench.http(), request).await.status;
    assert_eq!(answer, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let bench = Bench::new();
    bench.recorder.refuse(Refused::Full {
        retry_after: Duration::from_millis(1_500),
    });
    let answer = send(bench.http(), post("/v1/logs", JSON, ONE_LOG)).await;
    assert_eq!(answer.headers["retry-after"], "2");
    expect![[r#"429 application/json {"code":8,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}],"message":"the intake queue is full; retry in 1 s"}"#]]
        .assert_eq(&answer.text());

    bench.recorder.refuse(Refused::DiskFull {
        detail: "2 MB left".to_owned(),
        retry_after: Duration::from_secs(10),
    });
    let answer = send(bench.http(), post("/insert/jsonline", JSON, "{}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "10");

    bench.recorder.refuse(Refused::Stopping);
    let answer = send(bench.http(), post("/v1/logs", JSON, ONE_LOG)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.headers.contains_key("retry-after"));
    assert!(bench.recorder.told().is_empty());
}

#[tokio::test]
async fn a_refused_request_with_metrics_may_be_repeated() {
    let bench = Bench::new();
    // Cumulative, since one nanosecond after the receivers started; then a minute later.
    let request = |count: u64, minute: u64| {
        let body = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{
                "name":"http.server.request.duration","unit":"s","histogram":{{
                "aggregationTemporality":2,"dataPoints":[{{
                "startTimeUnixNano":"1795262400000000001","timeUnixNano":"{}",
                "count":"{count}","sum":1,"bucketCounts":["{count}",0],"explicitBounds":[1]
                }}]}}}}]}}]}}]}}"#,
            1_795_262_400_000_000_000 + minute * 60_000_000_000,
        );
        post("/v1/metrics", JSON, body)
    };
    send(bench.http(), request(5, 1)).await;
    bench.recorder.refuse(Refused::Full {
        retry_after: Duration::from_secs(1),
    });
    let answer = send(bench.http(), request(7, 2)).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    bench.recorder.accept();
    send(bench.http(), request(7, 2)).await;
    send(bench.http(), request(7, 2)).await;
    assert_eq!(
        bench.recorder.told(),
        [
            "unknown http.server.request.duration [5, 0]",
            "unknown http.server.request.duration [2, 0]"
        ]
    );
}

#[tokio::test]
async fn nothing_is_answered_before_the_batch_is_safe() {
    let bench = Bench::new();
    bench.recorder.safe.forget_permits(1_000);
    let router = bench.http();
    let sender = tokio::spawn(send(router, post("/v1/logs", JSON, ONE_LOG)));
    bench.recorder.arrived.acquire().await.unwrap().forget();
    assert!(!sender.is_finished());
    bench.recorder.safe.add_permits(1);
    assert_eq!(sender.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn one_request_too_many_is_told_to_wait() {
    let bench = Bench::with(Limits {
        requests_in_flight: 1,
        ..Limits::default()
    });
    bench.recorder.safe.forget_permits(1_000);
    let router = bench.http();
    let first = tokio::spawn(send(router.clone(), post("/v1/logs", JSON, ONE_LOG)));
    bench.recorder.arrived.acquire().await.unwrap().forget();
    let second = send(router.clone(), post("/v1/logs", JSON, ONE_LOG)).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.headers["retry-after"], "1");
    bench.recorder.safe.add_permits(2);
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
    let third = send(router, post("/v1/logs", JSON, ONE_LOG)).await;
    assert_eq!(third.status, StatusCode::OK);
}

#[tokio::test]
async fn a_zip_bomb_is_refused_before_it_unfolds() {
    let limits = Limits {
        body_bytes: 1 << 20,
        decoded_bytes: 1 << 20,
        ..Limits::default()
    };
    let bench = Bench::with(limits);
    let bomb = gzip(&vec![b' '; 32 << 20]);
    assert!(bomb.len() < 1 << 20);
    for path in ["/v1/logs", "/v1/traces", "/v1/metrics", "/insert/jsonline"] {
        let answer = send(bench.http(), gzipped(path, JSON, bomb.clone())).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    // Bombs in several members, and bodies that are simply too long.
    let members = [gzip(&vec![b' '; 600 << 10]), gzip(&vec![b' '; 600 << 10])].concat();
    let answer = send(bench.http(), gzipped("/v1/logs", JSON, members)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = send(bench.http(), post("/v1/logs", JSON, vec![b' '; 2 << 20])).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let chunks = (0..32).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let body = Body::from_stream(futures::stream::iter(chunks));
    let answer = send(bench.http(), post("/v1/logs", JSON, body)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let bench = Bench::new();
    let body = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let answer = send(bench.http(), post("/v1/logs", JSON, body)).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn hostile_bytes_get_an_answer() {
    let bench = Bench::new();
    // A linear congruential generator: the same noise each time.
    let mut state = 7u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let step = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..length).map(step).collect()
    };
    for round in 0..200 {
        let path = ["/v1/logs", "/v1/traces", "/v1/metrics"][round % 3];
        let bytes = noise(round * 7);
        for request in [
            post(path, PROTOBUF, bytes.clone()),
            post(path, JSON, bytes.clone()),
            gzipped(path, PROTOBUF, bytes.clone()),
            gzipped(path, PROTOBUF, gzip(&bytes)),
            post("/insert/jsonline", JSON, bytes.clone()),
        ] {
            let status = send(bench.http(), request).await.status;
            assert!(
                [StatusCode::OK, StatusCode::BAD_REQUEST].contains(&status),
                "{path} {status}"
            );
        }
    }
    let deep = format!("{{\"resourceLogs\":{}", "[".repeat(1 << 20));
    let answer = send(bench.http(), post("/v1/logs", JSON, deep)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    // Protobuf messages nested in each other without end.
    let mut nested = Vec::new();
    for _ in 0..10_000 {
        let mut outer = vec![0x2a];
        prost::encoding::encode_varint(nested.len() as u64, &mut outer);
        outer.append(&mut nested);
        nested = outer;
    }
    let answer = send(bench.http(), post("/v1/logs", PROTOBUF, nested)).await;
    assert!(answer.status.is_success() || answer.status == StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_stranger_is_told_what_is_missing() {
    let bench = Bench::new();
    let router = bench.receivers.otlp_http(locked());
    let answer = send(router.clone(), post("/v1/logs", JSON, ONE_LOG)).await;
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    expect![[r#"401 application/json {"code":16,"message":"a token is needed: send the header `Authorization: Bearer TOKEN`"}"#]]
        .assert_eq(&answer.text());
    let with = |token: &str, kind: &str| {
        let mut request = post("/v1/logs", kind, ONE_LOG);
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    let answer = send(router.clone(), with("guess", PROTOBUF)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let status = pb::Status::decode(&answer.body[..]).unwrap();
    assert_eq!(status.message, "the token is not known here");
    for token in ["old-token", "new-token"] {
        let answer = send(router.clone(), with(token, JSON)).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(bench.recorder.told().len(), 2);
}

#[tokio::test]
async fn json_lines_report_each_bad_line() {
    let bench = Bench::new();
    let body = "{\"svc\":\"cart\",\"text\":\"a\"}\noops\n{\"svc\":\"pay\",\"text\":\"b\"}\n";
    let path = "/insert/jsonline?_msg_field=text&extra_fields=service.name%3Dshop";
    let answer = send(bench.http(), post(path, "application/stream+json", body)).await;
    expect![[r#"200 application/json {"accepted":2,"errors":[{"detail":"expected value at line 1 column 1","line":2,"reason":"malformed"}],"rejected":1}"#]]
        .assert_eq(&answer.text());
    assert_eq!(
        bench.recorder.told(),
        [
            r#"shop - {"svc":"cart","text":"a"}"#,
            r#"shop - {"svc":"pay","text":"b"}"#
        ]
    );
    let answer = send(bench.http(), post("/insert/jsonline", JSON, "all\nwrong")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn everything_is_counted() {
    let bench = Bench::new();
    send(bench.http(), post("/v1/logs", JSON, ONE_LOG)).await;
    send(bench.http(), post("/v1/logs", JSON, ONE_GOOD_ONE_BAD)).await;
    send(bench.http(), post("/v1/logs", JSON, "?")).await;
    send(bench.http(), post("/insert/jsonline", JSON, "{}\n{}\nx")).await;
    let gauge = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[{},{}]}}]}]}]}"#;
    send(bench.http(), post("/v1/metrics", JSON, gauge)).await;
    let locked = bench.receivers.otlp_http(locked());
    send(locked, post("/v1/logs", JSON, ONE_LOG)).await;
    expect![[r#"
        bytes_total{protocol=json-lines} 7
        bytes_total{protocol=otlp-http} 392
        dropped_total{protocol=otlp-http,reason=metric_not_used} 2
        records_total{kind=log,protocol=json-lines} 2
        records_total{kind=log,protocol=otlp-http} 2
        rejected_total{protocol=json-lines,reason=malformed} 1
        rejected_total{protocol=otlp-http,reason=malformed} 1
        requests_total{code=200,protocol=json-lines} 1
        requests_total{code=200,protocol=otlp-http} 3
        requests_total{code=400,protocol=otlp-http} 1
        requests_total{code=401,protocol=otlp-http} 1
    "#]]
    .assert_eq(&bench.counters());
}

#[tokio::test]
async fn a_protobuf_partial_success_has_its_fields() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
    let bench = Bench::new();
    // One resource with one scope with one empty span: no ids.
    let span: &[u8] = &[0x0a, 4, 0x12, 2, 0x12, 0];
    let answer = send(bench.http(), post("/v1/traces", PROTOBUF, span)).await;
    let response = ExportTraceServiceResponse::decode(&answer.body[..]).unwrap();
    let partial = response.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(
        partial.error_message.contains("invalid_id"),
        "{}",
        partial.error_message
    );
    let answer = send(bench.http(), post("/v1/logs", PROTOBUF, span)).await;
    let response = ExportLogsServiceResponse::decode(&answer.body[..]).unwrap();
    assert_eq!(
        response.partial_success, None,
        "an empty log record is a record"
    );
}
