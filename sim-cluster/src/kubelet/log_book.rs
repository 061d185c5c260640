//! Where the logs of pods are, and how far they have come.
//!
//! Kubelets write here which run of a container is the current one; `pods/log` looks it up.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::watch;

use super::cri::Progress;
use crate::object::{name, namespace, uid};

/// The logs of all pods of a cluster.
#[derive(Debug, Default)]
pub(super) struct LogBook {
    /// Held for a look-up by containers that start and by requests for logs.
    pods: Mutex<BTreeMap<(String, String), PodLogs>>,
}

#[derive(Debug)]
struct PodLogs {
    uid: String,
    runs: BTreeMap<String, Run>,
}

/// The current run of a container.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Of its log files.
    pub(super) folder: PathBuf,
    pub(super) restart: u64,
    pub(super) progress: watch::Sender<Progress>,
}

impl LogBook {
    /// A container starts: from now on this run is its current one.
    pub(super) fn begin(&self, pod: &Value, container: &str, folder: &Path, restart: u64) -> Run {
        let run = Run {
            folder: folder.to_owned(),
            restart,
            progress: watch::Sender::default(),
        };
        let mut pods = self.pods();
        let key = (namespace(pod).to_owned(), name(pod).to_owned());
        let logs = pods.entry(key).or_insert_with(|| PodLogs {
            uid: uid(pod).to_owned(),
            runs: BTreeMap::new(),
        });
        if logs.uid != uid(pod) {
            logs.uid = uid(pod).to_owned();
            logs.runs.clear();
        }
        logs.runs.insert(container.to_owned(), run.clone());
        run
    }

    pub(super) fn find(&self, namespace: &str, pod: &str, container: &str) -> Option<Run> {
        let key = (namespace.to_owned(), pod.to_owned());
        self.pods().get(&key)?.runs.get(container).cloned()
    }

    /// The pod is gone. Another of the same name may have taken its place already.
    pub(super) fn forget(&self, pod: &Value) {
        let mut pods = self.pods();
        let key = (namespace(pod).to_owned(), name(pod).to_owned());
        if pods.get(&key).is_some_and(|logs| logs.uid == uid(pod)) {
            pods.remove(&key);
        }
    }

    fn pods(&self) -> MutexGuard<'_, BTreeMap<(String, String), PodLogs>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
