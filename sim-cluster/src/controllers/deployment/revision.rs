//! Which ReplicaSet belongs to a Deployment's template, and the history that `kubectl rollout` reads.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::controllers::pod;
use crate::object;

pub(crate) const HASH_LABEL: &str = "pod-template-hash";
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(crate) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(crate) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The newest set whose template is the Deployment's, the hash apart; and the others, oldest first.
/// Of several sets with the same template, the oldest is it, as with Kubernetes.
pub(crate) fn split<'a>(
    deployment: &Value,
    sets: &'a [Arc<Value>],
) -> (Option<&'a Arc<Value>>, Vec<&'a Arc<Value>>) {
    let mut sorted: Vec<&Arc<Value>> = sets.iter().collect();
    sorted.sort_by(|a, b| {
        let key = |set: &Value| (pod::created(set), revision(set));
        key(a)
            .cmp(&key(b))
            .then_with(|| object::name(a).cmp(object::name(b)))
    });
    let wanted = &deployment["spec"]["template"];
    let new = sorted
        .iter()
        .position(|set| same_template(&set["spec"]["template"], wanted));
    let new = new.map(|at| sorted.remove(at));
    (new, sorted)
}

fn same_template(of_set: &Value, of_deployment: &Value) -> bool {
    if of_set["spec"] != of_deployment["spec"] {
        return false;
    }
    let metadata = |template: &Value| {
        let mut metadata = template["metadata"].clone();
        if let Some(labels) = metadata["labels"].as_object_mut() {
            labels.remove(HASH_LABEL);
        }
        if let Some(fields) = metadata.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        metadata
    };
    metadata(of_set) == metadata(of_deployment)
}

pub(crate) fn revision(object: &Value) -> i64 {
    object::annotation(object, REVISION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// The name's ending and the label that tell the pods of one template from another's: FNV-1a over
/// the template's JSON, in the letters that Kubernetes uses to keep words out of names.
pub(crate) fn template_hash(template: &Value, collisions: i64) -> String {
    let mut text = template.to_string();
    if collisions > 0 {
        text.push_str(&collisions.to_string());
    }
    safe(fnv(text.as_bytes()))
}

pub(crate) fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

pub(crate) fn safe(hash: u32) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    hash.to_string()
        .bytes()
        .map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()]))
        .collect()
}

/// A new set for the template, at revision `number`, with no more pods than `replicas`.
pub(crate) fn new_set(
    deployment: &Value,
    hash: &str,
    number: i64,
    replicas: i64,
    maximum: i64,
) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    pod::set_label(&mut template, HASH_LABEL, hash);
    let mut selector = deployment["spec"]["selector"].clone();
    if !selector["matchLabels"].is_object() {
        selector["matchLabels"] = json!({});
    }
    selector["matchLabels"][HASH_LABEL] = json!(hash);
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "namespace": object::namespace(deployment),
            "name": format!("{}-{hash}", object::name(deployment)),
            "labels": template["metadata"]["labels"].clone(),
            "ownerReferences": [pod::controller_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": { "replicas": replicas, "selector": selector, "template": template },
    });
    if let Some(seconds) = pod::number(deployment, &["spec", "minReadySeconds"]).filter(|n| *n > 0)
    {
        set["spec"]["minReadySeconds"] = json!(seconds);
    }
    annotate(&mut set, deployment, number);
    size_annotations(&mut set, deployment, maximum);
    set
}

/// Gives the set the Deployment's annotations (`kubernetes.io/change-cause` among them) and its
/// revision; older revisions of the same template are remembered.
pub(crate) fn annotate(set: &mut Value, deployment: &Value, number: i64) {
    for (key, value) in deployment["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let own = [LAST_APPLIED, REVISION, HISTORY, DESIRED, MAXIMUM];
        if !own.contains(&key.as_str()) {
            pod::set_annotation(set, key, value.as_str().unwrap_or_default());
        }
    }
    let before = object::annotation(set, REVISION).map(str::to_owned);
    if revision(set) >= number {
        return;
    }
    if let Some(before) = before {
        let history = match object::annotation(set, HISTORY) {
            Some(history) => format!("{history},{before}"),
            None => before,
        };
        pod::set_annotation(set, HISTORY, &history);
    }
    pod::set_annotation(set, REVISION, &number.to_string());
}

/// By these a later sync tells a scaling of the Deployment from a roll-out.
pub(crate) fn size_annotations(set: &mut Value, deployment: &Value, maximum: i64) {
    let desired = pod::number(deployment, &["spec", "replicas"]).unwrap_or(1);
    pod::set_annotation(set, DESIRED, &desired.to_string());
    pod::set_annotation(set, MAXIMUM, &maximum.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_recognised_by_its_template_whatever_its_hash() {
        let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "x": 1 } });
        let deployment = json!({
            "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" } }, "template": template },
        });
        let set = new_set(&deployment, &template_hash(&template, 0), 1, 3, 4);
        let sets = [Arc::new(set)];
        assert!(split(&deployment, &sets).0.is_some());
        let mut other = deployment.clone();
        other["spec"]["template"]["spec"]["x"] = json!(2);
        assert!(split(&other, &sets).0.is_none());
    }

    #[test]
    fn a_revision_taken_up_again_remembers_its_older_numbers() {
        let mut set = json!({});
        for number in [1, 3, 5] {
            annotate(&mut set, &json!({}), number);
        }
        assert_eq!(revision(&set), 5);
        assert_eq!(object::annotation(&set, HISTORY), Some("1,3"));
    }
}
