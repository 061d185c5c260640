//! Maintenance windows: hosts are patched, so every replica of the environment is replaced once, one
//! after the other within its service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::windows;
use crate::clock::Clock;
use crate::topology::WindowSpec;

/// How many windows an environment has seen. Who waits for another is told in order.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    number: AtomicU64,
    told: Notify,
}

impl Rounds {
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// When there is another; ask for this before looking at the number.
    pub(super) fn next(&self) -> tokio::sync::futures::Notified<'_> {
        self.told.notified()
    }

    /// Begins a round at each window's beginning, until `stop`. A window that was open before is
    /// left alone: nobody knows how far it had come.
    pub(super) async fn run(
        self: Arc<Self>,
        spec: Vec<WindowSpec>,
        clock: Clock,
        stop: CancellationToken,
    ) {
        let mut after = clock.now();
        loop {
            let begins = spec.iter().map(|window| {
                let (begins, ends) = windows::next(window, after);
                if begins <= after {
                    windows::next(window, ends).0
                } else {
                    begins
                }
            });
            let Some(begins) = begins.min() else { return };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep_until(clock.instant(begins)) => {}
            }
            self.number.fetch_add(1, Ordering::AcqRel);
            self.told.notify_waiters();
            after = begins;
        }
    }
}
