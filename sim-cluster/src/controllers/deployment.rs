//! Deployments: a ReplicaSet for each template, rolled over pod by pod.
//!
//! Decides from the Deployment and the ReplicaSets it manages; pods matter only to `Recreate`,
//! which waits for the last of them. After `kubernetes/pkg/controller/deployment`.

mod revision;
mod rolling;
mod status;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use revision::{fnv, safe, template_hash};
pub(super) use rolling::scaled;
use rolling::{Size, Wish};

use super::adopt;
use super::manager::{Controller, View};
use super::plan::{Plan, Said};
use super::pod;
use super::queue::Key;
use super::world::{Change, World};
use crate::object;

const RESOURCE: &str = "deployments.apps";
const SETS: &str = "replicasets.apps";

#[derive(Debug)]
pub(super) struct Deployments;

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        "deployment"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            RESOURCE => adopt::wake_itself(change, RESOURCE, wake),
            SETS => adopt::wake_owner(change, world, RESOURCE, wake),
            // The last pod of the old template is what `Recreate` waits for.
            "pods" if change.is_gone() || change.differs(&["status", "phase"]) => {
                let owner = change.object().and_then(|pod| object::controller(pod));
                let set = owner.and_then(|owner| world.find_by_uid(object::text(owner, &["uid"])));
                let owner = set.and_then(|(_, set)| object::controller(set));
                let found =
                    owner.and_then(|owner| world.find_by_uid(object::text(owner, &["uid"])));
                if let Some((at, deployment)) = found
                    && deployment["spec"]["strategy"]["type"] == "Recreate"
                {
                    wake(&at.resource, &at.namespace, &at.name);
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let Some(deployment) = view.world.get(RESOURCE, &key.namespace, &key.name) else {
            return Plan::default();
        };
        let claimed = adopt::claim(view.world, deployment, RESOURCE, SETS);
        if !claimed.plan.actions.is_empty() {
            return claimed.plan;
        }
        let rollout = Rollout::new(deployment, &claimed.owned);
        let running_old = |set: &Value| {
            let pods = view.world.managed(object::uid(set), "pods");
            pods.iter().any(|pod| !pod::has_ended(pod))
        };
        rollout.plan(view.now, running_old, |name| {
            view.world.get(SETS, &key.namespace, name).is_some()
        })
    }
}

/// A Deployment and its sets, sorted out.
struct Rollout<'a> {
    deployment: &'a Arc<Value>,
    wish: Wish,
    new: Option<&'a Arc<Value>>,
    /// Oldest first.
    old: Vec<&'a Arc<Value>>,
}

fn replicas(set: &Value) -> i64 {
    pod::number(set, &["spec", "replicas"]).unwrap_or(1)
}

fn size(set: &Arc<Value>) -> Size {
    Size {
        replicas: replicas(set),
        pods: pod::number(set, &["status", "replicas"]).unwrap_or(0),
        available: pod::number(set, &["status", "availableReplicas"]).unwrap_or(0),
    }
}

impl<'a> Rollout<'a> {
    fn new(deployment: &'a Arc<Value>, sets: &'a [Arc<Value>]) -> Rollout<'a> {
        let strategy = &deployment["spec"]["strategy"];
        let limits = &strategy["rollingUpdate"];
        let wish = if strategy["type"] == "Recreate" {
            Wish {
                replicas: replicas(deployment),
                max_surge: 0,
                max_unavailable: 0,
            }
        } else {
            Wish::new(
                replicas(deployment),
                &limits["maxSurge"],
                &limits["maxUnavailable"],
            )
        };
        let (new, old) = revision::split(deployment, sets);
        Rollout {
            deployment,
            wish,
            new,
            old,
        }
    }

    fn plan(
        &self,
        now: Timestamp,
        has_running_pods: impl Fn(&Value) -> bool,
        name_is_taken: impl Fn(&str) -> bool,
    ) -> Plan {
        let mut plan = Plan::default();
        let mut collisions =
            pod::number(self.deployment, &["status", "collisionCount"]).unwrap_or(0);
        if !object::is_being_deleted(self.deployment) {
            if self.deployment["spec"]["paused"] == true || self.was_scaled() {
                self.scale(&mut plan);
            } else {
                self.roll(&mut plan, has_running_pods, name_is_taken, &mut collisions);
            }
            self.number(&mut plan);
            self.forget_old(&mut plan);
        }
        let (status, left) = status::status(
            self.deployment,
            self.wish,
            self.new.map(|set| &**set),
            &self.old.iter().map(|set| &***set).collect::<Vec<_>>(),
            collisions,
            now,
        );
        // A first set is said to have been created once it has its name; and a Deployment that gets
        // its number now is looked at again right after, as another version.
        let is_first = self.new.is_none() && self.old.is_empty() && self.wish.replicas > 0;
        if !is_first && !self.needs_number() {
            plan.status(RESOURCE, self.deployment, status);
        }
        if let Some(left) = left {
            plan.again_in(left);
        }
        plan
    }

    /// The new set's number, above those of all old sets.
    fn revision(&self) -> Option<i64> {
        Some(self.next_revision().max(revision::revision(self.new?)))
    }

    fn needs_number(&self) -> bool {
        self.revision().is_some_and(|number| {
            object::annotation(self.deployment, revision::REVISION) != Some(&number.to_string())
        }) && !object::is_being_deleted(self.deployment)
    }

    fn maximum(&self) -> i64 {
        self.wish.replicas + self.wish.max_surge
    }

    fn sets(&self) -> impl Iterator<Item = &'a Arc<Value>> {
        self.new.into_iter().chain(self.old.iter().copied())
    }

    /// Whether `spec.replicas` is another than when the sets were sized.
    fn was_scaled(&self) -> bool {
        self.sets().any(|set| {
            let desired = object::annotation(set, revision::DESIRED);
            replicas(set) > 0
                && desired.is_some_and(|desired| desired != self.wish.replicas.to_string())
        })
    }

    /// No roll-out, only sizes: while paused, and right after scaling.
    fn scale(&self, plan: &mut Plan) {
        let active: Vec<&Arc<Value>> = self.sets().filter(|set| replicas(set) > 0).collect();
        let latest = || self.new.or(self.old.last().copied());
        let only = match active.as_slice() {
            [] => latest(),
            [one] => Some(*one),
            _ => None,
        };
        if let Some(only) = only {
            self.resize(plan, only, self.wish.replicas);
            return;
        }
        let is_done = self.new.is_some_and(|new| {
            replicas(new) == self.wish.replicas && size(new).available == self.wish.replicas
        });
        if let Some(new) = self.new.filter(|_| is_done) {
            self.resize(plan, new, self.wish.replicas);
            for old in &self.old {
                self.resize(plan, old, 0);
            }
            return;
        }
        let mut newest_first: Vec<&Arc<Value>> = self.sets().collect();
        newest_first.sort_by_key(|set| std::cmp::Reverse(pod::created(set)));
        let sizes: Vec<Size> = newest_first.iter().map(|set| size(set)).collect();
        let before = newest_first.iter().find_map(|set| {
            (replicas(set) > 0).then(|| object::annotation(set, revision::MAXIMUM)?.parse().ok())?
        });
        let before = before.unwrap_or_else(|| sizes.iter().map(|size| size.replicas).sum());
        for (set, size) in newest_first
            .iter()
            .zip(rolling::in_proportion(self.wish, &sizes, before))
        {
            self.resize(plan, set, size);
        }
    }

    fn roll(
        &self,
        plan: &mut Plan,
        has_running_pods: impl Fn(&Value) -> bool,
        name_is_taken: impl Fn(&str) -> bool,
        collisions: &mut i64,
    ) {
        let old: Vec<Size> = self.old.iter().map(|set| size(set)).collect();
        if self.deployment["spec"]["strategy"]["type"] == "Recreate" {
            let any = old.iter().any(|size| size.replicas > 0);
            for set in &self.old {
                self.resize(plan, set, 0);
            }
            if any || self.old.iter().any(|set| has_running_pods(set)) {
                return;
            }
            match self.new {
                Some(new) => self.resize(plan, new, self.wish.replicas),
                None => self.create(plan, self.wish.replicas, name_is_taken, collisions),
            }
            return;
        }
        let Some(new) = self.new else {
            let nothing = Size {
                replicas: 0,
                pods: 0,
                available: 0,
            };
            let first = rolling::new_size(self.wish, nothing, &old);
            self.create(plan, first, name_is_taken, collisions);
            return;
        };
        let grown = rolling::new_size(self.wish, size(new), &old);
        if grown != replicas(new) {
            self.resize(plan, new, grown);
            return;
        }
        for (set, size) in self
            .old
            .iter()
            .zip(rolling::old_sizes(self.wish, size(new), &old))
        {
            self.resize(plan, set, size);
        }
    }

    fn create(
        &self,
        plan: &mut Plan,
        size: i64,
        name_is_taken: impl Fn(&str) -> bool,
        collisions: &mut i64,
    ) {
        let hash = revision::template_hash(&self.deployment["spec"]["template"], *collisions);
        let set = revision::new_set(
            self.deployment,
            &hash,
            self.next_revision(),
            size,
            self.maximum(),
        );
        if name_is_taken(object::name(&set)) {
            // Somebody else's set, or one of ours with another template: a different hash next time.
            *collisions += 1;
            return;
        }
        let said = (size > 0).then(|| {
            let message = format!(
                "Scaled up replica set {} from 0 to {size}",
                object::name(&set)
            );
            Said::normal(self.deployment, "ScalingReplicaSet", message)
                .or_when_refused("ReplicaSetCreateError", "Failed to create new replica set")
        });
        plan.create(SETS, set, said);
    }

    fn next_revision(&self) -> i64 {
        1 + self
            .old
            .iter()
            .map(|set| revision::revision(set))
            .max()
            .unwrap_or(0)
    }

    /// Sets the size when it is another; and by which wish it was set.
    fn resize(&self, plan: &mut Plan, set: &Arc<Value>, size: i64) {
        let before = replicas(set);
        if before == 0 && size == 0 {
            return;
        }
        let mut sized = (**set).clone();
        sized["spec"]["replicas"] = json!(size);
        revision::size_annotations(&mut sized, self.deployment, self.maximum());
        if sized == **set {
            return;
        }
        let said = (size != before).then(|| {
            let direction = if size > before { "up" } else { "down" };
            let message = format!(
                "Scaled {direction} replica set {} from {before} to {size}",
                object::name(set)
            );
            Said::normal(self.deployment, "ScalingReplicaSet", message)
        });
        plan.update(SETS, sized, said);
    }

    /// The new set's revision is above all old ones', and the Deployment's is the new set's.
    fn number(&self, plan: &mut Plan) {
        let (Some(new), Some(number)) = (self.new, self.revision()) else {
            return;
        };
        if plan.actions.is_empty() {
            let mut numbered = (**new).clone();
            revision::annotate(&mut numbered, self.deployment, number);
            let seconds = pod::number(self.deployment, &["spec", "minReadySeconds"]).unwrap_or(0);
            if seconds != pod::number(new, &["spec", "minReadySeconds"]).unwrap_or(0) {
                numbered["spec"]["minReadySeconds"] = json!(seconds);
            }
            if numbered != **new {
                plan.update(SETS, numbered, None);
            }
        }
        if self.needs_number() {
            let mut numbered = (**self.deployment).clone();
            pod::set_annotation(&mut numbered, revision::REVISION, &number.to_string());
            plan.update(RESOURCE, numbered, None);
        }
    }

    /// Keeps as many empty old sets as the history may have.
    fn forget_old(&self, plan: &mut Plan) {
        let limit = pod::number(self.deployment, &["spec", "revisionHistoryLimit"]).unwrap_or(10);
        let complete = self
            .new
            .is_some_and(|new| size(new).available >= self.wish.replicas);
        let mut old: Vec<&&Arc<Value>> = self.old.iter().collect();
        let excess = old
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        if !complete || excess == 0 {
            return;
        }
        old.sort_by_key(|set| revision::revision(set));
        for set in old.into_iter().take(excess) {
            let empty = replicas(set) == 0 && size(set).pods == 0;
            if empty && !object::is_being_deleted(set) {
                plan.delete(SETS, set, None);
            }
        }
    }
}
