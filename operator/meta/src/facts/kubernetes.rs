//! Facts from what a Kubernetes client receives.
//!
//! Only small strings are taken over, so that a cache of facts is a fraction of a cache of objects.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Namespace, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{
    ContainerFacts, NamespaceFacts, NodeFacts, OwnerFacts, Phase, PodFacts, WorkloadFacts,
};
use crate::owner::WorkloadKind;

/// What `kubectl apply` keeps in an annotation is a copy of the whole object: of no use here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl From<&Pod> for PodFacts {
    fn from(pod: &Pod) -> PodFacts {
        let spec = pod.spec.as_ref();
        let status = pod.status.as_ref();
        let statuses: Vec<&ContainerStatus> = status
            .into_iter()
            .flat_map(|it| {
                let kinds = [&it.container_statuses, &it.init_container_statuses];
                kinds.into_iter().flatten().flatten()
            })
            .collect();
        let containers = spec.into_iter().flat_map(|spec| {
            let init = spec.init_containers.iter().flatten();
            spec.containers.iter().chain(init)
        });
        let containers = containers.map(|container| {
            let status = statuses.iter().find(|it| it.name == container.name);
            ContainerFacts {
                name: container.name.clone(),
                image: container.image.clone().unwrap_or_default(),
                id: status
                    .and_then(|it| it.container_id.as_deref())
                    .map(|id| id.split_once("://").map_or(id, |(_, id)| id).to_owned())
                    .unwrap_or_default(),
            }
        });
        PodFacts {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            annotations: annotations(&pod.metadata),
            controller: controller(&pod.metadata),
            node: spec.and_then(|it| it.node_name.clone()),
            ip: status.and_then(|it| it.pod_ip.clone()),
            start_time: status
                .and_then(|it| it.start_time.as_ref())
                .map(|it| it.0.to_string()),
            phase: match status.and_then(|it| it.phase.as_deref()) {
                Some("Pending") => Phase::Pending,
                Some("Running") => Phase::Running,
                Some("Succeeded") => Phase::Succeeded,
                Some("Failed") => Phase::Failed,
                _ => Phase::Unknown,
            },
            containers: containers.collect(),
        }
    }
}

impl From<&Namespace> for NamespaceFacts {
    fn from(namespace: &Namespace) -> NamespaceFacts {
        NamespaceFacts::from(&namespace.metadata)
    }
}

impl From<&ObjectMeta> for NamespaceFacts {
    fn from(metadata: &ObjectMeta) -> NamespaceFacts {
        NamespaceFacts {
            name: metadata.name.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
            annotations: annotations(metadata),
        }
    }
}

impl From<&Node> for NodeFacts {
    fn from(node: &Node) -> NodeFacts {
        NodeFacts {
            name: node.metadata.name.clone().unwrap_or_default(),
            uid: node.metadata.uid.clone().unwrap_or_default(),
            provider_id: node.spec.as_ref().and_then(|it| it.provider_id.clone()),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            annotations: annotations(&node.metadata),
        }
    }
}

impl WorkloadFacts {
    pub fn new(kind: WorkloadKind, metadata: &ObjectMeta) -> WorkloadFacts {
        WorkloadFacts {
            kind,
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
            annotations: annotations(metadata),
        }
    }
}

impl From<&OwnerReference> for OwnerFacts {
    fn from(owner: &OwnerReference) -> OwnerFacts {
        OwnerFacts {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        }
    }
}

fn controller(metadata: &ObjectMeta) -> Option<OwnerFacts> {
    let owners = metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.next().map(OwnerFacts::from)
}

fn annotations(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    let all = metadata.annotations.iter().flatten();
    let kept = all.filter(|(key, _)| *key != LAST_APPLIED);
    kept.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
