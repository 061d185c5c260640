//! The index: records made durable and searchable, in partitions of event time.
//!
//! One thread owns an [`Index`] and feeds it every batch of the write-ahead log in order; searches
//! go through [`Index::search`], on any thread, and see each commit. The index reads no clock and
//! does not touch the log: it says from where it must be fed after a restart or a failure
//! ([`Index::resume_from`]), which is also how far the log may be released.
//!
//! # Exactly once
//!
//! Each partition's commit says up to which batch it is complete. A replay from `resume_from` may
//! offer batches again; a partition that contains them skips them. Batches must be offered whole
//! and in order, which [`Index::add`] insists on.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use monitor_core::{LogSearch, Record, Time};
use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenDirectoryError, OpenWriteError};

use crate::files::{is_disk_full, is_disk_full_text, lock_directory, replace, sync_directory};
use crate::partition::{Partition, Snapshot};
use crate::search::Search;
use crate::wal::Seq;

const CHECKPOINT: &str = "checkpoint";
const PARTITIONS: &str = "partitions";
const SET_ASIDE: &str = "set-aside";

#[derive(Clone, Copy, Debug)]
pub struct IndexConfig {
    /// Event time covered by one partition. Retention deletes whole partitions.
    pub partition: Duration,
    /// Uncommitted records of one partition are written out as a segment at this size.
    pub memory_bytes: usize,
    /// Partitions that can be written to at once: today's, and those that late data belongs to.
    pub max_writers: usize,
    /// Partitions that ended longer ago than this are deleted.
    pub retention_age: Option<Duration>,
    /// Oldest partitions are deleted while all together are larger than this.
    pub retention_bytes: Option<u64>,
    /// More partitions than this are not kept: records with senseless times could ask for any
    /// number of them. The oldest go.
    pub max_partitions: usize,
}

impl Default for IndexConfig {
    fn default() -> IndexConfig {
        IndexConfig {
            partition: Duration::from_secs(24 * 3600),
            memory_bytes: 64 << 20,
            max_writers: 4,
            retention_age: None,
            retention_bytes: None,
            max_partitions: 1000,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("cannot {action} `{path}` of the log index")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the partition of the log index in `{path}` failed")]
    Partition {
        path: PathBuf,
        #[source]
        source: TantivyError,
    },
    #[error("the log index in `{path}` is in use by another process")]
    Locked { path: PathBuf },
    #[error("`{path}` has {found} entries where the index needs {needed}")]
    Dictionary {
        path: PathBuf,
        found: u64,
        needed: u64,
    },
    /// Batches are missing in between: feed the index from [`Index::resume_from`], or say with
    /// [`Index::skip_to`] that they are lost.
    #[error("batch {got} was offered to the log index where {expected} comes next")]
    Gap { expected: Seq, got: Seq },
}

impl IndexError {
    pub(crate) fn partition(dir: &Path) -> impl Fn(TantivyError) -> IndexError + use<> {
        let path = dir.to_owned();
        move |source| IndexError::Partition {
            path: path.clone(),
            source,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> IndexError + use<> {
        let path = path.to_owned();
        move |source| IndexError::Io {
            action,
            path,
            source,
        }
    }

    /// No room on the device or by quota: try again later, nothing is broken.
    pub fn is_disk_full(&self) -> bool {
        match self {
            IndexError::Io { source, .. } => is_disk_full(source),
            IndexError::Partition { source, .. } => tantivy_is_disk_full(source),
            _ => false,
        }
    }
}

fn tantivy_is_disk_full(error: &TantivyError) -> bool {
    match error {
        TantivyError::IoError(error)
        | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError {
            io_error: error, ..
        })
        | TantivyError::OpenWriteError(OpenWriteError::IoError {
            io_error: error, ..
        })
        | TantivyError::LockFailure(LockError::IoError(error), _) => is_disk_full(error),
        // Errors of tantivy's threads reach us as text.
        TantivyError::ErrorInThread(text)
        | TantivyError::InternalError(text)
        | TantivyError::SystemError(text) => is_disk_full_text(text),
        _ => false,
    }
}

/// What [`Index::open`] found.
#[derive(Clone, Debug, Default)]
pub struct IndexRecovery {
    pub partitions: usize,
    pub records: u64,
    /// Directories that could not be opened, where they were moved, and why. Their records are
    /// missing from searches.
    pub set_aside: Vec<(PathBuf, String)>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    pub indexed: u64,
    /// Contained already.
    pub skipped: u64,
}

/// What retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// The event time that each deleted partition covered.
    pub deleted: Vec<(Time, Time)>,
    pub deleted_bytes: u64,
    pub bytes: u64,
}

/// What searches see; replaced as a whole by each commit.
pub(crate) type Snapshots = Arc<RwLock<Arc<Vec<Snapshot>>>>;

pub struct Index {
    dir: PathBuf,
    config: IndexConfig,
    /// By the start of their event time; they do not overlap.
    partitions: BTreeMap<Time, Partition>,
    /// Starts of the partitions open for writing, the one written to longest ago first.
    writing: VecDeque<Time>,
    snapshots: Snapshots,
    search: Arc<Search>,
    /// The batch that must be offered next.
    next: Seq,
    /// The same as of the last commit of everything.
    committed: Seq,
    _lock: File,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("dir", &self.dir)
            .field("partitions", &self.partitions.len())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Index {
    /// Opens or creates the index in `dir`. A partition that cannot be opened is set aside; the
    /// others go on.
    pub fn open(dir: &Path, config: IndexConfig) -> Result<(Index, IndexRecovery), IndexError> {
        let partitions_dir = dir.join(PARTITIONS);
        std::fs::create_dir_all(&partitions_dir)
            .map_err(IndexError::io("create", &partitions_dir))?;
        let lock = lock_directory(dir)
            .map_err(IndexError::io("lock", dir))?
            .ok_or_else(|| IndexError::Locked {
                path: dir.to_owned(),
            })?;
        let mut recovery = IndexRecovery::default();
        let mut partitions = BTreeMap::new();
        for (path, span) in list_partitions(&partitions_dir)? {
            match Partition::open(&path, span.clone()) {
                Ok(partition) => {
                    recovery.records += partition.snapshot().searcher.num_docs();
                    partitions.insert(span.start, partition);
                }
                Err(error) if error.is_disk_full() => return Err(error),
                Err(error) => {
                    let moved = set_aside(dir, &path)?;
                    recovery.set_aside.push((moved, chain(&error)));
                }
            }
        }
        recovery.partitions = partitions.len();
        let committed = read_checkpoint(&dir.join(CHECKPOINT))?;
        let snapshots = Snapshots::default();
        let index = Index {
            dir: dir.to_owned(),
            config,
            partitions,
            writing: VecDeque::new(),
            search: Arc::new(Search::new(Arc::clone(&snapshots))),
            snapshots,
            next: committed,
            committed,
            _lock: lock,
        };
        index.publish();
        Ok((index, recovery))
    }

    /// Adds the records of batch `seq`; each comes with its item's place in the batch. Searchable
    /// after [`Index::commit`].
    ///
    /// Batches are offered whole, in order, and none is left out, be it without records. One that
    /// was added before is skipped.
    ///
    /// # Errors
    /// After any error but [`IndexError::Gap`], everything since the last commit is rolled back:
    /// feed the index again from [`Index::resume_from`]. When the disk was full this may be tried
    /// until it succeeds.
    pub fn add(&mut self, seq: Seq, records: &[(u32, Record)]) -> Result<Added, IndexError> {
        if seq > self.next {
            return Err(IndexError::Gap {
                expected: self.next,
                got: seq,
            });
        }
        let added = self.add_grouped(seq, records);
        match added {
            Ok(added) => {
                self.next = self.next.max(seq + 1);
                Ok(added)
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Makes everything added so far durable and searchable.
    ///
    /// # Errors
    /// As [`Index::add`].
    pub fn commit(&mut self) -> Result<(), IndexError> {
        self.commit_all().inspect_err(|_| self.roll_back())
    }

    /// The lowest batch that may be missing in some partition. Feed the index from here after
    /// opening it and after an error; below it, the write-ahead log may be released.
    pub fn resume_from(&self) -> Seq {
        self.committed
    }

    /// The highest batch that any partition contains: the write-ahead log must not give out this
    /// or a lower one again.
    pub fn highest_contained(&self) -> Seq {
        self.partitions
            .values()
            .map(Partition::through)
            .max()
            .unwrap_or(0)
            .max(self.committed - 1)
    }

    /// Accepts that the batches before `seq` which were not offered are lost.
    pub fn skip_to(&mut self, seq: Seq) {
        self.next = self.next.max(seq);
    }

    /// Whether anything waits for a commit.
    pub fn is_dirty(&self) -> bool {
        self.next != self.committed
    }

    /// Records added since the last commit.
    pub fn uncommitted(&self) -> u64 {
        self.partitions.values().map(Partition::uncommitted).sum()
    }

    /// Deletes partitions by age, number and size, and lets go of files that merges replaced. To
    /// be called now and then.
    pub fn maintain(&mut self, now: Time) -> Result<Maintained, IndexError> {
        let mut sizes: BTreeMap<Time, u64> = BTreeMap::new();
        for (start, partition) in &mut self.partitions {
            if partition.is_open_for_writing() {
                partition.refresh()?;
            }
            sizes.insert(*start, partition.bytes_on_disk()?);
        }
        let mut done = Maintained {
            bytes: sizes.values().sum(),
            ..Maintained::default()
        };
        while let Some(first) = self.partitions.first_entry() {
            let span = first.get().span().clone();
            let too_old = self
                .config
                .retention_age
                .is_some_and(|age| span.end < now - age);
            // The newest stays, whatever its size.
            let too_much = sizes.len() > 1
                && (sizes.len() > self.config.max_partitions
                    || self
                        .config
                        .retention_bytes
                        .is_some_and(|limit| done.bytes > limit));
            if !too_old && !too_much {
                break;
            }
            let partition = first.remove();
            let bytes = sizes.remove(&span.start).unwrap_or(0);
            self.writing.retain(|start| *start != span.start);
            self.publish();
            let dir = partition.dir().to_owned();
            drop(partition);
            delete_partition(&dir)?;
            done.bytes -= bytes;
            done.deleted_bytes += bytes;
            done.deleted.push((span.start, span.end));
        }
        self.publish();
        Ok(done)
    }

    /// A handle for searching, to be shared freely. It sees each commit as it happens.
    pub fn search(&self) -> Arc<dyn LogSearch> {
        Arc::clone(&self.search) as Arc<dyn LogSearch>
    }

    /// Commits, and waits for merges in the background to end.
    pub fn close(mut self) -> Result<(), IndexError> {
        self.commit()?;
        for partition in self.partitions.values_mut() {
            partition.close_for_writing()?;
        }
        Ok(())
    }

    fn add_grouped(&mut self, seq: Seq, records: &[(u32, Record)]) -> Result<Added, IndexError> {
        let mut added = Added::default();
        // A partition may be closed, hence committed as complete up to this batch, to open the
        // next: so each gets all its records of the batch at once.
        let mut rest: Vec<&(u32, Record)> = Vec::new();
        let Some((_, first)) = records.first() else {
            return Ok(added);
        };
        let start = self.partition_for(first.time)?;
        let span = self.partitions[&start].span().clone();
        let here = records
            .iter()
            .filter(|record| span.contains(&record.1.time))
            .count();
        if here < records.len() {
            rest.extend(records.iter().filter(|r| !span.contains(&r.1.time)));
        }
        let here_only = records.iter().filter(|r| span.contains(&r.1.time));
        self.add_to(start, seq, here_only, here, &mut added)?;
        while let Some((_, first)) = rest.first() {
            let start = self.partition_for(first.time)?;
            let span = self.partitions[&start].span().clone();
            let (now, later): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|record| span.contains(&record.1.time));
            self.add_to(start, seq, now.iter().copied(), now.len(), &mut added)?;
            rest = later;
        }
        Ok(added)
    }

    fn add_to<'a>(
        &mut self,
        start: Time,
        seq: Seq,
        records: impl Iterator<Item = &'a (u32, Record)>,
        count: usize,
        added: &mut Added,
    ) -> Result<(), IndexError> {
        let partition = self
            .partitions
            .get_mut(&start)
            .expect("it was found or made a moment ago");
        partition.ready()?;
        if partition.contains(seq) {
            added.skipped += count as u64;
            return Ok(());
        }
        if self.writing.back() != Some(&start) {
            self.writing.retain(|other| *other != start);
            self.writing.push_back(start);
        }
        partition.add(seq, records, self.config.memory_bytes)?;
        added.indexed += count as u64;
        if self.writing.len() > self.config.max_writers.max(1)
            && let Some(oldest) = self.writing.pop_front()
            && let Some(partition) = self.partitions.get_mut(&oldest)
        {
            partition.commit()?;
            partition.close_for_writing()?;
            self.publish();
        }
        Ok(())
    }

    /// The start of the partition that holds `time`, which is made when there is none.
    fn partition_for(&mut self, time: Time) -> Result<Time, IndexError> {
        if let Some((start, partition)) = self.partitions.range(..=time).next_back()
            && partition.span().contains(&time)
        {
            return Ok(*start);
        }
        // Aligned, unless neighbours were made with another length.
        let mut start = time.floor(self.config.partition);
        let mut end = start + self.config.partition;
        if let Some((_, before)) = self.partitions.range(..=time).next_back() {
            start = start.max(before.span().end);
        }
        if let Some((after, _)) = self.partitions.range(time..).next() {
            end = end.min(*after);
        }
        if end <= time {
            // The last partition of all time.
            end = Time::MAX;
        }
        let span = start..end;
        let dir = self.dir.join(PARTITIONS).join(format!(
            "{}_{}",
            span.start.as_nanos(),
            span.end.as_nanos()
        ));
        let partition = Partition::open(&dir, span)?;
        let parent = self.dir.join(PARTITIONS);
        sync_directory(&parent).map_err(IndexError::io("sync", &parent))?;
        self.partitions.insert(start, partition);
        Ok(start)
    }

    fn commit_all(&mut self) -> Result<(), IndexError> {
        for partition in self.partitions.values_mut() {
            partition.commit()?;
        }
        if self.next != self.committed {
            let path = self.dir.join(CHECKPOINT);
            write_checkpoint(&path, self.next).map_err(IndexError::io("write", &path))?;
            self.committed = self.next;
        }
        self.publish();
        Ok(())
    }

    fn roll_back(&mut self) {
        self.next = self.committed;
        self.writing.clear();
        for partition in self.partitions.values_mut() {
            partition.roll_back();
        }
        self.publish();
    }

    fn publish(&self) {
        let snapshots = self.partitions.values().map(Partition::snapshot).collect();
        *self
            .snapshots
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshots);
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn list_partitions(dir: &Path) -> Result<Vec<(PathBuf, std::ops::Range<Time>)>, IndexError> {
    let failed = |error| IndexError::io("list", dir)(error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let span = name.and_then(|name| {
            let (start, end) = name.split_once('_')?;
            Some(Time::from_nanos(start.parse().ok()?)..Time::from_nanos(end.parse().ok()?))
        });
        if let Some(span) = span {
            found.push((path, span));
        } else if name.is_some_and(|name| name.ends_with(DELETED)) {
            std::fs::remove_dir_all(&path).map_err(failed)?;
        }
    }
    found.sort_by_key(|(_, span)| span.start);
    Ok(found)
}

const DELETED: &str = ".deleted";

/// Renamed first, so that a crash does not leave half a partition behind.
fn delete_partition(dir: &Path) -> Result<(), IndexError> {
    let doomed = dir.with_extension("deleted");
    std::fs::rename(dir, &doomed)
        .and_then(|()| std::fs::remove_dir_all(&doomed))
        .map_err(IndexError::io("delete", dir))
}

fn set_aside(dir: &Path, partition: &Path) -> Result<PathBuf, IndexError> {
    let parent = dir.join(SET_ASIDE);
    std::fs::create_dir_all(&parent).map_err(IndexError::io("create", &parent))?;
    let name = partition.file_name().unwrap_or_default().to_string_lossy();
    let mut target = parent.join(&*name);
    let mut count = 1;
    while target.exists() {
        count += 1;
        target = parent.join(format!("{name}.{count}"));
    }
    std::fs::rename(partition, &target).map_err(IndexError::io("set aside", partition))?;
    Ok(target)
}

fn read_checkpoint(path: &Path) -> Result<Seq, IndexError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(1),
        Err(error) => return Err(IndexError::io("read", path)(error)),
    };
    // An unreadable one costs a longer replay, which skips what is contained.
    Ok(text.trim().parse().unwrap_or(1).max(1))
}

fn write_checkpoint(path: &Path, next: Seq) -> io::Result<()> {
    replace(path, format!("{next}\n").as_bytes())
}
