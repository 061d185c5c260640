//! What has been heard of the cluster, and the snapshot that follows from it. No requests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use operator_meta::facts::{ClusterFacts, NamespaceFacts, NodeFacts, PodFacts, WorkloadFacts};
use operator_meta::owner::{OwnerChain, WorkloadKind};

use super::{PodContext, Snapshot};

/// Pods that are gone and whose last lines may still have to be read.
const REMEMBERED_PODS: usize = 500;
/// Of a static pod its folder has this hash in place of a uid.
const MANIFEST_HASH: &str = "kubernetes.io/config.hash";

/// Namespace, kind and name.
pub(super) type WorkloadId = (String, WorkloadKind, String);

/// Something was heard.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A new list of all pods begins.
    PodsBegin,
    Pod(PodFacts),
    PodGone(PodFacts),
    /// The list is complete: what was not in it is gone.
    PodsEnd,
    NamespacesBegin,
    Namespace(NamespaceFacts, String),
    NamespaceGone(String),
    NamespacesEnd,
    Node(NodeFacts),
    /// The node's list is complete, with or without it.
    NodeEnd,
    /// What was asked about a workload: `None` when it does not exist or may not be seen.
    Workload(WorkloadId, Option<WorkloadFacts>),
}

#[derive(Debug, Default)]
pub(super) struct Index {
    pods: BTreeMap<String, Arc<PodFacts>>,
    /// Of a list that has not ended.
    listed_pods: Option<BTreeSet<String>>,
    gone: VecDeque<String>,
    namespaces: BTreeMap<String, Arc<NamespaceFacts>>,
    listed_namespaces: Option<BTreeSet<String>>,
    node: Option<Arc<NodeFacts>>,
    workloads: BTreeMap<WorkloadId, Option<Arc<WorkloadFacts>>>,
    cluster: Arc<ClusterFacts>,
    contexts: BTreeMap<String, Arc<PodContext>>,
    pods_known: bool,
    namespaces_known: bool,
    node_known: bool,
}

impl Index {
    pub(super) fn new(cluster_name: Option<String>) -> Index {
        Index {
            cluster: Arc::new(ClusterFacts {
                name: cluster_name,
                uid: None,
            }),
            ..Index::default()
        }
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::PodsBegin => self.listed_pods = Some(BTreeSet::new()),
            Change::Pod(pod) => {
                let uid = folder_uid(&pod);
                if let Some(listed) = &mut self.listed_pods {
                    listed.insert(uid.clone());
                }
                self.gone.retain(|gone| *gone != uid);
                if self.pods.get(&uid).is_none_or(|known| **known != pod) {
                    self.pods.insert(uid, Arc::new(pod));
                }
            }
            Change::PodGone(pod) => self.pod_gone(folder_uid(&pod)),
            Change::PodsEnd => {
                if let Some(listed) = self.listed_pods.take() {
                    let missing = self.pods.keys().filter(|uid| !listed.contains(*uid));
                    for uid in missing.cloned().collect::<Vec<_>>() {
                        self.pod_gone(uid);
                    }
                }
                self.pods_known = true;
            }
            Change::NamespacesBegin => self.listed_namespaces = Some(BTreeSet::new()),
            Change::Namespace(namespace, uid) => {
                if let Some(listed) = &mut self.listed_namespaces {
                    listed.insert(namespace.name.clone());
                }
                if namespace.name == "kube-system" && self.cluster.uid.as_ref() != Some(&uid) {
                    let mut cluster = (*self.cluster).clone();
                    cluster.uid = Some(uid);
                    self.cluster = Arc::new(cluster);
                }
                let known = self.namespaces.get(&namespace.name);
                if known.is_none_or(|known| **known != namespace) {
                    let name = namespace.name.clone();
                    self.namespaces.insert(name, Arc::new(namespace));
                }
            }
            Change::NamespaceGone(name) => _ = self.namespaces.remove(&name),
            Change::NamespacesEnd => {
                if let Some(listed) = self.listed_namespaces.take() {
                    self.namespaces.retain(|name, _| listed.contains(name));
                }
                self.namespaces_known = true;
            }
            Change::Node(node) => {
                if self.node.as_deref() != Some(&node) {
                    self.node = Some(Arc::new(node));
                }
                self.node_known = true;
            }
            Change::NodeEnd => self.node_known = true,
            Change::Workload(id, found) => {
                let same = match (self.workloads.get(&id), &found) {
                    (Some(Some(known)), Some(found)) => **known == *found,
                    _ => false,
                };
                if !same {
                    self.workloads.insert(id, found.map(Arc::new));
                }
            }
        }
    }

    fn pod_gone(&mut self, uid: String) {
        if !self.pods.contains_key(&uid) || self.gone.contains(&uid) {
            return;
        }
        self.gone.push_back(uid);
        while self.gone.len() > REMEMBERED_PODS
            && let Some(oldest) = self.gone.pop_front()
        {
            self.pods.remove(&oldest);
            self.contexts.remove(&oldest);
        }
    }

    /// Workloads of the node's pods that nobody has asked about yet.
    pub(super) fn unknown_workloads(&self) -> BTreeSet<WorkloadId> {
        let owned = self.pods.values().filter_map(|pod| workload_of(pod));
        owned
            .filter(|id| !self.workloads.contains_key(id))
            .collect()
    }

    /// All workloads of the node's pods; those of no pod are forgotten.
    pub(super) fn workloads(&mut self) -> BTreeSet<WorkloadId> {
        let owned: BTreeSet<WorkloadId> = self
            .pods
            .values()
            .filter_map(|pod| workload_of(pod))
            .collect();
        self.workloads.retain(|id, _| owned.contains(id));
        owned
    }

    /// What is known now. Contexts that have not changed are the same as before.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        for (uid, pod) in &self.pods {
            let id = workload_of(pod);
            let workload = id.as_ref().and_then(|id| self.workloads.get(id));
            let context = PodContext {
                pod: Arc::clone(pod),
                namespace: self.namespaces.get(&pod.namespace).cloned(),
                complete: self.namespaces_known
                    && self.node_known
                    && (id.is_none() || workload.is_some()),
                workload: workload.cloned().flatten(),
                node: self.node.clone(),
                cluster: Arc::clone(&self.cluster),
            };
            match self.contexts.get(uid) {
                Some(known) if **known == context => {}
                _ => _ = self.contexts.insert(uid.clone(), Arc::new(context)),
            }
        }
        Snapshot {
            pods: self.contexts.clone(),
            node: self.node.clone(),
            cluster: Arc::clone(&self.cluster),
            synced: self.pods_known && self.namespaces_known && self.node_known,
        }
    }
}

/// What a pod's folder is named by.
fn folder_uid(pod: &PodFacts) -> String {
    let hash = pod.annotations.get(MANIFEST_HASH);
    hash.unwrap_or(&pod.uid).clone()
}

fn workload_of(pod: &PodFacts) -> Option<WorkloadId> {
    let workload = OwnerChain::of(pod).workload;
    (workload.kind != WorkloadKind::Pod).then(|| {
        let namespace = pod.namespace.clone();
        (namespace, workload.kind, workload.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use operator_meta::facts::OwnerFacts;

    fn pod(name: &str) -> PodFacts {
        PodFacts {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            controller: Some(OwnerFacts {
                api_version: "apps/v1".to_owned(),
                kind: "StatefulSet".to_owned(),
                name: "db".to_owned(),
                uid: "1".to_owned(),
            }),
            ..PodFacts::default()
        }
    }

    fn namespace(name: &str) -> Change {
        let facts = NamespaceFacts {
            name: name.to_owned(),
            ..NamespaceFacts::default()
        };
        Change::Namespace(facts, format!("uid-{name}"))
    }

    #[test]
    fn a_pod_is_complete_when_everything_around_it_was_answered() {
        let mut index = Index::new(None);
        index.apply(Change::Pod(pod("db-0")));
        assert!(!index.snapshot().pods["uid-db-0"].complete);
        index.apply(namespace("shop"));
        index.apply(Change::NamespacesEnd);
        index.apply(Change::NodeEnd);
        assert!(!index.snapshot().pods["uid-db-0"].complete);
        let wanted = index.unknown_workloads();
        assert_eq!(wanted.len(), 1);
        for id in wanted {
            index.apply(Change::Workload(id, None));
        }
        assert!(index.snapshot().pods["uid-db-0"].complete);
        assert!(index.unknown_workloads().is_empty());
    }

    #[test]
    fn what_did_not_change_stays_the_same_object() {
        let mut index = Index::new(None);
        index.apply(Change::Pod(pod("db-0")));
        index.apply(Change::Pod(pod("db-1")));
        let before = index.snapshot();
        let mut changed = pod("db-1");
        changed.ip = Some("10.0.0.1".to_owned());
        index.apply(Change::Pod(pod("db-0")));
        index.apply(Change::Pod(changed));
        let after = index.snapshot();
        assert!(Arc::ptr_eq(
            &before.pods["uid-db-0"],
            &after.pods["uid-db-0"]
        ));
        assert!(!Arc::ptr_eq(
            &before.pods["uid-db-1"],
            &after.pods["uid-db-1"]
        ));
    }

    #[test]
    fn a_pod_that_is_gone_is_remembered_for_its_last_lines_but_not_for_ever() {
        let mut index = Index::new(None);
        for n in 0..REMEMBERED_PODS + 1 {
            index.apply(Change::Pod(pod(&format!("p-{n}"))));
        }
        index.apply(Change::PodGone(pod("p-0")));
        assert!(index.snapshot().pods.contains_key("uid-p-0"));
        index.apply(Change::PodsBegin);
        index.apply(Change::PodsEnd);
        let snapshot = index.snapshot();
        assert!(!snapshot.pods.contains_key("uid-p-0"));
        assert_eq!(snapshot.pods.len(), REMEMBERED_PODS);
    }

    #[test]
    fn a_static_pods_folder_is_named_by_its_manifest() {
        let mut index = Index::new(None);
        let mut mirror = pod("etcd-node-1");
        mirror
            .annotations
            .insert(MANIFEST_HASH.to_owned(), "abcd".to_owned());
        index.apply(Change::Pod(mirror));
        assert!(index.snapshot().pods.contains_key("abcd"));
    }
}
