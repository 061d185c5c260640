//! Patches: what is stored is computed from what is there.

use std::sync::Arc;

use serde_json::Value;

use super::{Request, rewrite, scale};
use crate::client::Cluster;
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

pub(crate) fn patch(
    cluster: &Cluster,
    request: &Request,
    patch: Patch,
) -> Result<Arc<Value>, Status> {
    rewrite(cluster, request, |current| {
        if request.subresource == "scale" {
            let scaled = patched(&scale::of(&request.served, current)?, &patch)?;
            return scale::set(&request.served, current, &scaled);
        }
        patched(current, &patch)
    })
}

fn patched(object: &Value, patch: &Patch) -> Result<Value, Status> {
    let mut object = object.clone();
    match patch {
        Patch::Json(operations) => {
            let operations: json_patch::Patch = serde_json::from_value(operations.clone())
                .map_err(|error| Status::bad_request(format!("cannot read the patch: {error}")))?;
            json_patch::patch(&mut object, &operations).map_err(|error| {
                Status::bad_request(format!("the patch does not apply: {error}"))
            })?;
        }
        Patch::Merge(patch) => json_patch::merge(&mut object, patch),
        Patch::Strategic(_) | Patch::Apply { .. } => {
            return Err(Status::unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json",
            ));
        }
    }
    Ok(object)
}
