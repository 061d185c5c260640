//! What the kubelet tells people about pods: Kubernetes Events, counted when they repeat.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::status::seconds;
use crate::{
    client::{Client, Patch},
    object::{at, name, namespace, uid},
};

/// Repeated events that are remembered, per node. When there are more, counting begins anew.
const REMEMBERED: usize = 4096;

/// Whether an event is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Normal,
    Warning,
}

/// Writes events of one node.
#[derive(Debug)]
pub(super) struct Recorder {
    client: Client,
    node: String,
    /// Pods' tasks write here; each holds it for a look-up.
    told: Mutex<BTreeMap<String, Told>>,
}

#[derive(Clone, Debug)]
struct Told {
    event: String,
    count: u64,
}

impl Recorder {
    pub(super) fn new(client: Client, node: &str) -> Recorder {
        Recorder {
            client,
            node: node.to_owned(),
            told: Mutex::default(),
        }
    }

    /// Tells something of a pod, or of one container of it (`spec.containers{web}`).
    pub(super) fn pod(
        &self,
        pod: &Value,
        container: &str,
        tone: Tone,
        reason: &str,
        message: &str,
    ) {
        let object = json!({
            "kind": "Pod", "apiVersion": "v1",
            "name": name(pod), "namespace": namespace(pod), "uid": uid(pod),
            "resourceVersion": at(pod, &["metadata", "resourceVersion"]),
            "fieldPath": container,
        });
        let key = format!("{} {container} {reason} {message}", uid(pod));
        self.tell(object, namespace(pod), &key, tone, reason, message);
    }

    /// Tells something of the node.
    pub(super) fn node(&self, tone: Tone, reason: &str, message: &str) {
        let object = json!({ "kind": "Node", "name": self.node, "uid": self.node });
        let key = format!("{reason} {message}");
        self.tell(object, "default", &key, tone, reason, message);
    }

    fn tell(
        &self,
        mut object: Value,
        namespace: &str,
        key: &str,
        tone: Tone,
        reason: &str,
        message: &str,
    ) {
        let now = self.client.cluster().now();
        if object["fieldPath"] == "" {
            object
                .as_object_mut()
                .map(|object| object.remove("fieldPath"));
        }
        if let Some(told) = self.counted(key) {
            let patch = json!({ "count": told.count, "lastTimestamp": seconds(now) });
            let patched =
                self.client
                    .patch("events", namespace, &told.event, "", Patch::Merge(patch));
            if patched.is_ok() {
                return;
            }
        }
        let about = object["name"].as_str().unwrap_or("").to_owned();
        let event = format!("{about}.{:x}", now.as_nanosecond());
        let written = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": event, "namespace": namespace },
            "involvedObject": object,
            "reason": reason, "message": message,
            "type": match tone { Tone::Normal => "Normal", Tone::Warning => "Warning" },
            "count": 1, "firstTimestamp": seconds(now), "lastTimestamp": seconds(now),
            "source": { "component": "kubelet", "host": self.node },
            "reportingComponent": "kubelet", "reportingInstance": self.node,
        });
        match self.client.create("events", written) {
            Ok(_) => self.remember(key, event),
            Err(error) => tracing::debug!(%error, reason, message, "an event is not told"),
        }
    }

    /// An event of this key that was told before, with its count now.
    fn counted(&self, key: &str) -> Option<Told> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.get_mut(key)?;
        before.count += 1;
        Some(before.clone())
    }

    fn remember(&self, key: &str, event: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED {
            told.clear();
        }
        told.insert(key.to_owned(), Told { event, count: 1 });
    }
}
