//! Which lists of the built-in kinds merge, and by what: the markers `listType`, `listMapKey` and
//! `structType` of Kubernetes' own type definitions, which its schemas in `k8s-openapi` leave out.
//!
//! Lists that are not named here are replaced as a whole. [`super::builtin`] is the only reader.

use super::Merge;
use Rule::{Map, Set};

#[derive(Clone, Copy, Debug)]
enum Rule {
    Set,
    Map(&'static [&'static str]),
}

/// By the type's name without `io.k8s.`, and the field. Sorted.
const LISTS: &[(&str, &str, Rule)] = &[
    (
        "api.admissionregistration.v1.MutatingAdmissionPolicySpec",
        "matchConditions",
        Map(&["name"]),
    ),
    (
        "api.admissionregistration.v1.MutatingWebhook",
        "matchConditions",
        Map(&["name"]),
    ),
    (
        "api.admissionregistration.v1.MutatingWebhookConfiguration",
        "webhooks",
        Map(&["name"]),
    ),
    (
        "api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec",
        "validationActions",
        Set,
    ),
    (
        "api.admissionregistration.v1.ValidatingAdmissionPolicySpec",
        "matchConditions",
        Map(&["name"]),
    ),
    (
        "api.admissionregistration.v1.ValidatingAdmissionPolicySpec",
        "variables",
        Map(&["name"]),
    ),
    (
        "api.admissionregistration.v1.ValidatingAdmissionPolicyStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.admissionregistration.v1.ValidatingWebhook",
        "matchConditions",
        Map(&["name"]),
    ),
    (
        "api.admissionregistration.v1.ValidatingWebhookConfiguration",
        "webhooks",
        Map(&["name"]),
    ),
    ("api.apps.v1.DaemonSetStatus", "conditions", Map(&["type"])),
    ("api.apps.v1.DeploymentStatus", "conditions", Map(&["type"])),
    ("api.apps.v1.ReplicaSetStatus", "conditions", Map(&["type"])),
    (
        "api.apps.v1.StatefulSetStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.autoscaling.v2.HorizontalPodAutoscalerStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.batch.v1.JobSchedulingConfiguration",
        "resourceClaims",
        Map(&["name"]),
    ),
    ("api.batch.v1.JobStatus", "conditions", Map(&["type"])),
    (
        "api.batch.v1.PodFailurePolicyOnExitCodesRequirement",
        "values",
        Set,
    ),
    ("api.batch.v1.UncountedTerminatedPods", "failed", Set),
    ("api.batch.v1.UncountedTerminatedPods", "succeeded", Set),
    (
        "api.certificates.v1.CertificateSigningRequestStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.certificates.v1.PodCertificateRequestStatus",
        "conditions",
        Map(&["type"]),
    ),
    ("api.core.v1.ComponentStatus", "conditions", Map(&["type"])),
    ("api.core.v1.Container", "env", Map(&["name"])),
    (
        "api.core.v1.Container",
        "ports",
        Map(&["containerPort", "protocol"]),
    ),
    (
        "api.core.v1.Container",
        "volumeDevices",
        Map(&["devicePath"]),
    ),
    ("api.core.v1.Container", "volumeMounts", Map(&["mountPath"])),
    ("api.core.v1.ContainerRestartRuleOnExitCodes", "values", Set),
    (
        "api.core.v1.ContainerStatus",
        "allocatedResourcesStatus",
        Map(&["name"]),
    ),
    (
        "api.core.v1.ContainerStatus",
        "volumeMounts",
        Map(&["mountPath"]),
    ),
    ("api.core.v1.EphemeralContainer", "env", Map(&["name"])),
    (
        "api.core.v1.EphemeralContainer",
        "ports",
        Map(&["containerPort", "protocol"]),
    ),
    (
        "api.core.v1.EphemeralContainer",
        "volumeDevices",
        Map(&["devicePath"]),
    ),
    (
        "api.core.v1.EphemeralContainer",
        "volumeMounts",
        Map(&["mountPath"]),
    ),
    ("api.core.v1.NamespaceStatus", "conditions", Map(&["type"])),
    (
        "api.core.v1.NodeAllocatableResourceClaimStatus",
        "containers",
        Set,
    ),
    (
        "api.core.v1.NodeAllocatableResourceClaimStatus",
        "mapping",
        Map(&["name"]),
    ),
    (
        "api.core.v1.NodeAllocatableResourceClaimStatus",
        "overhead",
        Map(&["name"]),
    ),
    (
        "api.core.v1.NodePodPreemptionPolicy",
        "disableResizePreemption",
        Set,
    ),
    ("api.core.v1.NodeSpec", "podCIDRs", Set),
    ("api.core.v1.NodeStatus", "addresses", Map(&["type"])),
    ("api.core.v1.NodeStatus", "conditions", Map(&["type"])),
    (
        "api.core.v1.PersistentVolumeClaimStatus",
        "conditions",
        Map(&["type"]),
    ),
    ("api.core.v1.PodSpec", "containers", Map(&["name"])),
    ("api.core.v1.PodSpec", "ephemeralContainers", Map(&["name"])),
    ("api.core.v1.PodSpec", "evictionResponders", Map(&["name"])),
    ("api.core.v1.PodSpec", "hostAliases", Map(&["ip"])),
    ("api.core.v1.PodSpec", "imagePullSecrets", Map(&["name"])),
    ("api.core.v1.PodSpec", "initContainers", Map(&["name"])),
    ("api.core.v1.PodSpec", "resourceClaims", Map(&["name"])),
    ("api.core.v1.PodSpec", "schedulingGates", Map(&["name"])),
    (
        "api.core.v1.PodSpec",
        "topologySpreadConstraints",
        Map(&["topologyKey", "whenUnsatisfiable"]),
    ),
    ("api.core.v1.PodSpec", "volumes", Map(&["name"])),
    ("api.core.v1.PodStatus", "conditions", Map(&["type"])),
    (
        "api.core.v1.PodStatus",
        "nodeAllocatableResourceClaimStatuses",
        Map(&["resourceClaimName"]),
    ),
    ("api.core.v1.PodStatus", "podIPs", Map(&["ip"])),
    (
        "api.core.v1.PodStatus",
        "resourceClaimStatuses",
        Map(&["name"]),
    ),
    ("api.core.v1.PodStatus", "volumeHealth", Map(&["name"])),
    (
        "api.core.v1.PodVolumeHealth",
        "healthConditions",
        Map(&["status"]),
    ),
    (
        "api.core.v1.ReplicationControllerStatus",
        "conditions",
        Map(&["type"]),
    ),
    ("api.core.v1.ResourceRequirements", "claims", Map(&["name"])),
    (
        "api.core.v1.ResourceStatus",
        "resources",
        Map(&["resourceID"]),
    ),
    ("api.core.v1.ServiceAccount", "secrets", Map(&["name"])),
    (
        "api.core.v1.ServiceSpec",
        "ports",
        Map(&["port", "protocol"]),
    ),
    ("api.core.v1.ServiceStatus", "conditions", Map(&["type"])),
    (
        "api.core.v1.VolumeHealthStatus",
        "healthConditions",
        Map(&["status"]),
    ),
    ("api.core.v1.VolumeMount", "bindMountOptions", Set),
    ("api.discovery.v1.Endpoint", "addresses", Set),
    (
        "api.flowcontrol.v1.FlowSchemaStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.flowcontrol.v1.NonResourcePolicyRule",
        "nonResourceURLs",
        Set,
    ),
    ("api.flowcontrol.v1.NonResourcePolicyRule", "verbs", Set),
    (
        "api.flowcontrol.v1.PriorityLevelConfigurationStatus",
        "conditions",
        Map(&["type"]),
    ),
    ("api.flowcontrol.v1.ResourcePolicyRule", "apiGroups", Set),
    ("api.flowcontrol.v1.ResourcePolicyRule", "namespaces", Set),
    ("api.flowcontrol.v1.ResourcePolicyRule", "resources", Set),
    ("api.flowcontrol.v1.ResourcePolicyRule", "verbs", Set),
    (
        "api.networking.v1.ServiceCIDRStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.policy.v1.PodDisruptionBudgetStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.resource.v1.AllocatedDeviceStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.resource.v1.DeviceRequestAllocationResult",
        "skipNodeOperations",
        Set,
    ),
    (
        "api.resource.v1.DeviceTaintRuleStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "api.resource.v1.ResourceClaimStatus",
        "devices",
        Map(&["driver", "device", "pool", "shareID"]),
    ),
    (
        "api.resource.v1.ResourceClaimStatus",
        "reservedFor",
        Map(&["uid"]),
    ),
    (
        "api.resource.v1.ResourceSliceSpec",
        "skipNodeOperations",
        Set,
    ),
    ("api.storage.v1.CSIDriverSpec", "volumeLifecycleModes", Set),
    ("api.storage.v1.CSINodeSpec", "drivers", Map(&["name"])),
    (
        "api.storage.v1.CSINodeStatus",
        "storageHealth",
        Map(&["name"]),
    ),
    (
        "api.storagemigration.v1.StorageVersionMigrationStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus",
        "conditions",
        Map(&["type"]),
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
        "x-kubernetes-validations",
        Map(&["rule"]),
    ),
    (
        "apimachinery.pkg.apis.meta.v1.ObjectMeta",
        "finalizers",
        Set,
    ),
    (
        "apimachinery.pkg.apis.meta.v1.ObjectMeta",
        "ownerReferences",
        Map(&["uid"]),
    ),
    (
        "kube-aggregator.pkg.apis.apiregistration.v1.APIServiceStatus",
        "conditions",
        Map(&["type"]),
    ),
];

/// Strategic merge patches know one key only, and a few lists that server-side apply replaces.
/// `(type, field, patchMergeKey)`, where that is not the first key of [`LISTS`]. Sorted.
const PATCHED_OTHERWISE: &[(&str, &str, &str)] = &[
    ("api.core.v1.PodStatus", "hostIPs", "ip"),
    ("api.core.v1.ServiceAccount", "imagePullSecrets", "name"),
];

/// Types that are replaced as a whole: `structType=atomic`. Sorted.
const ATOMIC_TYPES: &[&str] = &[
    "api.admissionregistration.v1.MatchResources",
    "api.admissionregistration.v1.NamedRuleWithOperations",
    "api.admissionregistration.v1.ParamKind",
    "api.admissionregistration.v1.ParamRef",
    "api.autoscaling.v1.CrossVersionObjectReference",
    "api.core.v1.ConfigMapKeySelector",
    "api.core.v1.EndpointAddress",
    "api.core.v1.EndpointPort",
    "api.core.v1.LocalObjectReference",
    "api.core.v1.NodeSelector",
    "api.core.v1.NodeSelectorTerm",
    "api.core.v1.ObjectFieldSelector",
    "api.core.v1.ObjectReference",
    "api.core.v1.ResourceFieldSelector",
    "api.core.v1.ScopeSelector",
    "api.core.v1.SecretKeySelector",
    "api.core.v1.SecretReference",
    "api.core.v1.TopologySelectorTerm",
    "api.core.v1.TypedLocalObjectReference",
    "api.discovery.v1.EndpointPort",
    "api.rbac.v1.RoleRef",
    "api.rbac.v1.Subject",
    "apimachinery.pkg.apis.meta.v1.LabelSelector",
    "apimachinery.pkg.apis.meta.v1.OwnerReference",
];

/// Maps that are replaced as a whole: `mapType=atomic`. Sorted.
const ATOMIC_MAPS: &[(&str, &str)] = &[
    ("api.core.v1.PodSpec", "nodeSelector"),
    ("api.core.v1.ReplicationControllerSpec", "selector"),
    ("api.core.v1.ServiceSpec", "selector"),
    ("api.node.v1.Scheduling", "nodeSelector"),
];

/// How server-side apply merges a list. The type's name is written with `io.k8s.`.
pub(super) fn merge(type_name: &str, field: &str) -> Merge {
    match rule(type_name, field) {
        None => Merge::Atomic,
        Some(Set) => Merge::Set,
        Some(Map(keys)) => Merge::Map(keys.iter().map(|key| (*key).to_owned()).collect()),
    }
}

/// How a strategic merge patch merges a list: `None` replaces it, an empty key unites values.
pub(super) fn patch_key(type_name: &str, field: &str) -> Option<String> {
    let place = (short(type_name), field);
    if let Ok(found) = PATCHED_OTHERWISE.binary_search_by_key(&place, |(of, at, _)| (*of, *at)) {
        return Some(PATCHED_OTHERWISE[found].2.to_owned());
    }
    match rule(type_name, field)? {
        // The only values that are united are these; other sets carry no `patchStrategy`.
        Set if matches!(field, "finalizers" | "podCIDRs") => Some(String::new()),
        Set => None,
        Map(keys) => keys.first().map(|key| (*key).to_owned()),
    }
}

pub(super) fn is_atomic_type(type_name: &str) -> bool {
    ATOMIC_TYPES.binary_search(&short(type_name)).is_ok()
}

pub(super) fn is_atomic_map(type_name: &str, field: &str) -> bool {
    ATOMIC_MAPS
        .binary_search(&(short(type_name), field))
        .is_ok()
}

fn rule(type_name: &str, field: &str) -> Option<Rule> {
    let place = (short(type_name), field);
    let found = LISTS
        .binary_search_by_key(&place, |(of, at, _)| (*of, *at))
        .ok()?;
    Some(LISTS[found].2)
}

fn short(type_name: &str) -> &str {
    type_name.strip_prefix("io.k8s.").unwrap_or(type_name)
}

/// Every place the tables name, to hold them to the schemas.
#[cfg(test)]
pub(super) fn places() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lists = LISTS.iter().map(|(of, at, _)| (*of, *at));
    let patched = PATCHED_OTHERWISE.iter().map(|(of, at, _)| (*of, *at));
    lists.chain(patched).chain(ATOMIC_MAPS.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_so_that_they_can_be_searched() {
        assert!(LISTS.is_sorted_by_key(|(of, at, _)| (*of, *at)));
        assert!(PATCHED_OTHERWISE.is_sorted());
        assert!(ATOMIC_TYPES.is_sorted());
        assert!(ATOMIC_MAPS.is_sorted());
    }
}
