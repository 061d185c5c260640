//! The monitor's own log lines, on standard error, and its own traces, by OTLP when asked.

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use url::Url;

/// What must be flushed at the end.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Starts logging at the level of `CROSSWATCH_LOG` (`info` when unset; `monitor_store=debug` and the
/// like are understood), and exporting spans when `own_traces` says where.
pub fn start(own_traces: Option<&Url>) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::builder()
        .with_env_var("CROSSWATCH_LOG")
        .try_from_env()
        .or_else(|_| EnvFilter::try_new("info,tantivy=warn"))
        .context("CROSSWATCH_LOG")?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter);
    let provider = match own_traces {
        None => None,
        Some(url) => {
            let exporter = opentelemetry_otlp::SpanExporter::builder()
                .with_tonic()
                .with_endpoint(url.as_str())
                .build()
                .with_context(|| format!("--own-traces {url}"))?;
            let resource = Resource::builder().with_service_name("crosswatch").build();
            Some(
                SdkTracerProvider::builder()
                    .with_batch_exporter(exporter)
                    .with_resource(resource)
                    .build(),
            )
        }
    };
    let spans = provider.as_ref().map(|provider| {
        // Our own work only: the exporter's requests would make spans that make requests.
        let ours = EnvFilter::new("off,monitor=info,monitor_serve=info,monitor_store=info");
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("crosswatch"))
            .with_filter(ours)
    });
    tracing_subscriber::registry()
        .with(lines)
        .with(spans)
        .try_init()
        .context("logging")?;
    Ok(Telemetry { traces: provider })
}

impl Telemetry {
    /// Sends what has not been sent.
    pub fn stop(self) {
        if let Some(provider) = self.traces
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last own traces are lost"
            );
        }
    }
}
