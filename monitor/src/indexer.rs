//! The index thread: owns the log index, makes records searchable, saves snapshots.
//!
//! A snapshot is written only after every record before it is committed, so that a restart needs
//! nothing older than the snapshot, and the write-ahead log up to there can go.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use monitor_core::{Record, Time};
use monitor_store::{Index, IndexError, Seq};
use tokio::sync::OwnedSemaphorePermit;

use crate::clock::is_due;
use crate::metrics::Metrics;

/// Work between the worker and the index; each is a batch of records.
pub(crate) const INDEX_QUEUE: usize = 64;

/// Between two tries to write to a disk that had no room.
const RECOVERY_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) enum IndexWork {
    Records(Uncommitted),
    Commit {
        now: Time,
    },
    /// As `Commit`, and says when it is done.
    Flush {
        done: SyncSender<()>,
    },
    Snapshot {
        seq: Seq,
        bytes: Vec<u8>,
    },
}

/// The records of a batch until they are safe in the index.
#[derive(Debug)]
pub(crate) struct Uncommitted {
    pub(crate) seq: Seq,
    pub(crate) records: Vec<(u32, Record)>,
    /// The batch's share of the memory budget: an index that is behind refuses senders.
    pub(crate) _memory: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(crate) struct Indexer {
    pub(crate) index: Index,
    /// What would be lost if the index rolled back: what came since the last commit.
    pub(crate) uncommitted: VecDeque<Uncommitted>,
    /// Where the snapshot is kept.
    pub(crate) folder: PathBuf,
    /// Tells the write-ahead log's owner what it may remove.
    pub(crate) releases: SyncSender<Seq>,
    pub(crate) metrics: Metrics,
}

impl Indexer {
    /// Runs until the worker has ended.
    pub(crate) fn run(mut self, work: &Receiver<IndexWork>) {
        let mut maintained = Time::MIN;
        while let Ok(next) = work.recv() {
            match next {
                IndexWork::Records(batch) => {
                    // A gap is what the log has lost, and said so.
                    self.index.skip_to(batch.seq);
                    let added = self.index.add(batch.seq, &batch.records);
                    self.uncommitted.push_back(batch);
                    if let Err(error) = added {
                        self.recover(&error);
                    }
                }
                IndexWork::Commit { now } => {
                    self.commit();
                    // Retention looks at folders and sizes; once a minute is often enough.
                    if is_due(now, maintained, Duration::from_secs(60)) {
                        maintained = now;
                        if let Err(error) = self.index.maintain(now) {
                            tracing::warn!(
                                error = &error as &dyn std::error::Error,
                                "retention could not be carried out"
                            );
                        }
                    }
                }
                IndexWork::Flush { done } => {
                    self.commit();
                    // Whoever asked may have given up.
                    let _gone = done.send(());
                }
                IndexWork::Snapshot { seq, bytes } => {
                    self.commit();
                    match write_snapshot(&self.folder, seq, &bytes) {
                        Ok(()) => {
                            self.metrics.snapshots.inc();
                            // A full queue means the log's owner is idle; the next one will do.
                            let _next_will_do = self.releases.try_send(seq + 1);
                        }
                        Err(error) => tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "cannot save what was learned; a restart will replay more of the log"
                        ),
                    }
                }
            }
        }
        self.commit();
    }

    /// Everything added so far becomes searchable.
    fn commit(&mut self) {
        if self.uncommitted.is_empty() {
            return;
        }
        if let Err(error) = self.index.commit() {
            self.recover(&error);
        }
        self.uncommitted.clear();
        self.metrics.index_commits.inc();
    }

    /// Adds again what was rolled back, until it succeeds. Meanwhile the queues fill up and senders
    /// are refused; when the cause has gone (the disk has room again), all goes on by itself.
    fn recover(&mut self, first: &IndexError) {
        self.metrics.index_failures.inc();
        tracing::error!(
            error = first as &dyn std::error::Error,
            "new records cannot be made searchable yet; trying again until they can"
        );
        loop {
            std::thread::sleep(RECOVERY_PAUSE);
            let again = self
                .uncommitted
                .iter()
                .try_for_each(|batch| self.index.add(batch.seq, &batch.records).map(|_| ()))
                .and_then(|()| self.index.commit());
            match again {
                Ok(()) => {
                    tracing::info!("new records are searchable again");
                    self.uncommitted.clear();
                    return;
                }
                Err(_) => self.metrics.index_failures.inc(),
            }
        }
    }
}

const SNAPSHOT: &str = "snapshot";

/// Replaces the snapshot whole: a crash leaves the old one or the new one.
pub(crate) fn write_snapshot(folder: &Path, seq: Seq, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = folder.join("snapshot.new");
    let mut file = File::create(&temporary)?;
    file.write_all(&seq.to_le_bytes())?;
    file.write_all(&crc(seq, bytes).to_le_bytes())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(SNAPSHOT))?;
    File::open(folder)?.sync_all()
}

/// The last snapshot and the newest batch it holds; `None` when there is none, or it is damaged.
pub(crate) fn read_snapshot(folder: &Path) -> Option<(Seq, Vec<u8>)> {
    let bytes = fs::read(folder.join(SNAPSHOT)).ok()?;
    let (seq, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let seq = Seq::from_le_bytes(*seq);
    if crc(seq, rest) != u32::from_le_bytes(*sum) {
        tracing::warn!("the saved state is damaged; learning afresh from the write-ahead log");
        return None;
    }
    Some((seq, rest.to_vec()))
}

fn crc(seq: Seq, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&seq.to_le_bytes()), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_back_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_snapshot(folder.path()).is_none());
        write_snapshot(folder.path(), 7, b"learned").unwrap();
        assert_eq!(read_snapshot(folder.path()), Some((7, b"learned".to_vec())));
        let path = folder.path().join(SNAPSHOT);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(read_snapshot(folder.path()).is_none());
    }
}
