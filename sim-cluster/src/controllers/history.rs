//! ControllerRevisions: the templates that StatefulSets and DaemonSets have had.
//!
//! Both keep the history of their template this way, and `kubectl rollout history` and `undo` read it.
//! After `kubernetes/pkg/controller/history`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::deployment::template_hash;
use super::plan::Plan;
use super::pod;
use crate::object;

const RESOURCE: &str = "controllerrevisions.apps";
pub(super) const HASH_LABEL: &str = "controller-revision-hash";

/// The revision of an owner's present template among those it has.
#[derive(Debug)]
pub(super) struct Present {
    /// Of the pods that have this template.
    pub(super) hash: String,
    /// Its object's name.
    pub(super) name: String,
    /// It has to be created, or renumbered, first.
    pub(super) is_settled: bool,
}

/// What a revision keeps, as a patch that `kubectl rollout undo` applies.
fn data(owner: &Value) -> Value {
    let mut template = owner["spec"]["template"].clone();
    template["$patch"] = json!("replace");
    json!({ "spec": { "template": template } })
}

fn number(revision: &Value) -> i64 {
    revision["revision"].as_i64().unwrap_or(0)
}

/// Finds or plans the revision of the owner's template.
pub(super) fn present(
    plan: &mut Plan,
    owner: &Arc<Value>,
    (api_version, kind): (&str, &str),
    revisions: &[Arc<Value>],
) -> Present {
    let data = data(owner);
    let next = 1 + revisions
        .iter()
        .map(|revision| number(revision))
        .max()
        .unwrap_or(0);
    let known = revisions
        .iter()
        .filter(|revision| revision["data"] == data)
        .max_by_key(|revision| number(revision));
    if let Some(known) = known {
        let is_newest = number(known) + 1 == next;
        if !is_newest {
            let mut renumbered = (**known).clone();
            renumbered["revision"] = json!(next);
            plan.update(RESOURCE, renumbered, None);
        }
        return Present {
            hash: object::label(known, HASH_LABEL)
                .unwrap_or_default()
                .to_owned(),
            name: object::name(known).to_owned(),
            is_settled: is_newest,
        };
    }
    // A hash that another template has taken already is passed over.
    let (hash, name) = (0..)
        .map(|collisions| {
            let hash = template_hash(&owner["spec"]["template"], collisions);
            let name = format!("{}-{hash}", object::name(owner));
            (hash, name)
        })
        .find(|(_, name)| {
            !revisions
                .iter()
                .any(|revision| object::name(revision) == name)
        })
        .expect("the numbers do not end");
    let mut labels = owner["spec"]["template"]["metadata"]["labels"].clone();
    if !labels.is_object() {
        labels = json!({});
    }
    labels[HASH_LABEL] = json!(hash);
    let mut revision = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {
            "namespace": object::namespace(owner), "name": name, "labels": labels,
            "ownerReferences": [pod::controller_reference(owner, api_version, kind)],
        },
        "data": data,
        "revision": next,
    });
    if let Some(cause) = object::annotation(owner, "kubernetes.io/change-cause") {
        pod::set_annotation(&mut revision, "kubernetes.io/change-cause", cause);
    }
    plan.create(RESOURCE, revision, None);
    Present {
        hash,
        name,
        is_settled: false,
    }
}

/// The template that a revision keeps.
pub(super) fn template_of<'a>(revisions: &'a [Arc<Value>], name: &str) -> Option<&'a Value> {
    let revision = revisions
        .iter()
        .find(|revision| object::name(revision) == name)?;
    Some(&revision["data"]["spec"]["template"])
}

/// Deletes the oldest revisions that no pod has, beyond as many as the owner keeps.
pub(super) fn forget(plan: &mut Plan, owner: &Value, revisions: &[Arc<Value>], in_use: &[&str]) {
    let limit = pod::number(owner, &["spec", "revisionHistoryLimit"]).unwrap_or(10);
    let mut old: Vec<&Arc<Value>> = revisions
        .iter()
        .filter(|revision| {
            let hash = object::label(revision, HASH_LABEL).unwrap_or_default();
            !in_use.contains(&object::name(revision)) && !in_use.contains(&hash)
        })
        .collect();
    old.sort_by_key(|revision| number(revision));
    let excess = old
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(0));
    for revision in &old[..excess] {
        plan.delete(RESOURCE, revision, None);
    }
}
