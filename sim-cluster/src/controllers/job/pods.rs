//! The pods of a job: how they are made, counted and let go.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::status::Counted;
use crate::controllers::pod as pods;
use crate::object;

/// Holds a pod until it has been counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Labels by which a job finds its pods, the older ones too, which many still ask for.
fn labels(job: &Value) -> [(&'static str, String); 4] {
    let (uid, name) = (object::uid(job).to_owned(), object::name(job).to_owned());
    [
        ("batch.kubernetes.io/controller-uid", uid.clone()),
        ("batch.kubernetes.io/job-name", name.clone()),
        ("controller-uid", uid),
        ("job-name", name),
    ]
}

/// The job with the selector and labels that the API server would have given it; None when it has
/// a selector already.
pub(super) fn with_selector(job: &Value) -> Option<Value> {
    if job["spec"]["selector"].is_object() || job["spec"]["manualSelector"] == true {
        return None;
    }
    let mut job = job.clone();
    let labels = labels(&job);
    for (key, value) in &labels {
        pods::set_label(&mut job["spec"]["template"], key, value);
    }
    let (key, uid) = &labels[0];
    job["spec"]["selector"] = json!({ "matchLabels": { *key: uid } });
    Some(job)
}

pub(super) fn is_held(pod: &Value) -> bool {
    object::finalizers(pod).any(|finalizer| finalizer == TRACKING)
}

pub(super) fn released(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(finalizers) = pod["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != TRACKING);
    }
    pod
}

pub(super) fn pod(job: &Value, index: Option<i64>) -> Value {
    let owner = pods::controller_reference(job, "batch/v1", "Job");
    let mut pod = pods::from_template(&job["spec"]["template"], object::namespace(job), owner);
    for (key, value) in labels(job) {
        pods::set_label(&mut pod, key, &value);
    }
    let mut finalizers = object::list(&pod, &["metadata", "finalizers"]).to_vec();
    finalizers.push(json!(TRACKING));
    pod["metadata"]["finalizers"] = json!(finalizers);
    let Some(index) = index else {
        pod["metadata"]["generateName"] = json!(format!("{}-", object::name(job)));
        return pod;
    };
    pod["metadata"]["generateName"] = json!(format!("{}-{index}-", object::name(job)));
    pods::set_annotation(&mut pod, INDEX, &index.to_string());
    pods::set_label(&mut pod, INDEX, &index.to_string());
    pod["spec"]["hostname"] = json!(format!("{}-{index}", object::name(job)));
    for container in pod["spec"]["containers"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let variable = json!({ "name": "JOB_COMPLETION_INDEX", "value": index.to_string() });
        match container["env"].as_array_mut() {
            Some(variables) => variables.push(variable),
            None => container["env"] = json!([variable]),
        }
    }
    pod
}

pub(super) fn index(pod: &Value) -> Option<i64> {
    object::annotation(pod, INDEX)?.parse().ok()
}

/// For indexed jobs: numbers that neither have succeeded nor are being worked on, lowest first.
pub(super) fn free_indexes(
    job: &Value,
    owned: &[Arc<Value>],
    counted: &Counted,
) -> Option<impl Iterator<Item = i64> + use<>> {
    if job["spec"]["completionMode"] != "Indexed" {
        return None;
    }
    let completions = pods::number(job, &["spec", "completions"]).unwrap_or(0);
    let mut taken: BTreeSet<i64> = owned
        .iter()
        .filter(|pod| pods::is_active(pod))
        .filter_map(|pod| index(pod))
        .collect();
    taken.extend(counted.completed_indexes());
    Some((0..completions).filter(move |index| !taken.contains(index)))
}

/// When its last container ended.
pub(super) fn ended_at(pod: &Value) -> Timestamp {
    object::list(pod, &["status", "containerStatuses"])
        .iter()
        .filter_map(|status| pods::time(object::at(status, &["state", "terminated", "finishedAt"])))
        .max()
        .or_else(|| {
            let ready = object::condition(pod, "Ready")?;
            pods::time(&ready["lastTransitionTime"])
        })
        .unwrap_or_else(|| pods::created(pod))
}
