//! Whose fields are whose, after every write.

use serde_json::Value;

use super::Request;
use crate::apply::{self, Writer};
use crate::client::Cluster;
use crate::object;

/// Who writes.
pub(super) fn writer<'a>(
    cluster: &Cluster,
    request: &'a Request,
    manager: &'a str,
    api_version: &'a str,
) -> Writer<'a> {
    Writer {
        manager,
        api_version,
        subresource: match request.subresource.as_str() {
            subresource @ ("status" | "scale") => subresource,
            _ => "",
        },
        has_status: request.served.resource.has_status,
        now: cluster.now(),
    }
}

/// The state after a plain write, with its owners.
pub(super) fn track(
    cluster: &Cluster,
    request: &Request,
    before: Option<&Value>,
    after: Value,
) -> Value {
    let api_version = request.served.resource.api_version();
    let writer = writer(cluster, request, &request.manager, &api_version);
    apply::track(before, after, request.served.shape(), &writer)
}

/// Turns the trees of managed fields into text: a tree of objects with one entry each takes ten times
/// its memory, and nobody looks at it between writes.
pub(super) fn pack(object: &mut Value) {
    let entries = object
        .get_mut("metadata")
        .and_then(|it| it.get_mut("managedFields"));
    for entry in entries.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = entry.get_mut("fieldsV1")
            && fields.is_object()
        {
            *fields = Value::String(fields.to_string());
        }
    }
}

/// Whether a write would only say that somebody has written what was there: the API server does not
/// store that (`k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager/equality.go`).
pub(super) fn only_times_differ(before: &Value, after: &Value) -> bool {
    let (old, new) = (managers(before), managers(after));
    if old.len() != new.len() || old == new {
        return false;
    }
    let same = |key: &str| {
        old.iter()
            .zip(new)
            .all(|(one, other)| one[key] == other[key])
    };
    let keys = [
        "manager",
        "operation",
        "apiVersion",
        "subresource",
        "fieldsV1",
    ];
    keys.iter().all(|key| same(key))
        && rest(before).eq(rest(after))
        && metadata(before).eq(metadata(after))
}

fn managers(object: &Value) -> &[Value] {
    object::list(object, &["metadata", "managedFields"])
}

fn rest(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "metadata")
}

fn metadata(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object["metadata"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "managedFields")
}
