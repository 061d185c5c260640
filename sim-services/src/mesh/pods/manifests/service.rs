//! One service: account, Deployment, Service.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::parts::{account, deployment, field, labels, namespace, pod, probe, selector};
use super::{
    CONTROL, CONTROL_NAMESPACE, CONTROL_PORT, ENVIRONMENT, HEALTH_PORT, Layout, PORT, parts,
};
use crate::topology::{Protocol, ServiceSpec, Step, Topology};

pub(super) fn resources(topology: &Topology, name: &str, layout: &Layout) -> Vec<Value> {
    let spec = &topology.services[name];
    let namespace = namespace(topology, name);
    let labels = labels(name, topology, &spec.version, component(topology, name));
    let selector = selector(name, topology);
    let most = layout.replicas.unwrap_or(u32::MAX);
    let container = json!({
        "args": arguments(topology, name, layout),
        "env": environment(name, spec, layout),
        "ports": [
            { "name": port_name(spec), "containerPort": PORT },
            { "name": "health", "containerPort": HEALTH_PORT },
        ],
        "startupProbe": probe("/readyz", "health", 1, 60),
        "readinessProbe": probe("/readyz", "health", 1, 1),
        "livenessProbe": probe("/livez", "health", 10, 3),
        "resources": {
            "requests": { "cpu": "20m", "memory": "24Mi" },
            "limits": { "memory": "128Mi" },
        },
    });
    let node = json!({ ENVIRONMENT: spec.environment });
    vec![
        account(name, namespace, &labels),
        deployment(
            name,
            namespace,
            &selector,
            &labels,
            Value::Null,
            spec.replicas.min(most).max(1),
            pod(name, container, layout, node),
        ),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": name, "namespace": namespace, "labels": labels },
            "spec": {
                "selector": selector,
                "ports": [{
                    "name": port_name(spec),
                    "port": PORT,
                    "targetPort": port_name(spec),
                    "appProtocol": application_protocol(spec),
                }],
            },
        }),
    ]
}

/// The role that it has, as the recommended labels name it.
fn component(topology: &Topology, name: &str) -> &'static str {
    if topology.entry == name {
        "edge"
    } else if topology.queues.values().any(|queue| queue.broker == name) {
        "broker"
    } else if topology.services[name].routes.is_empty() {
        "consumer"
    } else {
        "api"
    }
}

/// Names of ports have 15 letters at most.
fn port_name(spec: &ServiceSpec) -> &'static str {
    match (spec.protocol, spec.tls) {
        (Protocol::Grpc, _) => "grpc",
        (Protocol::Http2, false) => "http2",
        (Protocol::Http1, false) => "http",
        (_, true) => "https",
    }
}

/// For meshes and gateways that look (KEP-3726).
fn application_protocol(spec: &ServiceSpec) -> &'static str {
    match (spec.protocol, spec.tls) {
        (_, true) => "https",
        (Protocol::Http1, false) => "http",
        (Protocol::Http2 | Protocol::Grpc, false) => "kubernetes.io/h2c",
    }
}

fn arguments(topology: &Topology, name: &str, layout: &Layout) -> Vec<String> {
    let mut arguments = vec![
        "sim".to_owned(),
        "replica".to_owned(),
        format!("--service={name}"),
        format!("--listen=$(POD_IP):{PORT}"),
        format!("--health=$(POD_IP):{HEALTH_PORT}"),
        "--pod=$(POD_NAME)".to_owned(),
        format!("--control=http://{CONTROL}.{CONTROL_NAMESPACE}:{CONTROL_PORT}"),
        format!("--seed={}", layout.seed),
    ];
    for callee in callees(topology, name) {
        let namespace = namespace(topology, &callee);
        arguments.push(format!(
            "--peer={callee}=http://{callee}.{namespace}:{PORT}"
        ));
    }
    arguments.extend(parts::topology_argument(layout));
    arguments
}

/// Whom it calls: services, and brokers of queues that it publishes to or takes from.
fn callees(topology: &Topology, name: &str) -> BTreeSet<String> {
    let spec = &topology.services[name];
    let mut callees = BTreeSet::new();
    let routes = spec.routes.values().map(|route| &route.steps);
    let consumers = spec.consumes.values().map(|consumer| &consumer.steps);
    for steps in routes.chain(consumers) {
        note(steps, topology, &mut callees);
    }
    for queue in spec.consumes.keys() {
        callees.insert(topology.queues[queue].broker.clone());
    }
    callees
}

fn note(steps: &[Step], topology: &Topology, callees: &mut BTreeSet<String>) {
    for step in steps {
        match step {
            Step::Call(call) => {
                callees.insert(call.service.clone());
            }
            Step::Publish(queue) => {
                callees.insert(topology.queues[queue].broker.clone());
            }
            Step::Parallel(steps) => note(steps, topology, callees),
            Step::Cached(cached) => note(&cached.miss, topology, callees),
            Step::Work(_) | Step::Query(_) => {}
        }
    }
}

/// Variables: who it is, for its arguments and for its spans, which must say what the node's agent
/// says of its lines.
fn environment(name: &str, spec: &ServiceSpec, layout: &Layout) -> Vec<Value> {
    let mut variables = vec![
        field("POD_IP", "status.podIP"),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_UID", "metadata.uid"),
        field("NODE_NAME", "spec.nodeName"),
    ];
    if let Some(otlp) = layout.otlp.as_ref().filter(|_| spec.tracing.exports_spans) {
        let attributes = [
            ("crosswatch.environment", spec.environment.as_str()),
            (
                "service.instance.id",
                &format!("$(POD_NAMESPACE).$(POD_NAME).{name}"),
            ),
            ("k8s.namespace.name", "$(POD_NAMESPACE)"),
            ("k8s.pod.name", "$(POD_NAME)"),
            ("k8s.pod.uid", "$(POD_UID)"),
            ("k8s.container.name", name),
            ("k8s.deployment.name", name),
            ("k8s.node.name", "$(NODE_NAME)"),
        ];
        let attributes: Vec<String> = attributes
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        variables.push(json!({ "name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": otlp }));
        variables
            .push(json!({ "name": "OTEL_RESOURCE_ATTRIBUTES", "value": attributes.join(",") }));
    }
    variables
}
