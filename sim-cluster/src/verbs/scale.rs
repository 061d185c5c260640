//! The scale subresource: how many replicas, whatever the kind.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Request, Written};
use crate::object;
use crate::registry::Served;
use crate::resource::Scale;
use crate::selector::LabelSelector;
use crate::status::{Cause, Status};

/// The `Scale` of an object.
pub(super) fn of(served: &Served, object: &Value) -> Result<Value, Status> {
    let scale = scale(served)?;
    let number = |path: &str| follow(object, path).as_i64().unwrap_or(0);
    let selector = match &scale.label_selector {
        Some(path) => follow(object, path).as_str().unwrap_or("").to_owned(),
        None => built_in_selector(object)?,
    };
    let mut metadata = json!({});
    for key in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object["metadata"].get(key) {
            metadata[key] = value.clone();
        }
    }
    Ok(json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata,
        "spec": { "replicas": number(&scale.spec_replicas) },
        "status": { "replicas": number(&scale.status_replicas), "selector": selector },
    }))
}

/// What was written through the scale subresource is answered as a `Scale`.
pub(super) fn answer(request: &Request, written: Written) -> Result<Written, Status> {
    if request.subresource != "scale" {
        return Ok(written);
    }
    let scale = of(&request.served, &written.object)?;
    Ok(Written {
        object: Arc::new(scale),
        ..written
    })
}

/// The object with the replicas that a `Scale` asks for.
pub(super) fn set(served: &Served, object: &Value, wished: &Value) -> Result<Value, Status> {
    let scale = scale(served)?;
    let replicas = object::at(wished, &["spec", "replicas"])
        .as_i64()
        .unwrap_or(0);
    if replicas < 0 {
        let cause = Cause {
            field: "spec.replicas".to_owned(),
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {replicas}: must be greater than or equal to 0"),
        };
        return Err(Status::invalid(
            "Scale.autoscaling",
            object::name(object),
            &[cause],
        ));
    }
    let mut object = object.clone();
    let version = object::text(wished, &["metadata", "resourceVersion"]);
    if !version.is_empty() {
        object["metadata"]["resourceVersion"] = json!(version);
    }
    let mut place = &mut object;
    for key in scale.spec_replicas.split('.').filter(|key| !key.is_empty()) {
        if place.is_null() {
            *place = json!({});
        }
        if !place.is_object() {
            return Err(Status::internal(format!(
                "{} cannot be scaled: {} is no path of it",
                served.name(),
                scale.spec_replicas
            )));
        }
        place = &mut place[key];
    }
    *place = json!(replicas);
    Ok(object)
}

fn scale(served: &Served) -> Result<&Scale, Status> {
    served
        .resource
        .scale
        .as_ref()
        .ok_or_else(|| Status::not_found(&format!("{}/scale", served.resource.id.plural), ""))
}

fn follow<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .filter(|key| !key.is_empty())
        .try_fold(object, |value, key| value.get(key))
        .unwrap_or(&Value::Null)
}

fn built_in_selector(object: &Value) -> Result<String, Status> {
    let selector = &object["spec"]["selector"];
    let parsed = if object["kind"] == "ReplicationController" {
        Some(LabelSelector::from_map(selector))
    } else {
        LabelSelector::from_object(selector)?
    };
    Ok(parsed.unwrap_or_default().to_string())
}
