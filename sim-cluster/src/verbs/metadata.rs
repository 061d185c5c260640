//! The part of an object that the API server writes itself.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Request;
use crate::client::Cluster;
use crate::object;
use crate::registry::Served;
use crate::status::{Cause, Status};

/// Times in metadata have whole seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A new object with what the server adds, all but its name when that is generated.
pub(super) fn prepare_new(
    cluster: &Cluster,
    request: &Request,
    mut object: Value,
) -> Result<Value, Status> {
    let served = &request.served;
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let resource = &served.resource;
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind);
    set_namespace(request, &mut object)?;
    if object::resource_version(&object) != 0 {
        return Err(Status::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let name = object::name(&object);
    if name.is_empty() && object::text(&object, &["metadata", "generateName"]).is_empty() {
        let cause = Cause {
            field: "metadata.name".to_owned(),
            reason: "FieldValueRequired",
            message: "Required value: name or generateName is required".to_owned(),
        };
        return Err(Status::invalid(&served.kind_and_group(), "", &[cause]));
    }
    let uid = cluster.random_uid();
    let metadata = metadata_of(&mut object);
    metadata.insert("uid".to_owned(), json!(uid));
    metadata.insert(
        "creationTimestamp".to_owned(),
        json!(seconds(cluster.now())),
    );
    for key in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "resourceVersion",
    ] {
        metadata.remove(key);
    }
    if served.counts_generations || served.is_custom() {
        metadata.insert("generation".to_owned(), json!(1));
    } else {
        metadata.remove("generation");
    }
    // Nodes announce themselves with their status; all others have theirs written separately.
    if resource.has_status
        && resource.kind != "Node"
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    Ok(object)
}

/// Refuses what says it is something else. What says nothing is taken as what the URL says.
pub(super) fn check_kind(request: &Request, object: &Value) -> Result<(), Status> {
    if !object.is_object() {
        return Err(Status::bad_request("the request's body is not an object"));
    }
    let resource = &request.served.resource;
    let expected = match request.subresource.as_str() {
        "scale" => ("autoscaling/v1".to_owned(), "Scale"),
        _ => (resource.api_version(), resource.kind.as_str()),
    };
    let (api_version, kind) = (
        object::text(object, &["apiVersion"]),
        object::text(object, &["kind"]),
    );
    if !api_version.is_empty() && api_version != expected.0 {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            expected.0
        )));
    }
    if !kind.is_empty() && kind != expected.1 {
        return Err(Status::bad_request(format!(
            "the kind in the data ({kind}) does not match the expected kind ({})",
            expected.1
        )));
    }
    Ok(())
}

/// The wished object with what it may not change taken from the current one.
pub(super) fn carry_over(
    request: &Request,
    current: &Value,
    mut wished: Value,
) -> Result<Value, Status> {
    let served = &request.served;
    let name = served.name();
    let version = object::text(&wished, &["metadata", "resourceVersion"]);
    if !version.is_empty() && version != object::text(current, &["metadata", "resourceVersion"]) {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        return Err(Status::conflict(&name, &request.name, why));
    }
    let uid = object::uid(&wished);
    if !uid.is_empty() && uid != object::uid(current) {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            object::uid(current)
        );
        return Err(Status::conflict(&name, &request.name, &why));
    }
    if request.subresource == "status" {
        return Ok(with_status(current, wished));
    }
    for key in ["apiVersion", "kind"] {
        wished[key] = current[key].clone();
    }
    if !wished["metadata"].is_object() {
        wished["metadata"] = json!({});
    }
    for key in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "generation",
        "generateName",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
    ] {
        let metadata = metadata_of(&mut wished);
        match current["metadata"].get(key) {
            Some(value) => metadata.insert(key.to_owned(), value.clone()),
            None => metadata.remove(key),
        };
    }
    keep_the_other_half(request, current, &mut wished);
    check_finalizers(request, current, &wished)?;
    Ok(wished)
}

/// Through the status subresource nothing else is written, but whose it is
/// (`statusStrategy.PrepareForUpdate` in `k8s.io/apiextensions-apiserver/pkg/registry/customresource`).
fn with_status(current: &Value, mut wished: Value) -> Value {
    let mut next = current.clone();
    if let Some(entries) = wished
        .get_mut("metadata")
        .and_then(|it| it.get_mut("managedFields"))
    {
        next["metadata"]["managedFields"] = entries.take();
    }
    if let Some(fields) = next.as_object_mut() {
        match wished.get_mut("status").map(Value::take) {
            Some(status) => fields.insert("status".to_owned(), status),
            None => fields.remove("status"),
        };
    }
    next
}

/// What this door does not let in: the status, and the finalizers that namespaces have of their own.
fn keep_the_other_half(request: &Request, current: &Value, wished: &mut Value) {
    let resource = &request.served.resource;
    // A binding writes both halves.
    if resource.has_status
        && request.subresource != "binding"
        && let Some(fields) = wished.as_object_mut()
    {
        match current.get("status") {
            Some(status) => fields.insert("status".to_owned(), status.clone()),
            None => fields.remove("status"),
        };
    }
    if resource.kind == "Namespace" && request.subresource != "finalize" {
        let finalizers = object::at(current, &["spec", "finalizers"]);
        if !finalizers.is_null() {
            if !wished["spec"].is_object() {
                wished["spec"] = json!({});
            }
            wished["spec"]["finalizers"] = finalizers.clone();
        }
    }
}

fn check_finalizers(request: &Request, current: &Value, wished: &Value) -> Result<(), Status> {
    if !object::is_being_deleted(current) {
        return Ok(());
    }
    let before: Vec<&str> = object::finalizers(current).collect();
    let added: Vec<String> = object::finalizers(wished)
        .filter(|it| !before.contains(it))
        .map(|it| format!("{it:?}"))
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let cause = Cause {
        field: "metadata.finalizers".to_owned(),
        reason: "FieldValueForbidden",
        message: format!(
            "Forbidden: no new finalizers can be added if the object is being deleted, found new \
             finalizers []string{{{}}}",
            added.join(", ")
        ),
    };
    Err(Status::invalid(
        &request.served.kind_and_group(),
        &request.name,
        &[cause],
    ))
}

/// One more when anything but metadata and status has changed.
pub(super) fn count_generation(served: &Served, current: &Value, next: &mut Value) {
    if !(served.counts_generations || served.is_custom()) {
        return;
    }
    fn wish(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
        object
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "apiVersion"))
    }
    let changed = if served.is_custom() {
        !wish(current).eq(wish(next))
    } else {
        current.get("spec") != next.get("spec")
    };
    if changed {
        let generation = current["metadata"]["generation"].as_u64().unwrap_or(0);
        next["metadata"]["generation"] = json!(generation + 1);
    }
}

pub(super) fn metadata_of(object: &mut Value) -> &mut Map<String, Value> {
    object["metadata"]
        .as_object_mut()
        .expect("metadata was made an object when the object came in")
}

fn set_namespace(request: &Request, object: &mut Value) -> Result<(), Status> {
    let said = object::namespace(object);
    if !request.served.resource.namespaced {
        metadata_of(object).remove("namespace");
        return Ok(());
    }
    if !said.is_empty() && said != request.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if request.namespace.is_empty() {
        return Err(Status::bad_request(format!(
            "an empty namespace may not be set when a resource ({}) is namespaced",
            request.served.name()
        )));
    }
    object["metadata"]["namespace"] = json!(request.namespace);
    Ok(())
}
