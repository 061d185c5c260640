//! Experiments on a live platform, while its monitor speaks.

use std::sync::Arc;

use anyhow::anyhow;
use sim_services::chaos::Happening;
use sim_services::chaos::plan::Plan;
use sim_services::mesh::Tell;
use sim_services::truth::Said;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::said::{Scribe, time};

/// What goes on, as it goes on.
#[derive(Debug)]
pub(crate) enum Told {
    Platform(Box<Happening>),
    Monitor(Said),
    /// The monitor said more than could be followed.
    Missed(u64),
}

/// Between the platform and whoever tells; a happening is a few a minute.
const HAPPENINGS: usize = 256;

/// The platform's end and the teller's.
pub(crate) fn happenings() -> (Tell, mpsc::Receiver<Happening>) {
    let (give, take) = mpsc::channel(HAPPENINGS);
    let tell = move |happening: &Happening| {
        // Nobody listens any more, or not for minutes: the truth has it all the same.
        drop(give.try_send(happening.clone()));
    };
    (Arc::new(tell), take)
}

/// Runs `plan` until it is over or `stop` is cancelled, and returns what was said meanwhile.
/// `happenings` is what the platform tells.
pub(crate) async fn run(
    live: &mut Live,
    plan: &Plan,
    happenings: &mut mpsc::Receiver<Happening>,
    stop: CancellationToken,
    mut tell: impl FnMut(Told),
) -> anyhow::Result<Vec<Said>> {
    let mut events = live.monitor.live.subscribe();
    let (mut scribe, mut said) = (Scribe::default(), Vec::new());
    // Undoes what it did when it is told to stop, so it is awaited and never dropped before.
    let over = stop.child_token();
    let playing = live.platform.play(plan, over.clone());
    tokio::pin!(playing);
    let mut failure = None;
    loop {
        tokio::select! {
            biased;
            () = &mut playing => break,
            error = live.monitor.failed(), if failure.is_none() => {
                failure = Some(error.context("the monitor failed"));
                over.cancel();
            }
            why = live.platform.failed(), if failure.is_none() => {
                failure = Some(anyhow!(why).context("the platform failed"));
                over.cancel();
            }
            Some(happening) = happenings.recv() => tell(Told::Platform(Box::new(happening))),
            event = events.recv() => match event {
                Ok(event) => {
                    if let Some(new) = scribe.event(&event, time(live.clock.now())) {
                        tell(Told::Monitor(new.clone()));
                        said.push(new);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => tell(Told::Missed(missed)),
                Err(broadcast::error::RecvError::Closed) => over.cancel(),
            },
        }
    }
    while let Ok(happening) = happenings.try_recv() {
        tell(Told::Platform(Box::new(happening)));
    }
    match failure {
        None => Ok(said),
        Some(error) => Err(error),
    }
}
