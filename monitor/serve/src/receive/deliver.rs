//! From a decoded request to an answer: hands the batch to the intake and keeps the accounts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use monitor_core::Time;
use monitor_ingest::decoded::{Decoded, Rejections};
use monitor_ingest::otlp::{Advance, CumulativeState};

use super::counters::{Counters, Protocol};
use super::reply::Failure;
use crate::{Clock, Intake, Ports};

/// What all receivers of a monitor share.
#[derive(Debug)]
pub(super) struct Delivery {
    clock: Arc<dyn Clock>,
    intake: Arc<dyn Intake>,
    pub(super) counters: Counters,
    /// Requests with metrics contend for this while they decode, which is microseconds; no one
    /// holds it while waiting for the intake.
    cumulative: Mutex<CumulativeState>,
}

impl Delivery {
    pub(super) fn new(ports: &Ports) -> Result<Delivery, prometheus::Error> {
        Ok(Delivery {
            clock: Arc::clone(&ports.clock),
            intake: Arc::clone(&ports.intake),
            counters: Counters::new(&ports.registry)?,
            cumulative: Mutex::new(CumulativeState::new(ports.clock.now())),
        })
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The memory of cumulative metrics.
    pub(super) fn cumulative(&self) -> MutexGuard<'_, CumulativeState> {
        // It is consistent after every step, so a panic elsewhere does not spoil it.
        self.cumulative
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when the batch is safe. `bytes`: of the decompressed request.
    pub(super) async fn deliver(
        &self,
        protocol: Protocol,
        decoded: Decoded,
        bytes: usize,
    ) -> Result<Rejections, Failure> {
        let tally = Counters::tally(&decoded.batch);
        if !decoded.batch.items.is_empty() {
            self.intake.submit(decoded.batch).await?;
        }
        self.counters.taken(protocol, tally, bytes);
        // A refused request comes again, so its faults are counted when it is taken.
        let (rejected, repairs, ignored) = (decoded.rejected, decoded.repairs, decoded.ignored);
        self.counters
            .account(protocol, &rejected, &repairs, ignored);
        Ok(rejected)
    }

    /// As [`Delivery::deliver`]; a refusal also takes back what the metrics' memory learned.
    pub(super) async fn deliver_metrics(
        &self,
        protocol: Protocol,
        decoded: Decoded,
        advance: Advance,
        bytes: usize,
    ) -> Result<Rejections, Failure> {
        let delivered = self.deliver(protocol, decoded, bytes).await;
        if delivered.is_err() {
            self.cumulative().undo(advance);
        }
        delivered
    }
}
