//! How far each file has been read and acknowledged, kept over restarts.
//!
//! A small JSON file, replaced atomically. A file is known by device and inode, and by a hash of
//! its first bytes, because inodes are reused.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// Files that are gone for good leave entries only when they vanish while nobody watches.
const MAX_ENTRIES: usize = 10_000;

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &fs::Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A hash of a file's beginning, as long as it was when it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    length: u64,
    hash: u64,
}

impl Fingerprint {
    /// Log lines begin with the time, so that the first of them tells files apart.
    const MAX_BYTES: u64 = 1_024;

    pub(super) fn take(file: &File, size: u64) -> io::Result<Fingerprint> {
        Fingerprint::of_length(file, size.min(Fingerprint::MAX_BYTES))
    }

    /// Whether the file still begins as it did.
    pub(super) fn matches(self, file: &File) -> io::Result<bool> {
        Ok(Fingerprint::of_length(file, self.length)? == self)
    }

    pub(super) fn is_complete(self) -> bool {
        self.length == Fingerprint::MAX_BYTES
    }

    fn of_length(file: &File, length: u64) -> io::Result<Fingerprint> {
        let mut bytes = [0; Fingerprint::MAX_BYTES as usize];
        let wanted = usize::try_from(length.min(Fingerprint::MAX_BYTES)).unwrap_or(0);
        let mut read = 0;
        while read < wanted {
            match file.read_at(&mut bytes[read..wanted], read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        // FNV-1a: the hash is stored, so it must not change with a library.
        let hash = bytes[..read]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Ok(Fingerprint {
            length: read as u64,
            hash,
        })
    }
}

/// Where to resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) fingerprint: Fingerprint,
    /// Everything before is done.
    pub(super) offset: u64,
    /// Behind the offset, lines of standard output and of standard error up to here are done too:
    /// the two interleave, and one may wait for its next line while the other is finished.
    pub(super) done: [u64; 2],
}

/// A step of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    id: FileId,
    /// `None`: the file is gone.
    to: Option<Position>,
}

impl Progress {
    pub(super) fn to(id: FileId, position: Position) -> Progress {
        Progress {
            id,
            to: Some(position),
        }
    }

    pub(super) fn gone(id: FileId) -> Progress {
        Progress { id, to: None }
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    id: FileId,
    #[serde(flatten)]
    position: Position,
}

#[derive(Debug)]
pub(super) struct Positions {
    path: PathBuf,
    files: BTreeMap<FileId, Position>,
}

impl Positions {
    pub(super) fn load(path: PathBuf) -> anyhow::Result<Positions> {
        let doing = || {
            format!(
                "reading the positions of followed files, `{}`",
                path.display()
            )
        };
        let files = match fs::read(&path) {
            Ok(bytes) => {
                let saved: Saved = serde_json::from_slice(&bytes).with_context(doing)?;
                ensure!(
                    saved.version == VERSION,
                    "`{}` was written by another version of Crosswatch",
                    path.display()
                );
                let entries = saved.files.into_iter();
                entries.map(|entry| (entry.id, entry.position)).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(doing),
        };
        Ok(Positions { path, files })
    }

    pub(super) fn of(&self, id: FileId) -> Option<Position> {
        self.files.get(&id).copied()
    }

    pub(super) fn advance(&mut self, steps: Vec<Progress>) {
        for step in steps {
            match step.to {
                Some(position) => _ = self.files.insert(step.id, position),
                None => _ = self.files.remove(&step.id),
            }
        }
        while self.files.len() > MAX_ENTRIES {
            self.files.pop_first();
        }
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        let saved = Saved {
            version: VERSION,
            files: self
                .files
                .iter()
                .map(|(id, position)| Entry {
                    id: *id,
                    position: *position,
                })
                .collect(),
        };
        let doing = || {
            format!(
                "saving the positions of followed files, `{}`",
                self.path.display()
            )
        };
        let bytes = serde_json::to_vec(&saved).with_context(doing)?;
        replace(&self.path, &bytes).with_context(doing)
    }
}

/// After a crash at any moment the file has either its old content or the new.
fn replace(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
