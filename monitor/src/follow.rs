//! Follows log files by name pattern and hands their records to the intake.
//!
//! Started by the monitor's wiring. [`Follower`] is the state machine: `poll(now)` reads what is
//! new, bounded and fairly, and [`Follower::commit`] moves the saved positions once the batch is
//! acknowledged; [`run`] is the loop around it. Polling rather than notification: it works on every
//! filesystem, and a fifth of a second is soon enough. What the texts mean is left to `ingest`.

mod counters;
mod positions;
mod scan;
mod tail;
mod target;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use monitor_core::{Batch, Origin, Time};
use monitor_serve::{Clock, Intake, Refused};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use counters::FollowCounters;

use crate::clock::is_due;
use positions::{FileId, Positions, Progress};
use scan::Patterns;
use tail::Tail;

const POLL_EVERY: Duration = Duration::from_millis(200);
/// Walking the folders costs a few system calls a file.
const SCAN_EVERY: Duration = Duration::from_secs(1);
/// Each followed file is an open one, and the usual limit for a process is 1,024.
const MAX_FILES: usize = 512;
/// Of one file in one round: a noisy file waits for the others.
const FILE_ROUND_BYTES: usize = 128 << 10;
/// Of all files in one round, which becomes one batch.
const ROUND_BYTES: usize = 2 << 20;

/// Follows until `stop`; nothing read is lost while the intake refuses, it only waits.
///
/// # Errors
///
/// A pattern that is none, counters that are registered already, or a state file that cannot be
/// read or written.
pub async fn run(
    patterns: Vec<String>,
    state: PathBuf,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    registry: prometheus::Registry,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let counters = FollowCounters::register(&registry)?;
    let refusals = counters.waits.clone();
    let mut follower = Follower::open(&patterns, state, counters)?;
    let mut rounds = tokio::time::interval(POLL_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = rounds.tick() => {}
        }
        loop {
            let now = clock.now();
            let mut polled = blocking(move || (follower.poll(now), follower)).await?;
            follower = polled.1;
            let Some(round) = polled.0.take() else {
                break;
            };
            if !deliver(&round, &*intake, &refusals, &stop).await {
                return Ok(());
            }
            let more = round.more;
            let saved = blocking(move || (follower.commit(round), follower)).await?;
            follower = saved.1;
            saved.0?;
            if !more || stop.is_cancelled() {
                break;
            }
        }
    }
}

/// Files are read where waiting for a disk disturbs no one.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("following files")
}

/// Offers the batch until it is taken; `false` when the monitor stops first.
async fn deliver(
    round: &Round,
    intake: &dyn Intake,
    refusals: &prometheus::IntCounter,
    stop: &CancellationToken,
) -> bool {
    if round.batch.items.is_empty() {
        return true;
    }
    loop {
        let wait = match intake.submit(round.batch.clone()).await {
            Ok(()) => return true,
            Err(Refused::Stopping) => return false,
            Err(Refused::Full { retry_after } | Refused::DiskFull { retry_after, .. }) => {
                refusals.inc();
                retry_after
            }
        };
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What one poll found.
#[derive(Debug)]
pub struct Round {
    /// May be empty: positions can move without records, over blank lines.
    pub batch: Batch,
    /// There is more to read at once.
    pub more: bool,
    progress: Vec<Progress>,
}

/// The files being followed, and how far each has been read.
#[derive(Debug)]
pub struct Follower {
    patterns: Patterns,
    positions: Positions,
    tails: BTreeMap<FileId, Tail>,
    counters: FollowCounters,
    scanned: Option<Time>,
    /// The file after which the last round stopped: the next one begins behind it.
    last_served: Option<FileId>,
}

impl Follower {
    /// Reads the saved positions from `state`; without any, files are read from their beginning.
    ///
    /// # Errors
    ///
    /// A pattern that is none, or a state file that exists and cannot be read.
    pub fn open(
        patterns: &[String],
        state: PathBuf,
        counters: FollowCounters,
    ) -> anyhow::Result<Follower> {
        Ok(Follower {
            patterns: Patterns::new(patterns)?,
            positions: Positions::load(state)?,
            tails: BTreeMap::new(),
            counters,
            scanned: None,
            last_served: None,
        })
    }

    /// Reads what is new, up to a few megabytes. `None`: nothing to deliver.
    ///
    /// Give the round back to [`Follower::commit`] when its batch is safe. Until then do not poll
    /// again; a follower that is dropped instead reads the same again after a restart.
    pub fn poll(&mut self, now: Time) -> Option<Round> {
        if self.scanned.is_none_or(|at| is_due(now, at, SCAN_EVERY)) {
            self.scanned = Some(now);
            self.scan(now);
        }
        let mut batch = Batch {
            origin: Origin::File,
            received: now,
            sources: Vec::new(),
            items: Vec::new(),
        };
        let mut progress = Vec::new();
        let mut finished = Vec::new();
        let mut budget = ROUND_BYTES;
        let mut more = false;
        for id in self.in_turn() {
            if budget == 0 {
                more = true;
                break;
            }
            let Some(tail) = self.tails.get_mut(&id) else {
                continue;
            };
            self.last_served = Some(id);
            let read = tail.read(
                now,
                FILE_ROUND_BYTES.min(budget),
                &self.counters,
                &mut batch,
            );
            budget = budget.saturating_sub(read.bytes);
            more |= read.more;
            if let Some(moved) = tail.progress() {
                progress.push(moved);
            }
            if read.finished {
                finished.push((id, tail.is_deleted()));
            }
        }
        for (id, deleted) in finished {
            self.tails.remove(&id);
            // A file that is merely out of sight may come back.
            if deleted {
                progress.push(Progress::gone(id));
            }
        }
        self.counters
            .files
            .set(i64::try_from(self.tails.len()).unwrap_or(i64::MAX));
        self.counters.records.inc_by(batch.items.len() as u64);
        (more || !progress.is_empty()).then_some(Round {
            batch,
            more,
            progress,
        })
    }

    /// Saves the positions behind a round whose batch is acknowledged.
    ///
    /// # Errors
    ///
    /// When the state file cannot be written: after a restart, what was read since would come
    /// twice.
    pub fn commit(&mut self, round: Round) -> anyhow::Result<()> {
        self.positions.advance(round.progress);
        self.positions.save()
    }

    /// All files, beginning behind the one that was served last.
    fn in_turn(&self) -> Vec<FileId> {
        let ids: Vec<FileId> = self.tails.keys().copied().collect();
        let split = match self.last_served {
            Some(last) => ids.partition_point(|id| *id <= last),
            None => 0,
        };
        let (before, after) = ids.split_at(split);
        [after, before].concat()
    }

    fn scan(&mut self, now: Time) {
        let mut present = BTreeMap::new();
        for found in self.patterns.find() {
            // The same file under several names, as Kubernetes' links: the first name counts.
            present.entry(found.id).or_insert(found.path);
        }
        for (id, tail) in &mut self.tails {
            tail.set_present(present.remove(id), now);
        }
        for (id, path) in present {
            if self.tails.len() >= MAX_FILES {
                self.counters.skip("too_many_files", &path);
                continue;
            }
            match Tail::open(id, path.clone(), self.positions.of(id), now) {
                Ok(Some(tail)) => {
                    self.tails.insert(id, tail);
                }
                // Replaced between the walk and the opening; the next walk sees it.
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "cannot open a file to follow");
                    self.counters.skip("unreadable", &path);
                }
            }
        }
    }
}
