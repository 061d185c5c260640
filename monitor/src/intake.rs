//! The way in: redact, write ahead, acknowledge, pass on.
//!
//! One thread owns the write-ahead log. It appends every batch that is waiting, forces them to disk
//! together (group commit), acknowledges them all, and hands them to the worker in order. Senders
//! see a full queue at once, as a refusal; nothing refused is kept.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use monitor_core::{Batch, Name, Value};
use monitor_ingest::redact::{RedactionCounts, Redactor};
use monitor_serve::{Intake, Refused};
use monitor_store::{Seq, Wal, WalError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Batches that may wait for the next fsync. One fsync takes some milliseconds, in which a hundred
/// senders hand over a few batches each.
const WAITING_BATCHES: usize = 512;
/// Memory that waiting batches may take, across all senders: what 512 batches of 512 KiB need.
pub(crate) const WAITING_BYTES: usize = 256 << 20;
/// Batches between the log and the worker. They are safe on disk already; this only smooths.
pub(crate) const WORKER_QUEUE: usize = 64;
/// How soon a refused sender should come back: a full queue drains in about a second.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A full disk is looked at by people or by retention, which takes longer.
const DISK_RETRY_AFTER: Duration = Duration::from_secs(10);

/// A batch that is safe on disk.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) seq: Seq,
    pub(crate) batch: Batch,
    /// Its share of the memory budget, given back when its records are committed.
    pub(crate) memory: Option<OwnedSemaphorePermit>,
}

/// A batch on its way to the disk.
#[derive(Debug)]
pub(crate) struct Waiting {
    batch: Batch,
    memory: OwnedSemaphorePermit,
    done: oneshot::Sender<Result<(), Refused>>,
}

/// The senders' end; cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    waiting: mpsc::Sender<Waiting>,
    memory: Arc<Semaphore>,
    redactor: Arc<Redactor>,
    redactions: Redactions,
}

/// Redactions made since the start. Every sender adds a few integers after each batch; no one holds
/// the lock while working.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactions(Arc<Mutex<RedactionCounts>>);

impl Redactions {
    fn add(&self, counts: &RedactionCounts) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(counts);
    }

    /// By kind.
    pub(crate) fn counts(&self) -> Vec<(Name, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|(kind, count)| (Name::clone(kind), count))
            .collect()
    }
}

impl Gate {
    /// The gate, and the receiver that [`run`] serves.
    pub(crate) fn new(redactor: Redactor) -> (Gate, mpsc::Receiver<Waiting>) {
        let (waiting, receiver) = mpsc::channel(WAITING_BATCHES);
        let gate = Gate {
            waiting,
            memory: Arc::new(Semaphore::new(WAITING_BYTES)),
            redactor: Arc::new(redactor),
            redactions: Redactions::default(),
        };
        (gate, receiver)
    }

    pub(crate) fn redactions(&self) -> Redactions {
        self.redactions.clone()
    }

    async fn take(&self, mut batch: Batch) -> Result<(), Refused> {
        let full = || Refused::Full {
            retry_after: RETRY_AFTER,
        };
        let bytes = u32::try_from(weight(&batch).min(WAITING_BYTES)).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory)
            .try_acquire_many_owned(bytes)
            .map_err(|_| full())?;
        let slot = match self.waiting.try_reserve() {
            Ok(slot) => slot,
            Err(mpsc::error::TrySendError::Full(())) => return Err(full()),
            Err(mpsc::error::TrySendError::Closed(())) => return Err(Refused::Stopping),
        };
        let mut counts = RedactionCounts::default();
        self.redactor.redact_batch(&mut batch, &mut counts);
        self.redactions.add(&counts);
        let (done, outcome) = oneshot::channel();
        slot.send(Waiting {
            batch,
            memory,
            done,
        });
        // The thread drops the sender only when it ends.
        outcome.await.unwrap_or(Err(Refused::Stopping))
    }
}

impl Intake for Gate {
    fn submit(&self, batch: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(self.take(batch))
    }
}

/// The disk that everything is written to, and how much of it must stay free. Refusing before it is
/// full leaves the index and retention room to work, so that the monitor recovers by itself.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) folder: PathBuf,
    pub(crate) min_free: u64,
}

impl Space {
    /// Why nothing can be taken now, if so.
    fn shortage(&self) -> Option<Refused> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        (free < self.min_free).then(|| Refused::DiskFull {
            detail: format!(
                "{} MiB are free at `{}`, {} MiB must stay free",
                free >> 20,
                self.folder.display(),
                self.min_free >> 20
            ),
            retry_after: DISK_RETRY_AFTER,
        })
    }
}

/// Owns the write-ahead log until all gates are dropped. Blocks: runs on its own thread.
pub(crate) fn run(
    mut wal: Wal,
    mut waiting: mpsc::Receiver<Waiting>,
    worker: &std::sync::mpsc::SyncSender<crate::worker::Work>,
    releases: &std::sync::mpsc::Receiver<Seq>,
    space: &Space,
    metrics: &crate::metrics::Metrics,
) {
    let mut group: Vec<(Waiting, Seq)> = Vec::new();
    let mut refused: Vec<(Waiting, Refused)> = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        let shortage = space.shortage();
        let mut next = Some(first);
        while let Some(entry) = next.take() {
            if let Some(shortage) = &shortage {
                refused.push((entry, shortage.clone()));
            } else {
                match wal.append(&entry.batch) {
                    Ok(seq) => group.push((entry, seq)),
                    Err(error) => {
                        let refusal = refusal(&error);
                        refused.push((entry, refusal));
                        break;
                    }
                }
            }
            if group.len() + refused.len() < WAITING_BATCHES {
                next = waiting.try_recv().ok();
            }
        }
        let synced = if group.is_empty() {
            Ok(())
        } else {
            metrics.wal_syncs.inc();
            wal.sync()
        };
        match synced {
            Ok(()) => {
                for (entry, seq) in group.drain(..) {
                    let Waiting {
                        batch,
                        memory,
                        done,
                    } = entry;
                    // A sender that has gone away does not undo what is on disk.
                    drop(done.send(Ok(())));
                    let logged = Logged {
                        seq,
                        batch,
                        memory: Some(memory),
                    };
                    if worker
                        .send(crate::worker::Work::Batch(Box::new(logged)))
                        .is_err()
                    {
                        tracing::error!("the worker has ended; intake stops");
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    batches = group.len(),
                    "cannot write ahead; refusing what waited"
                );
                metrics.wal_failures.inc();
                let refusal = refusal(&error);
                refused.extend(group.drain(..).map(|(entry, _)| (entry, refusal.clone())));
            }
        }
        for (entry, refusal) in refused.drain(..) {
            drop(entry.done.send(Err(refusal)));
        }
        while let Ok(below) = releases.try_recv() {
            if let Err(error) = wal.release(below) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot remove old segments of the write-ahead log"
                );
            }
        }
        metrics
            .wal_bytes
            .set(i64::try_from(wal.bytes()).unwrap_or(i64::MAX));
    }
}

fn refusal(error: &WalError) -> Refused {
    if error.is_disk_full() {
        Refused::DiskFull {
            detail: error.to_string(),
            retry_after: DISK_RETRY_AFTER,
        }
    } else {
        // Not the sender's fault and perhaps gone in a moment; it keeps its data and comes back.
        Refused::Full {
            retry_after: DISK_RETRY_AFTER,
        }
    }
}

/// Roughly the bytes a batch takes in memory.
fn weight(batch: &Batch) -> usize {
    use monitor_core::Payload;
    const ITEM: usize = 128;
    batch
        .items
        .iter()
        .map(|item| {
            ITEM + match &item.payload {
                Payload::Log(log) => log.text.len() + weight_of(&log.attributes),
                Payload::Span(span) => span.status_message.len() + weight_of(&span.attributes),
                Payload::Histogram(point) => point.bounds.len() * 16 + weight_of(&point.attributes),
                Payload::Level(point) => weight_of(&point.attributes),
            }
        })
        .sum()
}

/// Names are shared, texts are not: they may be most of a batch.
fn weight_of(attributes: &[(Name, Value)]) -> usize {
    const ATTRIBUTE: usize = 64;
    let texts = attributes.iter().map(|(_, value)| match value {
        Value::Str(text) => text.len(),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => 0,
    });
    attributes.len() * ATTRIBUTE + texts.sum::<usize>()
}
