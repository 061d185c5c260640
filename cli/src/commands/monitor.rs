//! `crosswatch monitor`.

use std::sync::Arc;

use monitor::clock::SystemClock;
use monitor::config::MonitorArgs;
use monitor::signals::StopSignals;

use crate::terminal;

pub(crate) fn run(args: &MonitorArgs) -> anyhow::Result<()> {
    // Before anything is opened: a mistake in the settings is one sentence.
    let settings = args.settings()?;
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let telemetry = monitor::telemetry::start(settings.own_traces.as_ref())?;
        let mut running = monitor::run::start(settings, Arc::new(SystemClock)).await?;
        tracing::info!(
            page = format!("http://{}", running.http),
            otlp_grpc = %running.otlp_grpc,
            otlp_http = %running.otlp_http,
            recovered_batches = running.recovered.batches,
            "watching; Ctrl-C stops"
        );
        let failure = tokio::select! {
            () = signals.asked_to_stop() => None,
            error = running.failed() => Some(error),
        };
        tracing::info!("stopping: finishing what was taken");
        let stopped = running.stop().await;
        telemetry.stop();
        match failure {
            Some(error) => Err(error),
            None => stopped,
        }
    })
}
