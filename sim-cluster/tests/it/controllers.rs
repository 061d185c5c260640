//! The controllers at work, together: wishes in, objects out.

mod deployments;
mod jobs;
mod life;
mod scale;
mod scheduling;
mod sets;

use std::sync::Arc;

use serde_json::{Value, json};
use sim_cluster::object;

pub(crate) fn template(app: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": app } },
        "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
    })
}

/// A workload of the namespace `default` whose pods carry `app: NAME`.
pub(crate) fn workload(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "app": name } }, "template": template(name) },
    });
    json_patch::merge(&mut object["spec"], &spec);
    object
}

pub(crate) fn set_image(object: &mut Value, image: &str) {
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
}

pub(crate) fn number(object: &Value, field: &str) -> u64 {
    object["status"][field].as_u64().unwrap_or(0)
}

pub(crate) fn named<'a>(objects: &'a [Arc<Value>], name: &str) -> Option<&'a Arc<Value>> {
    objects.iter().find(|object| object::name(object) == name)
}

pub(crate) fn condition(object: &Value, kind: &str) -> String {
    let said = object::condition(object, kind);
    said.map_or_else(String::new, |said| {
        format!(
            "{} {}",
            object::text(said, &["status"]),
            object::text(said, &["reason"])
        )
    })
}
