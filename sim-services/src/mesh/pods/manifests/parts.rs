//! What manifests of services and of the control have in common.

use serde_json::{Value, json};

use super::{IMAGE, Layout};
use crate::topology::Topology;

pub(super) const DEFAULT: &str = "default";
/// Of the ConfigMap with a topology that is not shipped, and of its volume.
pub(super) const TOPOLOGY: &str = "mesh-topology";

/// A service's.
pub(super) fn namespace<'a>(topology: &'a Topology, service: &str) -> &'a str {
    match topology.services[service].namespace.as_str() {
        "" => DEFAULT,
        namespace => namespace,
    }
}

/// By which it is found; the same for as long as it lives.
pub(super) fn selector(name: &str, topology: &Topology) -> Value {
    json!({
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": topology.name,
    })
}

/// Of everything that a service or the control is made of.
pub(super) fn labels(name: &str, topology: &Topology, version: &str, component: &str) -> Value {
    let mut labels = selector(name, topology);
    labels["app.kubernetes.io/version"] = json!(version);
    labels["app.kubernetes.io/component"] = json!(component);
    labels
}

/// The account that it runs as. It may do nothing, and has no token.
pub(super) fn account(name: &str, namespace: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "automountServiceAccountToken": false,
    })
}

/// A Deployment around a pod's specification.
pub(super) fn deployment(
    name: &str,
    namespace: &str,
    selector: &Value,
    labels: &Value,
    annotations: Value,
    replicas: u32,
    pod: Value,
) -> Value {
    let mut template = json!({ "labels": labels });
    if !annotations.is_null() {
        template["annotations"] = annotations;
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": selector },
            "template": {
                "metadata": template,
                "spec": pod,
            },
        },
    })
}

/// A pod with one container, as the restricted level of Kubernetes' Pod Security Standards asks.
pub(super) fn pod(name: &str, container: Value, layout: &Layout, node: Value) -> Value {
    let mut container = container;
    container["name"] = json!(name);
    container["image"] = json!(IMAGE);
    container["imagePullPolicy"] = json!("IfNotPresent");
    container["securityContext"] = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "readOnlyRootFilesystem": true,
    });
    let mut pod = json!({
        "serviceAccountName": name,
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        // To be told, to finish what was begun, and some.
        "terminationGracePeriodSeconds": 15,
        "containers": [],
    });
    if layout.topology.is_some() {
        container["volumeMounts"] = json!([
            { "name": TOPOLOGY, "mountPath": "/etc/mesh", "readOnly": true },
        ]);
        pod["volumes"] = json!([{ "name": TOPOLOGY, "configMap": { "name": TOPOLOGY } }]);
    }
    pod["containers"] = json!([container]);
    if !node.is_null() {
        pod["nodeSelector"] = node;
    }
    pod
}

/// `--topology` when it is not the one that is shipped.
pub(super) fn topology_argument(layout: &Layout) -> Vec<String> {
    let given = layout.topology.as_ref();
    given
        .map(|_| "--topology=/etc/mesh/topology.yaml".to_owned())
        .into_iter()
        .collect()
}

/// A variable that the pod's own fields fill in.
pub(super) fn field(name: &str, path: &str) -> Value {
    json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } })
}

pub(super) fn probe(path: &str, port: &str, every_s: u32, failures: u32) -> Value {
    json!({
        "httpGet": { "path": path, "port": port },
        "periodSeconds": every_s,
        "failureThreshold": failures,
    })
}
