//! Nodes: kubelets that fall silent, the taints that follow, and the pods that have to leave.
//!
//! A kubelet is alive while it renews its Lease in `kube-node-lease`; nodes without a Lease are
//! taken at their word. After `kubernetes/pkg/controller/nodelifecycle`, `tainteviction` and
//! `podgc`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::adopt;
use super::manager::{Controller, View};
use super::plan::{Action, Plan, Said};
use super::pod;
use super::queue::Key;
use super::world::{Change, Reference, World};
use crate::object;
use crate::scheduler::taint::{self, NOT_READY, UNREACHABLE, UNSCHEDULABLE};

const RESOURCE: &str = "nodes";
const LEASES: &str = "leases.coordination.k8s.io";
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Without a renewed Lease for so long, a kubelet is taken for lost.
const GRACE: SignedDuration = SignedDuration::from_secs(40);

/// How long pods may refer to a node that is not there, before they are taken for lost with it: a
/// pod may come to the API before its node does.
const QUARANTINE: SignedDuration = SignedDuration::from_secs(40);

#[derive(Debug)]
pub(super) struct Nodes;

impl Controller for Nodes {
    fn name(&self) -> &'static str {
        "node"
    }

    fn wake(&mut self, change: &Change<'_>, _: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        let Some(object) = change.object() else {
            return;
        };
        match change.resource {
            RESOURCE => adopt::wake_itself(change, RESOURCE, wake),
            LEASES if object::namespace(object) == LEASE_NAMESPACE => {
                wake(RESOURCE, "", object::name(object));
            }
            "pods" if change.differs(&["spec", "nodeName"]) && !pod::node(object).is_empty() => {
                wake(RESOURCE, "", pod::node(object));
            }
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let pods: Vec<Arc<Value>> = view.world.pods_on(&key.name).cloned().collect();
        match view.world.get(RESOURCE, "", &key.name) {
            Some(node) => {
                let lease = view.world.get(LEASES, LEASE_NAMESPACE, &key.name);
                plan(node, lease.map(|lease| &**lease), &pods, view.now)
            }
            None => forget(&pods, view.now),
        }
    }
}

/// Pods of a node that is no more: nobody else will end them.
fn forget(pods: &[Arc<Value>], now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for pod in pods {
        let since = object::condition(pod, "PodScheduled")
            .and_then(|scheduled| pod::time(&scheduled["lastTransitionTime"]))
            .unwrap_or_else(|| pod::created(pod));
        let left = (since + QUARANTINE).duration_since(now);
        if left.is_positive() {
            plan.again_in(left);
            continue;
        }
        plan.actions.push(Action::Delete {
            target: Reference::of("pods", pod),
            uid: object::uid(pod).to_owned(),
            propagation: None,
            grace: Some(0),
            said: None,
        });
    }
    plan
}

fn plan(node: &Arc<Value>, lease: Option<&Value>, pods: &[Arc<Value>], now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let renewed = lease.and_then(|lease| pod::time(object::at(lease, &["spec", "renewTime"])));
    let left = renewed.map(|at| (at + GRACE).duration_since(now));
    if let Some(left) = left.filter(|left| left.is_positive()) {
        plan.again_in(left);
    }
    let ready = object::condition(node, "Ready");
    let says = ready.map_or("", |ready| object::text(ready, &["status"]));
    if left.is_some_and(|left| !left.is_positive()) && says != "Unknown" {
        plan.status(RESOURCE, node, silent(node, now));
        let message = format!("Node {} status is now: NodeNotReady", object::name(node));
        plan.say(Said::normal(node, "NodeNotReady", message));
        // Its pods keep what they said last, but serve nobody.
        for pod in pods.iter().filter(|pod| pod::is_ready(pod)) {
            plan.status("pods", pod, unready(pod, now));
            let message = "Node is not ready".to_owned();
            plan.say(Said::warning(pod, "NodeNotReady", message));
        }
        // The taints follow from the new status.
        return plan;
    }
    let tainted = tainted(node, says, now);
    if tainted != **node {
        plan.update(RESOURCE, tainted, None);
        return plan;
    }
    for pod in pods.iter().filter(|pod| pod::is_active(pod)) {
        let Some(at) = taint::of(node)
            .filter_map(|taint| taint.evicts_at(pod))
            .min()
        else {
            continue;
        };
        let left = at.duration_since(now);
        if left.is_positive() {
            plan.again_in(left);
            continue;
        }
        let message = format!(
            "Marking for deletion Pod {}/{}",
            object::namespace(pod),
            object::name(pod)
        );
        plan.delete(
            "pods",
            pod,
            Some(Said::normal(pod, "TaintManagerEviction", message)),
        );
    }
    plan
}

/// The status of a node whose kubelet is not heard of.
fn silent(node: &Value, now: Timestamp) -> Value {
    let mut status = node["status"].clone();
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        let mut conditions = object::list(&status, &["conditions"]).to_vec();
        if kind != "Ready" && !conditions.iter().any(|known| known["type"] == kind) {
            continue;
        }
        super::plan::set_condition(
            &mut conditions,
            kind,
            "Unknown",
            "NodeStatusUnknown",
            "Kubelet stopped posting node status.",
            &pod::stamp(now),
        );
        status["conditions"] = json!(conditions);
    }
    status
}

fn unready(pod: &Value, now: Timestamp) -> Value {
    let mut status = pod["status"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if condition["type"] == "Ready" {
            condition["status"] = json!("False");
            condition["lastTransitionTime"] = json!(pod::stamp(now));
        }
    }
    status
}

/// The node with the taints that its state asks for; taints of others stay as they are.
fn tainted(node: &Value, ready: &str, now: Timestamp) -> Value {
    // A node that has not said anything yet is only starting.
    let wanted = [
        (NOT_READY, ready == "False"),
        (UNREACHABLE, ready == "Unknown"),
    ];
    let mut taints = object::list(node, &["spec", "taints"]).to_vec();
    let mut set = |key: &str, effect: &str, wanted: bool, at: Option<String>| {
        let is = |taint: &Value| taint["key"] == key && taint["effect"] == effect;
        if !wanted {
            taints.retain(|taint| !is(taint));
        } else if !taints.iter().any(is) {
            let mut taint = json!({ "key": key, "effect": effect });
            if let Some(at) = at {
                taint["timeAdded"] = json!(at);
            }
            taints.push(taint);
        }
    };
    for (key, wanted) in wanted {
        set(key, "NoSchedule", wanted, None);
        set(key, "NoExecute", wanted, Some(pod::stamp(now)));
    }
    set(
        UNSCHEDULABLE,
        "NoSchedule",
        node["spec"]["unschedulable"] == true,
        None,
    );
    let mut node = node.clone();
    if taints.is_empty() {
        if let Some(spec) = node.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("taints");
        }
    } else {
        node["spec"]["taints"] = json!(taints);
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_follow_the_nodes_state_and_leave_others_alone() {
        let now: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
        let own = json!({ "key": "dedicated", "effect": "NoSchedule" });
        let node = json!({ "spec": { "taints": [own] } });
        let keys = |node: &Value| -> Vec<String> {
            taint::of(node)
                .map(|taint| format!("{}:{}", taint.key(), taint.effect()))
                .collect()
        };
        let lost = tainted(&node, "Unknown", now);
        assert_eq!(
            keys(&lost),
            [
                "dedicated:NoSchedule",
                "node.kubernetes.io/unreachable:NoSchedule",
                "node.kubernetes.io/unreachable:NoExecute",
            ]
        );
        assert_eq!(tainted(&lost, "True", now), node);
    }
}
