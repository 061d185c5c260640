//! Namespaces: what every one has, and how one goes.
//!
//! A namespace being deleted is emptied, whatever is in it, and let go once nothing is left: its
//! own finalizer `kubernetes` is taken away by the `finalize` subresource. After
//! `kubernetes/pkg/controller/namespace`, `serviceaccount` and `certificates/rootcacertpublisher`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::adopt;
use super::manager::{Controller, View};
use super::plan::{Plan, set_condition};
use super::pod;
use super::queue::Key;
use super::world::{Change, World};
use crate::client::ListOptions;
use crate::object;

const RESOURCE: &str = "namespaces";

#[derive(Debug)]
pub(super) struct Namespaces;

impl Controller for Namespaces {
    fn name(&self) -> &'static str {
        "namespace"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        adopt::wake_itself(change, RESOURCE, wake);
        // Each object that goes may be the last one.
        if let Some(gone) = change.old.filter(|_| change.is_gone()) {
            let namespace = object::namespace(gone);
            let found = world.get(RESOURCE, "", namespace);
            if found.is_some_and(|found| object::is_being_deleted(found)) {
                wake(RESOURCE, "", namespace);
            }
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let mut plan = Plan::default();
        // For certain: what comes after cannot be undone.
        let Ok(namespace) = view.client.get(RESOURCE, "", &key.name) else {
            return plan;
        };
        if !object::is_being_deleted(&namespace) {
            return plan;
        }
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        let registry = view.client.cluster().registry();
        let mut resources: Vec<String> = registry
            .all()
            .filter(|served| served.resource.namespaced && !served.is_question)
            .map(|served| served.stored_as.to_string())
            .collect();
        resources.sort();
        resources.dedup();
        for resource in resources {
            let listing = view
                .client
                .list(&resource, Some(&key.name), &ListOptions::all());
            // A resource that is served no more since has no objects any more either.
            let items = listing.map(|listing| listing.items).unwrap_or_default();
            for item in &items {
                if !object::is_being_deleted(item) {
                    plan.delete(&resource, item, None);
                }
            }
            if !items.is_empty() {
                left.insert(resource, items.len());
            }
        }
        if left.is_empty() {
            let mut emptied = (*namespace).clone();
            if let Some(finalizers) = emptied["spec"]["finalizers"].as_array_mut() {
                finalizers.retain(|finalizer| finalizer != "kubernetes");
            }
            plan.actions.push(super::plan::Action::Update {
                resource: RESOURCE.to_owned(),
                subresource: "finalize",
                object: emptied,
                said: None,
            });
            return plan;
        }
        let deletions = std::mem::take(&mut plan.actions);
        plan.status(
            RESOURCE,
            &namespace,
            status(&namespace, &left, &pod::stamp(view.now)),
        );
        plan.actions.extend(deletions);
        // Events come and go without anybody being told.
        plan.again_in(jiff::SignedDuration::from_secs(1));
        plan
    }
}

fn status(namespace: &Value, left: &BTreeMap<String, usize>, at: &str) -> Value {
    let mut status = namespace["status"].clone();
    status["phase"] = json!("Terminating");
    let told: Vec<String> = left
        .iter()
        .map(|(resource, count)| format!("{resource} has {count} resource instances"))
        .collect();
    let message = format!("Some resources are remaining: {}", told.join(", "));
    let mut conditions = object::list(&status, &["conditions"]).to_vec();
    set_condition(
        &mut conditions,
        "NamespaceContentRemaining",
        "True",
        "SomeResourcesRemain",
        &message,
        at,
    );
    status["conditions"] = json!(conditions);
    status
}

/// The service account and the ConfigMap that pods of every namespace count on.
#[derive(Debug)]
pub(super) struct Furniture {
    pub(super) root_certificate: String,
}

impl Controller for Furniture {
    fn name(&self) -> &'static str {
        "serviceaccount"
    }

    fn wake(&mut self, change: &Change<'_>, _: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            RESOURCE => adopt::wake_itself(change, RESOURCE, wake),
            "serviceaccounts" | "configmaps" => {
                let ours = change.object().filter(|object| {
                    matches!(object::name(object), "default" | "kube-root-ca.crt")
                });
                if let Some(ours) = ours {
                    wake(RESOURCE, "", object::namespace(ours));
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let mut plan = Plan::default();
        let found = view.world.get(RESOURCE, "", &key.name);
        if found.is_none_or(|namespace| object::is_being_deleted(namespace)) {
            return plan;
        }
        if view
            .world
            .get("serviceaccounts", &key.name, "default")
            .is_none()
        {
            let account = json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": { "namespace": key.name, "name": "default" },
            });
            plan.create("serviceaccounts", account, None);
        }
        let data = json!({ "ca.crt": self.root_certificate });
        match view.world.get("configmaps", &key.name, "kube-root-ca.crt") {
            None => {
                let map = json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {
                        "namespace": key.name, "name": "kube-root-ca.crt",
                        "annotations": { "kubernetes.io/description":
                            "Contains a CA bundle that can be used to verify the kube-apiserver." },
                    },
                    "data": data,
                });
                plan.create("configmaps", map, None);
            }
            Some(map) if map["data"] != data => {
                let mut corrected = (**map).clone();
                corrected["data"] = data;
                plan.update("configmaps", corrected, None);
            }
            Some(_) => {}
        }
        plan
    }
}
