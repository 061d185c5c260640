//! Follows the containers' logs of one node, `/var/log/pods`.
//!
//! [`Follower`] is the state machine: [`Follower::scan`] looks what files there are,
//! [`Follower::touch`] says that something happened in a folder, [`Follower::poll`] reads what is
//! new, bounded and fairly, into a [`Round`]. A round says how far each file is done with it;
//! whoever keeps positions applies that once the round is safe. Notifications come from [`wake`].

mod layout;
pub mod positions;
mod stream;
mod tail;
pub mod wake;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::Time;

pub use layout::PodFolder;
pub use positions::{FileId, Position, Progress};

use crate::metrics::Metrics;
use crate::otlp::{Group, Origin};
use stream::Stream;

/// Of one container in one round: a flood of one waits for the others.
const STREAM_ROUND_BYTES: usize = 128 << 10;
/// Of all containers in one round, which becomes one request.
const ROUND_BYTES: usize = 1 << 20;
/// Containers with logs on one node; kubelets run 110 pods by default, and rarely above 500.
const MAX_STREAMS: usize = 20_000;

/// What is to be done with a container's log.
#[derive(Clone, Debug)]
pub enum Attribution {
    /// Not yet: its metadata is expected soon.
    Wait,
    Read(Arc<Origin>),
    /// It is not wanted; what is written in the meantime is never sent.
    Skip,
}

/// Who knows the pods.
pub trait Pods {
    /// What to do with the log of `container` in `pod`, which was first seen at `since`. Asked
    /// again for every round, so it should be quick when nothing has changed.
    fn about(
        &mut self,
        pod: &PodFolder,
        container: &str,
        restart: u32,
        since: Time,
        now: Time,
    ) -> Attribution;
}

/// What one poll found.
#[derive(Debug, Default)]
pub struct Round {
    /// May be empty: positions can move without records, over logs that nobody wants.
    pub groups: Vec<Group>,
    pub progress: Vec<Progress>,
    /// There is more to read at once.
    pub more: bool,
}

impl Round {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.progress.is_empty()
    }

    pub fn records(&self) -> usize {
        self.groups.iter().map(|group| group.records.len()).sum()
    }
}

/// The containers being followed, and how far each file has been read.
#[derive(Debug)]
pub struct Follower {
    root: PathBuf,
    /// By the container's folder.
    streams: BTreeMap<PathBuf, Stream>,
    /// Positions of the last run, of files that have not been met yet.
    saved: BTreeMap<FileId, Position>,
    /// Streams in which something may be new.
    ready: BTreeSet<PathBuf>,
    /// The stream after which the last round stopped: the next one begins behind it.
    last_served: Option<PathBuf>,
    /// Lines that were written before this time, in files that were there before we were, are
    /// history that nobody asked for.
    not_before: Option<Time>,
    metrics: Metrics,
}

impl Follower {
    /// `saved`: how far an earlier run had come. `not_before`: of files without a saved position
    /// that are there at the first scan, lines written before are passed over.
    pub fn new(
        root: PathBuf,
        saved: BTreeMap<FileId, Position>,
        not_before: Option<Time>,
        metrics: Metrics,
    ) -> Follower {
        Follower {
            root,
            streams: BTreeMap::new(),
            saved,
            ready: BTreeSet::new(),
            last_served: None,
            not_before,
            metrics,
        }
    }

    /// Looks what files there are; every stream is read in the next rounds.
    ///
    /// Costs a few system calls for each file. Returns the folders that hold logs, so that they can
    /// be watched.
    pub fn scan(&mut self, now: Time) -> Vec<PathBuf> {
        let mut folders = vec![self.root.clone()];
        let mut found = BTreeSet::new();
        for pod_folder in subfolders(&self.root) {
            let Some(pod) = PodFolder::of(&pod_folder) else {
                continue;
            };
            let pod = Arc::new(pod);
            for folder in subfolders(&pod_folder) {
                if !self.streams.contains_key(&folder) {
                    if self.streams.len() >= MAX_STREAMS {
                        self.metrics.skip_files("too_many_containers");
                        continue;
                    }
                    if let Some(stream) = Stream::new(Arc::clone(&pod), folder.clone(), now) {
                        self.streams.insert(folder.clone(), stream);
                    }
                }
                found.insert(folder);
            }
            folders.push(pod_folder);
        }
        for (folder, stream) in &mut self.streams {
            if !found.contains(folder) {
                stream.set_gone();
            }
            stream.scan(&mut self.saved, self.not_before, now, &self.metrics);
            self.ready.insert(folder.clone());
        }
        // What comes later is new, however old its times are.
        self.not_before = None;
        self.metrics.containers.set(self.streams.len() as i64);
        folders.extend(found);
        folders
    }

    /// Something happened in `folder`: it is read in the next rounds. `true` when only a scan can
    /// tell what, because the folder is none of a container that is known.
    pub fn touch(&mut self, folder: &Path, names_changed: bool, now: Time) -> bool {
        let Some(stream) = self.streams.get_mut(folder) else {
            return true;
        };
        if names_changed {
            stream.scan(&mut self.saved, None, now, &self.metrics);
        }
        if !self.ready.contains(folder) {
            self.ready.insert(folder.to_owned());
        }
        false
    }

    /// Reads what is new, up to about a megabyte.
    pub fn poll(&mut self, now: Time, pods: &mut dyn Pods) -> Round {
        let mut round = Round::default();
        let mut budget = ROUND_BYTES;
        for folder in self.in_turn() {
            if budget == 0 {
                round.more = true;
                break;
            }
            let Some(stream) = self.streams.get_mut(&folder) else {
                self.ready.remove(&folder);
                continue;
            };
            let most = STREAM_ROUND_BYTES.min(budget);
            let read = stream.read(now, most, pods, &self.metrics, &mut round);
            budget = budget.saturating_sub(read.bytes);
            round.more |= read.more;
            if !read.more && !read.waits {
                self.ready.remove(&folder);
            }
            if read.finished {
                self.streams.remove(&folder);
            }
            self.last_served = Some(folder);
        }
        round
    }

    /// Streams in which something waits for its time or its metadata: poll again soon.
    pub fn is_waiting(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Folders of logs that notifications do not tell about: links lead out of them.
    pub fn touch_linked(&mut self) {
        let linked = self.streams.iter().filter(|(_, stream)| stream.is_linked());
        self.ready.extend(linked.map(|(folder, _)| folder.clone()));
    }

    /// All streams that may have something, beginning behind the one that was served last.
    fn in_turn(&self) -> Vec<PathBuf> {
        let Some(last) = &self.last_served else {
            return self.ready.iter().cloned().collect();
        };
        let after = (
            std::ops::Bound::Excluded(last.clone()),
            std::ops::Bound::Unbounded,
        );
        let behind = self.ready.range(after);
        let before = self.ready.range(..=last.clone());
        behind.chain(before).cloned().collect()
    }
}

/// The folders in `folder`, in order; a folder that cannot be read has none.
fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_file()))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// How long a line without its end, or a piece without the next, is waited for.
pub(crate) const LINE_WAIT: Duration = Duration::from_secs(5);
