//! `crosswatch agent`.

use agent::args::AgentArgs;
use monitor::signals::StopSignals;
use tokio_util::sync::CancellationToken;

use crate::terminal;

pub(crate) fn run(args: AgentArgs) -> anyhow::Result<()> {
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let telemetry = monitor::telemetry::start(None)?;
        let stop = CancellationToken::new();
        let running = agent::run::run(args, stop.clone());
        let mut running = std::pin::pin!(running);
        let outcome = tokio::select! {
            outcome = &mut running => outcome,
            () = signals.asked_to_stop() => {
                tracing::info!("stopping: sending or keeping what was read");
                stop.cancel();
                running.await
            }
        };
        telemetry.stop();
        outcome
    })
}
