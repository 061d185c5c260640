//! OTLP over HTTP, with protobuf bodies, to whoever watches.
//!
//! As the protocol asks of clients: a refusal with 429, 502, 503 or 504 is tried again after
//! `Retry-After` or with growing pauses, a bounded number of times; anything else is final. What
//! does not arrive is counted.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use url::Url;

use super::super::{Export, otlp};
use super::Sink;

const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// However long the watcher asks to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
pub struct OtlpOptions {
    pub gzip: bool,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<String>,
    /// Who speaks, beside name, namespace and version of the service: instead of what the
    /// topology knows of it. For a process that is told by its environment's variables.
    pub resource: Option<Vec<(String, String)>>,
}

#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("`{0}` is not an address such as http://127.0.0.1:4318")]
    Address(String),
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// To a base address, whose `/v1/logs`, `/v1/traces` and `/v1/metrics` take the batches.
#[derive(Debug)]
pub struct Otlp {
    client: Client,
    logs: Url,
    traces: Url,
    metrics: Url,
    options: OtlpOptions,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    lines: AtomicU64,
    spans: AtomicU64,
    gauges: AtomicU64,
    lost: AtomicU64,
    retries: AtomicU64,
}

/// What became of the deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    pub lines: u64,
    pub spans: u64,
    /// Readings.
    pub gauges: u64,
    /// Lines, spans and readings that were refused, or never arrived.
    pub lost: u64,
    pub retries: u64,
}

impl Otlp {
    /// # Errors
    ///
    /// When `base` is no HTTP address.
    pub fn new(base: &str, options: OtlpOptions) -> Result<Otlp, OtlpError> {
        let wrong = || OtlpError::Address(base.to_owned());
        let parsed = Url::parse(&format!("{}/", base.trim_end_matches('/')));
        let parsed = parsed.map_err(|_| wrong())?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong());
        }
        Ok(Otlp {
            // Loopback is never behind a proxy, whatever the environment's variables say.
            client: Client::builder().no_proxy().timeout(TIMEOUT).build()?,
            logs: parsed.join("v1/logs").map_err(|_| wrong())?,
            traces: parsed.join("v1/traces").map_err(|_| wrong())?,
            metrics: parsed.join("v1/metrics").map_err(|_| wrong())?,
            options,
            counts: Counts::default(),
        })
    }

    pub fn delivered(&self) -> Delivered {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Delivered {
            lines: read(&self.counts.lines),
            spans: read(&self.counts.spans),
            gauges: read(&self.counts.gauges),
            lost: read(&self.counts.lost),
            retries: read(&self.counts.retries),
        }
    }

    async fn send_logs(&self, exports: &[Export]) {
        let items = exports.iter().map(|export| export.lines.len()).sum();
        if items == 0 {
            return;
        }
        let body = otlp::logs(exports).encode_to_vec();
        let answer = self.post(&self.logs, body).await;
        let refused = answer.as_ref().map(|answer| {
            ExportLogsServiceResponse::decode(answer.as_ref())
                .ok()
                .and_then(|answer| answer.partial_success)
                .map_or(0, |partial| partial.rejected_log_records)
        });
        self.note(&self.counts.lines, items, refused);
    }

    async fn send_traces(&self, exports: &[Export]) {
        let items = exports.iter().map(|export| export.spans.len()).sum();
        if items == 0 {
            return;
        }
        let mut traces = otlp::traces(exports);
        if let Some(resource) = &self.options.resource {
            let resources = traces.resource_spans.iter_mut();
            otlp::say_instead(resources.map(|spans| &mut spans.resource), resource);
        }
        let body = traces.encode_to_vec();
        let answer = self.post(&self.traces, body).await;
        let refused = answer.as_ref().map(|answer| {
            ExportTraceServiceResponse::decode(answer.as_ref())
                .ok()
                .and_then(|answer| answer.partial_success)
                .map_or(0, |partial| partial.rejected_spans)
        });
        self.note(&self.counts.spans, items, refused);
    }

    async fn send_metrics(&self, exports: &[Export]) {
        let items = exports.iter().map(|export| export.gauges.len()).sum();
        if items == 0 {
            return;
        }
        let mut metrics = otlp::metrics(exports);
        if let Some(resource) = &self.options.resource {
            let resources = metrics.resource_metrics.iter_mut();
            otlp::say_instead(resources.map(|metrics| &mut metrics.resource), resource);
        }
        let answer = self.post(&self.metrics, metrics.encode_to_vec()).await;
        let refused = answer.as_ref().map(|answer| {
            ExportMetricsServiceResponse::decode(answer.as_ref())
                .ok()
                .and_then(|answer| answer.partial_success)
                .map_or(0, |partial| partial.rejected_data_points)
        });
        self.note(&self.counts.gauges, items, refused);
    }

    /// `refused` is none when nothing arrived.
    fn note(&self, arrived: &AtomicU64, items: usize, refused: Option<i64>) {
        let items = items as u64;
        let lost = refused.map_or(items, |refused| {
            u64::try_from(refused).unwrap_or(0).min(items)
        });
        arrived.fetch_add(items - lost, Ordering::Relaxed);
        self.counts.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// The answer's body; none when there was no good answer in all attempts.
    async fn post(&self, to: &Url, body: Vec<u8>) -> Option<Bytes> {
        let (body, is_zipped) = if self.options.gzip {
            (Bytes::from(gzip(&body)?), true)
        } else {
            (Bytes::from(body), false)
        };
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let request = self.request(to, body.clone(), is_zipped);
            let asked = match request.send().await {
                Ok(answer) if answer.status().is_success() => return answer.bytes().await.ok(),
                Ok(answer) if !is_worth_a_retry(answer.status()) => {
                    let status = answer.status().as_u16();
                    tracing::warn!(%to, status, "telemetry was refused");
                    return None;
                }
                Ok(answer) => retry_after(answer.headers()),
                Err(error) => {
                    tracing::debug!(%to, %error, attempt, "telemetry could not be sent");
                    None
                }
            };
            if attempt < ATTEMPTS {
                self.counts.retries.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(asked.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                pause *= 2;
            }
        }
        tracing::warn!(%to, "telemetry was lost: no good answer in {ATTEMPTS} attempts");
        None
    }

    fn request(&self, to: &Url, body: Bytes, is_zipped: bool) -> RequestBuilder {
        let mut request = self
            .client
            .post(to.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(body);
        if is_zipped {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        match &self.options.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

impl Sink for Otlp {
    fn deliver(&self, exports: Vec<Export>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.send_logs(&exports).await;
            self.send_traces(&exports).await;
            self.send_metrics(&exports).await;
        })
    }
}

/// Never none: writing to memory cannot fail.
fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

fn is_worth_a_retry(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// In whole seconds; a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let secs = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    secs.ok().map(Duration::from_secs)
}
