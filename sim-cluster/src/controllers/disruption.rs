//! PodDisruptionBudgets: how many pods may be taken away on purpose, and who is refused it.
//!
//! After `kubernetes/pkg/controller/disruption` and `pkg/registry/core/pod/storage/eviction.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::adopt;
use super::deployment::scaled;
use super::manager::{Controller, View};
use super::plan::{Plan, set_condition};
use super::pod;
use super::queue::Key;
use super::selector::Selector;
use super::world::{Change, World};
use crate::object;
use crate::status::Status;

const RESOURCE: &str = "poddisruptionbudgets.policy";

/// An eviction that was permitted counts until its pod is gone, but no longer than this.
const PROMISE: SignedDuration = SignedDuration::from_secs(120);

#[derive(Debug)]
pub(super) struct Disruption;

impl Controller for Disruption {
    fn name(&self) -> &'static str {
        "disruption"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        adopt::wake_itself(change, RESOURCE, wake);
        if change.resource == "pods" {
            for state in change.states() {
                let labels = &state["metadata"]["labels"];
                for budget in world.selecting(RESOURCE, object::namespace(state), labels) {
                    wake(RESOURCE, object::namespace(&budget), object::name(&budget));
                }
            }
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let mut plan = Plan::default();
        let Some(budget) = view.world.get(RESOURCE, &key.namespace, &key.name) else {
            return plan;
        };
        let Some(selector) = Selector::of(&budget["spec"]["selector"]) else {
            return plan;
        };
        let pods: Vec<Arc<Value>> = view
            .world
            .pods_matching(&key.namespace, &selector)
            .filter(|pod| !pod::has_ended(pod))
            .cloned()
            .collect();
        let (status, again) = status(budget, &pods, owners_want(&pods, view.world), view.now);
        plan.status(RESOURCE, budget, status);
        if let Some(again) = again {
            plan.again_in(again);
        }
        plan
    }
}

/// How many pods their owners ask for altogether: what percentages are of.
fn owners_want(pods: &[Arc<Value>], world: &World) -> i64 {
    let mut owners: BTreeMap<String, i64> = BTreeMap::new();
    for pod in pods {
        let mut of = object::controller(pod).map(|owner| object::text(owner, &["uid"]).to_owned());
        let mut wanted = 1;
        // A ReplicaSet's number is its Deployment's affair.
        while let Some((_, owner)) = of.as_deref().and_then(|uid| world.find_by_uid(uid)) {
            wanted = pod::number(owner, &["spec", "replicas"]).unwrap_or(1);
            let Some(next) = object::controller(owner) else {
                break;
            };
            of = Some(object::text(next, &["uid"]).to_owned());
        }
        let key = of.unwrap_or_else(|| object::uid(pod).to_owned());
        owners.insert(key, wanted);
    }
    owners.values().sum()
}

fn status(
    budget: &Value,
    pods: &[Arc<Value>],
    owners_want: i64,
    now: Timestamp,
) -> (Value, Option<SignedDuration>) {
    let spec = &budget["spec"];
    let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    let (expected, desired) = if !spec["maxUnavailable"].is_null() {
        let unavailable = scaled(&spec["maxUnavailable"], owners_want, true);
        (owners_want, (owners_want - unavailable).max(0))
    } else if spec["minAvailable"].is_string() {
        (
            owners_want,
            scaled(&spec["minAvailable"], owners_want, true),
        )
    } else {
        (count, spec["minAvailable"].as_i64().unwrap_or(1))
    };
    let mut disrupted = json!({});
    let mut again: Option<SignedDuration> = None;
    for (name, at) in budget["status"]["disruptedPods"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let left = pod::time(at).map(|at| (at + PROMISE).duration_since(now));
        let waits = pods
            .iter()
            .any(|pod| object::name(pod) == name && !object::is_being_deleted(pod));
        if let Some(left) = left.filter(|left| left.is_positive() && waits) {
            disrupted[name] = at.clone();
            again = Some(again.map_or(left, |known| known.min(left)));
        }
    }
    let healthy = pods.iter().filter(|pod| {
        pod::is_ready(pod)
            && !object::is_being_deleted(pod)
            && disrupted.get(object::name(pod)).is_none()
    });
    let healthy = i64::try_from(healthy.count()).unwrap_or(i64::MAX);
    let allowed = if expected > 0 {
        (healthy - desired).max(0)
    } else {
        0
    };
    let mut conditions = object::list(budget, &["status", "conditions"]).to_vec();
    let (says, reason) = if allowed > 0 {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    set_condition(
        &mut conditions,
        "DisruptionAllowed",
        says,
        reason,
        "",
        &pod::stamp(now),
    );
    let generation = object::at(budget, &["metadata", "generation"]);
    for condition in &mut conditions {
        condition["observedGeneration"] = generation.clone();
    }
    let mut status = json!({
        "conditions": conditions,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": generation,
    });
    if disrupted.as_object().is_some_and(|map| !map.is_empty()) {
        status["disruptedPods"] = disrupted;
    }
    (status, again)
}

/// Whether a pod may be evicted, by the budgets of its namespace. Gives the one budget that has to
/// be written back, with the eviction counted, before the pod is deleted.
///
/// # Errors
/// 429 when a budget does not permit it, 500 when more than one is about this pod; as the API says it.
pub fn evict(pod: &Value, budgets: &[Arc<Value>], now: Timestamp) -> Result<Option<Value>, Status> {
    if pod::has_ended(pod) || pod::phase(pod) == "Pending" || object::is_being_deleted(pod) {
        return Ok(None);
    }
    let labels = &pod["metadata"]["labels"];
    let about: Vec<&Arc<Value>> = budgets
        .iter()
        .filter(|budget| object::namespace(budget) == object::namespace(pod))
        .filter(|budget| {
            Selector::of(&budget["spec"]["selector"]).is_some_and(|it| it.matches(labels))
        })
        .collect();
    let budget = match about.as_slice() {
        [] => return Ok(None),
        [budget] => budget,
        _ => {
            return Err(Status::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource \
                 does not support.",
            ));
        }
    };
    let status = |field: &str| pod::number(budget, &["status", field]).unwrap_or(0);
    if !pod::is_ready(pod) {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        let enough =
            status("desiredHealthy") > 0 && status("currentHealthy") >= status("desiredHealthy");
        if always || enough {
            return Ok(None);
        }
    }
    let seen = pod::number(budget, &["status", "observedGeneration"]);
    let is_old = seen < pod::number(budget, &["metadata", "generation"]);
    if is_old || status("disruptionsAllowed") <= 0 {
        return Err(refusal(budget, is_old));
    }
    let mut counted = (***budget).clone();
    counted["status"]["disruptionsAllowed"] = json!(status("disruptionsAllowed") - 1);
    if !counted["status"]["disruptedPods"].is_object() {
        counted["status"]["disruptedPods"] = json!({});
    }
    counted["status"]["disruptedPods"][object::name(pod)] = json!(pod::stamp(now));
    Ok(Some(counted))
}

fn refusal(budget: &Value, is_old: bool) -> Status {
    let name = object::name(budget);
    let mut status = Status::too_many_requests(10);
    let cause = if is_old {
        format!("The disruption budget {name} is still being processed by the server.")
    } else {
        let count = |field: &str| pod::number(budget, &["status", field]).unwrap_or(0);
        format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            count("desiredHealthy"),
            count("currentHealthy")
        )
    };
    status.message = "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
    status.details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": cause }] });
    status
}
