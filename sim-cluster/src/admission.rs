//! What every write passes before it is stored: defaults, allocation, rules.
//!
//! The built-in steps come first, then those that other parts of the cluster have added.

mod addresses;
mod defaults;
mod definitions;
mod validate;

use serde_json::{Value, json};

pub(crate) use addresses::{Addresses, Taken};

use crate::client::Cluster;
use crate::object;
use crate::registry::Served;
use crate::resource::ResourceId;
use crate::status::{Status, about_kind};
use crate::store::Key;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// A write that is about to happen.
#[derive(Debug)]
pub struct Attempt<'a> {
    pub cluster: &'a Cluster,
    pub served: &'a Served,
    pub user: &'a str,
    pub operation: Operation,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// The object as it is; none for what is created.
    pub old: Option<&'a Value>,
    pub dry_run: bool,
}

/// A step that a write passes. May run several times for one write, and for writes that come to
/// nothing: it changes nothing but the object.
pub trait Admission: Send + Sync {
    /// Completes the object that would be stored, or refuses it. Changes to an object that is to be
    /// deleted are ignored.
    ///
    /// # Errors
    /// The refusal as the writer sees it.
    fn admit(&self, attempt: &Attempt<'_>, object: &mut Value) -> Result<(), Status>;
}

/// Completes or refuses a write. What it takes beside its place is to be kept when it has happened.
pub(crate) fn admit<'a>(attempt: &Attempt<'a>, object: &mut Value) -> Result<Taken<'a>, Status> {
    let mut taken = Taken::nothing(attempt.cluster.addresses());
    if attempt.operation == Operation::Create {
        check_namespace(attempt, object)?;
    }
    if attempt.operation == Operation::Delete {
        check_deletion(attempt, object)?;
    } else if attempt.subresource != "status" {
        defaults::complete(attempt.served, object);
        complete_pod(attempt, object);
        complete_job(attempt, object);
        if attempt.served.resource.kind == "CustomResourceDefinition" {
            definitions::admit(attempt, object)?;
        }
        if object["kind"] == "Service" {
            taken = attempt
                .cluster
                .addresses()
                .allocate(object, attempt.old, attempt.dry_run)?;
        }
    }
    if attempt.operation != Operation::Delete {
        let mut causes = validate::causes(attempt, object);
        if let Some(custom) = &attempt.served.custom {
            causes.extend(custom.schema.validate(object, attempt.old));
        }
        if !causes.is_empty() {
            let name = object::name(object);
            return Err(Status::invalid(
                &attempt.served.kind_and_group(),
                name,
                &causes,
            ));
        }
    }
    for admission in attempt.cluster.admissions() {
        admission.admit(attempt, object)?;
    }
    Ok(taken)
}

/// What follows from a write that has happened.
pub(crate) fn settled(
    cluster: &Cluster,
    served: &Served,
    new: Option<&Value>,
    old: Option<&Value>,
) {
    if served.is_custom() {
        return;
    }
    match served.resource.kind.as_str() {
        "Service" => cluster.addresses().settle(new, old),
        "CustomResourceDefinition" => definitions::settle(cluster, new, old),
        _ => {}
    }
}

fn check_namespace(attempt: &Attempt<'_>, object: &Value) -> Result<(), Status> {
    if !attempt.served.resource.namespaced {
        return Ok(());
    }
    let namespace = object::namespace(object);
    let found = attempt
        .cluster
        .store()
        .get(&ResourceId::of("namespaces"), &Key::new("", namespace))
        .ok_or_else(|| Status::not_found("namespaces", namespace))?;
    if !object::is_being_deleted(&found) {
        return Ok(());
    }
    let name = object::name(object);
    let mut status = Status::forbidden(format!(
        "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because \
         it is being terminated",
        attempt.served.name(),
    ));
    status.details = json!({
        "name": name,
        "group": attempt.served.resource.id.group,
        "kind": attempt.served.resource.id.plural,
        "causes": [{
            "reason": "NamespaceTerminating", "field": "metadata.namespace",
            "message": format!("namespace {namespace} is being terminated"),
        }],
    });
    Err(status)
}

fn check_deletion(attempt: &Attempt<'_>, object: &Value) -> Result<(), Status> {
    let name = object::name(object);
    let needed = ["default", "kube-system", "kube-public"];
    if attempt.served.resource.kind == "Namespace" && needed.contains(&name) {
        let mut status = Status::forbidden(format!(
            "namespaces \"{name}\" is forbidden: this namespace may not be deleted"
        ));
        status.details = about_kind(name, "", "namespaces");
        return Err(status);
    }
    Ok(())
}

/// A job's pods are told apart by its uid, which nobody can know before.
///
/// Source: `generateSelector` of `pkg/registry/batch/job/strategy.go`.
fn complete_job(attempt: &Attempt<'_>, job: &mut Value) {
    if attempt.served.resource.kind != "Job"
        || attempt.served.is_custom()
        || attempt.operation != Operation::Create
        || job["spec"]["manualSelector"] == true
        || !job["spec"]["template"].is_object()
    {
        return;
    }
    let (uid, name) = (object::uid(job).to_owned(), object::name(job).to_owned());
    let template = &mut job["spec"]["template"];
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        template["metadata"]["labels"][key] = json!(value);
    }
    job["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = json!(uid);
}

/// Defaults of pods that need to know the cluster: priority, and tolerations of a node's trouble.
fn complete_pod(attempt: &Attempt<'_>, object: &mut Value) {
    if attempt.served.resource.kind != "Pod" || attempt.operation != Operation::Create {
        return;
    }
    let class = object::text(object, &["spec", "priorityClassName"]).to_owned();
    let priority = match class.as_str() {
        "" => 0,
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        class => attempt
            .cluster
            .store()
            .get(
                &ResourceId::of("priorityclasses.scheduling.k8s.io"),
                &Key::new("", class),
            )
            .and_then(|found| found["value"].as_i64())
            .unwrap_or(0),
    };
    object["spec"]["priority"] = json!(priority);
    defaults::tolerate_trouble(object);
}
