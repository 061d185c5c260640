//! Clients that are not our own code: the OpenTelemetry SDK over both transports.

use std::collections::HashMap;

use monitor_core::Payload;
use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Bench, listen, locked};

fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "cart"),
            KeyValue::new("service.namespace", "shop"),
            KeyValue::new("service.version", "1.2.3"),
            KeyValue::new("service.instance.id", "cart-7"),
            KeyValue::new("cloud.provider", "aws"),
            KeyValue::new("cloud.region", "eu-west-1"),
        ])
        .build()
}

/// A request that fails after a call to the database, with its log record.
fn serve_a_request(tracer: &opentelemetry_sdk::trace::SdkTracer) {
    tracer.in_span("GET /carts/{id}", |context| {
        let mut query = tracer
            .span_builder("SELECT carts")
            .with_kind(SpanKind::Client)
            .start(tracer);
        query.end();
        context.span().set_status(Status::error("no such cart"));
        tracing::error!(target: "cart", id = 17, "no such cart");
    });
}

/// The spans, the log record and how they hang together.
fn check(bench: &Bench) {
    let mut told = bench.recorder.told();
    told.sort();
    assert_eq!(
        told,
        [
            "shop/cart ERROR no such cart",
            "shop/cart client SELECT carts",
            "shop/cart internal GET /carts/{id}",
        ]
    );
    let batches = bench.recorder.batches.lock().unwrap();
    let (mut spans, mut log) = (Vec::new(), None);
    for batch in batches.iter() {
        for source in &batch.sources {
            assert_eq!(&*source.resource.environment.name, "aws-eu-west-1");
            assert_eq!(&*source.resource.instance, "cart-7");
            assert_eq!(source.resource.version.as_deref(), Some("1.2.3"));
        }
        for item in &batch.items {
            match &item.payload {
                Payload::Span(span) => spans.push(span),
                Payload::Log(item) => log = Some(item),
                other @ (Payload::Histogram(_) | Payload::Level(_)) => panic!("{other:?}"),
            }
        }
    }
    spans.sort_by_key(|span| span.parent.is_some());
    let [request, query] = spans[..] else {
        panic!("two spans: {spans:?}");
    };
    let log = log.unwrap();
    assert_eq!((request.parent, request.error), (None, Some(true)));
    assert_eq!(request.status_message, "no such cart");
    assert_eq!((query.parent, query.error), (Some(request.span_id), None));
    assert_eq!(query.trace_id, request.trace_id);
    assert_eq!(log.trace_id, Some(request.trace_id));
    assert_eq!(log.span_id, Some(request.span_id));
    assert!(log.time.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_logs_over_grpc_with_token_and_gzip() {
    let bench = Bench::new();
    let address = listen(bench.receivers.otlp_grpc(locked())).await;
    let endpoint = format!("http://{address}");
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", "Bearer old-token".parse().unwrap());
    let spans = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&endpoint)
        .with_metadata(metadata.clone())
        .with_compression(Compression::Gzip)
        .build()
        .unwrap();
    let logs = LogExporter::builder()
        .with_tonic()
        .with_endpoint(&endpoint)
        .with_metadata(metadata)
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
    tracing::subscriber::with_default(subscriber, || serve_a_request(&tracers.tracer("cart")));
    // The batch processors wait for their threads.
    tokio::task::spawn_blocking(move || {
        tracers.shutdown().unwrap();
        loggers.shutdown().unwrap();
    })
    .await
    .unwrap();
    check(&bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_logs_over_http_with_token_and_gzip() {
    let bench = Bench::new();
    let address = listen(bench.receivers.otlp_http(locked())).await;
    let headers = HashMap::from([("authorization".to_owned(), "Bearer old-token".to_owned())]);
    let spans = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("http://{address}/v1/traces"))
        .with_headers(headers.clone())
        .with_compression(Compression::Gzip)
        .build()
        .unwrap();
    let logs = LogExporter::builder()
        .with_http()
        .with_endpoint(format!("http://{address}/v1/logs"))
        .with_headers(headers)
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
    let tracer = tracers.tracer("cart");
    let logger = loggers.logger("cart");
    tracer.in_span("GET /carts/{id}", |context| {
        let mut query = tracer
            .span_builder("SELECT carts")
            .with_kind(SpanKind::Client)
            .start(&tracer);
        query.end();
        context.span().set_status(Status::error("no such cart"));
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Error);
        record.set_body(AnyValue::from("no such cart"));
        record.set_observed_timestamp(
            std::time::UNIX_EPOCH + super::Duration::from_secs(1_795_262_400),
        );
        logger.emit(record);
    });
    tracers.shutdown().unwrap();
    loggers.shutdown().unwrap();
    check(&bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_duration_metric_arrives_as_deltas() {
    let bench = Bench::new();
    let address = listen(bench.grpc()).await;
    let exporter = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://{address}"))
        .with_temporality(opentelemetry_sdk::metrics::Temporality::Delta)
        .build()
        .unwrap();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter)
        .with_resource(resource())
        .build();
    let durations = meters
        .meter("cart")
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_boundaries(vec![0.1, 1.0])
        .build();
    let route = [KeyValue::new("http.route", "/carts/{id}")];
    for seconds in [0.05, 0.07, 0.5, 3.0] {
        durations.record(seconds, &route);
    }
    meters
        .meter("cart")
        .u64_counter("other")
        .build()
        .add(1, &[]);
    tokio::task::spawn_blocking(move || meters.shutdown().unwrap())
        .await
        .unwrap();
    assert_eq!(
        bench.recorder.told(),
        ["shop/cart http.server.request.duration [2, 1, 1]"]
    );
}
