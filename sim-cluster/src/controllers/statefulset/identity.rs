//! What a numbered pod is called, and what is its own.

use serde_json::{Value, json};

use crate::controllers::history::HASH_LABEL;
use crate::controllers::pod as pods;
use crate::object;

pub(super) fn name(set: &Value, number: i64) -> String {
    format!("{}-{number}", object::name(set))
}

fn claim_name(template: &Value, pod: &str) -> String {
    format!("{}-{pod}", object::name(template))
}

/// The volume claims of one pod; they outlive it.
pub(super) fn claims(set: &Value, number: i64) -> impl Iterator<Item = Value> {
    let pod = name(set, number);
    object::list(set, &["spec", "volumeClaimTemplates"])
        .iter()
        .map(move |template| {
            let mut labels = template["metadata"]["labels"].clone();
            let selected = set["spec"]["selector"]["matchLabels"].as_object();
            if !labels.is_object() {
                labels = json!({});
            }
            for (key, value) in selected.into_iter().flatten() {
                labels[key] = value.clone();
            }
            let mut metadata = json!({
                "namespace": object::namespace(set),
                "name": claim_name(template, &pod),
                "labels": labels,
            });
            if let Some(annotations) = template["metadata"].get("annotations") {
                metadata["annotations"] = annotations.clone();
            }
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": template["spec"],
            })
        })
}

pub(super) fn pod(set: &Value, template: &Value, number: i64, revision: &str) -> Value {
    let owner = pods::controller_reference(set, "apps/v1", "StatefulSet");
    let mut pod = pods::from_template(template, object::namespace(set), owner);
    let name = name(set, number);
    pod["metadata"]["name"] = json!(name);
    pods::set_label(&mut pod, HASH_LABEL, revision);
    pods::set_label(&mut pod, "statefulset.kubernetes.io/pod-name", &name);
    pods::set_label(
        &mut pod,
        "apps.kubernetes.io/pod-index",
        &number.to_string(),
    );
    pod["spec"]["hostname"] = json!(name);
    let service = object::text(set, &["spec", "serviceName"]);
    if !service.is_empty() {
        pod["spec"]["subdomain"] = json!(service);
    }
    let claimed = object::list(set, &["spec", "volumeClaimTemplates"]);
    if claimed.is_empty() {
        return pod;
    }
    // A claim takes the place of a volume of the same name.
    let is_claimed = |volume: &Value| {
        claimed
            .iter()
            .any(|template| volume["name"] == template["metadata"]["name"])
    };
    let mut volumes = object::list(&pod, &["spec", "volumes"]).to_vec();
    volumes.retain(|volume| !is_claimed(volume));
    volumes.extend(claimed.iter().map(|template| {
        json!({
            "name": object::name(template),
            "persistentVolumeClaim": { "claimName": claim_name(template, &name) },
        })
    }));
    pod["spec"]["volumes"] = json!(volumes);
    pod
}
