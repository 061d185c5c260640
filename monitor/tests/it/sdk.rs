//! A service instrumented with the real OpenTelemetry SDK sends to a monitor that was told nothing.

use std::collections::BTreeSet;

use monitor::config::Values;
use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{
    Span as _, SpanKind, TraceContextExt as _, TraceId, Tracer as _, TracerProvider as _,
};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::{Site, real_now};

/// Requests of each Api.
const REQUESTS: u64 = 5;

fn resource() -> Resource {
    Resource::builder()
        .with_attributes([
            KeyValue::new("service.name", "basket"),
            KeyValue::new("service.namespace", "market"),
        ])
        .build()
}

/// A request as an instrumented server has it: a server span named by the route, within it a call
/// to somebody else. Returns the trace's id.
fn serve(
    tracer: &opentelemetry_sdk::trace::SdkTracer,
    (method, route): (&'static str, &'static str),
    log: impl FnOnce(),
) -> TraceId {
    let span = tracer
        .span_builder(format!("{method} {route}"))
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("url.path", route.replace("{id}", "4711")),
            KeyValue::new("http.response.status_code", 200),
        ])
        .start(tracer);
    let context = opentelemetry::Context::current_with_span(span);
    let _attached = context.clone().attach();
    tracer
        .span_builder("SELECT baskets")
        .with_kind(SpanKind::Client)
        .start(tracer)
        .end();
    log();
    context.span().span_context().trace_id()
}

/// What the monitor has to know by now, with no configuration.
async fn check(site: &Site, traces: [TraceId; 2]) {
    site.until("both Apis", |view| {
        view.apis.iter().map(|api| api.calls_total).sum::<u64>() == 2 * REQUESTS
    })
    .await;
    let listing: Value = site.get("/api/v1/apis").await.json().await.unwrap();
    let apis: BTreeSet<[&str; 4]> = listing["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|api| ["namespace", "service", "method", "route"].map(|it| api[it].as_str().unwrap()))
        .collect();
    let expected = [
        ["market", "basket", "GET", "/baskets/{id}"],
        ["market", "basket", "POST", "/baskets"],
    ];
    assert_eq!(apis, BTreeSet::from(expected), "{listing:#}");
    let status: Value = site.get("/api/v1/status").await.json().await.unwrap();
    assert_eq!(status["counts"]["late"], 0, "{status:#}");
    assert_eq!(status["counts"]["future"], 0, "{status:#}");

    for (trace, text) in traces.into_iter().zip(["basket shown", "basket made"]) {
        // Two spans and a log record.
        let page = site.finds(&format!("trace_id:{trace}"), 3).await;
        assert_eq!(page["total"], 3, "{page:#}");
        let records = page["records"].as_array().unwrap();
        let log = records.iter().find(|it| it["kind"] == "log").unwrap();
        assert_eq!(log["text"], text, "{page:#}");
        assert_eq!(log["severity"], "INFO", "{page:#}");
        assert_eq!(log["service"], "basket", "{page:#}");
        assert_eq!(log["trace_id"], trace.to_string(), "{page:#}");
        let server = records
            .iter()
            .find(|it| it["kind"] == "span" && it["span_id"] == log["span_id"]);
        assert!(
            server.is_some(),
            "the log record is of the request: {page:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apis_and_logs_of_the_sdk_over_grpc() {
    let site = Site::start(real_now(), Values::default()).await;
    let endpoint = format!("http://{}", site.running.otlp_grpc);
    let spans = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&endpoint)
        .build()
        .unwrap();
    let logs = LogExporter::builder()
        .with_tonic()
        .with_endpoint(&endpoint)
        .build()
        .unwrap();
    let tracers = SdkTracerProvider::builder()
        .with_batch_exporter(spans)
        .with_resource(resource())
        .build();
    let loggers = SdkLoggerProvider::builder()
        .with_batch_exporter(logs)
        .with_resource(resource())
        .build();
    let bridge = OpenTelemetryTracingBridge::new(&loggers);
    let subscriber = tracing_subscriber::registry().with(bridge);
    let tracer = tracers.tracer("basket");
    let traces = tracing::subscriber::with_default(subscriber, || {
        let mut traces = [TraceId::INVALID; 2];
        for _ in 0..REQUESTS {
            traces = [
                serve(&tracer, ("GET", "/baskets/{id}"), || {
                    tracing::info!(target: "basket", items = 3, "basket shown");
                }),
                serve(&tracer, ("POST", "/baskets"), || {
                    tracing::info!(target: "basket", items = 0, "basket made");
                }),
            ];
        }
        traces
    });
    // The batch processors wait for their threads.
    tokio::task::spawn_blocking(move || {
        tracers.shutdown().unwrap();
        loggers.shutdown().unwrap();
    })
    .await
    .unwrap();
    check(&site, traces).await;
    site.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn apis_and_logs_of_the_sdk_over_http() {
    let site = Site::start(real_now(), Values::default()).await;
    let address = site.running.otlp_http;
    let spans = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("http://{address}/v1/traces"))
        .build()
        .unwrap();
    let logs = LogExporter::builder()
        .with_http()
        .with_endpoint(format!("http://{address}/v1/logs"))
        .build()
        .unwrap();
    // Simple processors export where they are called, which is where the client's reactor is.
    let tracers = SdkTracerProvider::builder()
        .with_simple_exporter(spans)
        .with_resource(resource())
        .build();
    let loggers = SdkLoggerProvider::builder()
        .with_simple_exporter(logs)
        .with_resource(resource())
        .build();
    let tracer = tracers.tracer("basket");
    let logger = loggers.logger("basket");
    let log = |text: &'static str| {
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Info);
        record.set_body(AnyValue::from(text));
        logger.emit(record);
    };
    let mut traces = [TraceId::INVALID; 2];
    for _ in 0..REQUESTS {
        traces = [
            serve(&tracer, ("GET", "/baskets/{id}"), || log("basket shown")),
            serve(&tracer, ("POST", "/baskets"), || log("basket made")),
        ];
    }
    tracers.shutdown().unwrap();
    loggers.shutdown().unwrap();
    check(&site, traces).await;
    site.running.stop().await.unwrap();
}
