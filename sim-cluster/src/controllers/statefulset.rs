//! StatefulSets: numbered pods that keep their names and volumes, started and ended in order.
//!
//! After `kubernetes/pkg/controller/statefulset`. Claims of pods that are scaled away are kept.

mod identity;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::adopt;
use super::history::{self, HASH_LABEL};
use super::manager::{Controller, View};
use super::plan::{Plan, Said};
use super::pod;
use super::queue::Key;
use super::resources;
use super::world::{Change, World};
use crate::object;

const RESOURCE: &str = "statefulsets.apps";
const REVISIONS: &str = "controllerrevisions.apps";
const CLAIMS: &str = "persistentvolumeclaims";

#[derive(Debug)]
pub(super) struct StatefulSets;

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        "statefulset"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            RESOURCE => adopt::wake_itself(change, RESOURCE, wake),
            "pods" | REVISIONS => adopt::wake_owner(change, world, RESOURCE, wake),
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
        let known = object::text(set, &["status", "currentRevision"]);
        let current = history::template_of(&revisions, known).map(|template| (known, template));
        let (current, current_template) =
            current.unwrap_or((&present.name, &set["spec"]["template"]));
        let members = Members {
            set,
            current: current.to_owned(),
            current_template,
            updated: present.name.clone(),
            pods: numbered(set, &claimed.owned),
            now: view.now,
        };
        let has_claim = |name: &str| world.get(CLAIMS, &key.namespace, name).is_some();
        members.plan(&mut plan, has_claim);
        let in_use: Vec<&str> = claimed
            .owned
            .iter()
            .filter_map(|pod| object::label(pod, HASH_LABEL))
            .chain([current, present.name.as_str()])
            .collect();
        history::forget(&mut plan, set, &revisions, &in_use);
        plan
    }
}

/// The set's pods by their number.
fn numbered<'a>(set: &Value, pods: &'a [Arc<Value>]) -> BTreeMap<i64, &'a Arc<Value>> {
    let number = |pod: &Value| {
        let (of, number) = object::name(pod).rsplit_once('-')?;
        (of == object::name(set)).then(|| number.parse().ok())?
    };
    pods.iter()
        .filter_map(|pod| Some((number(pod)?, pod)))
        .collect()
}

struct Members<'a> {
    set: &'a Arc<Value>,
    /// Names of revisions: that most pods had before an update, and that all will have after it.
    current: String,
    current_template: &'a Value,
    updated: String,
    pods: BTreeMap<i64, &'a Arc<Value>>,
    now: Timestamp,
}

impl<'a> Members<'a> {
    fn first(&self) -> i64 {
        pod::number(self.set, &["spec", "ordinals", "start"]).unwrap_or(0)
    }

    fn wanted(&self) -> std::ops::Range<i64> {
        let replicas = pod::number(self.set, &["spec", "replicas"]).unwrap_or(1);
        self.first()..self.first() + replicas
    }

    fn is_ordered(&self) -> bool {
        object::text(self.set, &["spec", "podManagementPolicy"]) != "Parallel"
    }

    /// Pods below this number keep the current template.
    fn partition(&self) -> i64 {
        let path = ["spec", "updateStrategy", "rollingUpdate", "partition"];
        pod::number(self.set, &path).unwrap_or(0)
    }

    fn revision_of(&self, pod: &Value) -> String {
        object::label(pod, HASH_LABEL)
            .unwrap_or_default()
            .to_owned()
    }

    fn is_available(&self, pod: &Value) -> bool {
        pod::is_active(pod)
            && pod::phase(pod) == "Running"
            && pod::is_available(pod, pod::min_ready(self.set), self.now)
    }

    fn plan(&self, plan: &mut Plan, has_claim: impl Fn(&str) -> bool) {
        plan.status(RESOURCE, self.set, self.status());
        let min_ready = pod::min_ready(self.set);
        for pod in self.pods.values() {
            if let Some(wait) = pod::available_in(pod, min_ready, self.now) {
                plan.again_in(wait);
            }
        }
        if !self.fill(plan, has_claim) || !self.shrink(plan) {
            return;
        }
        if object::text(self.set, &["spec", "updateStrategy", "type"]) != "OnDelete" {
            self.update(plan);
        }
    }

    /// Makes what is missing, lowest number first. Whether all are there and well, or order does
    /// not matter.
    fn fill(&self, plan: &mut Plan, has_claim: impl Fn(&str) -> bool) -> bool {
        for number in self.wanted() {
            match self.pods.get(&number) {
                None => {
                    self.create(plan, number, &has_claim);
                    if self.is_ordered() {
                        return false;
                    }
                }
                Some(pod) if pod::has_ended(pod) && !object::is_being_deleted(pod) => {
                    // Its name is needed for the one that replaces it.
                    self.delete(plan, pod);
                    if self.is_ordered() {
                        return false;
                    }
                }
                Some(pod) if self.is_ordered() && !self.is_available(pod) => {
                    // A pod of an old template that does not come up would hold up its own cure.
                    self.replace_broken(plan, pod, number);
                    return false;
                }
                Some(_) => {}
            }
        }
        true
    }

    fn replace_broken(&self, plan: &mut Plan, pod: &Arc<Value>, number: i64) {
        let is_old = self.revision_of(pod) != self.updated && number >= self.partition();
        let rolls = object::text(self.set, &["spec", "updateStrategy", "type"]) != "OnDelete";
        let was_never_ready = !pod::is_ready(pod) && pod::is_active(pod);
        // Kubernetes leaves this to people unless all later pods are updated already.
        let later_are_updated = self
            .pods
            .range(number + 1..)
            .all(|(_, later)| self.revision_of(later) == self.updated);
        if is_old && rolls && was_never_ready && later_are_updated {
            self.delete(plan, pod);
        }
    }

    /// Takes away what is too much, highest number first. Whether nothing is.
    fn shrink(&self, plan: &mut Plan) -> bool {
        let excess: Vec<_> = self
            .pods
            .iter()
            .filter(|(number, _)| !self.wanted().contains(number))
            .rev()
            .collect();
        for (_, pod) in &excess {
            if !object::is_being_deleted(pod) {
                self.delete(plan, pod);
            }
            if self.is_ordered() {
                break;
            }
        }
        excess.is_empty()
    }

    /// Takes away the next pod of an old template, highest number first, once all above are well.
    fn update(&self, plan: &mut Plan) {
        for number in self
            .wanted()
            .rev()
            .take_while(|number| *number >= self.partition())
        {
            let Some(pod) = self.pods.get(&number) else {
                return;
            };
            if self.revision_of(pod) != self.updated {
                if !object::is_being_deleted(pod) {
                    self.delete(plan, pod);
                }
                return;
            }
            if !self.is_available(pod) {
                return;
            }
        }
    }

    fn create(&self, plan: &mut Plan, number: i64, has_claim: impl Fn(&str) -> bool) {
        let is_kept = number < self.partition() && self.current != self.updated;
        let (revision, template) = if is_kept {
            (&self.current, self.current_template)
        } else {
            (&self.updated, &self.set["spec"]["template"])
        };
        for claim in identity::claims(self.set, number) {
            let name = object::name(&claim).to_owned();
            if has_claim(&name) {
                continue;
            }
            let message = format!(
                "create Claim {name} Pod {} in StatefulSet {} success",
                identity::name(self.set, number),
                object::name(self.set)
            );
            plan.create(
                CLAIMS,
                claim,
                Some(Said::normal(self.set, "SuccessfulCreate", message)),
            );
        }
        let pod = identity::pod(self.set, template, number, revision);
        let message = format!(
            "create Pod {} in StatefulSet {} successful",
            object::name(&pod),
            object::name(self.set)
        );
        let said = Said::normal(self.set, "SuccessfulCreate", message)
            .or_when_refused("FailedCreate", "create Pod failed");
        plan.create("pods", pod, Some(said));
    }

    fn delete(&self, plan: &mut Plan, pod: &Arc<Value>) {
        let message = format!(
            "delete Pod {} in StatefulSet {} successful",
            object::name(pod),
            object::name(self.set)
        );
        plan.delete(
            "pods",
            pod,
            Some(Said::normal(self.set, "SuccessfulDelete", message)),
        );
    }

    fn status(&self) -> Value {
        let pods = || self.pods.values().filter(|pod| pod::is_active(pod));
        let count = |holds: &dyn Fn(&Value) -> bool| pods().filter(|pod| holds(pod)).count();
        let of = |revision: &str| count(&|pod| self.revision_of(pod) == revision);
        let updated = of(&self.updated);
        let wanted = self.wanted().count();
        let ready = count(&|pod| pod::phase(pod) == "Running" && pod::is_ready(pod));
        // An update is over when every pod has the new template and is well.
        let is_over = self.partition() <= self.first()
            && updated == wanted
            && ready == wanted
            && pods().count() == wanted;
        let current = if is_over {
            &self.updated
        } else {
            &self.current
        };
        let mut status = json!({
            "observedGeneration": object::at(self.set, &["metadata", "generation"]),
            "replicas": pods().count(),
            "availableReplicas": count(&|pod| self.is_available(pod)),
            "currentRevision": current,
            "updateRevision": self.updated,
            "collisionCount": 0,
        });
        for (field, number) in [
            ("readyReplicas", ready),
            ("currentReplicas", of(current)),
            ("updatedReplicas", updated),
        ] {
            if number > 0 {
                status[field] = json!(number);
            }
        }
        status
    }
}
