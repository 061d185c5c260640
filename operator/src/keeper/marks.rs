//! What is to be looked at when something in the cluster changes, and what changes are told of it.

use crds::MonitoredApi;
use jiff::Timestamp;

use super::Keeper;
use crate::changes::{self, About};
use crate::effect::Task;
use crate::injected::changes as injected;
use crate::injected::{FaultRecord, Kind, Occasion};
use crate::key::{Key, WorkloadKey};
use crate::record::{ConfigMapRecord, NodeRecord, PodRecord, WorkloadRecord};
use crate::table::{Seen, Shift, Table};
use crate::world::{ClusterEvent, World, named};

impl Keeper {
    pub(super) fn mark_cluster(&mut self, event: ClusterEvent, now: Timestamp) {
        match event {
            ClusterEvent::Pod(seen) => {
                let live = matches!(seen, Seen::Applied(_));
                for shift in self.world.see_pod(seen) {
                    self.mark_pod(shift, live, now);
                }
            }
            ClusterEvent::Node(seen) => {
                for shift in self.world.nodes.see(seen) {
                    self.mark_node(shift, now);
                }
            }
            ClusterEvent::Namespace(seen) => {
                for shift in self.world.namespaces.see(seen) {
                    let pods = self.world.pods.in_namespace(&shift.key.name);
                    let pods: Vec<Key> = pods.map(|(key, _)| key.clone()).collect();
                    self.mark_around(&pods);
                }
            }
            ClusterEvent::Workload(kind, seen) => {
                for shift in self.world.see_workload(kind, seen) {
                    let workload =
                        WorkloadKey::new(&shift.key.namespace, kind.as_str(), &shift.key.name);
                    self.mark_workload(&workload, shift, now);
                }
            }
            ClusterEvent::ConfigMap(seen) => {
                for shift in self.world.config_maps.see(seen) {
                    self.mark_config_map(shift, now);
                }
            }
            ClusterEvent::Monitored(seen) => {
                for shift in self.world.see_monitored(seen) {
                    self.mark_monitored(shift);
                }
            }
            ClusterEvent::Policy(seen) => {
                for shift in self.world.policies.see(seen) {
                    let new = self.world.policies.get(&shift.key);
                    let same =
                        |old: &crds::AlertPolicy| new.is_some_and(|new| new.spec == old.spec);
                    if shift.old.as_deref().is_some_and(same) {
                        self.queue.push(Task::Policy(shift.key));
                        continue;
                    }
                    self.wish_dirty = true;
                    if let Some(policy) = self.world.policies.get(&shift.key) {
                        let secrets = crate::policy::secrets(policy);
                        secrets
                            .into_iter()
                            .for_each(|key| self.queue.push(Task::Secret(key)));
                    }
                    self.queue.push(Task::Policy(shift.key));
                }
            }
            ClusterEvent::Fault(kind, seen) => {
                let live = matches!(seen, Seen::Applied(_));
                let table = self.world.faults.entry(kind).or_default();
                for shift in table.see(seen) {
                    self.mark_fault(kind, shift, live, now);
                }
            }
            ClusterEvent::Window(seen) => {
                for shift in self.world.windows.see(seen) {
                    self.wish_dirty = true;
                    self.queue.push(Task::Window(shift.key));
                }
            }
        }
    }

    pub(super) fn mark_everything(&mut self) {
        self.wish_dirty = true;
        let workloads: Vec<WorkloadKey> = self.world.populated().cloned().collect();
        workloads
            .into_iter()
            .for_each(|it| self.queue.push(Task::Workload(it)));
        self.mark_all_monitored();
        self.mark_policies_and_windows();
        let policies = self.world.policies.values();
        let secrets: Vec<Key> = policies.flat_map(|it| crate::policy::secrets(it)).collect();
        secrets
            .into_iter()
            .for_each(|key| self.queue.push(Task::Secret(key)));
    }

    pub(super) fn mark_all_monitored(&mut self) {
        for key in self.world.monitored.keys() {
            self.queue.push(Task::Monitored(key.clone()));
        }
    }

    pub(super) fn mark_policies_and_windows(&mut self) {
        for key in self.world.policies.keys() {
            self.queue.push(Task::Policy(key.clone()));
        }
        for key in self.world.windows.keys() {
            self.queue.push(Task::Window(key.clone()));
        }
    }

    /// A resource came, changed or went.
    pub(super) fn mark_monitored(&mut self, shift: Shift<Box<MonitoredApi>>) {
        let Shift { key, old } = shift;
        if let Some(workload) = self.claims.remove(&key) {
            self.awaited.remove(&workload);
            self.queue.push(Task::Workload(workload));
        } else if let Some(api) = self.world.monitored.get(&key) {
            self.awaited
                .retain(|workload, _| Some(workload) != named(api).as_ref());
        }
        let new = self.world.monitored.get(&key);
        let asks = |api: &MonitoredApi| {
            let metadata = &api.metadata;
            (
                api.spec.clone(),
                metadata.labels.clone(),
                metadata.deletion_timestamp.is_some(),
            )
        };
        // A status alone changes nothing but itself.
        if old.as_deref().map(asks) == new.map(|api| asks(api)) {
            self.queue.push(Task::Monitored(key));
            return;
        }
        self.wish_dirty = true;
        let both = old.as_deref().into_iter().chain(new.map(|api| &**api));
        let mut workloads: Vec<WorkloadKey> = Vec::new();
        for api in both {
            workloads.extend(named(api));
            if api.spec.selector.is_some() {
                workloads.extend(self.world.pods_of(api).into_iter().map(World::workload_of));
            }
        }
        if new.is_none() {
            self.forget(&key);
        }
        workloads
            .into_iter()
            .for_each(|it| self.queue.push(Task::Workload(it)));
        self.queue.push(Task::Monitored(key));
    }

    fn forget(&mut self, key: &Key) {
        self.pace.remove(key);
        self.released.remove(key);
        self.untold.remove(key);
        self.meant.remove(key);
        self.cut.remove(key);
        self.ready.remove(key);
        self.note_called(key, Vec::new());
    }

    fn mark_pod(&mut self, shift: Shift<PodRecord>, live: bool, now: Timestamp) {
        let Shift { key, old } = shift;
        let about = |pod: &PodRecord| (pod.facts.clone(), pod.deleting);
        let new = self.world.pods.get(&key).cloned();
        let same = matches!((&old, &new), (Some(old), Some(new)) if about(old) == about(new));
        if !same {
            self.identified.remove(&key);
        }
        let mut workloads: Vec<WorkloadKey> = Vec::new();
        for pod in old.iter().chain(&new) {
            workloads.push(World::workload_of(pod));
            let tasks: Vec<Key> = self.resources_about(pod);
            tasks
                .into_iter()
                .for_each(|key| self.queue.push(Task::Monitored(key)));
        }
        if !same {
            workloads
                .into_iter()
                .for_each(|it| self.queue.push(Task::Workload(it)));
            // Its names may be others, or the annotations that are hints.
            self.wish_dirty = true;
        }
        if let Some(new) = &new
            && (live || old.is_some())
        {
            let about = self.about(&key);
            for change in changes::pod(old.as_ref(), new, &about, now) {
                self.note_change(change, now);
            }
        }
    }

    fn resources_about(&self, pod: &PodRecord) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        let workload = World::workload_of(pod);
        let controller = pod.facts.controller.as_ref();
        let controller = controller
            .map(|it| WorkloadKey::new(&pod.facts.namespace, &it.kind, &it.name))
            .filter(|it| *it != workload);
        for workload in [Some(workload), controller].into_iter().flatten() {
            keys.extend(
                self.world
                    .naming(&workload)
                    .map(|api| Key::of(&api.metadata)),
            );
        }
        keys.extend(self.world.selecting(pod).map(|api| Key::of(&api.metadata)));
        keys
    }

    /// Something around these pods changed.
    fn mark_around(&mut self, pods: &[Key]) {
        self.wish_dirty = true;
        for key in pods {
            self.identified.remove(key);
            let Some(pod) = self.world.pods.get(key) else {
                continue;
            };
            let workload = World::workload_of(pod);
            let resources = self.resources_about(pod);
            self.queue.push(Task::Workload(workload));
            resources
                .into_iter()
                .for_each(|it| self.queue.push(Task::Monitored(it)));
        }
    }

    fn mark_node(&mut self, shift: Shift<NodeRecord>, now: Timestamp) {
        let Shift { key, old } = shift;
        let new = self.world.nodes.get(&key).cloned();
        let facts = |node: &NodeRecord| node.facts.clone();
        if old.as_ref().map(facts) != new.as_ref().map(facts) {
            let on_it = |pod: &PodRecord| pod.facts.node.as_deref() == Some(&*key.name);
            let pods = self.world.pods.iter().filter(|(_, pod)| on_it(pod));
            let pods: Vec<Key> = pods.map(|(key, _)| key.clone()).collect();
            self.mark_around(&pods);
        }
        if let (Some(old), Some(new)) = (&old, &new) {
            let on_it = |pod: &PodRecord| pod.facts.node.as_deref() == Some(&*key.name);
            let pod = self.world.pods.iter().find(|(_, pod)| on_it(pod));
            let environment = pod.map(|(_, pod)| self.identity_of(pod).environment);
            for change in changes::node(old, new, environment.as_deref(), now) {
                self.note_change(change, now);
            }
        }
    }

    fn mark_workload(
        &mut self,
        workload: &WorkloadKey,
        shift: Shift<WorkloadRecord>,
        now: Timestamp,
    ) {
        let new = self.world.workload(workload).cloned();
        let facts = |record: &WorkloadRecord| record.facts.clone();
        if shift.old.as_ref().map(facts) != new.as_ref().map(facts) {
            let pods = self.world.members(workload);
            let pods: Vec<Key> = pods
                .map(|pod| Key::new(&pod.facts.namespace, &pod.facts.name))
                .collect();
            self.mark_around(&pods);
        }
        if let (Some(old), Some(new)) = (&shift.old, &new) {
            let pod = self.world.members(workload).next();
            let pod = pod.map(|pod| Key::new(&pod.facts.namespace, &pod.facts.name));
            let about = match pod {
                Some(pod) => self.about(&pod),
                None => About {
                    namespace: workload.namespace.clone(),
                    service: workload.name.clone(),
                    environment: None,
                },
            };
            // What is said of a workload is true of it wherever it runs.
            let about = About {
                environment: None,
                ..about
            };
            for change in changes::workload(old, new, &about, now) {
                self.note_change(change, now);
            }
        }
    }

    fn mark_config_map(&mut self, shift: Shift<ConfigMapRecord>, now: Timestamp) {
        let new = self.world.config_maps.get(&shift.key).cloned();
        let (Some(old), Some(new)) = (shift.old, new) else {
            return;
        };
        let pods = self.world.pods.in_namespace(&shift.key.namespace);
        let reading = pods.filter(|(_, pod)| pod.config_maps.contains(&shift.key.name));
        let reading: Vec<Key> = reading.map(|(key, _)| key.clone()).collect();
        let mut services: Vec<About> = Vec::new();
        for pod in reading {
            let about = self.about(&pod);
            if !services.iter().any(|it| it.service == about.service) {
                services.push(About {
                    environment: None,
                    ..about
                });
            }
        }
        for about in services {
            if let Some(change) = changes::config_map(&old, &new, &about, now) {
                self.note_change(change, now);
            }
        }
    }

    fn mark_fault(&mut self, kind: Kind, shift: Shift<FaultRecord>, live: bool, now: Timestamp) {
        // Whom it concerns is known when pods are: what came before is looked at again then.
        if !self.begun {
            return;
        }
        let table = self.world.faults.get(&kind);
        let Some(new) = table.and_then(|table| table.get(&shift.key)) else {
            return;
        };
        let about = |record: &FaultRecord, occasion: &Occasion| self.concerned(record, occasion);
        for change in injected::fault(shift.old.as_ref(), new, live, about, now) {
            self.note_change(change, now);
        }
    }

    /// What other tools did before the first lists of everything were complete.
    pub(super) fn mark_faults(&mut self, now: Timestamp) {
        let records = self.world.faults.values().flat_map(Table::values);
        let about = |record: &FaultRecord, occasion: &Occasion| self.concerned(record, occasion);
        let changes = records.flat_map(|new| injected::fault(None, new, false, about, now));
        let changes: Vec<_> = changes.collect();
        for change in changes {
            self.note_change(change, now);
        }
    }

    /// Whom an occasion concerns: the pod's service; where the pod is not there any more, or none is
    /// named, those that were meant; else the pod's namespace, or nobody in particular.
    fn concerned(&self, record: &FaultRecord, occasion: &Occasion) -> Vec<About> {
        let pod = occasion.pod.as_ref();
        if let Some(pod) = pod.and_then(|key| self.world.pods.get(key)) {
            return vec![self.about_pod(pod)];
        }
        let mut chosen = &record.chosen;
        let engine = record.engine.as_ref().and_then(|name| {
            let kind = Kind {
                tool: record.kind.tool,
                name: "ChaosEngine",
            };
            let engine = Key::new(&record.key.namespace, name);
            self.world.faults.get(&kind)?.get(&engine)
        });
        if let Some(engine) = engine {
            chosen = &engine.chosen;
        }
        let within = |it: &&PodRecord| pod.is_none_or(|pod| pod.namespace == it.facts.namespace);
        let mut concerned: Vec<About> = Vec::new();
        for pod in chosen
            .iter()
            .flat_map(|it| self.world.chosen(it))
            .filter(within)
        {
            let about = self.about_pod(pod);
            if !concerned.contains(&about) {
                concerned.push(about);
            }
        }
        if concerned.is_empty() {
            concerned.push(About {
                namespace: pod.map(|pod| pod.namespace.clone()).unwrap_or_default(),
                ..About::default()
            });
        }
        concerned
    }

    fn about_pod(&self, pod: &PodRecord) -> About {
        let identified = self.identity_of(pod);
        About {
            namespace: identified.service.namespace,
            service: identified.service.name,
            environment: Some(identified.environment),
        }
    }

    fn about(&mut self, pod: &Key) -> About {
        match self.identified(pod) {
            Some(identified) => About {
                namespace: identified.service.namespace.clone(),
                service: identified.service.name.clone(),
                environment: Some(identified.environment.clone()),
            },
            None => About::default(),
        }
    }
}
