//! Deleting: at once, or as soon as nothing holds the object any more.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::metadata::{metadata_of, seconds};
use super::{ATTEMPTS, Request, admit, crowded, current};
use crate::admission::{self, Operation};
use crate::client::{Cluster, ListOptions, scope};
use crate::object;
use crate::status::Status;

/// What becomes of the objects that the deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are let go.
    Orphan,
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Background when `None`.
    pub propagation: Option<Propagation>,
    /// Of pods; their own when `None`.
    pub grace_period_seconds: Option<u64>,
    /// Refused when the object is another.
    pub uid: Option<String>,
    /// Refused when the object has changed.
    pub resource_version: Option<String>,
}

/// How a deletion ended.
#[derive(Clone, Debug)]
pub struct Deleted {
    pub object: Arc<Value>,
    /// False when a finalizer or a running process still holds it.
    pub gone: bool,
}

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Seconds that a pod has to end when neither it nor the request says.
const USUAL_GRACE: u64 = 30;

pub(crate) fn delete(
    cluster: &Cluster,
    request: &Request,
    options: &DeleteOptions,
) -> Result<Deleted, Status> {
    for _ in 0..ATTEMPTS {
        let current = current(cluster, request)?;
        check_preconditions(request, &current, options)?;
        let mut next = (*current).clone();
        admit(
            cluster,
            request,
            Operation::Delete,
            &mut next,
            Some(&current),
        )?;
        mark(cluster, request, &mut next, options);
        let gone = nothing_holds(&next);
        if request.dry_run {
            return Ok(Deleted {
                object: Arc::new(next),
                gone,
            });
        }
        let stored_as = &request.served.stored_as;
        if gone {
            // Watchers are shown it as it was, not with a mark that nobody could have seen.
            let last = (*current).clone();
            if let Ok(object) = cluster.store().remove(stored_as, &current, last) {
                admission::settled(cluster, &request.served, None, Some(&current));
                return Ok(Deleted { object, gone });
            }
        } else if next == *current {
            return Ok(Deleted {
                object: current,
                gone,
            });
        } else if let Ok(object) = cluster.store().replace(stored_as, &current, next) {
            admission::settled(cluster, &request.served, Some(&object), Some(&current));
            return Ok(Deleted { object, gone });
        }
    }
    Err(crowded(request))
}

/// Deletes what a list selects; what others have deleted meanwhile is passed over.
pub(crate) fn delete_collection(
    cluster: &Cluster,
    request: &Request,
    selection: &ListOptions,
    options: &DeleteOptions,
) -> Result<Vec<Arc<Value>>, Status> {
    let namespace = (!request.namespace.is_empty()).then_some(request.namespace.as_str());
    let scope = scope(&request.served, namespace, selection)?;
    let (mut objects, _) = cluster.store().list(&scope.resource, namespace);
    objects.retain(|object| scope.contains(object));
    let mut deleted = Vec::new();
    for object in objects {
        let one = Request {
            namespace: object::namespace(&object).to_owned(),
            name: object::name(&object).to_owned(),
            ..request.clone()
        };
        match delete(cluster, &one, options) {
            Ok(done) => deleted.push(done.object),
            Err(status) if status.code == 404 => {}
            Err(status) => return Err(status),
        }
    }
    Ok(deleted)
}

/// Whether an object that is to go can go.
pub(super) fn nothing_holds(object: &Value) -> bool {
    object::is_being_deleted(object)
        && object::finalizers(object).next().is_none()
        && object["metadata"]["deletionGracePeriodSeconds"]
            .as_u64()
            .unwrap_or(0)
            == 0
        && (object["kind"] != "Namespace"
            || object::list(object, &["spec", "finalizers"]).is_empty())
}

fn check_preconditions(
    request: &Request,
    current: &Value,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let expectations = [
        (
            "UID",
            &options.uid,
            object::uid(current),
            "deleted and then recreated",
        ),
        (
            "ResourceVersion",
            &options.resource_version,
            object::text(current, &["metadata", "resourceVersion"]),
            "modified",
        ),
    ];
    for (what, expected, found, suspicion) in expectations {
        if let Some(expected) = expected
            && expected != found
        {
            let why = format!(
                "the {what} in the precondition ({expected}) does not match the {what} in record \
                 ({found}). The object might have been {suspicion}"
            );
            let kind = request.served.kind_and_group();
            return Err(Status::conflict(&kind, &request.name, &why));
        }
    }
    Ok(())
}

/// Writes into the object that it is to go, and what has to happen first.
fn mark(cluster: &Cluster, request: &Request, object: &mut Value, options: &DeleteOptions) {
    let mut finalizers: Vec<String> = object::finalizers(object).map(str::to_owned).collect();
    if let Some(propagation) = options.propagation {
        finalizers.retain(|it| it != ORPHAN && it != FOREGROUND);
        match propagation {
            Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
            Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
            Propagation::Background => {}
        }
    }
    let grace = if request.served.resource.kind == "Pod" {
        grace_of(object, options)
    } else {
        0
    };
    let first = !object::is_being_deleted(object);
    let before = object["metadata"]["deletionGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(0);
    let metadata = metadata_of(object);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(finalizers));
    }
    // A pod that is ending can be hurried, not slowed.
    if first || grace < before {
        let span = SignedDuration::from_secs(i64::try_from(grace).unwrap_or(i64::MAX));
        let deadline = cluster
            .now()
            .saturating_add(span)
            .unwrap_or(jiff::Timestamp::MAX);
        metadata.insert("deletionTimestamp".to_owned(), json!(seconds(deadline)));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
    }
    if first {
        if let Some(generation) = metadata.get("generation").and_then(Value::as_u64) {
            metadata.insert("generation".to_owned(), json!(generation + 1));
        }
        if request.served.resource.kind == "Namespace" {
            object["status"]["phase"] = json!("Terminating");
        }
    }
}

fn grace_of(pod: &Value, options: &DeleteOptions) -> u64 {
    let never_ran = object::text(pod, &["spec", "nodeName"]).is_empty();
    let over = matches!(
        object::text(pod, &["status", "phase"]),
        "Succeeded" | "Failed"
    );
    if never_ran || over {
        return 0;
    }
    options
        .grace_period_seconds
        .or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_u64())
        .unwrap_or(USUAL_GRACE)
}
