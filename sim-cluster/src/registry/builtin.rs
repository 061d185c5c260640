//! The resources that are always there.

use std::sync::OnceLock;

use super::Served;
use crate::resource::{Resource, ResourceId, Scale};

/// One line of the table below.
struct Line {
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    short: &'static str,
    /// `n` namespaced, `s` has a status, `g` counts generations, `r` has a scale, `a` in category
    /// `all`, `q` is only a question.
    traits: &'static str,
    selectable: &'static str,
}

const fn line(
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    short: &'static str,
    traits: &'static str,
    selectable: &'static str,
) -> Line {
    Line {
        group,
        plural,
        kind,
        short,
        traits,
        selectable,
    }
}

const EVENT_FIELDS: &str = "involvedObject.kind involvedObject.namespace involvedObject.name \
    involvedObject.uid involvedObject.apiVersion involvedObject.resourceVersion \
    involvedObject.fieldPath reason reportingComponent source type";

const POD_FIELDS: &str = "spec.nodeName spec.restartPolicy spec.schedulerName \
    spec.serviceAccountName spec.hostNetwork status.phase status.podIP status.nominatedNodeName";

/// Names, short names and selectable fields follow `kubectl api-resources` and the conversion
/// functions of `k8s.io/kubernetes/pkg/apis`.
const LINES: &[Line] = &[
    line("", "bindings", "Binding", "", "nq", ""),
    line("", "configmaps", "ConfigMap", "cm", "n", ""),
    line("", "endpoints", "Endpoints", "ep", "n", ""),
    line("", "events", "Event", "ev", "n", EVENT_FIELDS),
    line("", "limitranges", "LimitRange", "limits", "n", ""),
    line("", "namespaces", "Namespace", "ns", "s", "status.phase"),
    line("", "nodes", "Node", "no", "s", "spec.unschedulable"),
    line(
        "",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "pvc",
        "ns",
        "",
    ),
    line("", "persistentvolumes", "PersistentVolume", "pv", "s", ""),
    line("", "pods", "Pod", "po", "nsga", POD_FIELDS),
    line("", "podtemplates", "PodTemplate", "", "n", ""),
    line(
        "",
        "replicationcontrollers",
        "ReplicationController",
        "rc",
        "nsgra",
        "status.replicas",
    ),
    line("", "resourcequotas", "ResourceQuota", "quota", "ns", ""),
    line("", "secrets", "Secret", "", "n", "type"),
    line("", "serviceaccounts", "ServiceAccount", "sa", "n", ""),
    line(
        "",
        "services",
        "Service",
        "svc",
        "nsa",
        "spec.clusterIP spec.type",
    ),
    line(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "crd crds",
        "sg",
        "",
    ),
    line(
        "apps",
        "controllerrevisions",
        "ControllerRevision",
        "",
        "n",
        "",
    ),
    line("apps", "daemonsets", "DaemonSet", "ds", "nsga", ""),
    line("apps", "deployments", "Deployment", "deploy", "nsgra", ""),
    line(
        "apps",
        "replicasets",
        "ReplicaSet",
        "rs",
        "nsgra",
        "status.replicas",
    ),
    line("apps", "statefulsets", "StatefulSet", "sts", "nsgra", ""),
    line(
        "authentication.k8s.io",
        "selfsubjectreviews",
        "SelfSubjectReview",
        "",
        "q",
        "",
    ),
    line(
        "authentication.k8s.io",
        "tokenreviews",
        "TokenReview",
        "",
        "q",
        "",
    ),
    line(
        "authorization.k8s.io",
        "localsubjectaccessreviews",
        "LocalSubjectAccessReview",
        "",
        "nq",
        "",
    ),
    line(
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        "",
        "q",
        "",
    ),
    line(
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        "",
        "q",
        "",
    ),
    line(
        "authorization.k8s.io",
        "subjectaccessreviews",
        "SubjectAccessReview",
        "",
        "q",
        "",
    ),
    line(
        "autoscaling",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "hpa",
        "nsa",
        "",
    ),
    line("batch", "cronjobs", "CronJob", "cj", "nsga", ""),
    line("batch", "jobs", "Job", "", "nsga", "status.successful"),
    line("coordination.k8s.io", "leases", "Lease", "", "n", ""),
    line(
        "discovery.k8s.io",
        "endpointslices",
        "EndpointSlice",
        "",
        "n",
        "",
    ),
    line(
        "events.k8s.io",
        "events",
        "Event",
        "ev",
        "n",
        "regarding.kind regarding.namespace regarding.name regarding.uid reason reportingController type",
    ),
    line(
        "networking.k8s.io",
        "ingressclasses",
        "IngressClass",
        "",
        "",
        "",
    ),
    line(
        "networking.k8s.io",
        "ingresses",
        "Ingress",
        "ing",
        "nsg",
        "",
    ),
    line(
        "networking.k8s.io",
        "networkpolicies",
        "NetworkPolicy",
        "netpol",
        "ng",
        "",
    ),
    line(
        "policy",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "pdb",
        "nsg",
        "",
    ),
    line(
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        "ClusterRoleBinding",
        "",
        "",
        "",
    ),
    line(
        "rbac.authorization.k8s.io",
        "clusterroles",
        "ClusterRole",
        "",
        "",
        "",
    ),
    line(
        "rbac.authorization.k8s.io",
        "rolebindings",
        "RoleBinding",
        "",
        "n",
        "",
    ),
    line("rbac.authorization.k8s.io", "roles", "Role", "", "n", ""),
    line(
        "scheduling.k8s.io",
        "priorityclasses",
        "PriorityClass",
        "pc",
        "",
        "",
    ),
    line(
        "storage.k8s.io",
        "storageclasses",
        "StorageClass",
        "sc",
        "",
        "",
    ),
];

pub(super) fn all() -> impl Iterator<Item = Served> {
    LINES.iter().map(served)
}

fn served(line: &Line) -> Served {
    let id = ResourceId {
        group: line.group.to_owned(),
        plural: line.plural.to_owned(),
    };
    let has = |letter| line.traits.contains(letter);
    let version = match line.group {
        "autoscaling" => "v2",
        _ => "v1",
    };
    let stored_as = match line.group {
        "events.k8s.io" => ResourceId::of("events"),
        _ => id.clone(),
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Served {
        resource: Resource {
            id,
            version: version.to_owned(),
            kind: line.kind.to_owned(),
            singular: line.kind.to_lowercase(),
            short_names: words(line.short),
            categories: words(if has('a') { "all" } else { "" }),
            namespaced: has('n'),
            has_status: has('s'),
            scale: has('r').then(|| Scale {
                spec_replicas: ".spec.replicas".to_owned(),
                status_replicas: ".status.replicas".to_owned(),
                label_selector: None,
            }),
            columns: Vec::new(),
            selectable: words(line.selectable),
        },
        stored_as,
        counts_generations: has('g'),
        is_question: has('q'),
        storage_version: version.to_owned(),
        custom: None,
        shape: OnceLock::new(),
    }
}
