//! The write-ahead log: what was acknowledged, until the index holds it.
//!
//! One owner appends batches and syncs them in groups; only what a successful [`Wal::sync`] covers
//! may be acknowledged. Readers replay entries into the index after a restart. The log knows
//! nothing of what batches mean; the index decides what has become superfluous.
//!
//! A directory of segment files named by the first sequence number they hold, see [`entry`] for
//! the bytes inside. The last segment is the only one that is written to.

pub(crate) mod entry;
mod reader;
mod recover;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use monitor_core::Batch;

use crate::files::{lock_directory, sync_directory};

pub use reader::WalReader;
pub use recover::WalRecovery;

/// The place of a batch in the log: monotonic, starting at 1.
pub type Seq = u64;

/// Buffered bytes are handed to the operating system at this size, so that one huge group does not
/// sit in memory twice.
const WRITE_BYTES: usize = 4 << 20;

#[derive(Clone, Copy, Debug)]
pub struct WalConfig {
    /// A segment that has reached this size is closed. Replay reads one segment into memory at a
    /// time, and space is given back by whole segments.
    pub segment_bytes: u64,
    /// Appending beyond this is refused with [`WalError::Full`]: the index is not keeping up, or
    /// cannot write.
    pub max_bytes: u64,
}

impl Default for WalConfig {
    fn default() -> WalConfig {
        WalConfig {
            segment_bytes: 32 << 20,
            max_bytes: 4 << 30,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum WalError {
    #[error("cannot {action} `{path}` of the write-ahead log")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the write-ahead log in `{path}` is in use by another process")]
    Locked { path: PathBuf },
    /// The index has to catch up before more is taken.
    #[error("the write-ahead log holds {bytes} bytes of at most {limit}")]
    Full { bytes: u64, limit: u64 },
    #[error("a batch of {bytes} bytes is larger than the {limit} that one entry may have")]
    TooLarge { bytes: usize, limit: usize },
    #[error("cannot encode a batch")]
    Encode(#[source] postcard::Error),
    #[error("cannot decode batch {seq} of the write-ahead log")]
    Decode {
        seq: Seq,
        #[source]
        source: postcard::Error,
    },
    /// Entries that should be there are damaged or gone. Reading goes on after them.
    #[error(
        "batches {first} to {last} of the write-ahead log are damaged or missing near `{path}`"
    )]
    Lost {
        first: Seq,
        last: Seq,
        path: PathBuf,
    },
}

impl WalError {
    /// No room, be it on the device, by quota, or by our own limit: refuse intake and try again
    /// later, nothing is broken.
    pub fn is_disk_full(&self) -> bool {
        match self {
            WalError::Full { .. } => true,
            WalError::Io { source, .. } => crate::files::is_disk_full(source),
            _ => false,
        }
    }
}

pub(crate) fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> WalError + 'a {
    move |source| WalError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[derive(Clone, Debug)]
struct Segment {
    first: Seq,
    path: PathBuf,
    /// Synced ones, for the segment that is written to.
    bytes: u64,
}

#[derive(Debug)]
pub struct Wal {
    dir: PathBuf,
    config: WalConfig,
    /// Oldest first; the last one is open in `file`.
    segments: VecDeque<Segment>,
    file: File,
    /// Length of `file`, of which the last segment's `bytes` are synced.
    written: u64,
    /// Encoded but not yet handed to the operating system.
    pending: Vec<u8>,
    scratch: entry::Scratch,
    next: Seq,
    /// The first seq that is not known to be on disk.
    unsynced: Seq,
    /// The bytes after the synced ones could not be removed; must be tried again before writing.
    dirty: bool,
    _lock: File,
}

impl Wal {
    /// Opens or creates the log in `dir` and cuts off what a crash left half-written at its end.
    ///
    /// # Errors
    /// [`WalError::Locked`] when another process has it; otherwise IO.
    pub fn open(dir: &Path, config: WalConfig) -> Result<(Wal, WalRecovery), WalError> {
        std::fs::create_dir_all(dir).map_err(failed("create", dir))?;
        let lock = lock_directory(dir)
            .map_err(failed("lock", dir))?
            .ok_or_else(|| WalError::Locked {
                path: dir.to_owned(),
            })?;
        let mut segments = list_segments(dir)?;
        let mut recovery = WalRecovery::default();
        let next = match segments.back_mut() {
            Some(last) => recover::recover_tail(last, &mut recovery)?,
            None => 1,
        };
        if segments.is_empty() {
            segments.push_back(create_segment(dir, next)?);
        }
        let last = segments.back().expect("one was just made sure of");
        let file = open_for_writing(&last.path)?;
        recovery.first = segments.front().map_or(next, |segment| segment.first);
        recovery.next = next;
        let wal = Wal {
            dir: dir.to_owned(),
            config,
            written: last.bytes,
            file,
            segments,
            pending: Vec::new(),
            scratch: entry::Scratch::default(),
            next,
            unsynced: next,
            dirty: false,
            _lock: lock,
        };
        Ok((wal, recovery))
    }

    /// Takes a batch into the current group. It is safe only after [`Wal::sync`].
    ///
    /// # Errors
    /// After any error but [`WalError::TooLarge`] and [`WalError::Full`], which concern this batch
    /// alone, everything since the last sync is rolled back and the sequence numbers given out
    /// since are given again.
    pub fn append(&mut self, batch: &Batch) -> Result<Seq, WalError> {
        let bytes = self.bytes() + (self.written - self.synced()) + self.pending.len() as u64;
        if bytes >= self.config.max_bytes {
            return Err(WalError::Full {
                bytes,
                limit: self.config.max_bytes,
            });
        }
        let seq = self.next;
        entry::encode(
            seq,
            self.unsynced - 1,
            batch,
            &mut self.scratch,
            &mut self.pending,
        )?;
        self.next += 1;
        if self.pending.len() >= WRITE_BYTES {
            self.or_roll_back(Wal::write_pending)?;
        }
        Ok(seq)
    }

    /// Makes everything appended so far durable, with one `fdatasync`.
    ///
    /// # Errors
    /// On failure everything since the last sync is rolled back: nothing of it will be read again,
    /// and its sequence numbers are given again. The log stays usable; when the cause has gone
    /// (space was freed), the next call simply succeeds.
    pub fn sync(&mut self) -> Result<(), WalError> {
        if self.next == self.unsynced && !self.dirty {
            return Ok(());
        }
        self.or_roll_back(|wal| {
            wal.write_pending()?;
            wal.file
                .sync_data()
                .map_err(failed("sync", wal.last_path()))
        })?;
        let written = self.written;
        self.last_mut().bytes = written;
        self.unsynced = self.next;
        Ok(())
    }

    /// Everything synced from `seq` on, oldest first. Does not borrow the log: it can go on taking
    /// batches meanwhile.
    pub fn read_from(&self, seq: Seq) -> WalReader {
        let segments = self
            .segments
            .iter()
            .map(|segment| (segment.first, segment.path.clone()))
            .collect();
        WalReader::new(segments, seq, self.unsynced)
    }

    /// Deletes the segments whose every entry is below `below`, and returns the bytes freed. The
    /// segment being written to stays.
    pub fn release(&mut self, below: Seq) -> Result<u64, WalError> {
        let mut freed = 0;
        while let [first, second, ..] = self.segments.make_contiguous()
            && second.first <= below
        {
            std::fs::remove_file(&first.path)
                .or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
                .map_err(failed("delete", &first.path))?;
            freed += first.bytes;
            self.segments.pop_front();
        }
        Ok(freed)
    }

    /// Makes sure that `seq` and everything below is never given out: for a log that was lost
    /// while the index that it fed was not.
    pub fn advance_to(&mut self, seq: Seq) -> Result<(), WalError> {
        if seq <= self.next {
            return Ok(());
        }
        self.sync()?;
        self.start_segment(seq)?;
        self.next = seq;
        self.unsynced = seq;
        Ok(())
    }

    /// The seq that the next batch will get.
    pub fn next_seq(&self) -> Seq {
        self.next
    }

    /// The oldest seq that is still there, or [`Wal::next_seq`] when nothing is.
    pub fn first_seq(&self) -> Seq {
        self.segments
            .front()
            .map_or(self.next, |segment| segment.first)
    }

    /// Synced bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn or_roll_back(
        &mut self,
        step: impl FnOnce(&mut Wal) -> Result<(), WalError>,
    ) -> Result<(), WalError> {
        step(self).inspect_err(|_| {
            self.pending.clear();
            self.next = self.unsynced;
            // The first error is the one to report; this one is tried again before the next write.
            self.dirty = self.cut_to_synced().is_err();
        })
    }

    fn write_pending(&mut self) -> Result<(), WalError> {
        if self.dirty {
            self.cut_to_synced()?;
            self.dirty = false;
        }
        // Only between groups, so that a segment never starts with what may be rolled back.
        if self.written == self.synced() && self.written >= self.config.segment_bytes {
            self.start_segment(self.unsynced)?;
        }
        self.file
            .write_all_at(&self.pending, self.written)
            .map_err(failed("write to", self.last_path()))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn cut_to_synced(&mut self) -> Result<(), WalError> {
        let synced = self.synced();
        self.file
            .set_len(synced)
            .and_then(|()| self.file.sync_data())
            .map_err(failed("truncate", self.last_path()))?;
        self.written = synced;
        Ok(())
    }

    fn start_segment(&mut self, first: Seq) -> Result<(), WalError> {
        let segment = create_segment(&self.dir, first)?;
        self.file = open_for_writing(&segment.path)?;
        if self.last_mut().first == first {
            // An empty one, made before a failure.
            self.segments.pop_back();
        }
        self.segments.push_back(segment);
        self.written = 0;
        Ok(())
    }

    fn synced(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.bytes)
    }

    fn last_path(&self) -> &Path {
        self.segments
            .back()
            .map_or(&self.dir, |segment| &segment.path)
    }

    fn last_mut(&mut self) -> &mut Segment {
        self.segments
            .back_mut()
            .expect("there is always a segment to write to")
    }
}

fn list_segments(dir: &Path) -> Result<VecDeque<Segment>, WalError> {
    let mut segments = Vec::new();
    for found in std::fs::read_dir(dir).map_err(failed("list", dir))? {
        let path = found.map_err(failed("list", dir))?.path();
        let first = path
            .extension()
            .is_some_and(|extension| extension == "wal")
            .then(|| path.file_stem()?.to_str()?.parse().ok())
            .flatten();
        if let Some(first) = first {
            let bytes = path.metadata().map_err(failed("inspect", &path))?.len();
            segments.push(Segment { first, path, bytes });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments.into())
}

fn create_segment(dir: &Path, first: Seq) -> Result<Segment, WalError> {
    let path = dir.join(format!("{first:020}.wal"));
    // An empty leftover of a failed attempt may be there.
    File::create(&path).map_err(failed("create", &path))?;
    sync_directory(dir).map_err(failed("sync", dir))?;
    Ok(Segment {
        first,
        path,
        bytes: 0,
    })
}

fn open_for_writing(path: &Path) -> Result<File, WalError> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(failed("open", path))
}
