//! One container's log: its files in the order in which they were written.
//!
//! A file is read to its end before the next one begins. Older ones stay open for a moment, because
//! a runtime may write a last line to a file that was rotated already; then only their positions
//! are remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::Time;

use super::layout::{FileName, PodFolder};
use super::positions::{FileId, Position, Progress};
use super::tail::{Looked, Tail, looked};
use super::{Attribution, Pods, Round};
use crate::metrics::Metrics;
use crate::otlp::Group;

/// How long a file that is not the newest is kept open behind its end.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Stream {
    pod: Arc<PodFolder>,
    container: String,
    folder: PathBuf,
    since: Time,
    /// Oldest first.
    tails: Vec<Tail>,
    /// Files that were read to their end and closed.
    closed: BTreeMap<FileId, Closed>,
    /// A file is a link to somewhere else, where notifications do not reach.
    linked: bool,
    gone: bool,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    position: Position,
    looked: Looked,
}

/// What one reading did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) bytes: usize,
    pub(super) more: bool,
    /// Something needs time: metadata, the end of a line, the end of a file.
    pub(super) waits: bool,
    /// The folder is gone, and all of it was read.
    pub(super) finished: bool,
}

impl Stream {
    pub(super) fn new(pod: Arc<PodFolder>, folder: PathBuf, now: Time) -> Option<Stream> {
        let container = folder.file_name()?.to_str()?.to_owned();
        Some(Stream {
            pod,
            container,
            folder,
            since: now,
            tails: Vec::new(),
            closed: BTreeMap::new(),
            linked: false,
            gone: false,
        })
    }

    pub(super) fn set_gone(&mut self) {
        self.gone = true;
    }

    pub(super) fn is_linked(&self) -> bool {
        self.linked
    }

    /// Looks which files there are.
    pub(super) fn scan(
        &mut self,
        saved: &mut BTreeMap<FileId, Position>,
        not_before: Option<Time>,
        now: Time,
        metrics: &Metrics,
    ) {
        let mut present = BTreeSet::new();
        self.linked = false;
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let FileName::Log(place) = FileName::of(name) else {
                continue;
            };
            let path = entry.path();
            self.linked |= entry.file_type().is_ok_and(|it| it.is_symlink());
            // Links are followed.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let id = FileId::of(&metadata);
            present.insert(id);
            if let Some(tail) = self.tails.iter_mut().find(|tail| tail.id == id) {
                tail.place = place;
                continue;
            }
            let closed = self.closed.get(&id);
            if closed.is_some_and(|closed| closed.looked == looked(&metadata)) {
                continue;
            }
            let resume = closed.map(|it| it.position).or_else(|| saved.remove(&id));
            let mut copied = Vec::new();
            if resume.is_none() {
                copied.extend(self.positions_for_copies());
                copied.extend(saved.values());
            }
            match Tail::open(id, place, &path, resume, &copied, not_before, now) {
                Ok(Some(tail)) => {
                    self.closed.remove(&id);
                    for original in self.tails.iter_mut().filter(|_| !copied.is_empty()) {
                        original.set_copied(&tail);
                    }
                    self.tails.push(tail);
                }
                // Replaced between the walk and the opening; the next walk sees it.
                Ok(None) => {}
                Err(error) => unreadable(&path, &error, metrics),
            }
        }
        self.tails.sort_by(|a, b| a.place.cmp(&b.place));
        self.closed.retain(|id, _| present.contains(id));
        if present.is_empty() && !self.folder.is_dir() {
            self.gone = true;
        }
        for tail in &mut self.tails {
            tail.set_present(present.contains(&tail.id));
        }
    }

    fn positions_for_copies(&self) -> Vec<Position> {
        let open = self.tails.iter().flat_map(Tail::positions_for_copies);
        let closed = self.closed.values().map(|it| it.position);
        open.chain(closed).collect()
    }

    /// Reads up to `budget` bytes.
    pub(super) fn read(
        &mut self,
        now: Time,
        budget: usize,
        pods: &mut dyn Pods,
        metrics: &Metrics,
        round: &mut Round,
    ) -> Read {
        let mut read = Read::default();
        let newest = self.tails.len().saturating_sub(1);
        let mut finished = Vec::new();
        for (index, tail) in self.tails.iter_mut().enumerate() {
            let restart = tail.place.restart;
            let about = pods.about(&self.pod, &self.container, restart, self.since, now);
            let origin = match about {
                Attribution::Wait => {
                    read.waits = true;
                    break;
                }
                Attribution::Skip => None,
                Attribution::Read(origin) => Some(origin),
            };
            let mut entries = Vec::new();
            let did = match &origin {
                Some(_) => tail.read(now, budget - read.bytes, metrics, &mut entries),
                None => tail
                    .skip_to_end(now, metrics)
                    .map(|()| super::tail::Read::default()),
            };
            let did = did.unwrap_or_else(|error| {
                // The disk or the mount is gone: as good as the end, until it is back.
                unreadable(&self.folder, &error, metrics);
                super::tail::Read::default()
            });
            read.bytes += did.bytes;
            let older = index < newest || !tail.is_present() || self.gone;
            let quiet = !did.more && now.since(tail.read_at) >= LINGER;
            if older && quiet {
                tail.finish_lines(metrics, &mut entries);
                finished.push(tail.id);
            } else {
                read.waits |= older || tail.is_unfinished();
            }
            if let Some(origin) = origin
                && !entries.is_empty()
            {
                round.groups.push(Group {
                    origin,
                    records: entries,
                });
            }
            round.progress.extend(tail.progress());
            if did.more {
                read.more = true;
                break;
            }
        }
        for id in finished {
            self.close(id, round);
        }
        read.finished = self.gone && self.tails.is_empty();
        if read.finished {
            let closed = std::mem::take(&mut self.closed);
            round.progress.extend(closed.into_keys().map(gone));
        }
        read
    }

    fn close(&mut self, id: FileId, round: &mut Round) {
        let Some(index) = self.tails.iter().position(|tail| tail.id == id) else {
            return;
        };
        let tail = self.tails.remove(index);
        if tail.is_deleted() {
            round.progress.push(gone(id));
        } else {
            let closed = Closed {
                position: tail.reported(),
                looked: tail.looked(),
            };
            self.closed.insert(id, closed);
        }
    }
}

fn gone(file: FileId) -> Progress {
    Progress { file, to: None }
}

fn unreadable(path: &Path, error: &std::io::Error, metrics: &Metrics) {
    tracing::debug!(path = %path.display(), %error, "cannot read a log");
    metrics.skip_files("unreadable");
}
