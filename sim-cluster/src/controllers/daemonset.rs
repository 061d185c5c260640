//! DaemonSets: one pod on each node that takes it.
//!
//! After `kubernetes/pkg/controller/daemon`; updates go node by node (`maxUnavailable`), without surge.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::adopt;
use super::deployment::scaled;
use super::history::{self, HASH_LABEL};
use super::manager::{Controller, View};
use super::plan::{Plan, Said};
use super::pod;
use super::queue::Key;
use super::resources;
use super::world::{Change, World};
use crate::object;
use crate::scheduler::{affinity, taint};

const RESOURCE: &str = "daemonsets.apps";
const REVISIONS: &str = "controllerrevisions.apps";

#[derive(Debug)]
pub(super) struct DaemonSets;

impl Controller for DaemonSets {
    fn name(&self) -> &'static str {
        "daemonset"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            RESOURCE => adopt::wake_itself(change, RESOURCE, wake),
            "pods" | REVISIONS => adopt::wake_owner(change, world, RESOURCE, wake),
            "nodes" if change.differs(&["spec"]) || change.differs(&["metadata", "labels"]) => {
                for set in world.all(RESOURCE) {
                    wake(RESOURCE, object::namespace(set), object::name(set));
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let world = view.world;
        let Some(set) = world.get(RESOURCE, &key.namespace, &key.name) else {
            return Plan::default();
        };
        let claimed = adopt::claim(world, set, RESOURCE, "pods");
        if !claimed.plan.actions.is_empty() {
            return claimed.plan;
        }
        let mut plan = Plan::default();
        let revisions = world.managed(object::uid(set), REVISIONS);
        let present = history::present(&mut plan, set, resources::kind_of(RESOURCE), &revisions);
        if object::is_being_deleted(set) || !present.is_settled {
            return plan;
        }
        let nodes: Vec<&Arc<Value>> = world.all("nodes").collect();
        let daemons = Daemons::new(set, &present.hash, &nodes, &claimed.owned);
        daemons.plan(&mut plan, view.now);
        let in_use: Vec<&str> = claimed
            .owned
            .iter()
            .filter_map(|pod| object::label(pod, HASH_LABEL))
            .chain([present.hash.as_str()])
            .collect();
        history::forget(&mut plan, set, &revisions, &in_use);
        plan
    }
}

struct Daemons<'a> {
    set: &'a Arc<Value>,
    hash: &'a str,
    /// Nodes that should have a pod; and those that have one only because it runs already.
    wanted: Vec<&'a Arc<Value>>,
    tolerated: Vec<&'a Arc<Value>>,
    by_node: BTreeMap<&'a str, Vec<&'a Arc<Value>>>,
}

impl<'a> Daemons<'a> {
    fn new(
        set: &'a Arc<Value>,
        hash: &'a str,
        nodes: &[&'a Arc<Value>],
        pods: &'a [Arc<Value>],
    ) -> Daemons<'a> {
        let template = pod_for(set, hash, "");
        let mut wanted = Vec::new();
        let mut tolerated = Vec::new();
        for node in nodes {
            let tolerations = taint::tolerations(&template);
            let fits = affinity::permits(&set["spec"]["template"]["spec"], node);
            if !fits {
                continue;
            }
            // A taint that only keeps new pods away lets those stay that are there.
            let evicted = taint::of(node).any(|taint| {
                taint.effect() == "NoExecute" && taint.tolerated_by(tolerations).is_none()
            });
            if taint::forbidding(node, tolerations).is_none() {
                wanted.push(*node);
            } else if !evicted {
                tolerated.push(*node);
            }
        }
        let mut by_node: BTreeMap<&str, Vec<&Arc<Value>>> = BTreeMap::new();
        for pod in pods {
            by_node.entry(target(pod)).or_default().push(pod);
        }
        Daemons {
            set,
            hash,
            wanted,
            tolerated,
            by_node,
        }
    }

    fn on(&self, node: &Value) -> &[&'a Arc<Value>] {
        self.by_node
            .get(object::name(node))
            .map_or(&[], Vec::as_slice)
    }

    fn plan(&self, plan: &mut Plan, now: Timestamp) {
        plan.status(RESOURCE, self.set, self.status(now));
        let min_ready = pod::min_ready(self.set);
        for pod in self.by_node.values().flatten() {
            if let Some(wait) = pod::available_in(pod, min_ready, now) {
                plan.again_in(wait);
            }
        }
        for (name, pods) in &self.by_node {
            let is = |nodes: &[&Arc<Value>]| nodes.iter().any(|node| object::name(node) == *name);
            if !is(&self.wanted) && !is(&self.tolerated) {
                for pod in pods.iter().filter(|pod| pod::is_active(pod)) {
                    self.delete(plan, pod);
                }
            }
        }
        for node in &self.wanted {
            let pods = self.on(node);
            for failed in pods
                .iter()
                .filter(|pod| pod::has_ended(pod) && !object::is_being_deleted(pod))
            {
                let message = format!(
                    "Found failed daemon pod {}/{} on node {}, will try to kill it",
                    object::namespace(failed),
                    object::name(failed),
                    object::name(node)
                );
                plan.say(Said::warning(self.set, "FailedDaemonPod", message));
                self.delete(plan, failed);
            }
            let mut active: Vec<_> = pods.iter().filter(|pod| pod::is_active(pod)).collect();
            active.sort_by_key(|pod| (pod::created(pod), object::name(pod).to_owned()));
            for excess in active.iter().skip(1) {
                self.delete(plan, excess);
            }
            // One on its way out is waited for: its ports and folders are the same.
            if pods.is_empty() {
                let said = Said::normal(
                    self.set,
                    "SuccessfulCreate",
                    "Created pod: {name}".to_owned(),
                )
                .or_when_refused("FailedCreate", "Error creating");
                plan.create(
                    "pods",
                    pod_for(self.set, self.hash, object::name(node)),
                    Some(said),
                );
            }
        }
        if object::text(self.set, &["spec", "updateStrategy", "type"]) != "OnDelete" {
            self.update(plan, now);
        }
    }

    /// Takes away old pods, as many at a time as may be missing.
    fn update(&self, plan: &mut Plan, now: Timestamp) {
        let limit = &self.set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"];
        let wanted = i64::try_from(self.wanted.len()).unwrap_or(i64::MAX);
        let limit = if limit.is_null() {
            1
        } else {
            scaled(limit, wanted, true).max(1)
        };
        let min_ready = pod::min_ready(self.set);
        let mut unavailable = 0;
        let mut old_available = Vec::new();
        for node in &self.wanted {
            let pod = self.on(node).iter().find(|pod| pod::is_active(pod));
            let is_available = pod.is_some_and(|pod| pod::is_available(pod, min_ready, now));
            match pod.filter(|pod| !self.is_current(pod)) {
                Some(old) if is_available => old_available.push(*old),
                Some(old) => {
                    // It is no use as it is: replacing it takes nothing away.
                    self.delete(plan, old);
                    unavailable += 1;
                }
                None => unavailable += i64::from(!is_available),
            }
        }
        let spare = usize::try_from(limit - unavailable).unwrap_or(0);
        for old in old_available.into_iter().take(spare) {
            self.delete(plan, old);
        }
    }

    fn is_current(&self, pod: &Value) -> bool {
        object::label(pod, HASH_LABEL) == Some(self.hash)
    }

    fn delete(&self, plan: &mut Plan, pod: &Arc<Value>) {
        let message = format!("Deleted pod: {}", object::name(pod));
        plan.delete(
            "pods",
            pod,
            Some(Said::normal(self.set, "SuccessfulDelete", message)),
        );
    }

    fn status(&self, now: Timestamp) -> Value {
        let min_ready = pod::min_ready(self.set);
        let running: Vec<&Arc<Value>> = self
            .wanted
            .iter()
            .filter_map(|node| {
                self.on(node)
                    .iter()
                    .find(|pod| pod::is_active(pod))
                    .copied()
            })
            .collect();
        let count =
            |holds: &dyn Fn(&Value) -> bool| running.iter().filter(|pod| holds(pod)).count();
        let available = count(&|pod| pod::is_available(pod, min_ready, now));
        let elsewhere = self
            .by_node
            .keys()
            .filter(|name| !self.wanted.iter().any(|node| object::name(node) == **name));
        let mut status = json!({
            "observedGeneration": object::at(self.set, &["metadata", "generation"]),
            "currentNumberScheduled": running.len(),
            "desiredNumberScheduled": self.wanted.len(),
            "numberMisscheduled": elsewhere.count(),
            "numberReady": count(&pod::is_ready),
        });
        for (field, number) in [
            ("updatedNumberScheduled", count(&|pod| self.is_current(pod))),
            ("numberAvailable", available),
            ("numberUnavailable", self.wanted.len() - available),
        ] {
            if number > 0 {
                status[field] = json!(number);
            }
        }
        status
    }
}

/// The node that a daemon's pod is on, or is meant for.
fn target(pod: &Value) -> &str {
    if !pod::node(pod).is_empty() {
        return pod::node(pod);
    }
    let path = [
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ];
    object::list(&pod["spec"], &path)
        .iter()
        .flat_map(|term| object::list(term, &["matchFields"]))
        .find(|field| field["key"] == "metadata.name")
        .and_then(|field| field["values"][0].as_str())
        .unwrap_or_default()
}

/// A pod for one node: the scheduler puts it there, by an affinity to the node's name; what may
/// happen to a node does not drive it away.
fn pod_for(set: &Value, hash: &str, node: &str) -> Value {
    let owner = pod::controller_reference(set, "apps/v1", "DaemonSet");
    let mut pod = pod::from_template(&set["spec"]["template"], object::namespace(set), owner);
    pod["metadata"]["generateName"] = json!(format!("{}-", object::name(set)));
    pod::set_label(&mut pod, HASH_LABEL, hash);
    let generation = pod::number(set, &["metadata", "generation"]).unwrap_or(1);
    pod::set_label(&mut pod, "pod-template-generation", &generation.to_string());
    let spec = &mut pod["spec"];
    let here = json!([{ "key": "metadata.name", "operator": "In", "values": [node] }]);
    let required =
        &mut spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    match required["nodeSelectorTerms"].as_array_mut() {
        Some(terms) => {
            for term in terms {
                term["matchFields"] = here.clone();
            }
        }
        None => required["nodeSelectorTerms"] = json!([{ "matchFields": here }]),
    }
    let mut tolerations = object::list(spec, &["tolerations"]).to_vec();
    let mut tolerate = |key: &str, effect: &str| {
        let toleration = json!({ "key": key, "operator": "Exists", "effect": effect });
        if !tolerations.contains(&toleration) {
            tolerations.push(toleration);
        }
    };
    tolerate(taint::NOT_READY, "NoExecute");
    tolerate(taint::UNREACHABLE, "NoExecute");
    for pressure in [
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
    ] {
        tolerate(&format!("node.kubernetes.io/{pressure}"), "NoSchedule");
    }
    if spec["hostNetwork"] == true {
        tolerate("node.kubernetes.io/network-unavailable", "NoSchedule");
    }
    spec["tolerations"] = json!(tolerations);
    pod
}
