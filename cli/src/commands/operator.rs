//! `crosswatch operator`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use anyhow::Context as _;
use monitor::signals::StopSignals;
use operator::args::OperatorArgs;
use url::Url;

use crate::terminal;

/// The operator, with what this program adds to it.
#[derive(Debug, clap::Args)]
pub(crate) struct Command {
    #[command(flatten)]
    operator: OperatorArgs,

    /// Where the operator's own traces go, by OTLP.
    #[arg(long, env = "CROSSWATCH_OWN_TRACES", value_name = "URL")]
    own_traces: Option<Url>,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    // Of jitter, and of this operator's name where it has no pod's: another one at each start.
    let seed = RandomState::new().hash_one("operator");
    let settings = command.operator.settings(seed)?;
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let telemetry = monitor::telemetry::start(command.own_traces.as_ref())?;
        let client = operator::connect()
            .await
            .context("no cluster can be reached: neither KUBECONFIG nor a service account works")?;
        #[expect(clippy::disallowed_methods, reason = "the operator's only clock")]
        let clock = Arc::new(operator::Timestamp::now);
        let mut running = operator::run::start(settings, client, clock).await?;
        tracing::info!(
            metrics = format!("http://{}/metrics", running.http),
            "watching the cluster"
        );
        let failure = tokio::select! {
            () = signals.asked_to_stop() => None,
            error = running.failed() => Some(error),
        };
        tracing::info!("stopping: finishing what was begun, giving back the lease");
        running.stop().await;
        telemetry.stop();
        failure.map_or(Ok(()), Err)
    })
}
