//! One partition: the records of one stretch of event time, with its own tantivy index.
//!
//! Owned by the [index](crate::index), which decides when to write, commit and drop partitions.
//! A directory holding tantivy's files, the [dictionary](crate::dictionary), and nothing else;
//! the highest batch that it contains is part of each commit, so a replay after a crash adds
//! nothing twice.
//!
//! Records go into a tantivy `SegmentWriter` on the caller's thread rather than through
//! `IndexWriter::add_document`: no copy of each record crosses a thread, memory is bounded by
//! bytes instead of by a number of documents, and an error appears where it happened. The
//! `IndexWriter` remains in charge of commits and merges.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use monitor_core::{Record, Time};
use serde::{Deserialize, Serialize};
use tantivy::directory::MmapDirectory;
use tantivy::indexer::{AddOperation, IndexWriterOptions, LogMergePolicy, SegmentWriter};
use tantivy::store::Compressor;
use tantivy::{IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyError};

use crate::document;
use crate::index::IndexError;
use crate::intern::{Interner, SharedDictionary};
use crate::layout::Split;
use crate::record::fill;
use crate::schema;
use crate::wal::Seq;

const DICTIONARY: &str = "dictionary";

/// What tantivy keeps with each commit.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Payload {
    /// Every batch up to this one is contained, as far as it belongs here.
    through: Seq,
    /// Dictionary entries that the documents may refer to.
    dictionary: u64,
}

/// What a search needs of a partition, as of one commit.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) span: Range<Time>,
    pub(crate) searcher: tantivy::Searcher,
    pub(crate) dictionary: SharedDictionary,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("span", &self.span)
            .field("records", &self.searcher.num_docs())
            .finish_non_exhaustive()
    }
}

pub(crate) struct Partition {
    span: Range<Time>,
    dir: PathBuf,
    index: tantivy::Index,
    reader: IndexReader,
    interner: Interner,
    writer: Option<Writer>,
    /// Contained and committed.
    through: Seq,
    /// Contained once the next commit succeeds.
    added_through: Seq,
    /// Rolled back, but the state of the last commit is not read again yet.
    stale: bool,
}

struct Writer {
    index: IndexWriter<document::Record>,
    segment: Option<(tantivy::index::Segment, SegmentWriter)>,
    buffers: document::Record,
    split: Split,
    /// Documents not yet committed.
    documents: u64,
    /// Of the last segment, to size the next one's hash table.
    last_usage: usize,
}

impl Partition {
    /// Opens the partition in `dir`, or creates it.
    pub(crate) fn open(dir: &Path, span: Range<Time>) -> Result<Partition, IndexError> {
        let failed = IndexError::partition(dir);
        let io_failed = |source| IndexError::io("open", dir)(source);
        std::fs::create_dir_all(dir).map_err(io_failed)?;
        let directory = MmapDirectory::open(dir)
            .map_err(TantivyError::from)
            .map_err(&failed)?;
        let index = if tantivy::Index::exists(&directory)
            .map_err(TantivyError::from)
            .map_err(&failed)?
        {
            tantivy::Index::open(directory)
        } else {
            // Nothing was ever committed here; a dictionary without an index means nothing.
            std::fs::remove_file(dir.join(DICTIONARY))
                .or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
                .map_err(io_failed)?;
            tantivy::Index::create(directory, schema::schema(), settings())
        }
        .map_err(&failed)?;
        if index.schema() != schema::schema() {
            return Err(failed(TantivyError::SchemaError(
                "written by an incompatible version".to_owned(),
            )));
        }
        schema::register_tokenizers(&index);
        let payload = committed(&index).map_err(&failed)?;
        let interner = open_dictionary(dir, payload)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(&failed)?;
        Ok(Partition {
            span,
            dir: dir.to_owned(),
            index,
            reader,
            interner,
            writer: None,
            through: payload.through,
            added_through: payload.through,
            stale: false,
        })
    }

    pub(crate) fn span(&self) -> &Range<Time> {
        &self.span
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        seq <= self.added_through
    }

    pub(crate) fn through(&self) -> Seq {
        self.through
    }

    pub(crate) fn is_open_for_writing(&self) -> bool {
        self.writer.is_some()
    }

    pub(crate) fn uncommitted(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.documents)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            span: self.span.clone(),
            searcher: self.reader.searcher(),
            dictionary: Arc::clone(self.interner.shared()),
        }
    }

    /// Adds all records of a batch that belong here. After an error the partition must be
    /// [rolled back](Partition::roll_back).
    pub(crate) fn add<'a>(
        &mut self,
        seq: Seq,
        records: impl Iterator<Item = &'a (u32, Record)>,
        memory_bytes: usize,
    ) -> Result<(), IndexError> {
        let failed = IndexError::partition(&self.dir);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self
                .writer
                .insert(Writer::open(&self.index).map_err(&failed)?),
        };
        for (item, record) in records {
            let buffers = Arc::get_mut(&mut writer.buffers.0)
                .expect("tantivy gives the document back before it returns");
            fill(
                seq,
                *item,
                record,
                &mut self.interner,
                &mut writer.split,
                buffers,
            )
            .map_err(IndexError::io("write to", self.interner.path()))?;
            writer.add_filled(memory_bytes).map_err(&failed)?;
        }
        self.added_through = seq;
        Ok(())
    }

    /// Makes everything added durable and searchable. After an error the partition must be
    /// [rolled back](Partition::roll_back).
    pub(crate) fn commit(&mut self) -> Result<(), IndexError> {
        let failed = IndexError::partition(&self.dir);
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        if writer.documents == 0 {
            return Ok(());
        }
        self.interner
            .sync()
            .map_err(IndexError::io("write to", self.interner.path()))?;
        let payload = Payload {
            through: self.added_through,
            dictionary: self.interner.entries(),
        };
        writer.commit(payload).map_err(&failed)?;
        self.through = self.added_through;
        self.reader.reload().map_err(&failed)
    }

    /// Forgets everything since the last commit.
    pub(crate) fn roll_back(&mut self) {
        if self.writer.take().is_some() {
            self.stale = true;
        }
    }

    /// Finishes a roll-back, which on a full disk may take several attempts. To be called before
    /// anything is asked or added.
    pub(crate) fn ready(&mut self) -> Result<(), IndexError> {
        if !self.stale {
            return Ok(());
        }
        let failed = IndexError::partition(&self.dir);
        // A commit may have become durable although it reported an error.
        let payload = committed(&self.index).map_err(&failed)?;
        self.interner = open_dictionary(&self.dir, payload)?;
        self.through = payload.through;
        self.added_through = payload.through;
        self.reader.reload().map_err(&failed)?;
        self.stale = false;
        Ok(())
    }

    /// Shows what merges did meanwhile, so that the files they replaced can go.
    pub(crate) fn refresh(&mut self) -> Result<(), IndexError> {
        self.reader
            .reload()
            .map_err(IndexError::partition(&self.dir))
    }

    /// Gives up the writer of a partition that has nothing uncommitted; waits for its merges.
    pub(crate) fn close_for_writing(&mut self) -> Result<(), IndexError> {
        debug_assert_eq!(self.uncommitted(), 0);
        match self.writer.take() {
            Some(writer) => writer
                .index
                .wait_merging_threads()
                .map_err(IndexError::partition(&self.dir)),
            None => Ok(()),
        }
    }

    pub(crate) fn bytes_on_disk(&self) -> Result<u64, IndexError> {
        let failed = |source| IndexError::io("measure", &self.dir)(source);
        let mut bytes = 0;
        for file in std::fs::read_dir(&self.dir).map_err(failed)? {
            // A merge may delete files meanwhile.
            bytes += file
                .and_then(|file| file.metadata())
                .map_or(0, |file| file.len());
        }
        Ok(bytes)
    }
}

impl Writer {
    fn open(index: &tantivy::Index) -> Result<Writer, TantivyError> {
        let options = IndexWriterOptions::builder().num_merge_threads(1).build();
        let writer = index.writer_with_options(options)?;
        writer.set_merge_policy(Box::new(merge_policy()));
        Ok(Writer {
            index: writer,
            segment: None,
            buffers: document::Record::default(),
            split: Split::default(),
            documents: 0,
            last_usage: 0,
        })
    }

    fn add_filled(&mut self, memory_bytes: usize) -> Result<(), TantivyError> {
        let writer = match &mut self.segment {
            Some((_, writer)) => writer,
            None => {
                let segment = self.index.new_segment();
                // Tantivy gives a third of this to a hash table at once; it grows by itself, but a
                // segment of half a second must not begin by clearing megabytes.
                let expected = (self.last_usage * 2).clamp(1 << 20, memory_bytes.max(1 << 20));
                let writer = SegmentWriter::for_segment(expected, segment.clone())?;
                &mut self.segment.insert((segment, writer)).1
            }
        };
        writer.add_document(AddOperation {
            opstamp: 0,
            document: self.buffers.clone(),
        })?;
        self.documents += 1;
        if writer.mem_usage() >= memory_bytes {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TantivyError> {
        let Some((segment, writer)) = self.segment.take() else {
            return Ok(());
        };
        self.last_usage = writer.mem_usage();
        let documents = writer.max_doc();
        writer.finalize()?;
        let segment = segment.with_max_doc(documents);
        let meta = segment.meta().clone();
        meta.untrack_temp_docstore();
        self.index.add_segment(meta)
    }

    fn commit(&mut self, payload: Payload) -> Result<(), TantivyError> {
        self.flush()?;
        let mut prepared = self.index.prepare_commit()?;
        prepared.set_payload(
            &serde_json::to_string(&payload)
                .map_err(|error| TantivyError::InternalError(error.to_string()))?,
        );
        prepared.commit()?;
        self.documents = 0;
        Ok(())
    }
}

fn settings() -> IndexSettings {
    IndexSettings {
        // A thread for each segment of half a second costs more than it spares.
        docstore_compress_dedicated_thread: false,
        docstore_compression: Compressor::Lz4,
        ..IndexSettings::default()
    }
}

fn committed(index: &tantivy::Index) -> Result<Payload, TantivyError> {
    match index.load_metas()?.payload {
        None => Ok(Payload::default()),
        Some(payload) => serde_json::from_str(&payload).map_err(|error| {
            TantivyError::InternalError(format!("the commit's payload is not ours: {error}"))
        }),
    }
}

fn open_dictionary(dir: &Path, payload: Payload) -> Result<Interner, IndexError> {
    let path = dir.join(DICTIONARY);
    let interner = Interner::open(&path).map_err(IndexError::io("open", &path))?;
    if interner.entries() < payload.dictionary {
        return Err(IndexError::Dictionary {
            path,
            found: interner.entries(),
            needed: payload.dictionary,
        });
    }
    Ok(interner)
}

/// Commits come twice a second and are small, so small segments are merged eagerly; a large one is
/// touched about once per factor of eight.
fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(8);
    policy.set_min_layer_size(10_000);
    policy.set_max_docs_before_merge(5_000_000);
    policy
}
