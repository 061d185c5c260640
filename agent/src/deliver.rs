//! Delivers requests to the monitor, and keeps them on disk while it is away.
//!
//! The one owner of the spool and of the positions. A request is sent at once when nothing waits
//! before it; otherwise it goes behind what waits. Positions move on when a request was taken, or is
//! on disk. Without a folder for the spool a request is tried until it is taken, and reading waits:
//! the log files themselves are the spool then.

pub mod link;
pub mod send;
pub mod spool;

use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::follow::Progress;
use crate::follow::positions::Positions;
use crate::from_api::cursor::Seen;
use crate::metrics::{Attempt, Loss, Metrics};
use crate::otlp::Encoded;
use link::Link;
use send::{Answer, Sender};
use spool::{ReadError, Spool};

/// Positions are saved at most this often: after a crash, what was sent since comes again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Before a disk that could not be written is tried again.
const DISK_WAIT: Duration = Duration::from_millis(250);
/// At the end, how long the monitor has to take what is left.
const LAST_ATTEMPT: Duration = Duration::from_secs(5);

/// A request, and how far files are done with it. Requests without records only move positions.
#[derive(Debug)]
pub struct Parcel {
    pub request: Encoded,
    pub progress: Vec<Progress>,
    /// Of streams through the API, by name.
    pub seen: Vec<(String, Seen)>,
}

#[derive(Debug)]
pub struct Deliverer {
    pub sender: Sender,
    pub spool: Option<Spool>,
    pub positions: Positions,
    pub metrics: Metrics,
    pub link: Link,
    /// A request was neither taken nor put on disk before the end: whatever comes behind it must
    /// not move positions past it.
    pub behind_loss: bool,
}

impl Deliverer {
    /// Delivers until the other side of `parcels` is dropped and everything is taken, or on disk.
    /// When `stop` is cancelled, what is left has one more attempt.
    ///
    /// # Errors
    ///
    /// When the positions cannot be saved at the end.
    pub async fn run(
        mut self,
        mut parcels: mpsc::Receiver<Parcel>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut saving = tokio::time::interval(SAVE_EVERY);
        saving.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let waiting = self.spool.as_ref().is_some_and(|spool| !spool.is_empty());
            let due = self.link.due();
            tokio::select! {
                biased;
                parcel = parcels.recv() => match parcel {
                    Some(parcel) => self.deliver(parcel, &stop).await,
                    None => break,
                },
                () = tokio::time::sleep_until(due), if waiting && !stop.is_cancelled() => {
                    self.send_oldest().await;
                }
                _ = saving.tick() => self.save().await,
            }
            // New requests come first above, so that the files never wait for long; but what waits
            // on disk must get its turn while they keep coming.
            if waiting && !stop.is_cancelled() && self.link.due() <= Instant::now() {
                self.send_oldest().await;
            }
        }
        self.save_positions().await
    }

    async fn save(&mut self) {
        if let Err(error) = self.save_positions().await {
            let error = format!("{error:#}");
            tracing::warn!(error, "positions are not saved; a restart would send again");
        }
    }

    async fn save_positions(&mut self) -> anyhow::Result<()> {
        let mut positions = std::mem::take(&mut self.positions);
        let saved;
        (saved, self.positions) = blocking(move || (positions.save(), positions)).await?;
        saved
    }

    async fn deliver(&mut self, parcel: Parcel, stop: &CancellationToken) {
        if self.behind_loss {
            return;
        }
        if parcel.request.records > 0 && !self.deliver_request(&parcel.request, stop).await {
            self.behind_loss = true;
            return;
        }
        self.positions.advance(&parcel.progress);
        self.positions.advance_streams(&parcel.seen);
    }

    /// Returns when the request is taken, on disk or refused for good; `false` when the agent stops
    /// before that, so that the next start must read its lines again.
    async fn deliver_request(&mut self, request: &Encoded, stop: &CancellationToken) -> bool {
        loop {
            let behind = self.spool.as_ref().is_some_and(|spool| !spool.is_empty());
            let last = stop.is_cancelled() && self.spool.is_none();
            let may_try = !behind && (last || self.link.due() <= Instant::now());
            if may_try && self.attempt(&request.body, request.records, stop).await {
                return true;
            }
            if self.keep(request).await {
                return true;
            }
            if stop.is_cancelled() {
                return false;
            }
            let due = self.link.due().max(Instant::now() + DISK_WAIT);
            tokio::select! {
                () = stop.cancelled() => continue,
                () = tokio::time::sleep_until(due) => {}
            }
            if behind {
                self.send_oldest().await;
            }
        }
    }

    /// Puts a request on disk; `false` when there is no disk for it.
    async fn keep(&mut self, request: &Encoded) -> bool {
        let Some(mut spool) = self.spool.take() else {
            return false;
        };
        let (body, records) = (request.body.clone(), request.records);
        let pushed = blocking(move || (spool.push(&body, records), spool)).await;
        let pushed = pushed.and_then(|(pushed, spool)| {
            self.spool = Some(spool);
            pushed
        });
        match pushed {
            Ok(dropped) => {
                if dropped > 0 {
                    self.metrics.lost(dropped, Loss::SpoolFull);
                    tracing::error!(
                        records = dropped,
                        "the spool is full: its oldest records are lost"
                    );
                }
                self.gauge();
                true
            }
            Err(error) => {
                self.metrics.spool_failures.inc();
                let error = format!("{error:#}");
                tracing::warn!(error, "the spool cannot be written; reading logs waits");
                false
            }
        }
    }

    /// Tries the request that has waited longest.
    async fn send_oldest(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        let Some(oldest) = spool.oldest() else { return };
        let records = oldest.records;
        match oldest.body {
            Ok(body) => {
                if self
                    .attempt(&body, records, &CancellationToken::new())
                    .await
                    && let Some(spool) = &mut self.spool
                {
                    spool.pop();
                }
            }
            Err(ReadError::Unreadable { path, source }) => {
                let path = path.display();
                if self.link.failed(None, Instant::now()) {
                    tracing::warn!(%path, error = %source, "the spool cannot be read");
                }
                self.metrics.spool_failures.inc();
            }
            Err(error @ ReadError::Damaged { .. }) => {
                tracing::error!(%error, records, "a part of the spool is lost");
                self.metrics.lost(records, Loss::SpoolDamaged);
                spool.pop();
            }
        }
        self.gauge();
    }

    fn gauge(&self) {
        if let Some(spool) = &self.spool {
            let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.metrics.spool_bytes.set(whole(spool.bytes()));
            self.metrics.spool_records.set(whole(spool.records()));
        }
    }

    /// One attempt; `true` when the request need not be kept: taken, or refused for good.
    async fn attempt(&mut self, body: &[u8], records: u64, stop: &CancellationToken) -> bool {
        let started = Instant::now();
        let sending = self.sender.send(body.to_vec());
        let answer = if stop.is_cancelled() {
            let last = tokio::time::timeout(LAST_ATTEMPT, sending).await;
            last.unwrap_or_else(|_| Answer::later("the agent stops, and no answer came in time"))
        } else {
            sending.await
        };
        self.metrics
            .send_seconds
            .observe(started.elapsed().as_secs_f64());
        let (outcome, done) = match &answer {
            Answer::Taken { refused, why } => {
                self.link.taken();
                self.metrics.sent_records.inc_by(records - refused);
                self.metrics.sent_bytes.inc_by(body.len() as u64);
                if *refused > 0 {
                    self.metrics.lost(*refused, Loss::Refused);
                    tracing::error!(records = refused, why, "the monitor refused records");
                }
                (Attempt::Taken, true)
            }
            Answer::Refused { why } => {
                self.link.taken();
                self.metrics.lost(records, Loss::Refused);
                tracing::error!(records, why, "the monitor refused a request");
                (Attempt::Refused, true)
            }
            Answer::Later { why, retry_after } => {
                if self.link.failed(*retry_after, Instant::now()) {
                    tracing::warn!(
                        why,
                        "the monitor takes nothing; logs are kept until it does"
                    );
                }
                (Attempt::Later, false)
            }
        };
        self.metrics.attempt(outcome);
        self.metrics.connected.set(i64::from(done));
        done
    }
}

/// Disks are waited for where that disturbs no one.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a task that writes to disk")
}
