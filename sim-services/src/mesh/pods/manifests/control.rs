//! The control: clients, experiments, the admin API that the operator finds by its label.

use serde_json::{Value, json};

use super::parts::{account, deployment, field, labels, namespace, pod, probe, selector};
use super::{CONTROL, CONTROL_NAMESPACE, CONTROL_PORT, Layout, PORT, parts};
use crate::topology::Topology;

/// By which the operator finds the admin API of what it may do experiments on.
const CHAOS_ADMIN: &str = "crosswatch.dev/chaos-admin";

pub(super) fn resources(topology: &Topology, layout: &Layout) -> Vec<Value> {
    let labels = labels(CONTROL, topology, env!("CARGO_PKG_VERSION"), "control");
    let selector = selector(CONTROL, topology);
    let entry = &topology.entry;
    let home = namespace(topology, entry);
    let mut arguments = vec![
        "sim".to_owned(),
        "control".to_owned(),
        format!("--listen=$(POD_IP):{CONTROL_PORT}"),
        format!("--entry={entry}=http://{entry}.{home}:{PORT}"),
        format!("--seed={}", layout.seed),
    ];
    let rate = layout.requests_per_second;
    arguments.extend(rate.map(|rate| format!("--requests-per-second={rate}")));
    arguments.extend(parts::topology_argument(layout));
    let container = json!({
        "args": arguments,
        "env": [field("POD_IP", "status.podIP")],
        "ports": [{ "name": "admin", "containerPort": CONTROL_PORT }],
        "startupProbe": probe("/healthz", "admin", 1, 60),
        "readinessProbe": probe("/healthz", "admin", 2, 1),
        "livenessProbe": probe("/healthz", "admin", 10, 3),
        "resources": {
            "requests": { "cpu": "50m", "memory": "32Mi" },
            "limits": { "memory": "256Mi" },
        },
    });
    let mut service_labels = labels.clone();
    service_labels[CHAOS_ADMIN] = json!("true");
    // One: it has the experiments in its memory. It is no API of the platform, so nobody watches it.
    let annotations = json!({ "crosswatch.dev/enabled": "false" });
    let mut deployment = deployment(
        CONTROL,
        CONTROL_NAMESPACE,
        &selector,
        &labels,
        annotations,
        1,
        pod(CONTROL, container, layout, Value::Null),
    );
    deployment["spec"]["strategy"] = json!({ "type": "Recreate" });
    vec![
        account(CONTROL, CONTROL_NAMESPACE, &labels),
        deployment,
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": CONTROL,
                "namespace": CONTROL_NAMESPACE,
                "labels": service_labels,
            },
            "spec": {
                "selector": selector,
                "ports": [{ "name": "admin", "port": CONTROL_PORT, "targetPort": "admin" }],
            },
        }),
    ]
}
