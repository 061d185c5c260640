//! Owners and what they own: who is woken by whose change, and which objects are taken up or let go.
//!
//! An object without a managing owner that matches an owner's selector is adopted; one that is
//! owned but matches no longer is released. After `kubernetes/pkg/controller/controller_ref_manager.go`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::plan::Plan;
use super::pod;
use super::resources;
use super::selector::Selector;
use super::world::{Change, World};
use crate::object;

/// Wakes the object that changed, when it is of this resource.
pub(super) fn wake_itself(
    change: &Change<'_>,
    resource: &str,
    wake: &mut dyn FnMut(&str, &str, &str),
) {
    if let Some(object) = change.object().filter(|_| change.resource == resource) {
        wake(resource, object::namespace(object), object::name(object));
    }
}

/// Wakes who manages the object that changed, or who may adopt it.
pub(super) fn wake_owner(
    change: &Change<'_>,
    world: &World,
    owners: &str,
    wake: &mut dyn FnMut(&str, &str, &str),
) {
    for state in change.states() {
        if let Some(owner) = object::controller(state) {
            let found = world.find_by_uid(object::text(owner, &["uid"]));
            if let Some((at, _)) = found.filter(|(at, _)| at.resource == owners) {
                wake(&at.resource, &at.namespace, &at.name);
            }
        }
    }
    let Some(orphan) = change
        .new
        .filter(|object| object::controller(object).is_none())
    else {
        return;
    };
    let labels = &orphan["metadata"]["labels"];
    for owner in world.selecting(owners, object::namespace(orphan), labels) {
        wake(owners, object::namespace(&owner), object::name(&owner));
    }
}

/// What an owner has, after claiming what it may.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) owned: Vec<Arc<Value>>,
    /// Adoptions and releases; to be done before anything else is decided.
    pub(super) plan: Plan,
}

pub(super) fn claim(world: &World, owner: &Arc<Value>, resource: &str, of: &str) -> Claimed {
    let mut claimed = Claimed::default();
    let uid = object::uid(owner);
    let Some(selector) = Selector::of(&owner["spec"]["selector"]).filter(|it| !it.is_empty())
    else {
        claimed.owned = world.managed(uid, of);
        return claimed;
    };
    let is_leaving = object::is_being_deleted(owner);
    for owned in world.managed(uid, of) {
        if is_leaving
            || object::is_being_deleted(&owned)
            || selector.matches(&owned["metadata"]["labels"])
        {
            claimed.owned.push(owned);
        } else {
            claimed.plan.update(of, without_owner(&owned, uid), None);
        }
    }
    if is_leaving {
        return claimed;
    }
    for orphan in world.unmanaged(of, object::namespace(owner)) {
        let has_ended = of == "pods" && pod::has_ended(&orphan);
        let is_wanted = !object::is_being_deleted(&orphan)
            && !has_ended
            && selector.matches(&orphan["metadata"]["labels"]);
        if is_wanted {
            let (api_version, kind) = resources::kind_of(resource);
            let mut adopted = (*orphan).clone();
            let reference = pod::controller_reference(owner, api_version, kind);
            match adopted["metadata"]["ownerReferences"].as_array_mut() {
                Some(references) => references.push(reference),
                None => adopted["metadata"]["ownerReferences"] = json!([reference]),
            }
            claimed.plan.update(of, adopted, None);
        }
    }
    claimed
}

/// The object without its references to this owner.
pub(super) fn without_owner(object: &Value, uid: &str) -> Value {
    let mut object = object.clone();
    let mut is_empty = false;
    if let Some(references) = object["metadata"]["ownerReferences"].as_array_mut() {
        references.retain(|reference| reference["uid"] != uid);
        is_empty = references.is_empty();
    }
    if let Some(metadata) = object["metadata"].as_object_mut().filter(|_| is_empty) {
        metadata.remove("ownerReferences");
    }
    object
}
