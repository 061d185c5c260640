//! Requests on disk, in order, one file each: written whole or not at all, oldest dropped first.
//!
//! A file is `<number>-<records>.otlp.gz` and holds a checksum and the request. Plain files rather
//! than a log of our own: dropping the oldest is an unlink, and a damaged one costs itself.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::follow::positions::replace;

/// In front of each request.
const CHECKSUM_BYTES: usize = 4;

#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    most_bytes: u64,
    kept: VecDeque<Kept>,
    bytes: u64,
    next: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    number: u64,
    records: u64,
    bytes: u64,
}

/// The oldest request.
#[derive(Debug)]
pub(super) struct Oldest {
    pub(super) records: u64,
    pub(super) body: Result<Vec<u8>, ReadError>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// It will not be better next time.
    #[error("`{path}` is damaged: {why}")]
    Damaged { path: PathBuf, why: String },
    /// The disk may come back.
    #[error("reading `{path}`")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Spool {
    /// What an earlier run left is kept.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or read.
    pub fn open(folder: PathBuf, most_bytes: u64) -> anyhow::Result<Spool> {
        let doing = || format!("opening the spool `{}`", folder.display());
        fs::create_dir_all(&folder).with_context(doing)?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(&folder).with_context(doing)? {
            let entry = entry.with_context(doing)?;
            let name = entry.file_name();
            let bytes = entry.metadata().with_context(doing)?.len();
            match name.to_str().and_then(parse) {
                Some((number, records)) => kept.push(Kept {
                    number,
                    records,
                    bytes,
                }),
                // Half written when the agent was killed.
                None if name.to_str().is_some_and(|it| it.ends_with(".new")) => {
                    fs::remove_file(entry.path()).with_context(doing)?;
                }
                None => {}
            }
        }
        kept.sort();
        Ok(Spool {
            bytes: kept.iter().map(|it| it.bytes).sum(),
            next: kept.last().map_or(0, |it| it.number + 1),
            kept: kept.into(),
            folder,
            most_bytes,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn records(&self) -> u64 {
        self.kept.iter().map(|it| it.records).sum()
    }

    /// Appends a request, and makes it durable. Returns how many records were dropped to make room.
    ///
    /// # Errors
    ///
    /// When it cannot be written; nothing has changed then, but for what was dropped.
    pub fn push(&mut self, body: &[u8], records: u64) -> anyhow::Result<u64> {
        let bytes = (body.len() + CHECKSUM_BYTES) as u64;
        ensure!(
            bytes <= self.most_bytes,
            "a request of {bytes} bytes does not fit into a spool of {}",
            self.most_bytes
        );
        let mut dropped = 0;
        while self.bytes + bytes > self.most_bytes
            && let Some(oldest) = self.kept.front()
        {
            dropped += oldest.records;
            self.pop();
        }
        let kept = Kept {
            number: self.next,
            records,
            bytes,
        };
        let mut content = crc32c::crc32c(body).to_le_bytes().to_vec();
        content.extend_from_slice(body);
        let path = path(&self.folder, kept);
        replace(&path, &content).with_context(|| format!("writing `{}`", path.display()))?;
        self.next += 1;
        self.bytes += bytes;
        self.kept.push_back(kept);
        Ok(dropped)
    }

    pub(super) fn oldest(&self) -> Option<Oldest> {
        let kept = *self.kept.front()?;
        let path = path(&self.folder, kept);
        Some(Oldest {
            records: kept.records,
            body: read(path),
        })
    }

    /// Removes the oldest.
    pub(super) fn pop(&mut self) {
        if let Some(kept) = self.kept.pop_front() {
            self.bytes -= kept.bytes;
            if let Err(error) = fs::remove_file(path(&self.folder, kept)) {
                // It would be sent again after a restart.
                tracing::warn!(%error, "a file of the spool cannot be removed");
            }
        }
    }
}

fn path(folder: &Path, kept: Kept) -> PathBuf {
    folder.join(format!("{:020}-{}.otlp.gz", kept.number, kept.records))
}

fn parse(name: &str) -> Option<(u64, u64)> {
    let (number, records) = name.strip_suffix(".otlp.gz")?.split_once('-')?;
    Some((number.parse().ok()?, records.parse().ok()?))
}

fn read(path: PathBuf) -> Result<Vec<u8>, ReadError> {
    let damaged = |path, why: &str| {
        let why = why.to_owned();
        Err(ReadError::Damaged { path, why })
    };
    let mut content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return damaged(path, "somebody has removed it");
        }
        Err(source) => return Err(ReadError::Unreadable { path, source }),
    };
    if content.len() < CHECKSUM_BYTES {
        return damaged(path, "it is too short");
    }
    let body = content.split_off(CHECKSUM_BYTES);
    if content != crc32c::crc32c(&body).to_le_bytes() {
        return damaged(path, "its checksum does not fit");
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(spool: &mut Spool) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(oldest) = spool.oldest() {
            found.push(match oldest.body {
                Ok(body) => String::from_utf8(body).unwrap(),
                Err(ReadError::Damaged { why, .. }) => why,
                Err(error) => panic!("{error}"),
            });
            spool.pop();
        }
        found
    }

    #[test]
    fn what_is_kept_comes_back_in_order_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Spool::open(folder.path().to_owned(), 1_000).unwrap();
        let mut spool = open();
        for n in 0..12 {
            assert_eq!(spool.push(format!("body {n}").as_bytes(), n).unwrap(), 0);
        }
        fs::write(folder.path().join("00-0.otlp.gz.new"), "half").unwrap();
        let mut again = open();
        assert_eq!(again.records(), (0..12).sum::<u64>());
        assert_eq!(again.bytes(), spool.bytes());
        again.push(b"after", 1).unwrap();
        let mut expected: Vec<String> = (0..12).map(|n| format!("body {n}")).collect();
        expected.push("after".to_owned());
        assert_eq!(bodies(&mut again), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_spool_drops_its_oldest_and_says_how_many_records() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path().to_owned(), 30).unwrap();
        assert_eq!(spool.push(&[b'a'; 10], 3).unwrap(), 0);
        assert_eq!(spool.push(&[b'b'; 10], 4).unwrap(), 0);
        assert_eq!(spool.push(&[b'c'; 20], 5).unwrap(), 7);
        assert_eq!(bodies(&mut spool), ["c".repeat(20)]);
        assert!(spool.push(&[b'd'; 40], 1).is_err());
    }

    #[test]
    fn a_damaged_file_costs_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path().to_owned(), 1_000).unwrap();
        spool.push(b"first", 1).unwrap();
        spool.push(b"second", 1).unwrap();
        let first = folder.path().join("00000000000000000000-1.otlp.gz");
        fs::write(first, "xxxxfirst").unwrap();
        assert_eq!(bodies(&mut spool), ["its checksum does not fit", "second"]);
    }
}
