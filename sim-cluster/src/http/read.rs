//! Getting one object, and lists of them: in parts, and of the past.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Response;
use serde_json::{Value, json};

use super::body::Body;
use super::handle::Call;
use super::view;
use crate::client::{Cluster, scope};
use crate::object;
use crate::status::Status;
use crate::store::{Key, TooOld};
use crate::verbs;

pub(super) fn get(cluster: &Cluster, call: &Call) -> Result<Response<Body>, Status> {
    let request = call.request()?;
    let any_version = call.query.text("resourceVersion") == "0";
    if let Some(revision) = call.trouble.stale_at.filter(|_| any_version) {
        let old = cluster
            .store()
            .list_at(&call.served.stored_as, call.namespace(), revision)
            .map_err(|_| gone())?;
        let found = old
            .iter()
            .find(|object| object::name(object) == call.path.name);
        let missing = || Status::not_found(&call.served.name(), &call.path.name);
        return Ok(view::one(cluster, call, 200, found.ok_or_else(missing)?));
    }
    let object = verbs::get(cluster, &request)?;
    Ok(view::one(cluster, call, 200, &object))
}

/// Where a list that comes in parts goes on.
struct Position {
    revision: u64,
    after: Key,
}

pub(super) fn list(cluster: &Cluster, call: &Call) -> Result<Response<Body>, Status> {
    let selection = call.query.selection()?;
    let scope = scope(&call.served, call.namespace(), &selection)?;
    let position = match call.query.text("continue") {
        "" => None,
        token => Some(Position::parse(token)?),
    };
    let (mut objects, revision) = match &position {
        Some(position) => {
            let then = cluster
                .store()
                .list_at(&scope.resource, call.namespace(), position.revision)
                .map_err(|TooOld { .. }| gone())?;
            (then, position.revision)
        }
        None => at_version(cluster, call)?,
    };
    objects.retain(|object| scope.contains(object));
    if let Some(position) = &position {
        objects.retain(|object| Key::of(object) > position.after);
    }
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    let limit = call.query.number("limit")?.filter(|limit| *limit > 0);
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if let Some(limit) = limit.filter(|limit| objects.len() > *limit) {
        let left = objects.len() - limit;
        objects.truncate(limit);
        if let Some(last) = objects.last() {
            metadata["continue"] = json!(
                Position {
                    revision,
                    after: Key::of(last)
                }
                .to_token()
            );
        }
        if selection.labels.is_everything() && selection.fields.is_everything() {
            metadata["remainingItemCount"] = json!(left);
        }
    }
    Ok(view::many(cluster, call, &objects, metadata))
}

/// The state at the version that is asked for, and which version that is.
fn at_version(cluster: &Cluster, call: &Call) -> Result<(Vec<Arc<Value>>, u64), Status> {
    let store = cluster.store();
    let id = &call.served.stored_as;
    let asked = call.query.number("resourceVersion")?;
    let exact = call.query.text("resourceVersionMatch") == "Exact";
    if let Some(asked) = asked {
        let current = store.revision();
        if asked > current {
            return Err(too_large(asked, current));
        }
        if exact && asked > 0 {
            let then = store
                .list_at(id, call.namespace(), asked)
                .map_err(|_| gone())?;
            return Ok((then, asked));
        }
        if asked == 0
            && let Some(stale) = call.trouble.stale_at
            && let Ok(then) = store.list_at(id, call.namespace(), stale)
        {
            return Ok((then, stale));
        }
    }
    Ok(store.list(id, call.namespace()))
}

impl Position {
    fn to_token(&self) -> String {
        let Key { namespace, name } = &self.after;
        let written =
            json!({ "v": "meta.k8s.io/v1", "rv": self.revision, "ns": namespace, "name": name });
        URL_SAFE_NO_PAD.encode(written.to_string())
    }

    fn parse(token: &str) -> Result<Position, Status> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
            let value: Value = serde_json::from_slice(&bytes).ok()?;
            Some(Position {
                revision: value["rv"].as_u64()?,
                after: Key::new(value["ns"].as_str()?, value["name"].as_str()?),
            })
        };
        read().ok_or_else(|| Status::bad_request("continue key is not valid"))
    }
}

fn gone() -> Status {
    Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You must \
         start a new list without the continue parameter.",
    )
}

/// A version of the future: of another cluster, or of this one before it was started anew.
fn too_large(asked: u64, current: u64) -> Status {
    Status {
        code: 504,
        reason: "Timeout",
        message: format!("Too large resource version: {asked}, current: {current}"),
        details: json!({
            "retryAfterSeconds": 1,
            "causes": [{
                "reason": "ResourceVersionTooLarge", "message": "Too large resource version",
            }],
        }),
    }
}
