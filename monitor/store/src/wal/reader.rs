//! Reads the log from a place on, for replay into the index.

use std::path::PathBuf;

use monitor_core::Batch;

use super::{Seq, WalError, entry, failed};

/// Iterates over what was synced when it was made. Damage is reported once per gap, as
/// [`WalError::Lost`], and reading goes on behind it.
#[derive(Debug)]
pub struct WalReader {
    /// Not yet read, newest first.
    segments: Vec<(Seq, PathBuf)>,
    current: Option<Current>,
    /// The seq expected next.
    next: Seq,
    end: Seq,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    bytes: Vec<u8>,
    at: usize,
}

impl WalReader {
    /// `segments` oldest first; yields `from` to `end`, exclusive.
    pub(super) fn new(mut segments: Vec<(Seq, PathBuf)>, from: Seq, end: Seq) -> WalReader {
        let unneeded = segments
            .partition_point(|(first, _)| *first <= from)
            .saturating_sub(1);
        segments.drain(..unneeded);
        segments.reverse();
        WalReader {
            segments,
            current: None,
            next: from.max(1),
            end,
        }
    }

    fn lost_before(&mut self, seq: Seq, path: PathBuf) -> WalError {
        let first = self.next;
        self.next = seq;
        WalError::Lost {
            first,
            last: seq - 1,
            path,
        }
    }

    fn step(&mut self) -> Result<Option<(Seq, Batch)>, WalError> {
        loop {
            if self.next >= self.end {
                return Ok(None);
            }
            let Some(current) = &mut self.current else {
                let Some((first, path)) = self.segments.pop() else {
                    return Err(self.lost_before(self.end, PathBuf::new()));
                };
                match std::fs::read(&path).map_err(failed("read", &path)) {
                    Ok(bytes) => {
                        self.current = Some(Current {
                            path: path.clone(),
                            bytes,
                            at: 0,
                        })
                    }
                    Err(error) => {
                        // What was in it is reported as lost when the next segment is reached.
                        return Err(error);
                    }
                }
                if first > self.next {
                    return Err(self.lost_before(first, path));
                }
                continue;
            };
            if current.at >= current.bytes.len() {
                self.current = None;
                continue;
            }
            match entry::parse(&current.bytes[current.at..]) {
                Some(entry) if entry.seq < self.next => current.at += entry.len(),
                Some(entry) if entry.seq == self.next => {
                    current.at += entry.len();
                    self.next += 1;
                    let seq = entry.seq;
                    return entry::decode(&entry).map(|batch| Some((seq, batch)));
                }
                Some(entry) => {
                    let (seq, path) = (entry.seq.min(self.end), current.path.clone());
                    return Err(self.lost_before(seq, path));
                }
                None => {
                    let found = entry::find_next(&current.bytes, current.at + 1, self.next);
                    current.at = found.unwrap_or(current.bytes.len());
                }
            }
        }
    }
}

impl Iterator for WalReader {
    type Item = Result<(Seq, Batch), WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
