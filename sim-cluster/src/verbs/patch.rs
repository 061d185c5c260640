//! Patches: what is stored is computed from what is there.

use serde_json::{Value, json};

use super::{Request, Wish, Written, create_as, owners, rewrite, scale};
use crate::apply;
use crate::client::Cluster;
use crate::object;
use crate::patch as patches;
use crate::shape::Shape;
use crate::status::Status;

#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7396.
    Merge(Value),
    Strategic(Value),
    Apply {
        body: Value,
        manager: String,
        /// Takes fields from other managers.
        force: bool,
    },
}

pub(crate) fn patch(cluster: &Cluster, request: &Request, patch: Patch) -> Result<Written, Status> {
    scale::answer(request, write(cluster, request, &patch)?)
}

fn write(cluster: &Cluster, request: &Request, patch: &Patch) -> Result<Written, Status> {
    match patch {
        Patch::Apply {
            body,
            manager,
            force,
        } => {
            let body = named(request, body)?;
            for _ in 0..super::ATTEMPTS {
                let applied = rewrite(cluster, request, |current| {
                    lay_over(cluster, request, Some(current), &body, manager, *force)
                });
                match applied {
                    // A subresource has no object of its own to create.
                    Err(status) if status.code == 404 && request.subresource.is_empty() => {}
                    applied => return applied,
                }
                if !object::uid(&body).is_empty() {
                    let why = format!(
                        "Precondition failed: UID in precondition: {}, UID in object meta: ",
                        object::uid(&body)
                    );
                    return Err(Status::conflict(
                        &request.served.name(),
                        &request.name,
                        &why,
                    ));
                }
                let new = lay_over(cluster, request, None, &body, manager, *force)?;
                match create_as(cluster, request, new) {
                    // Somebody else was first: it is there now.
                    Err(status) if status.reason == "AlreadyExists" => {}
                    created => return created,
                }
            }
            Err(super::crowded(request))
        }
        plain => rewrite(cluster, request, |current| {
            if request.subresource == "scale" {
                let scaled = patched(&scale::of(&request.served, current)?, plain, None)?;
                return scale::set(&request.served, current, &scaled).map(Wish::Plain);
            }
            let shape = (!request.served.is_custom()).then(|| &**request.served.shape());
            let patched = patched(current, plain, shape)?;
            check_name(request, &patched)?;
            Ok(Wish::Plain(patched))
        }),
    }
}

/// A patch does not rename.
fn check_name(request: &Request, object: &Value) -> Result<(), Status> {
    let name = object::name(object);
    if name != request.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            request.name
        )));
    }
    let namespace = object::namespace(object);
    if namespace != request.namespace {
        return Err(Status::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the \
             request ({})",
            request.namespace
        )));
    }
    Ok(())
}

/// What is applied, with the name that the URL says.
fn named(request: &Request, body: &Value) -> Result<Value, Status> {
    super::metadata::check_kind(request, body)?;
    let mut body = body.clone();
    if !body["metadata"].is_object() {
        body["metadata"] = json!({});
    }
    let said = object::name(&body);
    if !said.is_empty() && said != request.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({said}) does not match the name on the URL ({})",
            request.name
        )));
    }
    if object::text(&body, &["apiVersion"]).is_empty() || object::text(&body, &["kind"]).is_empty()
    {
        return Err(Status::bad_request(
            "apply needs an object with apiVersion and kind",
        ));
    }
    body["metadata"]["name"] = json!(request.name);
    if !request.namespace.is_empty() {
        body["metadata"]["namespace"] = json!(request.namespace);
    }
    Ok(body)
}

fn lay_over(
    cluster: &Cluster,
    request: &Request,
    current: Option<&Value>,
    body: &Value,
    manager: &str,
    force: bool,
) -> Result<Wish, Status> {
    let served = &request.served;
    let api_version = served.resource.api_version();
    let writer = owners::writer(cluster, request, manager, &api_version);
    let replicas = object::at(body, &["spec", "replicas"]);
    let config = match (request.subresource.as_str(), current) {
        ("scale", Some(current)) => {
            let scaled = scale::set(served, &json!({}), body)?;
            let mut config = json!({
                "apiVersion": api_version, "kind": served.resource.kind,
                "metadata": { "name": object::name(current) },
            });
            for (key, value) in scaled.as_object().into_iter().flatten() {
                if !replicas.is_null() {
                    config[key] = value.clone();
                }
            }
            config
        }
        _ => body.clone(),
    };
    let mut applied = apply::apply(current, &config, served.shape(), &writer, force)?;
    // The preconditions are for the write that follows.
    for key in ["resourceVersion", "uid"] {
        if current.is_some() && !body["metadata"][key].is_null() {
            applied["metadata"][key] = body["metadata"][key].clone();
        }
    }
    Ok(Wish::Applied(applied))
}

fn patched(object: &Value, patch: &Patch, shape: Option<&Shape>) -> Result<Value, Status> {
    match (patch, shape) {
        (Patch::Json(operations), _) => patches::json(object, operations),
        (Patch::Merge(patch), _) => patches::merge(object, patch),
        (Patch::Strategic(patch), Some(shape)) => patches::strategic(object, patch, shape),
        (Patch::Strategic(_), None) => Err(Status::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, \
             application/apply-patch+yaml",
        )),
        (Patch::Apply { body, .. }, _) => Ok(body.clone()),
    }
}
