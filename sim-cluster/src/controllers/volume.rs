//! Volumes: claims are bound to volumes that fit, or to new ones of their storage class.
//!
//! The class `standard` gives a folder on the node; it is made here if a cluster has no class.
//! Whoever runs the pod makes the folder. After `kubernetes/pkg/controller/volume/persistentvolume`,
//! as far as volumes that need no waiting for a consumer go.

use std::sync::Arc;

use serde_json::{Value, json};

use super::adopt;
use super::manager::{Controller, View};
use super::plan::{Plan, Said};
use super::pod;
use super::queue::Key;
use super::world::{Change, World};
use crate::object;

const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";
const CLASSES: &str = "storageclasses.storage.k8s.io";
const PROVISIONER: &str = "crosswatch.dev/folder";
const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";

/// Below it, each volume has a folder of its name.
const FOLDERS: &str = "/var/lib/crosswatch/volumes";

#[derive(Debug)]
pub(super) struct Volumes;

impl Controller for Volumes {
    fn name(&self) -> &'static str {
        "persistentvolume"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            CLAIMS => {
                adopt::wake_itself(change, CLAIMS, wake);
                if let Some(claim) = change.object().filter(|_| change.is_gone()) {
                    wake(VOLUMES, "", object::text(claim, &["spec", "volumeName"]));
                }
            }
            VOLUMES | CLASSES => {
                adopt::wake_itself(change, VOLUMES, wake);
                // A volume or a class may be what claims wait for.
                for claim in world.all(CLAIMS) {
                    if object::text(claim, &["status", "phase"]) != "Bound" {
                        wake(CLAIMS, object::namespace(claim), object::name(claim));
                    }
                }
            }
            "namespaces" if change.is_new() => wake(CLASSES, "", "standard"),
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let mut plan = Plan::default();
        match key.resource.as_str() {
            CLASSES => {
                if view.world.all(CLASSES).next().is_none() {
                    plan.create(CLASSES, standard_class(), None);
                }
            }
            VOLUMES => {
                if let Some(volume) = view.world.get(VOLUMES, "", &key.name) {
                    look_at_volume(&mut plan, volume, view.world);
                }
            }
            _ => {
                if let Some(claim) = view.world.get(CLAIMS, &key.namespace, &key.name) {
                    bind(&mut plan, claim, view.world);
                }
            }
        }
        plan
    }
}

fn standard_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": { "name": "standard", "annotations": { IS_DEFAULT: "true" } },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    })
}

fn is_claimed_by(volume: &Value, claim: &Value) -> bool {
    let reference = &volume["spec"]["claimRef"];
    let uid = object::text(reference, &["uid"]);
    reference["namespace"] == object::namespace(claim)
        && reference["name"] == object::name(claim)
        && (uid.is_empty() || uid == object::uid(claim))
}

fn bind(plan: &mut Plan, claim: &Arc<Value>, world: &World) {
    if object::is_being_deleted(claim) || object::text(claim, &["status", "phase"]) == "Bound" {
        return;
    }
    let named = object::text(claim, &["spec", "volumeName"]);
    let found = world.all(VOLUMES).find(|volume| {
        (object::name(volume) == named && volume["spec"]["claimRef"].is_null())
            || is_claimed_by(volume, claim)
    });
    let found = found.or_else(|| {
        let mut fitting: Vec<&Arc<Value>> = world
            .all(VOLUMES)
            .filter(|volume| named.is_empty() && fits(volume, claim))
            .collect();
        fitting.sort_by_key(|volume| size(&volume["spec"]["capacity"]["storage"]));
        fitting.first().copied()
    });
    match found {
        Some(volume) if !is_claimed_by(volume, claim) => {
            let mut claimed = (**volume).clone();
            claimed["spec"]["claimRef"] = reference(claim);
            plan.update(VOLUMES, claimed, None);
        }
        Some(volume) => complete(plan, claim, volume),
        None if named.is_empty() => provision(plan, claim, world),
        None => {}
    }
}

fn size(written: &Value) -> i64 {
    crate::scheduler::quantity::milli(written).unwrap_or(0)
}

/// Whether a volume that nobody has is as the claim wants it.
fn fits(volume: &Value, claim: &Value) -> bool {
    let (has, wants) = (&volume["spec"], &claim["spec"]);
    let modes = object::list(claim, &["spec", "accessModes"]);
    let class = |spec: &Value| object::text(spec, &["storageClassName"]).to_owned();
    has["claimRef"].is_null()
        && !object::is_being_deleted(volume)
        && class(has) == class(wants)
        && modes
            .iter()
            .all(|mode| object::list(volume, &["spec", "accessModes"]).contains(mode))
        && size(&has["capacity"]["storage"]) >= size(&wants["resources"]["requests"]["storage"])
}

fn reference(claim: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": object::namespace(claim), "name": object::name(claim),
        "uid": object::uid(claim),
    })
}

/// Writes into the claim what it got; its wish first, then its status.
fn complete(plan: &mut Plan, claim: &Arc<Value>, volume: &Value) {
    let name = object::name(volume);
    let mut bound = (**claim).clone();
    bound["spec"]["volumeName"] = json!(name);
    pod::set_annotation(&mut bound, BIND_COMPLETED, "yes");
    if bound != **claim {
        plan.update(CLAIMS, bound, None);
        return;
    }
    let status = json!({
        "phase": "Bound",
        "accessModes": volume["spec"]["accessModes"],
        "capacity": volume["spec"]["capacity"],
    });
    plan.status(CLAIMS, claim, status);
}

fn provision(plan: &mut Plan, claim: &Arc<Value>, world: &World) {
    let is_default = |class: &&Arc<Value>| object::annotation(class, IS_DEFAULT) == Some("true");
    let class = match claim["spec"]["storageClassName"].as_str() {
        // Only a volume that somebody has made.
        Some("") => return,
        Some(name) => world.get(CLASSES, "", name),
        None => world.all(CLASSES).find(is_default),
    };
    let Some(class) = class else {
        let message = match claim["spec"]["storageClassName"].as_str() {
            Some(name) => format!("storageclass.storage.k8s.io \"{name}\" not found"),
            None => "no persistent volumes available for this claim and no storage class is set"
                .to_owned(),
        };
        plan.say(Said::warning(claim, "ProvisioningFailed", message));
        return;
    };
    if claim["spec"]["storageClassName"].is_null() {
        let mut classed = (**claim).clone();
        classed["spec"]["storageClassName"] = json!(object::name(class));
        plan.update(CLAIMS, classed, None);
        return;
    }
    if class["provisioner"] != PROVISIONER {
        return;
    }
    let name = format!("pvc-{}", object::uid(claim));
    let message = format!("Successfully provisioned volume {name}");
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": name, "annotations": { PROVISIONED_BY: PROVISIONER } },
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": { "storage": claim["spec"]["resources"]["requests"]["storage"] },
            "claimRef": reference(claim),
            "hostPath": { "path": format!("{FOLDERS}/{name}"), "type": "DirectoryOrCreate" },
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"],
            "storageClassName": object::name(class),
            "volumeMode": claim["spec"]["volumeMode"],
        },
    });
    let said = Said::normal(claim, "ProvisioningSucceeded", message)
        .or_when_refused("ProvisioningFailed", "Failed to provision volume");
    plan.create(VOLUMES, volume, Some(said));
}

/// The phase of a volume; and its end, when its claim is gone and nobody is to keep it.
fn look_at_volume(plan: &mut Plan, volume: &Arc<Value>, world: &World) {
    let reference = &volume["spec"]["claimRef"];
    let text = |field: &str| object::text(reference, &[field]);
    let claim = world
        .get(CLAIMS, text("namespace"), text("name"))
        .filter(|claim| text("uid").is_empty() || text("uid") == object::uid(claim));
    let phase = match (reference.is_null(), claim) {
        (true, _) => "Available",
        (false, Some(_)) => "Bound",
        // Reserved for a claim that has not come yet.
        (false, None) if text("uid").is_empty() => "Available",
        (false, None) => "Released",
    };
    if phase == "Released" && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
        if !object::is_being_deleted(volume) {
            plan.delete(VOLUMES, volume, None);
        }
        return;
    }
    let mut status = volume["status"].clone();
    status["phase"] = json!(phase);
    plan.status(VOLUMES, volume, status);
}
