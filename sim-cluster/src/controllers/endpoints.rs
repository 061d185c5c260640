//! Endpoints of services: which pods a service means, at which addresses and ports.
//!
//! EndpointSlices for proxies, and the older Endpoints for people. Services without a selector are
//! somebody else's. After `kubernetes/pkg/controller/endpointslice` and `endpoint`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::adopt;
use super::deployment::{fnv, safe};
use super::manager::{Controller, View};
use super::plan::Plan;
use super::pod;
use super::queue::Key;
use super::selector::Selector;
use super::world::{Change, World};
use crate::object;

const SLICES: &str = "endpointslices.discovery.k8s.io";
const MANAGED_BY: &str = "endpointslice-controller.k8s.io";

/// Endpoints of one slice, as Kubernetes has it.
const PER_SLICE: usize = 100;

#[derive(Debug)]
pub(super) struct Endpoints;

impl Controller for Endpoints {
    fn name(&self) -> &'static str {
        "endpoint-slice"
    }

    fn wake(&mut self, change: &Change<'_>, world: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        match change.resource {
            "services" => adopt::wake_itself(change, "services", wake),
            "pods" => {
                for state in change.states() {
                    let labels = &state["metadata"]["labels"];
                    for service in world.selecting("services", object::namespace(state), labels) {
                        wake(
                            "services",
                            object::namespace(&service),
                            object::name(&service),
                        );
                    }
                }
            }
            // What somebody else changed or deleted is put right.
            "endpoints" if !change.is_new() => {
                if let Some(endpoints) = change.object() {
                    wake(
                        "services",
                        object::namespace(endpoints),
                        object::name(endpoints),
                    );
                }
            }
            SLICES if !change.is_new() => {
                let service = change.object().map(|slice| {
                    (
                        object::namespace(slice),
                        object::label(slice, "kubernetes.io/service-name"),
                    )
                });
                if let Some((namespace, Some(name))) = service {
                    wake("services", namespace, name);
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, key: &Key, view: &View<'_>) -> Plan {
        let mut plan = Plan::default();
        let world = view.world;
        let endpoints = world.get("endpoints", &key.namespace, &key.name);
        let Some(service) = world.get("services", &key.namespace, &key.name) else {
            if let Some(endpoints) = endpoints.filter(|it| !object::is_being_deleted(it)) {
                plan.delete("endpoints", endpoints, None);
            }
            return plan;
        };
        let Some(selector) = Selector::of_map(&service["spec"]["selector"]) else {
            return plan;
        };
        if object::is_being_deleted(service) {
            return plan;
        }
        let pods: Vec<&Arc<Value>> = world
            .pods_matching(&key.namespace, &selector)
            .filter(|pod| !pod::has_ended(pod) && !address(pod).is_empty())
            .collect();
        let zone = |node: &str| {
            let node = world.get("nodes", "", node)?;
            object::label(node, "topology.kubernetes.io/zone").map(str::to_owned)
        };
        let known: Vec<&Arc<Value>> = world
            .dependants(object::uid(service))
            .filter(|(at, _)| at.resource == SLICES)
            .map(|(_, slice)| slice)
            .collect();
        put(&mut plan, SLICES, slices(service, &pods, zone), &known);
        let known: Vec<&Arc<Value>> = endpoints.into_iter().collect();
        put(&mut plan, "endpoints", vec![legacy(service, &pods)], &known);
        plan
    }
}

/// Creates, corrects and deletes until what is known is what is wanted.
fn put(plan: &mut Plan, resource: &'static str, wanted: Vec<Value>, known: &[&Arc<Value>]) {
    for known in known {
        if !wanted
            .iter()
            .any(|wanted| object::name(wanted) == object::name(known))
        {
            plan.delete(resource, known, None);
        }
    }
    for wanted in wanted {
        let known = known
            .iter()
            .find(|known| object::name(known) == object::name(&wanted));
        let Some(known) = known else {
            plan.create(resource, wanted, None);
            continue;
        };
        let mut corrected = (***known).clone();
        for field in ["subsets", "endpoints", "ports"] {
            match wanted.get(field) {
                Some(value) => corrected[field] = value.clone(),
                None => drop(
                    corrected
                        .as_object_mut()
                        .and_then(|fields| fields.remove(field)),
                ),
            }
        }
        corrected["metadata"]["labels"] = wanted["metadata"]["labels"].clone();
        if corrected != ***known {
            plan.update(resource, corrected, None);
        }
    }
}

fn address(pod: &Value) -> &str {
    object::text(pod, &["status", "podIP"])
}

fn publishes_all(service: &Value) -> bool {
    service["spec"]["publishNotReadyAddresses"] == true
}

/// The ports of a service as this pod has them; ports whose name the pod does not know are left out.
fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    object::list(service, &["spec", "ports"])
        .iter()
        .filter_map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let number = match &port["targetPort"] {
                Value::String(name) => named_port(pod, name, protocol)?,
                Value::Number(number) if number.as_i64() != Some(0) => number.as_i64()?,
                _ => port["port"].as_i64()?,
            };
            let mut found = json!({
                "name": port["name"].as_str().unwrap_or_default(),
                "port": number, "protocol": protocol,
            });
            if let Some(protocol) = port.get("appProtocol") {
                found["appProtocol"] = protocol.clone();
            }
            Some(found)
        })
        .collect()
}

fn named_port(pod: &Value, name: &str, protocol: &str) -> Option<i64> {
    object::list(pod, &["spec", "containers"])
        .iter()
        .flat_map(|container| object::list(container, &["ports"]))
        .find(|port| {
            port["name"] == name && port["protocol"].as_str().unwrap_or("TCP") == protocol
        })?["containerPort"]
        .as_i64()
}

/// Pods that have the same ports share slices.
fn slices(
    service: &Value,
    pods: &[&Arc<Value>],
    zone: impl Fn(&str) -> Option<String>,
) -> Vec<Value> {
    let mut by_ports: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for pod in pods {
        let ports = ports(service, pod);
        let key = json!(ports).to_string();
        let (_, endpoints) = by_ports.entry(key).or_insert_with(|| (ports, Vec::new()));
        endpoints.push(endpoint(service, pod, &zone));
    }
    if by_ports.is_empty() {
        // Said to be empty, rather than unknown.
        by_ports.insert(String::new(), (Vec::new(), Vec::new()));
    }
    let mut labels = labels(service);
    labels["kubernetes.io/service-name"] = json!(object::name(service));
    labels["endpointslice.kubernetes.io/managed-by"] = json!(MANAGED_BY);
    let mut slices = Vec::new();
    for (ports, endpoints) in by_ports.into_values() {
        let mut chunks: Vec<&[Value]> = endpoints.chunks(PER_SLICE).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        for chunk in chunks {
            let number = slices.len();
            let ending = safe(fnv(format!("{}/{number}", object::uid(service)).as_bytes()));
            slices.push(json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {
                    "namespace": object::namespace(service),
                    "name": format!("{}-{ending}", object::name(service)),
                    "generateName": format!("{}-", object::name(service)),
                    "labels": labels,
                    "ownerReferences": [pod::controller_reference(service, "v1", "Service")],
                },
                "addressType": "IPv4",
                "endpoints": chunk,
                "ports": ports,
            }));
        }
    }
    slices
}

fn labels(service: &Value) -> Value {
    let mut labels = service["metadata"]["labels"].clone();
    if !labels.is_object() {
        labels = json!({});
    }
    if service["spec"]["clusterIP"] == "None" {
        labels["service.kubernetes.io/headless"] = json!("");
    }
    labels
}

fn endpoint(service: &Value, pod: &Value, zone: impl Fn(&str) -> Option<String>) -> Value {
    let terminating = object::is_being_deleted(pod);
    let serving = pod::is_ready(pod) || publishes_all(service);
    let mut endpoint = json!({
        "addresses": [address(pod)],
        "conditions": {
            "ready": publishes_all(service) || (serving && !terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": target(pod),
    });
    let node = pod::node(pod);
    if !node.is_empty() {
        endpoint["nodeName"] = json!(node);
        if let Some(zone) = zone(node) {
            endpoint["zone"] = json!(zone);
        }
    }
    let hostname = object::text(pod, &["spec", "hostname"]);
    if !hostname.is_empty() && pod["spec"]["subdomain"] == service["metadata"]["name"] {
        endpoint["hostname"] = json!(hostname);
    }
    endpoint
}

fn target(pod: &Value) -> Value {
    json!({
        "kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod),
        "uid": object::uid(pod),
    })
}

/// The Endpoints of a service: pods on their way out are in none of its lists.
fn legacy(service: &Value, pods: &[&Arc<Value>]) -> Value {
    let mut by_ports: BTreeMap<String, (Vec<Value>, [Vec<Value>; 2])> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !object::is_being_deleted(pod)) {
        let mut ports = ports(service, pod);
        for port in &mut ports {
            if let Some(fields) = port.as_object_mut().filter(|port| port["name"] == "") {
                fields.remove("name");
            }
        }
        let mut found = json!({ "ip": address(pod), "targetRef": target(pod) });
        if !pod::node(pod).is_empty() {
            found["nodeName"] = json!(pod::node(pod));
        }
        let key = json!(ports).to_string();
        let (_, lists) = by_ports
            .entry(key)
            .or_insert_with(|| (ports, Default::default()));
        lists[usize::from(!(pod::is_ready(pod) || publishes_all(service)))].push(found);
    }
    let subsets: Vec<Value> = by_ports
        .into_values()
        .map(|(ports, [ready, not_ready])| {
            let mut subset = json!({});
            for (field, list) in [
                ("addresses", ready),
                ("notReadyAddresses", not_ready),
                ("ports", ports),
            ] {
                if !list.is_empty() {
                    subset[field] = json!(list);
                }
            }
            subset
        })
        .collect();
    let mut endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "namespace": object::namespace(service), "name": object::name(service),
            "labels": labels(service),
        },
    });
    if !subsets.is_empty() {
        endpoints["subsets"] = json!(subsets);
    }
    endpoints
}
