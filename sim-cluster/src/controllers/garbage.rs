//! Garbage collection: what belongs to nobody any more goes, in the order its owner was deleted in.
//!
//! After `kubernetes/pkg/controller/garbagecollector`. An object goes when every owner it names is
//! gone, looked up by uid and for certain (not as last seen). An owner deleted in the foreground
//! waits for the dependants that block it; one that orphans has their references removed first.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::adopt;
use super::manager::{Controller, View};
use super::plan::{Action, Plan};
use super::queue::Key;
use super::resources::{self, CRDS};
use super::world::{Change, Reference, World};
use crate::client::Propagation;
use crate::object;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

#[derive(Debug, Default)]
pub(super) struct Garbage {
    /// Owners that were seen to go, the oldest first: for certain, even when their kind is served
    /// no more and nobody can be asked.
    absent: VecDeque<String>,
}

/// As many as Kubernetes remembers.
const REMEMBERED: usize = 500;

impl Controller for Garbage {
    fn name(&self) -> &'static str {
        "garbage-collector"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        let mut wake_at = |at: &Reference| wake(&at.resource, &at.namespace, &at.name);
        let Some(object) = change.object() else {
            return;
        };
        if change.is_gone() {
            let mut is_missed = false;
            for (dependant, _) in world.dependants(object::uid(object)) {
                wake_at(dependant);
                is_missed = true;
            }
            if is_missed {
                self.absent.push_back(object::uid(object).to_owned());
                if self.absent.len() > REMEMBERED {
                    self.absent.pop_front();
                }
            }
        } else {
            let itself = Reference::of(change.resource, object);
            let has_lost_an_owner = object::owners(object).iter().any(|owner| {
                let uid = object::text(owner, &["uid"]);
                world
                    .find_by_uid(uid)
                    .is_none_or(|(_, owner)| waits_for_dependants(owner))
            });
            if has_lost_an_owner || is_collecting(object) {
                wake_at(&itself);
            }
            if is_collecting(object) && !change.old.is_some_and(|old| is_collecting(old)) {
                for (dependant, _) in world.dependants(object::uid(object)) {
                    wake_at(dependant);
                }
            }
        }
        // An owner that waits for this one.
        for state in change.states() {
            for owner in object::owners(state) {
                let found = world.find_by_uid(object::text(owner, &["uid"]));
                if let Some((at, _)) = found.filter(|(_, owner)| is_collecting(owner)) {
                    wake_at(at);
                }
            }
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let Ok(item) = view.client.get(&key.resource, &key.namespace, &key.name) else {
            return Plan::default();
        };
        let dependants: Vec<(&Reference, &Arc<Value>)> =
            view.world.dependants(object::uid(&item)).collect();
        if object::is_being_deleted(&item) {
            return collect(&key.resource, &item, &dependants);
        }
        let owners: Vec<Owner> = object::owners(&item)
            .iter()
            .map(|owner| {
                let uid = object::text(owner, &["uid"]);
                if self.absent.iter().any(|absent| absent == uid) {
                    return Owner::Absent;
                }
                look_up(owner, &item, view)
            })
            .collect();
        let has_dependants = !dependants.is_empty();
        match verdict(&owners, has_dependants) {
            Verdict::Keep => Plan::default(),
            Verdict::Release => {
                let lost = object::owners(&item)
                    .iter()
                    .zip(&owners)
                    .filter(|(_, owner)| **owner != Owner::Living)
                    .map(|(reference, _)| object::text(reference, &["uid"]).to_owned());
                let released = lost.fold((*item).clone(), |item, uid| {
                    adopt::without_owner(&item, &uid)
                });
                let mut plan = Plan::default();
                plan.update(&key.resource, released, None);
                plan
            }
            Verdict::Delete(propagation) => {
                let held = object::finalizers(&item).find_map(|finalizer| match finalizer {
                    ORPHAN => Some(Propagation::Orphan),
                    FOREGROUND => Some(Propagation::Foreground),
                    _ => None,
                });
                delete(&key.resource, &item, held.unwrap_or(propagation))
            }
        }
    }
}

/// What an owner that an object names is really.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Living,
    /// It goes once its dependants have gone.
    Waiting,
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    /// It loses its references to owners that are gone or go.
    Release,
    Delete(Propagation),
}

fn verdict(owners: &[Owner], has_dependants: bool) -> Verdict {
    let is = |kind| owners.contains(&kind);
    if owners.is_empty() || (is(Owner::Living) && !is(Owner::Waiting) && !is(Owner::Absent)) {
        return Verdict::Keep;
    }
    if is(Owner::Living) {
        return Verdict::Release;
    }
    if is(Owner::Waiting) && has_dependants {
        return Verdict::Delete(Propagation::Foreground);
    }
    Verdict::Delete(Propagation::Background)
}

/// For certain: asks the API for the owner and compares its uid. A kind that nobody knows counts as
/// living, since nothing can be said about it.
fn look_up(owner: &Value, item: &Value, view: &View<'_>) -> Owner {
    let uid = object::text(owner, &["uid"]);
    let seen = view.world.find_by_uid(uid).map(|(at, _)| at.clone());
    let at = seen.or_else(|| {
        let resource = resource_of(owner, view.world)?;
        Some(Reference {
            resource,
            namespace: object::namespace(item).to_owned(),
            name: object::text(owner, &["name"]).to_owned(),
        })
    });
    let Some(at) = at else {
        return Owner::Living;
    };
    match view.client.get(&at.resource, &at.namespace, &at.name) {
        Ok(found) if object::uid(&found) != uid => Owner::Absent,
        Ok(found) if waits_for_dependants(&found) => Owner::Waiting,
        Ok(_) => Owner::Living,
        Err(status) if status.code == 404 => Owner::Absent,
        Err(_) => Owner::Living,
    }
}

fn resource_of(owner: &Value, world: &World) -> Option<String> {
    let (api_version, kind) = (
        object::text(owner, &["apiVersion"]),
        object::text(owner, &["kind"]),
    );
    if let Some(known) = resources::resource_of(api_version, kind) {
        return Some(known.to_owned());
    }
    let (group, _) = api_version.split_once('/')?;
    let definition = world.all(CRDS).find(|definition| {
        object::text(definition, &["spec", "group"]) == group
            && object::text(definition, &["spec", "names", "kind"]) == kind
    })?;
    Some(resources::defined_by(definition))
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    object::finalizers(object).any(|known| known == finalizer)
}

fn waits_for_dependants(object: &Value) -> bool {
    object::is_being_deleted(object) && has_finalizer(object, FOREGROUND)
}

/// It is to go, and the collector holds it until its dependants are seen to.
fn is_collecting(object: &Value) -> bool {
    object::is_being_deleted(object)
        && (has_finalizer(object, FOREGROUND) || has_finalizer(object, ORPHAN))
}

/// The next step for an owner that is being deleted.
fn collect(resource: &str, owner: &Arc<Value>, dependants: &[(&Reference, &Arc<Value>)]) -> Plan {
    let uid = object::uid(owner);
    let mut plan = Plan::default();
    if has_finalizer(owner, ORPHAN) {
        for (at, dependant) in dependants {
            plan.update(&at.resource, adopt::without_owner(dependant, uid), None);
        }
        plan.update(resource, without_finalizer(owner, ORPHAN), None);
    } else if has_finalizer(owner, FOREGROUND) {
        let blocks = |dependant: &Value| {
            object::owners(dependant)
                .iter()
                .any(|known| known["uid"] == uid && known["blockOwnerDeletion"] == true)
        };
        // Dependants are deleted on their own keys, as what has lost its owner.
        if !dependants.iter().any(|(_, dependant)| blocks(dependant)) {
            plan.update(resource, without_finalizer(owner, FOREGROUND), None);
        }
    }
    plan
}

fn without_finalizer(object: &Value, finalizer: &str) -> Value {
    let mut object = object.clone();
    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|known| known != finalizer);
    }
    object
}

fn delete(resource: &str, item: &Value, propagation: Propagation) -> Plan {
    Plan {
        actions: vec![Action::Delete {
            target: Reference::of(resource, item),
            uid: object::uid(item).to_owned(),
            propagation: Some(propagation),
            grace: None,
            said: None,
        }],
        again: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(owners: &[Owner], has_dependants: bool, expected: Verdict) {
        assert_eq!(verdict(owners, has_dependants), expected, "{owners:?}");
    }

    #[test]
    fn one_living_owner_keeps_an_object() {
        use Owner::{Absent, Living, Waiting};
        check(&[], true, Verdict::Keep);
        check(&[Living], true, Verdict::Keep);
        check(&[Absent, Living], true, Verdict::Release);
        check(&[Waiting, Living], true, Verdict::Release);
        check(&[Absent], true, Verdict::Delete(Propagation::Background));
        check(&[Waiting], false, Verdict::Delete(Propagation::Background));
        check(
            &[Waiting, Absent],
            true,
            Verdict::Delete(Propagation::Foreground),
        );
    }
}
