//! OTLP over HTTP, against a server that refuses, asks for patience, and takes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;
use sim_services::telemetry::Export;
use sim_services::telemetry::otlp;
use sim_services::telemetry::sink::{Delivered, Otlp, OtlpOptions, Sink, Tee};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{export, gauges};

/// Answers with what is planned, then with 200, and keeps what came.
#[derive(Default)]
struct Watcher {
    planned: Mutex<VecDeque<Response>>,
    came: Mutex<Vec<(String, HeaderMap, Bytes)>>,
}

async fn take(
    State(watcher): State<Arc<Watcher>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let came = (uri.path().to_owned(), headers, body);
    watcher.came.lock().unwrap().push(came);
    let planned = watcher.planned.lock().unwrap().pop_front();
    planned.unwrap_or_else(|| StatusCode::OK.into_response())
}

async fn watching(planned: Vec<Response>) -> (Arc<Watcher>, String, JoinHandle<()>) {
    let watcher = Arc::new(Watcher {
        planned: Mutex::new(planned.into()),
        ..Watcher::default()
    });
    let router = Router::new()
        .fallback(take)
        .with_state(Arc::clone(&watcher));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (watcher, base, server)
}

fn busy() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response()
}

#[tokio::test]
async fn it_sends_logs_traces_and_metrics_and_tries_again_when_asked_to() {
    let (watcher, base, server) = watching(vec![busy(), busy()]).await;
    let options = OtlpOptions {
        gzip: true,
        token: Some("secret".into()),
        resource: None,
    };
    let sink = Otlp::new(&base, options).unwrap();
    let all = Export {
        gauges: gauges(),
        ..export(0)
    };
    sink.deliver(vec![all]).await;
    let delivered = Delivered {
        lines: 2,
        spans: 1,
        gauges: 3,
        lost: 0,
        retries: 2,
    };
    assert_eq!(sink.delivered(), delivered);
    let came = watcher.came.lock().unwrap();
    let paths: Vec<_> = came.iter().map(|came| came.0.as_str()).collect();
    let (logs, others) = paths.split_at(3);
    assert_eq!(logs, ["/v1/logs"; 3]);
    assert_eq!(others, ["/v1/traces", "/v1/metrics"]);
    let (_, headers, body) = &came[2];
    assert_eq!(headers["authorization"], "Bearer secret");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["content-encoding"], "gzip");
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&body[..]), &mut plain).unwrap();
    let request = ExportLogsServiceRequest::decode(&plain[..]).unwrap();
    assert_eq!(request, otlp::logs(&[export(0)]));
    server.abort();
}

#[tokio::test]
async fn what_is_refused_or_never_taken_is_counted_as_lost() {
    let partial = ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: 1,
            error_message: "too long".into(),
        }),
    };
    let planned = vec![
        partial.encode_to_vec().into_response(),
        StatusCode::BAD_REQUEST.into_response(),
        busy(),
        busy(),
        busy(),
        busy(),
        busy(),
    ];
    let (watcher, base, server) = watching(planned).await;
    let sink = Arc::new(Otlp::new(&base, OtlpOptions::default()).unwrap());
    // One of two lines is rejected, and the span with a status that is final.
    sink.deliver(vec![export(0)]).await;
    let delivered = Delivered {
        lines: 1,
        lost: 2,
        ..Delivered::default()
    };
    assert_eq!(sink.delivered(), delivered);
    // Then patience runs out.
    let mut lines = export(0);
    lines.spans.clear();
    Tee(vec![Arc::clone(&sink) as _]).deliver(vec![lines]).await;
    let delivered = Delivered {
        lines: 1,
        lost: 4,
        retries: 4,
        ..Delivered::default()
    };
    assert_eq!(sink.delivered(), delivered);
    assert_eq!(watcher.came.lock().unwrap().len(), 7);
    server.abort();
}

#[test]
fn an_address_is_checked() {
    let wrong = Otlp::new("localhost", OtlpOptions::default());
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "`localhost` is not an address such as http://127.0.0.1:4318"
    );
}
