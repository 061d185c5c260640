//! OTLP over HTTP, in protobuf and JSON; and JSON lines.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::post;
use monitor_ingest::decoded::{Decoded, Rejections};
use monitor_ingest::jsonlines::{self, FieldMapping};
use monitor_ingest::otlp::{
    Advance, DecodeError, Encoding, decode_logs_bytes, decode_metrics_bytes, decode_traces_bytes,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use serde_json::json;

use super::Limits;
use super::body::{self, Packing};
use super::counters::Protocol;
use super::deliver::Delivery;
use super::reply::{Failure, JSON, PROTOBUF, Style, media_type};

#[derive(Clone, Debug)]
struct Context {
    delivery: Arc<Delivery>,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
enum Signal {
    Logs,
    Traces,
    Metrics,
}

pub(super) fn otlp_routes(delivery: &Arc<Delivery>, limits: Limits) -> Router {
    let context = Context {
        delivery: Arc::clone(delivery),
        limits,
    };
    let export = |signal| {
        post(
            move |State(context): State<Context>, request: Request| async move {
                otlp(&context, signal, request).await
            },
        )
    };
    Router::new()
        .route("/v1/logs", export(Signal::Logs))
        .route("/v1/traces", export(Signal::Traces))
        .route("/v1/metrics", export(Signal::Metrics))
        .with_state(context)
}

async fn otlp(context: &Context, signal: Signal, request: Request) -> Response {
    let style = Style::of(request.headers());
    let answer = match encoding_of(request.headers()) {
        Ok(encoding) => export(context, signal, encoding, request).await,
        Err(failure) => Err(failure),
    };
    answer.unwrap_or_else(|failure| failure.respond(style))
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Failure> {
    match media_type(headers).as_deref() {
        Some(PROTOBUF) => Ok(Encoding::Protobuf),
        Some(JSON) => Ok(Encoding::Json),
        other => Err(Failure::Unsupported(format!(
            "content type {:?} is not supported: send {PROTOBUF} or {JSON}",
            other.unwrap_or_default()
        ))),
    }
}

async fn export(
    context: &Context,
    signal: Signal,
    encoding: Encoding,
    request: Request,
) -> Result<Response, Failure> {
    const PROTOCOL: Protocol = Protocol::OtlpHttp;
    let (parts, body) = request.into_parts();
    let packing = Packing::of(&parts.headers)?;
    let body = body::read(&parts.headers, body, &context.limits).await?;
    let limit = context.limits.decoded_bytes;
    let delivery = Arc::clone(&context.delivery);
    let (decoded, advance, bytes) = off_runtime(body.len(), move || {
        let body = packing.unpack(body, limit)?;
        let (decoded, advance) = decode(signal, &body, encoding, &delivery)
            .map_err(|error| Failure::Undecodable(with_causes(&error)))?;
        Ok((decoded, advance, body.len()))
    })
    .await?;
    let rejected = match advance {
        Some(advance) => {
            context
                .delivery
                .deliver_metrics(PROTOCOL, decoded, advance, bytes)
                .await?
        }
        None => context.delivery.deliver(PROTOCOL, decoded, bytes).await?,
    };
    Ok(success(signal, encoding, &rejected))
}

fn decode(
    signal: Signal,
    body: &[u8],
    encoding: Encoding,
    delivery: &Delivery,
) -> Result<(Decoded, Option<Advance>), DecodeError> {
    let (origin, now) = (Protocol::OtlpHttp.origin(), delivery.now());
    Ok(match signal {
        Signal::Logs => (decode_logs_bytes(body, encoding, origin, now)?, None),
        Signal::Traces => (decode_traces_bytes(body, encoding, origin, now)?, None),
        Signal::Metrics => {
            let mut state = delivery.cumulative();
            let (decoded, advance) = decode_metrics_bytes(body, encoding, origin, now, &mut state)?;
            (decoded, Some(advance))
        }
    })
}

/// Bodies above this take about half a millisecond and more, which is too long for the runtime.
const OFF_RUNTIME_BYTES: usize = 64 << 10;

/// Runs `work` here when it is short, on the blocking pool when it is not.
async fn off_runtime<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    if bytes <= OFF_RUNTIME_BYTES {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "decoding a request failed");
            Err(Failure::Internal)
        }
    }
}

/// How many were refused and why, or nothing when all was taken: OTLP's `partial_success`.
pub(super) fn partial(rejected: &Rejections, noun: &str) -> Option<(i64, String)> {
    if rejected.is_empty() {
        return None;
    }
    let count = i64::try_from(rejected.total()).unwrap_or(i64::MAX);
    Some((count, rejected.summary(noun)))
}

fn success(signal: Signal, encoding: Encoding, rejected: &Rejections) -> Response {
    let (noun, field) = match signal {
        Signal::Logs => ("log records", "rejectedLogRecords"),
        Signal::Traces => ("spans", "rejectedSpans"),
        Signal::Metrics => ("data points", "rejectedDataPoints"),
    };
    let partial = partial(rejected, noun);
    match encoding {
        Encoding::Json => {
            let body = match partial {
                None => json!({}),
                Some((count, message)) => json!({
                    "partialSuccess": { field: count.to_string(), "errorMessage": message },
                }),
            };
            respond(StatusCode::OK, JSON, body.to_string().into())
        }
        Encoding::Protobuf => {
            let body = match signal {
                Signal::Logs => ExportLogsServiceResponse {
                    partial_success: partial.map(|(rejected_log_records, error_message)| {
                        ExportLogsPartialSuccess {
                            rejected_log_records,
                            error_message,
                        }
                    }),
                }
                .encode_to_vec(),
                Signal::Traces => ExportTraceServiceResponse {
                    partial_success: partial.map(|(rejected_spans, error_message)| {
                        ExportTracePartialSuccess {
                            rejected_spans,
                            error_message,
                        }
                    }),
                }
                .encode_to_vec(),
                Signal::Metrics => ExportMetricsServiceResponse {
                    partial_success: partial.map(|(rejected_data_points, error_message)| {
                        ExportMetricsPartialSuccess {
                            rejected_data_points,
                            error_message,
                        }
                    }),
                }
                .encode_to_vec(),
            };
            respond(StatusCode::OK, PROTOBUF, body.into())
        }
    }
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An error and what caused it, in one line: the sender sees no log of ours.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// `/insert/jsonline`, and the same below the prefixes that VictoriaLogs' clients use.
pub(super) fn jsonline_routes(delivery: &Arc<Delivery>, limits: Limits) -> Router {
    let context = Context {
        delivery: Arc::clone(delivery),
        limits,
    };
    Router::new()
        .route("/insert/jsonline", post(jsonline))
        .with_state(context)
}

async fn jsonline(
    State(context): State<Context>,
    Query(parameters): Query<Vec<(String, String)>>,
    request: Request,
) -> Response {
    insert(&context, &parameters, request)
        .await
        .unwrap_or_else(|failure| failure.respond(Style::Json))
}

async fn insert(
    context: &Context,
    parameters: &[(String, String)],
    request: Request,
) -> Result<Response, Failure> {
    const PROTOCOL: Protocol = Protocol::JsonLines;
    let (parts, body) = request.into_parts();
    let mut mapping = FieldMapping::default();
    // Parameters win over headers, as in VictoriaLogs.
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            mapping.set(name.as_str(), value);
        }
    }
    for (name, value) in parameters {
        mapping.set(name, value);
    }
    let packing = Packing::of(&parts.headers)?;
    let body = body::read(&parts.headers, body, &context.limits).await?;
    let (limit, now) = (context.limits.decoded_bytes, context.delivery.now());
    let (decoded, bytes) = off_runtime(body.len(), move || {
        let body = packing.unpack(body, limit)?;
        let decoded = jsonlines::decode(&body, &mapping, PROTOCOL.origin(), now);
        Ok((decoded, body.len()))
    })
    .await?;
    let accepted = decoded.batch.items.len();
    let rejected = context.delivery.deliver(PROTOCOL, decoded, bytes).await?;
    let errors: Vec<_> = rejected
        .kept()
        .iter()
        .map(|rejection| {
            json!({
                "line": rejection.position + 1,
                "reason": rejection.reason.as_str(),
                "detail": rejection.detail,
            })
        })
        .collect();
    let body = json!({
        "accepted": accepted,
        "rejected": rejected.total(),
        "errors": errors,
    });
    // A body without a single good line is not what its sender meant.
    let status = if accepted == 0 && !rejected.is_empty() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    Ok(respond(status, JSON, body.to_string().into()))
}
