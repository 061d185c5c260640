//! How far each file has been read and is safe, kept over restarts.
//!
//! A small JSON file, replaced atomically. A file is known by device and inode, and by a hash of
//! its first bytes, because inodes are reused. (The monitor's own follower keeps the same, in a
//! crate that the agent must not depend on.)

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::from_api::cursor::Seen;

const VERSION: u32 = 1;
/// Files that vanish while nobody looks leave entries behind; the kubelet keeps at most five files
/// for each of a node's containers.
const MAX_ENTRIES: usize = 100_000;

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &fs::Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A hash of a file's beginning, as long as it was when it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    length: u64,
    hash: u64,
}

impl Fingerprint {
    /// Log lines begin with the time to the nanosecond, so that the first of them tells files
    /// apart.
    const MAX_BYTES: u64 = 256;

    /// From which length on only a copy has the same: the runtime's times are that different.
    const TELLING_BYTES: u64 = 64;

    /// Whether it is as long as it will ever be.
    pub(crate) fn is_complete(self) -> bool {
        self.length == Fingerprint::MAX_BYTES
    }

    /// Whether a file that begins the same is the same, or a copy.
    pub(crate) fn is_telling(self) -> bool {
        self.length >= Fingerprint::TELLING_BYTES
    }
}

/// The first bytes of a file.
#[derive(Debug)]
pub(crate) struct Beginning {
    bytes: [u8; Fingerprint::MAX_BYTES as usize],
    length: usize,
}

impl Beginning {
    pub(crate) fn of(file: &File) -> io::Result<Beginning> {
        let mut bytes = [0; Fingerprint::MAX_BYTES as usize];
        let mut length = 0;
        while length < bytes.len() {
            match file.read_at(&mut bytes[length..], length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        Ok(Beginning { bytes, length })
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let bytes = &self.bytes[..self.length];
        // FNV-1a: the hash is stored, so it must not change with a library.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Fingerprint {
            length: self.length as u64,
            hash,
        }
    }

    /// Whether the file still begins as it did when `fingerprint` was taken.
    pub(crate) fn fits(&self, fingerprint: Fingerprint) -> bool {
        let Ok(length) = usize::try_from(fingerprint.length) else {
            return false;
        };
        let prefix = Beginning {
            bytes: self.bytes,
            length,
        };
        length <= self.length && prefix.fingerprint() == fingerprint
    }
}

/// Where to resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub(crate) fingerprint: Fingerprint,
    /// Everything before is done.
    pub offset: u64,
    /// Behind the offset, lines of standard output and of standard error up to here are done too:
    /// a piece of one may wait for its next while the other goes on.
    pub(crate) done: [u64; 2],
}

/// A step of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub file: FileId,
    /// `None`: the file is gone.
    pub to: Option<Position>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    files: Vec<Entry>,
    /// Of streams through the API, by name.
    #[serde(default)]
    streams: BTreeMap<String, Seen>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    id: FileId,
    #[serde(flatten)]
    position: Position,
}

/// The positions that are safe, and the file that keeps them.
#[derive(Debug, Default)]
pub struct Positions {
    /// Without one they are forgotten at the end.
    path: Option<PathBuf>,
    files: BTreeMap<FileId, Position>,
    streams: BTreeMap<String, Seen>,
    unsaved: bool,
}

impl Positions {
    /// The flag tells whether there were any.
    ///
    /// # Errors
    ///
    /// A file that exists and cannot be read, or that another version wrote.
    pub fn load(path: Option<PathBuf>) -> anyhow::Result<(Positions, bool)> {
        let Some(path) = path else {
            return Ok((Positions::default(), false));
        };
        let doing = || format!("reading the positions in `{}`", path.display());
        let saved = match fs::read(&path) {
            Ok(bytes) => {
                let saved: Saved = serde_json::from_slice(&bytes).with_context(doing)?;
                ensure!(
                    saved.version == VERSION,
                    "`{}` was written by another version of Crosswatch; without it logs are read \
                     from the look-back on",
                    path.display()
                );
                Some(saved)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(doing),
        };
        let known = saved.is_some();
        let (files, streams) = saved.map(|it| (it.files, it.streams)).unwrap_or_default();
        let files = files.into_iter();
        let positions = Positions {
            files: files.map(|entry| (entry.id, entry.position)).collect(),
            path: Some(path),
            streams,
            unsaved: false,
        };
        Ok((positions, known))
    }

    pub fn all(&self) -> &BTreeMap<FileId, Position> {
        &self.files
    }

    pub fn advance(&mut self, steps: &[Progress]) {
        for step in steps {
            match step.to {
                Some(position) => _ = self.files.insert(step.file, position),
                None => _ = self.files.remove(&step.file),
            }
        }
        self.unsaved |= !steps.is_empty();
        while self.files.len() > MAX_ENTRIES {
            self.files.pop_first();
        }
    }

    pub fn streams(&self) -> &BTreeMap<String, Seen> {
        &self.streams
    }

    pub fn advance_streams(&mut self, seen: &[(String, Seen)]) {
        self.streams.extend(seen.iter().cloned());
        self.unsaved |= !seen.is_empty();
        while self.streams.len() > MAX_ENTRIES {
            self.streams.pop_first();
        }
    }

    /// Writes them if they have moved.
    ///
    /// # Errors
    ///
    /// When the file cannot be written: after a restart, what was read since would come twice.
    pub fn save(&mut self) -> anyhow::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| self.unsaved) else {
            return Ok(());
        };
        let entries = self.files.iter();
        let saved = Saved {
            version: VERSION,
            files: entries
                .map(|(id, position)| Entry {
                    id: *id,
                    position: *position,
                })
                .collect(),
            streams: self.streams.clone(),
        };
        let doing = || format!("saving the positions in `{}`", path.display());
        let bytes = serde_json::to_vec(&saved).with_context(doing)?;
        replace(path, &bytes).with_context(doing)?;
        self.unsaved = false;
        Ok(())
    }
}

/// After a crash at any moment the file has either its old content or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
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
