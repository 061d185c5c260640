//! The roles and bindings that every cluster begins with.
//!
//! After `k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`, for the
//! resources that are served here.

use serde_json::{Value, json};

use crate::client::Client;

const GROUP: &str = "rbac.authorization.k8s.io";
const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

pub(crate) fn populate(client: &Client) {
    for role in roles() {
        client
            .create("clusterroles.rbac.authorization.k8s.io", role)
            .expect("an empty cluster takes its first roles");
    }
    for (role, groups) in [
        ("cluster-admin", &["system:masters"][..]),
        ("system:discovery", &["system:authenticated"]),
        ("system:basic-user", &["system:authenticated"]),
        (
            "system:public-info-viewer",
            &["system:authenticated", "system:unauthenticated"],
        ),
    ] {
        let subjects: Vec<Value> = groups
            .iter()
            .map(|group| json!({ "kind": "Group", "apiGroup": GROUP, "name": group }))
            .collect();
        let binding = json!({
            "metadata": { "name": role, "labels": labels(&[]) },
            "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": role },
            "subjects": subjects,
        });
        client
            .create("clusterrolebindings.rbac.authorization.k8s.io", binding)
            .expect("an empty cluster takes its first bindings");
    }
}

fn roles() -> Vec<Value> {
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    vec![
        role(
            "cluster-admin",
            &[],
            vec![
                json!({ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }),
                json!({ "nonResourceURLs": ["*"], "verbs": ["*"] }),
            ],
        ),
        role(
            "system:discovery",
            &[],
            vec![json!({ "nonResourceURLs": discovery, "verbs": ["get"] })],
        ),
        role(
            "system:public-info-viewer",
            &[],
            vec![json!({ "nonResourceURLs": public, "verbs": ["get"] })],
        ),
        role(
            "system:basic-user",
            &[],
            vec![
                json!({
                    "apiGroups": ["authorization.k8s.io"], "verbs": ["create"],
                    "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                }),
                json!({
                    "apiGroups": ["authentication.k8s.io"], "verbs": ["create"],
                    "resources": ["selfsubjectreviews"],
                }),
            ],
        ),
        role(
            "system:auth-delegator",
            &[],
            vec![
                json!({
                    "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"],
                    "verbs": ["create"],
                }),
                json!({
                    "apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"],
                    "verbs": ["create"],
                }),
            ],
        ),
        aggregated("admin", "aggregate-to-admin"),
        aggregated("edit", "aggregate-to-edit"),
        aggregated("view", "aggregate-to-view"),
        role(
            "system:aggregate-to-view",
            &["view", "edit", "admin"],
            seen(),
        ),
        role("system:aggregate-to-edit", &["edit", "admin"], edited()),
        role(
            "system:aggregate-to-admin",
            &["admin"],
            vec![
                json!({
                    "apiGroups": [GROUP], "resources": ["rolebindings", "roles"],
                    "verbs": ([&READ[..], &WRITE[..]].concat()),
                }),
                json!({
                    "apiGroups": ["authorization.k8s.io"], "verbs": ["create"],
                    "resources": ["localsubjectaccessreviews"],
                }),
            ],
        ),
    ]
}

fn labels(aggregated_to: &[&str]) -> Value {
    let mut labels = json!({ "kubernetes.io/bootstrapping": "rbac-defaults" });
    for role in aggregated_to {
        labels[format!("rbac.authorization.k8s.io/aggregate-to-{role}")] = json!("true");
    }
    labels
}

fn role(name: &str, aggregated_to: &[&str], rules: Vec<Value>) -> Value {
    json!({ "metadata": { "name": name, "labels": labels(aggregated_to) }, "rules": rules })
}

fn aggregated(name: &str, label: &str) -> Value {
    let key = format!("{GROUP}/{label}");
    json!({
        "metadata": { "name": name, "labels": labels(&[]) },
        "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { key: "true" } }] },
        "rules": [],
    })
}

/// Namespaced things that hold no secrets.
fn seen() -> Vec<Value> {
    let core = [
        "bindings",
        "configmaps",
        "endpoints",
        "events",
        "limitranges",
        "namespaces",
        "namespaces/status",
        "persistentvolumeclaims",
        "persistentvolumeclaims/status",
        "pods",
        "pods/log",
        "pods/status",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "replicationcontrollers/status",
        "resourcequotas",
        "resourcequotas/status",
        "serviceaccounts",
        "services",
        "services/status",
    ];
    let rule = |group: &str, resources: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": READ });
    vec![
        rule("", &core),
        rule("apps", &APPS),
        rule(
            "autoscaling",
            &[
                "horizontalpodautoscalers",
                "horizontalpodautoscalers/status",
            ],
        ),
        rule(
            "batch",
            &["cronjobs", "cronjobs/status", "jobs", "jobs/status"],
        ),
        rule("discovery.k8s.io", &["endpointslices"]),
        rule(
            "networking.k8s.io",
            &["ingresses", "ingresses/status", "networkpolicies"],
        ),
        rule(
            "policy",
            &["poddisruptionbudgets", "poddisruptionbudgets/status"],
        ),
    ]
}

const APPS: [&str; 12] = [
    "controllerrevisions",
    "daemonsets",
    "daemonsets/status",
    "deployments",
    "deployments/scale",
    "deployments/status",
    "replicasets",
    "replicasets/scale",
    "replicasets/status",
    "statefulsets",
    "statefulsets/scale",
    "statefulsets/status",
];

fn edited() -> Vec<Value> {
    let core = [
        "configmaps",
        "endpoints",
        "events",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "secrets",
        "serviceaccounts",
        "services",
    ];
    let apps = [
        "daemonsets",
        "deployments",
        "deployments/rollback",
        "deployments/scale",
        "replicasets",
        "replicasets/scale",
        "statefulsets",
        "statefulsets/scale",
    ];
    let rule = |group: &str, resources: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": WRITE });
    vec![
        json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": READ }),
        json!({ "apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"] }),
        json!({
            "apiGroups": [""], "resources": ["pods/eviction", "serviceaccounts/token"],
            "verbs": ["create"],
        }),
        rule("", &core),
        rule("apps", &apps),
        rule("autoscaling", &["horizontalpodautoscalers"]),
        rule("batch", &["cronjobs", "jobs"]),
        rule("networking.k8s.io", &["ingresses", "networkpolicies"]),
        rule("policy", &["poddisruptionbudgets"]),
        json!({
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
            "verbs": ([&READ[..], &WRITE[..]].concat()),
        }),
    ]
}
