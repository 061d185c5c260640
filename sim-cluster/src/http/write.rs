//! Creating, updating, patching and deleting over HTTP.

use std::sync::Arc;

use hyper::Response;
use hyper::header::{HeaderValue, WARNING};
use serde_json::{Value, json};

use super::body::{self, Body};
use super::handle::Call;
use super::view;
use crate::client::Cluster;
use crate::object;
use crate::status::{Cause, Status, about_kind};
use crate::verbs::{self, Patch, Written};

pub(super) fn create(
    cluster: &Cluster,
    call: &Call,
    object: Value,
) -> Result<Response<Body>, Status> {
    let created = verbs::create(cluster, &call.request()?, object)?;
    Ok(written(cluster, call, &created))
}

pub(super) fn update(
    cluster: &Cluster,
    call: &Call,
    object: Value,
) -> Result<Response<Body>, Status> {
    let updated = verbs::update(cluster, &call.request()?, object)?;
    Ok(written(cluster, call, &updated))
}

pub(super) fn patch(
    cluster: &Cluster,
    call: &Call,
    bytes: &[u8],
) -> Result<Response<Body>, Status> {
    let mime = call.content_type.split(';').next().unwrap_or("").trim();
    let sent = body::parse(bytes, mime)?;
    let patch = match mime {
        "application/json-patch+json" => Patch::Json(sent),
        "application/merge-patch+json" => Patch::Merge(sent),
        "application/strategic-merge-patch+json" => Patch::Strategic(sent),
        "application/apply-patch+yaml" | "application/apply-patch+json" => {
            let manager = call.query.text("fieldManager").to_owned();
            if manager.is_empty() {
                return Err(Status::invalid_option(
                    "PatchOptions",
                    Cause {
                        field: "fieldManager".to_owned(),
                        reason: "FieldValueRequired",
                        message: "Required value: is required for apply patch".to_owned(),
                    },
                ));
            }
            Patch::Apply {
                body: sent,
                manager,
                force: call.query.truth("force"),
            }
        }
        _ => {
            return Err(Status::unsupported_media_type(format!(
                "the body of the request was in an unknown format ({mime}) - accepted media types \
                 include: application/json-patch+json, application/merge-patch+json, \
                 application/strategic-merge-patch+json, application/apply-patch+yaml"
            )));
        }
    };
    if !matches!(patch, Patch::Apply { .. }) && !call.query.text("force").is_empty() {
        return Err(Status::invalid_option(
            "PatchOptions",
            Cause {
                field: "force".to_owned(),
                reason: "FieldValueForbidden",
                message: "Forbidden: may not be specified for non-apply patch".to_owned(),
            },
        ));
    }
    let patched = verbs::patch(cluster, &call.request()?, patch)?;
    Ok(written(cluster, call, &patched))
}

pub(super) fn delete(
    cluster: &Cluster,
    call: &Call,
    bytes: &[u8],
    all: bool,
) -> Result<Response<Body>, Status> {
    let sent = if bytes.is_empty() {
        Value::Null
    } else {
        body::parse(bytes, &call.content_type)?
    };
    let options = call.query.delete_options(&sent)?;
    let mut request = call.request()?;
    request.dry_run |= object::list(&sent, &["dryRun"])
        .iter()
        .any(|it| it == "All");
    if all {
        let selection = call.query.selection()?;
        let deleted = verbs::delete_collection(cluster, &request, &selection, &options)?;
        let metadata = json!({ "resourceVersion": cluster.revision().to_string() });
        return Ok(view::many(cluster, call, &deleted, metadata));
    }
    if !request.subresource.is_empty() {
        return Err(Status::method_not_allowed());
    }
    let deleted = verbs::delete(cluster, &request, &options)?;
    if !deleted.gone || call.served.resource.kind == "Pod" {
        return Ok(view::one(cluster, call, 200, &deleted.object));
    }
    let id = &call.served.resource.id;
    let mut details = about_kind(object::name(&deleted.object), &id.group, &id.plural);
    details["uid"] = json!(object::uid(&deleted.object));
    Ok(body::json(
        200,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": details,
        }),
    ))
}

/// `pods/binding`, and the older `bindings`.
pub(super) fn bind(cluster: &Cluster, call: &Call, sent: &Value) -> Result<Response<Body>, Status> {
    let node = object::text(sent, &["target", "name"]);
    if node.is_empty() {
        return Err(Status::bad_request("target.name: Required value"));
    }
    let mut request = call.request()?;
    if request.name.is_empty() {
        request.name = object::name(sent).to_owned();
        let registry = cluster.registry();
        let pods = registry
            .at("", "v1", "pods")
            .ok_or_else(super::handle::not_served)?;
        request.served = Arc::clone(pods);
    }
    request.subresource = "binding".to_owned();
    verbs::bind(cluster, &request, node)?;
    Ok(body::json(
        201,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        }),
    ))
}

/// The object in the form that is wanted, with warnings as RFC 7234 has them in headers.
fn written(cluster: &Cluster, call: &Call, written: &Written) -> Response<Body> {
    let code = if written.created { 201 } else { 200 };
    let mut response = view::one(cluster, call, code, &written.object);
    for warning in &written.warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}
