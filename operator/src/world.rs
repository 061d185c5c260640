//! The cluster as it is known here, and which things in it concern which.
//!
//! Owned by the one task that decides. Fed by watches alone, apart from answers to its own writes.

use std::collections::{BTreeMap, BTreeSet};

use crds::{AlertPolicy, MaintenanceWindow, MonitoredApi};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use operator_meta::facts::{ClusterFacts, Subject};
use operator_meta::owner::{OwnerChain, WorkloadKind};

use crate::injected::{Chosen, FaultRecord, Kind};
use crate::key::{Key, WorkloadKey};
use crate::record::{ConfigMapRecord, NamespaceRecord, NodeRecord, PodRecord, WorkloadRecord};
use crate::table::{Row, Seen, Shift, Table};

/// What a watch said of one kind.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large ones are most of those that come"
)]
pub enum ClusterEvent {
    Pod(Seen<PodRecord>),
    Node(Seen<NodeRecord>),
    Namespace(Seen<NamespaceRecord>),
    Workload(WorkloadKind, Seen<WorkloadRecord>),
    ConfigMap(Seen<ConfigMapRecord>),
    Monitored(Seen<Box<MonitoredApi>>),
    Policy(Seen<Box<AlertPolicy>>),
    Window(Seen<Box<MaintenanceWindow>>),
    Fault(Kind, Seen<FaultRecord>),
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) cluster: ClusterFacts,
    pub(crate) pods: Table<PodRecord>,
    pub(crate) nodes: Table<NodeRecord>,
    pub(crate) namespaces: Table<NamespaceRecord>,
    pub(crate) workloads: BTreeMap<WorkloadKind, Table<WorkloadRecord>>,
    pub(crate) config_maps: Table<ConfigMapRecord>,
    pub(crate) monitored: Table<Box<MonitoredApi>>,
    pub(crate) policies: Table<Box<AlertPolicy>>,
    pub(crate) windows: Table<Box<MaintenanceWindow>>,
    /// Never waited for: most clusters have none of these kinds.
    pub(crate) faults: BTreeMap<Kind, Table<FaultRecord>>,
    /// Pods by what they belong to, and by what controls them directly.
    members: BTreeMap<WorkloadKey, BTreeSet<Key>>,
    /// Resources by the workload that they name.
    naming: BTreeMap<WorkloadKey, BTreeSet<Key>>,
}

impl<T: Row> Row for Box<T> {
    fn key(&self) -> Key {
        T::key(self)
    }
}

impl World {
    pub(crate) fn new(cluster: ClusterFacts) -> World {
        World {
            cluster,
            ..World::default()
        }
    }

    pub(crate) fn see_pod(&mut self, seen: Seen<PodRecord>) -> Vec<Shift<PodRecord>> {
        let shifts = self.pods.see(seen);
        for shift in &shifts {
            let old = shift.old.as_ref().map(groups).unwrap_or_default();
            let new = self.pods.get(&shift.key).map(groups).unwrap_or_default();
            reindex(&mut self.members, &shift.key, &old, &new);
        }
        shifts
    }

    pub(crate) fn see_monitored(
        &mut self,
        seen: Seen<Box<MonitoredApi>>,
    ) -> Vec<Shift<Box<MonitoredApi>>> {
        let shifts = self.monitored.see(seen);
        for shift in &shifts {
            self.reindex_monitored(shift);
        }
        shifts
    }

    /// The answer to a write of ours, where it is newer than what the watch has said: an answer may
    /// be slower than the watch, also than the watch's news that the resource is gone.
    pub(crate) fn put_monitored(&mut self, api: MonitoredApi) -> Option<Shift<Box<MonitoredApi>>> {
        let known = self.monitored.get(&Key::of(&api.metadata))?;
        if known.metadata.uid != api.metadata.uid || version(&api)? <= version(known)? {
            return None;
        }
        let shift = self.monitored.put(Box::new(api))?;
        self.reindex_monitored(&shift);
        Some(shift)
    }

    /// The watch has shown this version of it, or a later one.
    pub(crate) fn has_seen(&self, api: &MonitoredApi) -> bool {
        let known = self.monitored.get(&Key::of(&api.metadata));
        known.is_some_and(|known| {
            known.metadata.uid == api.metadata.uid && version(known) >= version(api)
        })
    }

    fn reindex_monitored(&mut self, shift: &Shift<Box<MonitoredApi>>) {
        let named = |api: &MonitoredApi| named(api).into_iter().collect::<Vec<_>>();
        let old = shift.old.as_deref().map(named).unwrap_or_default();
        let new = self.monitored.get(&shift.key).map(|api| named(api));
        reindex(&mut self.naming, &shift.key, &old, &new.unwrap_or_default());
    }

    pub(crate) fn see_workload(
        &mut self,
        kind: WorkloadKind,
        seen: Seen<WorkloadRecord>,
    ) -> Vec<Shift<WorkloadRecord>> {
        self.workloads.entry(kind).or_default().see(seen)
    }

    pub(crate) fn workload(&self, key: &WorkloadKey) -> Option<&WorkloadRecord> {
        self.workloads.get(&key.known_kind()?)?.get(&key.key())
    }

    /// What the pod belongs to.
    pub(crate) fn workload_of(pod: &PodRecord) -> WorkloadKey {
        WorkloadKey::of(&pod.facts.namespace, &OwnerChain::of(&pod.facts).workload)
    }

    /// The pod with all that is known around it.
    pub(crate) fn subject<'a>(&'a self, pod: &'a PodRecord) -> Subject<'a> {
        let facts = &pod.facts;
        let node = facts.node.as_deref().map(|name| Key::new("", name));
        let node = node.and_then(|key| self.nodes.get(&key));
        let namespace = self.namespaces.get(&Key::new("", &facts.namespace));
        Subject {
            pod: facts,
            workload: self.workload(&World::workload_of(pod)).map(|it| &it.facts),
            namespace: namespace.map(|it| &it.facts),
            node: node.map(|it| &it.facts),
            cluster: &self.cluster,
        }
    }

    pub(crate) fn members(&self, workload: &WorkloadKey) -> impl Iterator<Item = &PodRecord> {
        let keys = self.members.get(workload).into_iter().flatten();
        keys.filter_map(|key| self.pods.get(key))
    }

    /// Every workload that has pods.
    pub(crate) fn populated(&self) -> impl Iterator<Item = &WorkloadKey> {
        self.members.keys()
    }

    pub(crate) fn naming(&self, workload: &WorkloadKey) -> impl Iterator<Item = &MonitoredApi> {
        let keys = self.naming.get(workload).into_iter().flatten();
        keys.filter_map(|key| self.monitored.get(key).map(|api| &**api))
    }

    /// The pods that a resource is about.
    pub(crate) fn pods_of<'a>(&'a self, api: &MonitoredApi) -> Vec<&'a PodRecord> {
        if let Some(workload) = named(api) {
            return self.members(&workload).collect();
        }
        let Some(selector) = &api.spec.selector else {
            return Vec::new();
        };
        let namespace = api.metadata.namespace.as_deref().unwrap_or_default();
        let mut pods = Vec::new();
        for (_, pod) in self.pods.in_namespace(namespace) {
            if selects(selector, &pod.facts.labels) {
                pods.push(pod);
            }
        }
        pods
    }

    /// Pods that another tool means.
    pub(crate) fn chosen<'a>(&'a self, chosen: &'a Chosen) -> impl Iterator<Item = &'a PodRecord> {
        let namespaces = chosen.namespaces.iter();
        let pods = namespaces.flat_map(|namespace| self.pods.in_namespace(namespace));
        let mut pods = pods.map(|(_, pod)| pod);
        std::iter::from_fn(move || {
            pods.find(|pod| {
                let mut labels = chosen.labels.iter();
                labels.all(|(key, value)| pod.facts.labels.get(key) == Some(value))
            })
        })
    }

    /// Resources that are about the pod by a selector.
    pub(crate) fn selecting<'a>(
        &'a self,
        pod: &'a PodRecord,
    ) -> impl Iterator<Item = &'a MonitoredApi> {
        let resources = self.monitored.in_namespace(&pod.facts.namespace);
        resources.map(|(_, api)| &**api).filter(|api| {
            let selector = api.spec.selector.as_ref();
            selector.is_some_and(|it| selects(it, &pod.facts.labels))
        })
    }

    /// Whether a first list of everything that decisions rest on has arrived.
    pub(crate) fn is_complete(&self, wanted: &[Watched], scopes: usize) -> bool {
        wanted.iter().all(|watched| match watched {
            Watched::Pods => self.pods.is_complete(scopes),
            Watched::Nodes => self.nodes.is_complete(scopes),
            Watched::Namespaces => self.namespaces.is_complete(scopes),
            Watched::Workloads(kind) => self
                .workloads
                .get(kind)
                .is_some_and(|table| table.is_complete(scopes)),
            Watched::ConfigMaps => self.config_maps.is_complete(scopes),
            Watched::Monitored => self.monitored.is_complete(scopes),
            Watched::Policies => self.policies.is_complete(scopes),
            Watched::Windows => self.windows.is_complete(scopes),
        })
    }
}

/// A kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    Pods,
    Nodes,
    Namespaces,
    Workloads(WorkloadKind),
    ConfigMaps,
    Monitored,
    Policies,
    Windows,
}

/// An empty selector chooses everything, one that makes no sense nothing.
pub(crate) fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let selector: Result<Selector, _> = selector.clone().try_into();
    selector.is_ok_and(|selector| selector.matches(labels))
}

/// Versions of one resource grow: KEP-5504 says so, and it has always been true.
fn version(api: &MonitoredApi) -> Option<u64> {
    api.metadata.resource_version.as_ref()?.parse().ok()
}

/// The workload that a resource names.
pub(crate) fn named(api: &MonitoredApi) -> Option<WorkloadKey> {
    let namespace = api.metadata.namespace.as_deref().unwrap_or_default();
    let workload = api.spec.workload_ref.as_ref()?;
    Some(WorkloadKey::new(namespace, &workload.kind, &workload.name))
}

/// What a pod is found by: its workload, and what controls it where that is something else.
fn groups(pod: &PodRecord) -> Vec<WorkloadKey> {
    let mut groups = vec![World::workload_of(pod)];
    if let Some(controller) = &pod.facts.controller {
        let direct = WorkloadKey::new(&pod.facts.namespace, &controller.kind, &controller.name);
        if !groups.contains(&direct) {
            groups.push(direct);
        }
    }
    groups
}

fn reindex(
    index: &mut BTreeMap<WorkloadKey, BTreeSet<Key>>,
    key: &Key,
    old: &[WorkloadKey],
    new: &[WorkloadKey],
) {
    for group in old {
        if let Some(keys) = index.get_mut(group) {
            keys.remove(key);
            if keys.is_empty() {
                index.remove(group);
            }
        }
    }
    for group in new {
        index.entry(group.clone()).or_default().insert(key.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn api(version: &str, paused: bool) -> MonitoredApi {
        serde_json::from_value(json!({
            "apiVersion": "crosswatch.dev/v1alpha1", "kind": "MonitoredApi",
            "metadata": { "name": "cart", "namespace": "shop", "uid": "1", "resourceVersion": version },
            "spec": { "workloadRef": { "kind": "Deployment", "name": "cart" }, "paused": paused },
        }))
        .unwrap()
    }

    #[test]
    fn an_answer_that_is_slower_than_the_watch_changes_nothing() {
        let mut world = World::default();
        let key = Key::new("shop", "cart");
        assert!(world.put_monitored(api("10", false)).is_none());
        world.see_monitored(Seen::Applied(Box::new(api("11", true))));
        assert!(world.has_seen(&api("10", false)));
        assert!(world.put_monitored(api("10", false)).is_none());
        assert!(world.monitored.get(&key).unwrap().spec.paused);
        assert!(!world.has_seen(&api("12", true)));
        assert!(world.put_monitored(api("12", true)).is_some());
        world.see_monitored(Seen::Gone(key.clone()));
        assert!(world.put_monitored(api("13", true)).is_none());
        assert!(world.monitored.get(&key).is_none());
    }
}
