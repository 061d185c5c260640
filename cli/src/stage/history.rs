//! A past for a monitor that has just started: the platform, fast-forwarded until it is now.
//!
//! Runs in virtual time on a thread of its own; what it exports is handed over in stretches of two
//! seconds, each worth one request to the monitor.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use monitor::clock::SystemClock;
use monitor_serve::Clock as _;
use sim_services::clock::Moment;
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::net::Wire;
use sim_services::telemetry::Export;
use tokio_util::sync::CancellationToken;

use super::platform::{Setup, nobody};
use super::said::moment;
use super::tape::Tape;

const STRETCH: Duration = Duration::from_secs(2);
/// Stretches that may wait to be fed; the platform's time stands still when there are more.
const WAITING: usize = 4;

/// What the platform said up to a moment.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) until: Moment,
    pub(crate) exports: Vec<Export>,
}

/// Being made; over when it has caught up with the machine's clock, or when nobody takes it.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) stretches: Receiver<Stretch>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl History {
    /// Of the platform that `setup` describes, from `from` to now.
    pub(crate) fn begin(
        from: Moment,
        setup: Setup,
        stop: CancellationToken,
    ) -> anyhow::Result<History> {
        let (give, stretches) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("crosswatch-history".to_owned())
            .spawn(move || {
                run_virtual(from, |clock| async move {
                    let tape = Arc::new(Tape::default());
                    let sink = Arc::clone(&tape);
                    let platform = setup.start(Wire::memory(), clock, sink, nobody()).await?;
                    while clock.now() < moment(SystemClock.now()) && !stop.is_cancelled() {
                        tokio::select! {
                            biased;
                            why = platform.failed() => return Err(anyhow!(why)),
                            () = tokio::time::sleep(STRETCH) => {}
                        }
                        let stretch = Stretch {
                            until: clock.now(),
                            exports: tape.take(),
                        };
                        // Blocks the thread, and with it the platform's time.
                        if give.send(stretch).is_err() {
                            break;
                        }
                    }
                    platform.stop().await;
                    Ok(())
                })
                .context("cannot start a runtime")?
            })
            .context("cannot start the history's thread")?;
        Ok(History { stretches, thread })
    }

    /// Once all stretches were taken. Blocks until its thread has ended.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        drop(self.stretches);
        self.thread
            .join()
            .map_err(|_| anyhow!("the history's thread panicked"))?
    }
}
