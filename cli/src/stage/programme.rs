//! Experiments on a live platform, while its monitor speaks.

use std::sync::Arc;

use sim_services::chaos::plan::Plan;
use sim_services::chaos::{Happening, runner};
use sim_services::topology::Topology;
use sim_services::truth::{Said, Timeline};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::said::{Scribe, time};

/// Between the runner and whoever tells; a happening is a few a minute.
const HAPPENINGS: usize = 64;

/// What goes on, as it goes on.
#[derive(Debug)]
pub(crate) enum Told {
    Platform(Happening),
    Monitor(Said),
    /// The monitor said more than could be followed.
    Missed(u64),
}

/// Runs `plan` until it is over or `stop` is cancelled, and returns the truth beside what was said.
pub(crate) async fn run(
    live: &mut Live,
    plan: Plan,
    topology: Arc<Topology>,
    seed: u64,
    stop: CancellationToken,
    mut tell: impl FnMut(Told),
) -> anyhow::Result<(Timeline, Vec<Said>)> {
    let mut events = live.monitor.live.subscribe();
    let (happening_in, mut happenings) = mpsc::channel(HAPPENINGS);
    let clock = live.clock;
    let started = clock.now();
    let levers = live.platform.levers();
    // The runner undoes what it did when it is told to stop, so it is awaited, never aborted.
    let over = stop.child_token();
    let mut experiments = {
        let (topology, over) = (Arc::clone(&topology), over.clone());
        tokio::spawn(async move {
            let tell = |happening: &Happening| {
                // A teller that is gone has stopped the run as well.
                drop(happening_in.try_send(happening.clone()));
            };
            runner::run(&plan, &topology, &levers, clock, over, tell).await
        })
    };
    let (mut scribe, mut said) = (Scribe::default(), Vec::new());
    let mut failure = None;
    let faults = loop {
        tokio::select! {
            biased;
            faults = &mut experiments => break faults?,
            error = live.failed(), if failure.is_none() => {
                failure = Some(error);
                over.cancel();
            }
            Some(happening) = happenings.recv() => tell(Told::Platform(happening)),
            event = events.recv() => match event {
                Ok(event) => {
                    if let Some(new) = scribe.event(&event, time(clock.now())) {
                        tell(Told::Monitor(new.clone()));
                        said.push(new);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => tell(Told::Missed(missed)),
                Err(broadcast::error::RecvError::Closed) => over.cancel(),
            },
        }
    };
    while let Ok(happening) = happenings.try_recv() {
        tell(Told::Platform(happening));
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let timeline = Timeline {
        topology: topology.name.clone(),
        seed,
        virtual_time: false,
        started,
        judged_from: started,
        ended: clock.now(),
        apis: live.platform.mesh.apis(),
        faults,
    };
    Ok((timeline, said))
}
