//! A plan of experiments in virtual time, with a monitor that listens.
//!
//! The platform runs on one thread, the monitor on another; between them go the OTLP requests that
//! the collectors would have sent, with the time at which they sent them. Nothing is measured by
//! the machine's clock, so the same plan and seed give the same score on any machine.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, anyhow};
use monitor::embedded::Embedded;
use monitor_core::{TrackRecord, View};
use monitor_engine::{Effect, EngineConfig};
use prost::Message;
use sim_services::chaos::plan::Plan;
use sim_services::clock::{Clock, Moment};
use sim_services::mesh::Tell;
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::net::Wire;
use sim_services::telemetry::Export;
use sim_services::telemetry::otlp;
use sim_services::telemetry::sink::Function;
use sim_services::truth::{Said, Timeline};
use tokio_util::sync::CancellationToken;

use super::platform::Setup;
use super::said::{Scribe, time};

/// Deliveries between platform and monitor.
const WAITING: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct FastRun {
    pub(crate) platform: Setup,
    pub(crate) plan: Plan,
    /// When it is in the platform's world.
    pub(crate) date: Moment,
    /// Undisturbed time to learn from, before the plan begins.
    pub(crate) warm_up: Duration,
    pub(crate) engine: EngineConfig,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) timeline: Timeline,
    pub(crate) said: Vec<Said>,
    /// How the monitor's predictions have done.
    pub(crate) track_record: TrackRecord,
    pub(crate) forecasts: Forecasts,
}

/// Forecasts of impact, and how many of them held what came in their interval.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forecasts {
    pub(crate) scored: u64,
    pub(crate) inside: u64,
}

impl Forecasts {
    pub(crate) fn add(&mut self, other: Forecasts) {
        self.scored += other.scored;
        self.inside += other.inside;
    }
}

/// What a collector sent, and when.
pub(crate) struct Delivery {
    pub(crate) at: Moment,
    pub(crate) logs: Vec<u8>,
    pub(crate) traces: Vec<u8>,
    pub(crate) metrics: Vec<u8>,
}

impl Delivery {
    /// Tells a monitor of it; what that had to say.
    pub(crate) fn tell(&self, monitor: &mut Embedded) -> anyhow::Result<Vec<Effect>> {
        let now = time(self.at);
        let mut effects = monitor.logs(&self.logs, now)?;
        effects.extend(monitor.traces(&self.traces, now)?);
        if !self.metrics.is_empty() {
            effects.extend(monitor.metrics(&self.metrics, now)?);
        }
        Ok(effects)
    }
}

/// Blocks until the plan is over or `stop` is cancelled, which leaves the rest of the plan out.
pub(crate) fn run(run: FastRun, stop: &CancellationToken, tell: Tell) -> anyhow::Result<Outcome> {
    let engine = run.engine.clone();
    let (timeline, (said, view)) = drive(run, stop, tell, |take| listen(engine, take))?;
    Ok(Outcome {
        timeline,
        said,
        forecasts: Forecasts {
            scored: view.counts.impact_forecasts,
            inside: view.counts.impact_inside,
        },
        track_record: view.track_record,
    })
}

/// The same with another listener, on a thread of its own, until nothing more can come.
pub(crate) fn drive<T: Send>(
    run: FastRun,
    stop: &CancellationToken,
    tell: Tell,
    listen: impl FnOnce(&Receiver<Delivery>) -> anyhow::Result<T> + Send,
) -> anyhow::Result<(Timeline, T)> {
    let (give, take) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let listening = std::thread::Builder::new()
            .name("crosswatch-listen".to_owned())
            .spawn_scoped(scope, move || listen(&take))
            .context("cannot start the monitor's thread")?;
        let timeline = run_virtual(run.date, |clock| perform(run, clock, give, stop, tell))
            .context("cannot start a runtime")?;
        let heard = listening
            .join()
            .map_err(|_| anyhow!("the monitor's thread panicked"))??;
        Ok((timeline?, heard))
    })
}

/// The platform's side. Dropping `give` at its end tells the monitor that nothing more will come.
async fn perform(
    run: FastRun,
    clock: Clock,
    give: SyncSender<Delivery>,
    stop: &CancellationToken,
    tell: Tell,
) -> anyhow::Result<Timeline> {
    let sink = Function::new(move |exports: Vec<Export>| {
        let delivery = Delivery {
            at: clock.now(),
            logs: otlp::logs(&exports).encode_to_vec(),
            traces: otlp::traces(&exports).encode_to_vec(),
            metrics: otlp::metrics(&exports).encode_to_vec(),
        };
        // Blocks the thread when the monitor is behind: virtual time waits for it. It fails only
        // when the monitor's thread has ended, which is reported when it is joined.
        drop(give.send(delivery));
    });
    let config = run
        .platform
        .within(Wire::memory(), clock, Arc::new(sink), tell);
    sim_services::mesh::run(config, run.warm_up, &run.plan, stop.clone()).await
}

/// The monitor's side, until nothing more can come.
fn listen(engine: EngineConfig, take: &Receiver<Delivery>) -> anyhow::Result<(Vec<Said>, View)> {
    let mut monitor = Embedded::new(engine)?;
    let (mut scribe, mut said) = (Scribe::default(), Vec::new());
    for delivery in take {
        let effects = delivery.tell(&mut monitor)?;
        let now = time(delivery.at);
        let heard = effects
            .iter()
            .filter_map(|effect| scribe.effect(effect, now));
        said.extend(heard);
    }
    if monitor.rejected() > 0 {
        let refused = monitor.rejected();
        anstream::eprintln!("the monitor refused {refused} items of the platform's telemetry");
    }
    Ok((said, monitor.view()))
}
