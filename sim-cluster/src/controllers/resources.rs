//! The resources that controllers follow, with what their objects call themselves.

use serde_json::Value;

use crate::object;

/// Resource, `apiVersion` and `kind`. Everything that may own or be owned, so that garbage
/// collection sees it; Events are left out, they own nothing and are many.
pub(super) const FOLLOWED: &[(&str, &str, &str)] = &[
    ("namespaces", "v1", "Namespace"),
    ("nodes", "v1", "Node"),
    ("pods", "v1", "Pod"),
    ("services", "v1", "Service"),
    ("endpoints", "v1", "Endpoints"),
    (
        "endpointslices.discovery.k8s.io",
        "discovery.k8s.io/v1",
        "EndpointSlice",
    ),
    ("configmaps", "v1", "ConfigMap"),
    ("secrets", "v1", "Secret"),
    ("serviceaccounts", "v1", "ServiceAccount"),
    ("persistentvolumeclaims", "v1", "PersistentVolumeClaim"),
    ("persistentvolumes", "v1", "PersistentVolume"),
    (
        "storageclasses.storage.k8s.io",
        "storage.k8s.io/v1",
        "StorageClass",
    ),
    ("deployments.apps", "apps/v1", "Deployment"),
    ("replicasets.apps", "apps/v1", "ReplicaSet"),
    ("statefulsets.apps", "apps/v1", "StatefulSet"),
    ("daemonsets.apps", "apps/v1", "DaemonSet"),
    ("controllerrevisions.apps", "apps/v1", "ControllerRevision"),
    ("jobs.batch", "batch/v1", "Job"),
    ("cronjobs.batch", "batch/v1", "CronJob"),
    (
        "leases.coordination.k8s.io",
        "coordination.k8s.io/v1",
        "Lease",
    ),
    (
        "poddisruptionbudgets.policy",
        "policy/v1",
        "PodDisruptionBudget",
    ),
    (
        "horizontalpodautoscalers.autoscaling",
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
    ),
    (
        "ingresses.networking.k8s.io",
        "networking.k8s.io/v1",
        "Ingress",
    ),
    (
        "networkpolicies.networking.k8s.io",
        "networking.k8s.io/v1",
        "NetworkPolicy",
    ),
    (
        "roles.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "Role",
    ),
    (
        "rolebindings.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
    ),
    (
        "clusterroles.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
    ),
    (
        "clusterrolebindings.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
    ),
    (CRDS, "apiextensions.k8s.io/v1", "CustomResourceDefinition"),
];

pub(super) const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// `apiVersion` and `kind` of a followed resource; empty for others.
pub(super) fn kind_of(resource: &str) -> (&'static str, &'static str) {
    FOLLOWED
        .iter()
        .find(|(known, ..)| *known == resource)
        .map_or(("", ""), |(_, api_version, kind)| (api_version, kind))
}

/// The resource that an `apiVersion` and `kind` mean, whatever the version.
pub(super) fn resource_of(api_version: &str, kind: &str) -> Option<&'static str> {
    let group = |api_version: &str| match api_version.split_once('/') {
        Some((group, _)) => group.to_owned(),
        None => String::new(),
    };
    FOLLOWED
        .iter()
        .find(|(_, known, known_kind)| *known_kind == kind && group(known) == group(api_version))
        .map(|(resource, ..)| *resource)
}

/// The resource that a `CustomResourceDefinition` defines.
pub(super) fn defined_by(definition: &Value) -> String {
    let plural = object::text(definition, &["spec", "names", "plural"]);
    format!("{plural}.{}", object::text(definition, &["spec", "group"]))
}
