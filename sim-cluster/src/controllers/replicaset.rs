//! ReplicaSets: as many pods of one template as asked for.
//!
//! After `kubernetes/pkg/controller/replicaset`. Pods are created and deleted; who runs them, and
//! where, is the scheduler's and the kubelet's affair.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::adopt;
use super::manager::{Controller, View};
use super::plan::{Plan, Said};
use super::pod;
use super::queue::Key;
use super::world::{Change, World};
use crate::object;

const RESOURCE: &str = "replicasets.apps";

/// Pods made or deleted in one go; more are made in the next. As Kubernetes' `BurstReplicas`.
const BURST: usize = 500;

#[derive(Debug)]
pub(super) struct ReplicaSets;

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        "replicaset"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            RESOURCE => adopt::wake_itself(change, RESOURCE, wake),
            "pods" => adopt::wake_owner(change, world, RESOURCE, wake),
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let Some(set) = view.world.get(RESOURCE, &key.namespace, &key.name) else {
            return Plan::default();
        };
        let claimed = adopt::claim(view.world, set, RESOURCE, "pods");
        if !claimed.plan.actions.is_empty() {
            return claimed.plan;
        }
        let pods: Vec<Arc<Value>> = claimed
            .owned
            .into_iter()
            .filter(|pod| pod::is_active(pod))
            .collect();
        // Pods of the Deployment's other sets count too when a node is chosen to lose one.
        let mut on_node: HashMap<String, usize> = HashMap::new();
        for pod in related(view.world, set, &pods) {
            *on_node.entry(pod::node(&pod).to_owned()).or_default() += 1;
        }
        plan(set, pods, &on_node, view.refusal, view.now)
    }
}

fn related(world: &World, set: &Value, pods: &[Arc<Value>]) -> Vec<Arc<Value>> {
    let Some(owner) = object::controller(set) else {
        return pods.to_vec();
    };
    world
        .managed(object::text(owner, &["uid"]), RESOURCE)
        .iter()
        .flat_map(|set| world.managed(object::uid(set), "pods"))
        .filter(|pod| pod::is_active(pod))
        .collect()
}

fn plan(
    set: &Arc<Value>,
    mut pods: Vec<Arc<Value>>,
    on_node: &HashMap<String, usize>,
    refusal: Option<&str>,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    let wanted = usize::try_from(pod::number(set, &["spec", "replicas"]).unwrap_or(1)).unwrap_or(0);
    plan.status(RESOURCE, set, status(set, &pods, refusal, now));
    let min_ready = pod::min_ready(set);
    for wait in pods
        .iter()
        .filter_map(|pod| pod::available_in(pod, min_ready, now))
    {
        plan.again_in(wait);
    }
    if object::is_being_deleted(set) {
        return plan;
    }
    if pods.len() < wanted {
        let owner = pod::controller_reference(set, "apps/v1", "ReplicaSet");
        let template = &set["spec"]["template"];
        let mut made = pod::from_template(template, object::namespace(set), owner);
        made["metadata"]["generateName"] = json!(format!("{}-", object::name(set)));
        for _ in 0..(wanted - pods.len()).min(BURST) {
            let said = Said::normal(set, "SuccessfulCreate", "Created pod: {name}".to_owned())
                .or_when_refused("FailedCreate", "Error creating");
            plan.create("pods", made.clone(), Some(said));
        }
        return plan;
    }
    let too_many = (pods.len() - wanted).min(BURST);
    if too_many > 0 {
        pods.sort_by_cached_key(|pod| loss(pod, on_node));
        for pod in &pods[..too_many] {
            let message = format!("Deleted pod: {}", object::name(pod));
            let said = Said::normal(set, "SuccessfulDelete", message);
            plan.delete("pods", pod, Some(said));
        }
    }
    plan
}

fn status(set: &Value, pods: &[Arc<Value>], refusal: Option<&str>, now: Timestamp) -> Value {
    let min_ready = pod::min_ready(set);
    let template_labels = set["spec"]["template"]["metadata"]["labels"].as_object();
    let count = |holds: &dyn Fn(&Value) -> bool| pods.iter().filter(|pod| holds(pod)).count();
    let fully_labelled = count(&|pod| {
        template_labels
            .into_iter()
            .flatten()
            .all(|(key, value)| object::label(pod, key) == value.as_str())
    });
    let mut status = json!({
        "replicas": pods.len(),
        "observedGeneration": object::at(set, &["metadata", "generation"]),
    });
    for (field, count) in [
        ("fullyLabeledReplicas", fully_labelled),
        ("readyReplicas", count(&pod::is_ready)),
        (
            "availableReplicas",
            count(&|pod| pod::is_available(pod, min_ready, now)),
        ),
    ] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let mut conditions = object::list(set, &["status", "conditions"]).to_vec();
    match refusal {
        Some(refusal) => super::plan::set_condition(
            &mut conditions,
            "ReplicaFailure",
            "True",
            "FailedCreate",
            refusal,
            &pod::stamp(now),
        ),
        None => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
    }
    if !conditions.is_empty() {
        status["conditions"] = json!(conditions);
    }
    status
}

/// In this order pods are deleted first: not yet on a node, pending, not ready, cheaper by the
/// annotation, on a node with more of the same, ready for a shorter time, restarted more often,
/// younger. After `ActivePodsWithRanks`.
fn loss(pod: &Value, on_node: &HashMap<String, usize>) -> impl Ord + use<> {
    let phase = match pod::phase(pod) {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    };
    let cost: i64 = object::annotation(pod, "controller.kubernetes.io/pod-deletion-cost")
        .and_then(|cost| cost.parse().ok())
        .unwrap_or(0);
    let crowd = on_node.get(pod::node(pod)).copied().unwrap_or(0);
    (
        !pod::node(pod).is_empty(),
        phase,
        pod::is_ready(pod),
        cost,
        std::cmp::Reverse(crowd),
        std::cmp::Reverse(pod::ready_since(pod)),
        std::cmp::Reverse(pod::restarts(pod)),
        std::cmp::Reverse(pod::created(pod)),
        object::name(pod).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, node: &str, phase: &str, ready_at: Option<&str>, more: Value) -> Arc<Value> {
        let mut pod = json!({
            "metadata": { "name": name, "creationTimestamp": "2026-11-21T10:00:00Z" },
            "spec": { "nodeName": node },
            "status": { "phase": phase, "conditions": [] },
        });
        if let Some(at) = ready_at {
            pod["status"]["conditions"] =
                json!([{ "type": "Ready", "status": "True", "lastTransitionTime": at }]);
        }
        json_patch::merge(&mut pod, &more);
        Arc::new(pod)
    }

    #[test]
    fn the_least_useful_pods_go_first() {
        let set = Arc::new(json!({ "metadata": { "name": "web" }, "spec": { "replicas": 0 } }));
        let early = Some("2026-11-21T10:00:10Z");
        let late = Some("2026-11-21T11:00:00Z");
        let pods = vec![
            pod("e-crowded", "crowded", "Running", early, json!({})),
            pod("g-old", "quiet", "Running", early, json!({})),
            pod("f-ready-late", "quiet", "Running", late, json!({})),
            pod("c-not-ready", "quiet", "Running", None, json!({})),
            pod("b-pending", "quiet", "Pending", None, json!({})),
            pod("a-unassigned", "", "Pending", None, json!({})),
            pod(
                "d-cheap",
                "quiet",
                "Running",
                early,
                json!({ "metadata": { "annotations": {
                    "controller.kubernetes.io/pod-deletion-cost": "-5",
                }}}),
            ),
        ];
        let on_node = HashMap::from([("crowded".to_owned(), 9), ("quiet".to_owned(), 5)]);
        let plan = plan(&set, pods, &on_node, None, Timestamp::UNIX_EPOCH);
        let order: Vec<String> = plan
            .actions
            .iter()
            .filter_map(|action| match action {
                super::super::plan::Action::Delete { target, .. } => Some(target.name.clone()),
                _ => None,
            })
            .collect();
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(order, sorted);
        assert_eq!(order.len(), 7);
    }
}
