//! What the records of one partition have in common, each kept once and numbered.
//!
//! Layouts (see [`crate::layout`]), contexts (who spoke, where) and operations (what kind of
//! request, how it ended). A file beside the partition's index that is only ever appended to; the
//! index refers to its entries by number, so it is synced before the index commits. Numbers are
//! dense and never used again. The writing side is [`crate::intern`].

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use monitor_core::{CallStatus, Kind, Name, Severity};
use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::words::for_each_word;

/// Who spoke, where, through what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) namespace: Name,
    pub(crate) service: Name,
    pub(crate) environment: Name,
    pub(crate) instance: Name,
    pub(crate) version: Option<Name>,
    pub(crate) format: Option<Name>,
    pub(crate) stream: Name,
}

/// What kind of record, and what it says of a request, as far as few values are to be expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) severity: Option<Severity>,
    pub(crate) method: Option<Name>,
    pub(crate) route: Option<Name>,
    pub(crate) caller: Option<Name>,
    pub(crate) callee: Option<Name>,
    pub(crate) error_type: Option<Name>,
    pub(crate) status: Option<CallStatus>,
    /// Which of the fields with many values the record has, see [`crate::intern::present`].
    pub(crate) present: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    Layout(Arc<Layout>),
    Context(Arc<Context>),
    Operation(Arc<Operation>),
}

/// The entries in memory, shared with searches.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    pub(crate) layouts: Vec<Arc<Layout>>,
    pub(crate) contexts: Vec<Arc<Context>>,
    pub(crate) operations: Vec<Arc<Operation>>,
    /// From a word to the layouts that have it, ascending.
    pub(crate) words: BTreeMap<Box<str>, Vec<u32>>,
    /// Literal bytes of all layouts.
    pub(crate) literal_bytes: usize,
}

impl Dictionary {
    pub(crate) fn insert(&mut self, entry: Entry) {
        match entry {
            Entry::Layout(layout) => {
                let id = self.layouts.len() as u32;
                let mut buffer = String::new();
                let words = &mut self.words;
                layout.for_each_literal(|literal| {
                    for_each_word(literal, &mut buffer, |word| match words.get_mut(word) {
                        Some(ids) if ids.last() == Some(&id) => {}
                        Some(ids) => ids.push(id),
                        None => {
                            words.insert(word.into(), vec![id]);
                        }
                    });
                });
                self.literal_bytes += layout.pieces.iter().map(|piece| piece.len()).sum::<usize>();
                self.layouts.push(layout);
            }
            Entry::Context(context) => self.contexts.push(context),
            Entry::Operation(operation) => self.operations.push(operation),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.layouts.len() + self.contexts.len() + self.operations.len()
    }
}

/// The file. Frames of length, CRC-32C and postcard, each little-endian `u32` the first two.
#[derive(Debug)]
pub(crate) struct DictionaryFile {
    path: PathBuf,
    file: File,
    length: u64,
    pending: Vec<u8>,
    synced: bool,
}

impl DictionaryFile {
    /// Opens or creates the file, gives every whole entry to `found`, and cuts a torn tail.
    pub(crate) fn open(path: &Path, mut found: impl FnMut(Entry)) -> io::Result<DictionaryFile> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let bytes = std::fs::read(path)?;
        let mut at = 0;
        while let Some((entry, length)) = parse(&bytes[at..]) {
            found(entry);
            at += length;
        }
        let file = DictionaryFile {
            path: path.to_owned(),
            file,
            length: at as u64,
            pending: Vec::new(),
            synced: false,
        };
        if at < bytes.len() {
            file.file.set_len(file.length)?;
        }
        Ok(file)
    }

    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), postcard::Error> {
        let payload = postcard::to_stdvec(entry)?;
        self.pending
            .extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.pending
            .extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
        self.pending.extend_from_slice(&payload);
        Ok(())
    }

    /// Makes everything appended durable. After an error the file has to be opened anew.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.pending.is_empty() && self.synced {
            return Ok(());
        }
        self.file.write_all_at(&self.pending, self.length)?;
        self.file.sync_data()?;
        self.length += self.pending.len() as u64;
        self.pending.clear();
        self.synced = true;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn parse(bytes: &[u8]) -> Option<(Entry, usize)> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = number(0)? as usize;
    let payload = bytes.get(8..8 + length)?;
    if crc32c::crc32c(payload) != number(4)? {
        return None;
    }
    let entry = postcard::from_bytes(payload).ok()?;
    Some((entry, 8 + length))
}
