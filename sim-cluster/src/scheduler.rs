//! The scheduler: which node a pod goes to, or why none.
//!
//! Runs among the controllers and decides from the same picture; what nodes have left is kept by
//! itself, so that placing a pod costs a look at each node and no more. After
//! `kubernetes/pkg/scheduler`: filters as its plugins of the same names, scores simplified. It does
//! not preempt.

pub(crate) mod affinity;
mod company;
mod fit;
pub(crate) mod quantity;
mod request;
pub(crate) mod taint;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::controllers::plan::{Action, Plan, Said, set_condition};
use crate::controllers::pod;
use crate::controllers::queue::Key;
use crate::controllers::world::{Change, World};
use crate::controllers::{Controller, View};
use crate::object;
use company::Company;
use fit::Space;
use request::Amounts;

#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    /// By the name of the node; also of nodes that are gone but have pods.
    spaces: BTreeMap<String, Space>,
    /// Namespace and name of pods that no node takes.
    waiting: BTreeSet<(String, String)>,
    /// Pods on nodes that keep others away.
    guarded: BTreeSet<(String, String)>,
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "scheduler"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        let made_room = match change.resource {
            "pods" => {
                self.account(change);
                if let Some(pod) = change.new.filter(|pod| wants_a_node(pod)) {
                    wake("pods", object::namespace(pod), object::name(pod));
                }
                // Any pod may be the company that another waits for.
                !self.waiting.is_empty()
                    && (has_left(change) || change.differs(&["spec", "nodeName"]))
            }
            "nodes" => [
                &["spec"][..],
                &["metadata", "labels"],
                &["status", "allocatable"],
            ]
            .iter()
            .any(|path| change.differs(path)),
            "persistentvolumeclaims" => change.differs(&["status", "phase"]),
            _ => false,
        };
        if change.resource == "nodes"
            && change.differs(&["status", "allocatable"])
            && let Some(node) = change.object()
        {
            let allocatable = change
                .new
                .map(|node| Amounts::of(&node["status"]["allocatable"]));
            let space = self
                .spaces
                .entry(object::name(node).to_owned())
                .or_default();
            space.allocatable = allocatable.unwrap_or_default();
        }
        if !made_room {
            return;
        }
        let departed = has_left(change) || change.resource != "pods";
        for (namespace, name) in &self.waiting {
            // A pod that came to a node helps only those that want company.
            let helps = departed
                || world.get("pods", namespace, name).is_some_and(|pod| {
                    !object::at(pod, &["spec", "affinity", "podAffinity"]).is_null()
                        || !object::at(pod, &["spec", "topologySpreadConstraints"]).is_null()
                });
            if helps {
                wake("pods", namespace, name);
            }
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let mut plan = Plan::default();
        let at = (key.namespace.clone(), key.name.clone());
        self.waiting.remove(&at);
        let Some(pod) = view.world.get("pods", &key.namespace, &key.name) else {
            return plan;
        };
        if !wants_a_node(pod) {
            return plan;
        }
        match self.choose(pod, view.world) {
            Ok(node) => plan.actions.push(Action::Bind {
                pod: Arc::clone(pod),
                node,
            }),
            Err(why) => {
                self.waiting.insert(at);
                let mut conditions = object::list(pod, &["status", "conditions"]).to_vec();
                let known = object::condition(pod, "PodScheduled");
                if known.is_none_or(|known| known["message"] != why.as_str()) {
                    let at = pod::stamp(view.now);
                    let reason = "Unschedulable";
                    set_condition(&mut conditions, "PodScheduled", "False", reason, &why, &at);
                    let mut status = pod["status"].clone();
                    status["conditions"] = json!(conditions);
                    plan.status("pods", pod, status);
                    plan.say(Said::warning(pod, "FailedScheduling", why));
                }
            }
        }
        plan
    }
}

/// Whether it waits for a node, and for this scheduler to find it.
fn wants_a_node(pod: &Value) -> bool {
    let scheduler = object::text(pod, &["spec", "schedulerName"]);
    pod::node(pod).is_empty()
        && pod::is_active(pod)
        && matches!(scheduler, "" | "default-scheduler")
        && object::list(pod, &["spec", "schedulingGates"]).is_empty()
}

/// It takes up room on a node.
fn is_there(pod: &Value) -> bool {
    !pod::node(pod).is_empty() && !pod::has_ended(pod)
}

fn has_left(change: &Change<'_>) -> bool {
    change.resource == "pods"
        && change.old.is_some_and(|pod| is_there(pod))
        && !change.new.is_some_and(|pod| is_there(pod))
}

impl Scheduler {
    /// Keeps the books of what nodes have left.
    fn account(&mut self, change: &Change<'_>) {
        let there = |pod: Option<&Arc<Value>>| pod.filter(|pod| is_there(pod)).cloned();
        let (old, new) = (there(change.old), there(change.new));
        // Statuses change often; what a pod asks for does not.
        if let (Some(old), Some(new)) = (&old, &new)
            && old["spec"] == new["spec"]
        {
            return;
        }
        if let Some(pod) = old {
            let space = self.spaces.entry(pod::node(&pod).to_owned()).or_default();
            space.used.subtract(&Amounts::requested_by(&pod));
            self.guarded.remove(&place(&pod));
        }
        if let Some(pod) = new {
            let space = self.spaces.entry(pod::node(&pod).to_owned()).or_default();
            space.used.add(&Amounts::requested_by(&pod));
            let path = [
                "spec",
                "affinity",
                "podAntiAffinity",
                "requiredDuringSchedulingIgnoredDuringExecution",
            ];
            if !object::list(&pod, &path).is_empty() {
                self.guarded.insert(place(&pod));
            }
        }
    }

    /// The best node, or why there is none.
    fn choose(&self, pod: &Value, world: &World) -> Result<String, String> {
        if let Some(why) = fit::volumes_objection(pod, world) {
            let all = world.all("nodes").count();
            return Err(format!("0/{all} nodes are available: {why}."));
        }
        let company = Company::of(pod, world, &self.guarded);
        let wanted = Amounts::requested_by(pod);
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut best: Option<(i64, &str)> = None;
        let mut all = 0;
        let empty = Space::default();
        for node in world.all("nodes") {
            all += 1;
            let name = object::name(node);
            let space = self.spaces.get(name).unwrap_or(&empty);
            let objections = space.objections(pod, &wanted, node, world, &company);
            if !objections.is_empty() {
                for objection in objections {
                    *reasons.entry(objection).or_default() += 1;
                }
                continue;
            }
            let score = space.score(pod, &wanted, node, &company);
            if best.is_none_or(|(best, _)| score > best) {
                best = Some((score, name));
            }
        }
        match best {
            Some((_, name)) => Ok(name.to_owned()),
            None if all == 0 => Err("no nodes available to schedule pods".to_owned()),
            None => Err(message(all, &reasons)),
        }
    }
}

fn place(pod: &Value) -> (String, String) {
    (
        object::namespace(pod).to_owned(),
        object::name(pod).to_owned(),
    )
}

/// As Kubernetes words it, reasons in the order of their text.
fn message(all: usize, reasons: &BTreeMap<String, usize>) -> String {
    let mut told: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    told.sort();
    format!("0/{all} nodes are available: {}.", told.join(", "))
}
