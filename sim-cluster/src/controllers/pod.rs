//! What controllers ask of a pod, and how a template becomes one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::object;

pub(crate) fn phase(pod: &Value) -> &str {
    object::text(pod, &["status", "phase"])
}

/// It has ended, well or badly, and never runs again.
pub(crate) fn has_ended(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// It counts: neither ended nor on its way out.
pub(crate) fn is_active(pod: &Value) -> bool {
    !has_ended(pod) && !object::is_being_deleted(pod)
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    object::condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// Ready for at least so long; `minReadySeconds` of its owner.
pub(crate) fn is_available(pod: &Value, min_ready: SignedDuration, now: Timestamp) -> bool {
    is_ready(pod)
        && (min_ready.is_zero() || ready_since(pod).is_some_and(|at| at + min_ready <= now))
}

/// How long until it is available, if it is ready but not yet so.
pub(crate) fn available_in(
    pod: &Value,
    min_ready: SignedDuration,
    now: Timestamp,
) -> Option<SignedDuration> {
    let since = is_ready(pod).then(|| ready_since(pod)).flatten()?;
    let left = (since + min_ready).duration_since(now);
    left.is_positive().then_some(left)
}

pub(crate) fn ready_since(pod: &Value) -> Option<Timestamp> {
    time(object::condition(pod, "Ready")?.get("lastTransitionTime")?)
}

pub(crate) fn node(pod: &Value) -> &str {
    object::text(pod, &["spec", "nodeName"])
}

/// Of all its containers together.
pub(crate) fn restarts(pod: &Value) -> u64 {
    object::list(pod, &["status", "containerStatuses"])
        .iter()
        .filter_map(|status| status["restartCount"].as_u64())
        .sum()
}

/// A time as objects write it.
pub(crate) fn time(written: &Value) -> Option<Timestamp> {
    written.as_str()?.parse().ok()
}

/// As objects write times: whole seconds.
pub(crate) fn stamp(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn created(object: &Value) -> Timestamp {
    time(object::at(object, &["metadata", "creationTimestamp"])).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The reference by which an owner that manages an object is found again.
pub(crate) fn controller_reference(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "name": object::name(owner), "uid": object::uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// A pod by a template, owned by who made it. The caller names it.
pub(crate) fn from_template(template: &Value, namespace: &str, owner: Value) -> Value {
    let mut metadata = json!({ "namespace": namespace, "ownerReferences": [owner] });
    for kept in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(kept) {
            metadata[kept] = value.clone();
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": metadata,
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    })
}

/// Sets a label, whatever the object had.
pub(crate) fn set_label(object: &mut Value, key: &str, value: &str) {
    set_in(object, "labels", key, value);
}

pub(crate) fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set_in(object, "annotations", key, value);
}

fn set_in(object: &mut Value, map: &str, key: &str, value: &str) {
    let held = &mut object["metadata"][map];
    if !held.is_object() {
        *held = json!({});
    }
    held[key] = json!(value);
}

/// A whole number by its path; None when absent.
pub(crate) fn number(object: &Value, path: &[&str]) -> Option<i64> {
    object::at(object, path).as_i64()
}

/// `minReadySeconds` of an owner.
pub(crate) fn min_ready(owner: &Value) -> SignedDuration {
    SignedDuration::from_secs(number(owner, &["spec", "minReadySeconds"]).unwrap_or(0))
}
