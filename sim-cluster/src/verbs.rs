//! Requests as decided on: what is stored when somebody creates, updates, patches or deletes.
//!
//! Called by the in-process client and by HTTP alike, after the caller has been authorised. A write
//! reads the object, computes what is to be stored without any lock, and stores it if the object is
//! still the one that was read; otherwise it begins again, as the API server's `GuaranteedUpdate`.

mod decode;
mod delete;
mod metadata;
mod owners;
mod patch;
mod scale;

use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use decode::FieldValidation;
pub use delete::{DeleteOptions, Deleted, Propagation};
pub(crate) use delete::{delete, delete_collection};
pub(crate) use metadata::seconds;
pub use patch::Patch;
pub(crate) use patch::patch;

use crate::admission::{self, Attempt, Operation, Taken};
use crate::client::Cluster;
use crate::convert;
use crate::object;
use crate::registry::Served;
use crate::status::Status;
use crate::store::{Key, Lost};

/// What every request says beside the object.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) served: Arc<Served>,
    /// Empty for what belongs to the whole cluster.
    pub(crate) namespace: String,
    /// Empty when the object says it.
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) user: String,
    /// Who owns the fields that are written.
    pub(crate) manager: String,
    pub(crate) field_validation: FieldValidation,
    /// Everything happens but the writing.
    pub(crate) dry_run: bool,
}

impl Request {
    fn not_found(&self) -> Status {
        Status::not_found(&self.served.name(), &self.name)
    }

    fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }
}

/// What came of a write.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// As it is stored; [`convert::shown`] gives the version that was asked for.
    pub(crate) object: Arc<Value>,
    pub(crate) created: bool,
    /// What the writer is to be told, beside that it worked.
    pub(crate) warnings: Vec<String>,
}

/// A state that is wished for, and who its fields belong to.
pub(super) enum Wish {
    /// What differs from the state before belongs to the writer.
    Plain(Value),
    /// It says itself to whom its fields belong: it was applied.
    Applied(Value),
}

/// How often a write begins again because others were first. Each time somebody else has got on, so
/// that this ends; the bound is against a fault of our own.
const ATTEMPTS: usize = 100;

pub(crate) fn get(cluster: &Cluster, request: &Request) -> Result<Arc<Value>, Status> {
    let current = current(cluster, request)?;
    match request.subresource.as_str() {
        "scale" => Ok(Arc::new(scale::of(&request.served, &current)?)),
        _ => Ok(current),
    }
}

pub(crate) fn create(
    cluster: &Cluster,
    request: &Request,
    object: Value,
) -> Result<Written, Status> {
    create_as(cluster, request, Wish::Plain(object))
}

pub(super) fn create_as(
    cluster: &Cluster,
    request: &Request,
    wish: Wish,
) -> Result<Written, Status> {
    let mut warnings = Vec::new();
    let (object, applied) = wish.parts();
    metadata::check_kind(request, &object)?;
    let object = decoded(request, object, &mut warnings)?;
    let mut object = metadata::prepare_new(cluster, request, object)?;
    let generated = object::text(&object, &["metadata", "generateName"]).to_owned();
    let chosen = !object::name(&object).is_empty();
    for _ in 0..ATTEMPTS {
        if !chosen {
            // 63 characters hold the prefix and five letters of chance.
            let prefix: String = generated.chars().take(58).collect();
            object["metadata"]["name"] = json!(prefix + &cluster.random_suffix());
        }
        let mut candidate = object.clone();
        let taken = admit(cluster, request, Operation::Create, &mut candidate, None)?;
        if !applied {
            candidate = owners::track(cluster, request, None, candidate);
        }
        owners::pack(&mut candidate);
        let candidate = convert::stored(&request.served, candidate);
        if request.dry_run {
            return Ok(Written {
                object: Arc::new(candidate),
                created: true,
                warnings,
            });
        }
        match cluster.store().create(&request.served.stored_as, candidate) {
            Ok(object) => {
                admission::settled(cluster, &request.served, Some(&object), None);
                taken.keep();
                return Ok(Written {
                    object,
                    created: true,
                    warnings,
                });
            }
            Err(Lost) if chosen => {
                let name = object::name(&object);
                return Err(Status::already_exists(&request.served.name(), name));
            }
            Err(Lost) => {}
        }
    }
    Err(crowded(request))
}

pub(crate) fn update(
    cluster: &Cluster,
    request: &Request,
    object: Value,
) -> Result<Written, Status> {
    metadata::check_kind(request, &object)?;
    let named = object::name(&object);
    if named != request.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({})",
            request.name
        )));
    }
    let written = rewrite(cluster, request, |current| {
        match request.subresource.as_str() {
            "scale" => scale::set(&request.served, current, &object).map(Wish::Plain),
            _ => Ok(Wish::Plain(object.clone())),
        }
    })?;
    scale::answer(request, written)
}

/// Puts a pod on a node, once.
pub(crate) fn bind(cluster: &Cluster, request: &Request, node: &str) -> Result<Written, Status> {
    let now = metadata::seconds(cluster.now());
    rewrite(cluster, request, |current| {
        let name = &request.name;
        if object::is_being_deleted(current) {
            let why = format!("pod {name} is being deleted, cannot be assigned to a host");
            return Err(Status::conflict("pods/binding", name, &why));
        }
        let there = object::text(current, &["spec", "nodeName"]);
        if !there.is_empty() {
            let why = format!("pod {name} is already assigned to node \"{there}\"");
            return Err(Status::conflict("pods/binding", name, &why));
        }
        let mut pod = current.clone();
        pod["spec"]["nodeName"] = json!(node);
        let mut conditions = object::list(&pod, &["status", "conditions"]).to_vec();
        conditions.retain(|condition| condition["type"] != "PodScheduled");
        conditions.push(json!({
            "type": "PodScheduled", "status": "True", "lastTransitionTime": now,
        }));
        pod["status"]["conditions"] = json!(conditions);
        Ok(Wish::Plain(pod))
    })
}

/// Computes the next state from the current one until it is stored before the current one changes.
/// Both are in the version of the request.
fn rewrite(
    cluster: &Cluster,
    request: &Request,
    change: impl Fn(&Value) -> Result<Wish, Status>,
) -> Result<Written, Status> {
    for _ in 0..ATTEMPTS {
        let current = current(cluster, request)?;
        let shown = convert::shown(&request.served, &current);
        let wish = change(&shown)?;
        if let Some(written) = store_change(cluster, request, &current, &shown, wish)? {
            return Ok(written);
        }
    }
    Err(crowded(request))
}

/// None when the object has changed meanwhile.
fn store_change(
    cluster: &Cluster,
    request: &Request,
    current: &Arc<Value>,
    shown: &Arc<Value>,
    wish: Wish,
) -> Result<Option<Written>, Status> {
    let mut warnings = Vec::new();
    let (wished, applied) = wish.parts();
    let wished = metadata::carry_over(request, shown, wished)?;
    let mut next = decoded(request, wished, &mut warnings)?;
    let taken = admit(cluster, request, Operation::Update, &mut next, Some(shown))?;
    metadata::count_generation(&request.served, shown, &mut next);
    if !applied {
        next = owners::track(cluster, request, Some(shown), next);
    }
    owners::pack(&mut next);
    let next = convert::stored(&request.served, next);
    let written = |object| {
        Ok(Some(Written {
            object,
            created: false,
            warnings,
        }))
    };
    if next == **current || owners::only_times_differ(current, &next) {
        return written(Arc::clone(current));
    }
    if request.dry_run {
        return written(Arc::new(next));
    }
    let stored_as = &request.served.stored_as;
    if delete::nothing_holds(&next) {
        let Ok(removed) = cluster.store().remove(stored_as, current, next) else {
            return Ok(None);
        };
        admission::settled(cluster, &request.served, None, Some(current));
        return written(removed);
    }
    let Ok(stored) = cluster.store().replace(stored_as, current, next) else {
        return Ok(None);
    };
    admission::settled(cluster, &request.served, Some(&stored), Some(current));
    taken.keep();
    written(stored)
}

impl Wish {
    fn parts(self) -> (Value, bool) {
        match self {
            Wish::Plain(object) => (object, false),
            Wish::Applied(object) => (object, true),
        }
    }
}

/// What is wished for, without what its kind does not have.
fn decoded(request: &Request, object: Value, warnings: &mut Vec<String>) -> Result<Value, Status> {
    match &request.served.custom {
        Some(custom) => decode::custom(request, custom, object, warnings),
        None => decode::built_in(request, object, warnings),
    }
}

fn admit<'a>(
    cluster: &'a Cluster,
    request: &'a Request,
    operation: Operation,
    candidate: &mut Value,
    old: Option<&'a Value>,
) -> Result<Taken<'a>, Status> {
    let attempt = Attempt {
        cluster,
        served: &request.served,
        user: &request.user,
        operation,
        subresource: &request.subresource,
        old,
        dry_run: request.dry_run,
    };
    admission::admit(&attempt, candidate)
}

fn current(cluster: &Cluster, request: &Request) -> Result<Arc<Value>, Status> {
    cluster
        .store()
        .get(&request.served.stored_as, &request.key())
        .ok_or_else(|| request.not_found())
}

fn crowded(request: &Request) -> Status {
    let why = format!("gave up after {ATTEMPTS} attempts, each of which met a newer version");
    Status::conflict(&request.served.name(), &request.name, &why)
}
