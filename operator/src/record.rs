//! What is kept of each object of the cluster: a fraction of it.
//!
//! Objects are turned into records where they arrive and dropped at once, so that thousands of pods
//! cost a few megabytes.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Node, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use operator_meta::facts::{NamespaceFacts, NodeFacts, PodFacts, WorkloadFacts};
use operator_meta::owner::WorkloadKind;

use crate::key::Key;
use crate::table::Row;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRecord {
    pub facts: PodFacts,
    pub ready: bool,
    pub deleting: bool,
    /// Why and since when, of pods that the kubelet or the node's drain put out.
    pub evicted: Option<(String, Option<Timestamp>)>,
    pub containers: Vec<ContainerRecord>,
    /// ConfigMaps that its containers read.
    pub config_maps: Vec<String>,
}

/// What containers of a pod went through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerRecord {
    pub name: String,
    pub restarts: i32,
    /// How the run before this one ended.
    pub ended: Option<Ended>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// `OOMKilled`, `Error`, `Completed`.
    pub reason: String,
    pub exit_code: i32,
    pub at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NodeRecord {
    pub facts: NodeFacts,
    pub cordoned: bool,
    /// By type; `Ready` is well when true, all others when false.
    pub conditions: Vec<NodeCondition>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NodeCondition {
    pub type_: String,
    pub status: String,
    pub reason: String,
    pub since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceRecord {
    pub facts: NamespaceFacts,
}

/// A Deployment, StatefulSet, DaemonSet, CronJob or Job.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadRecord {
    pub namespace: String,
    pub facts: WorkloadFacts,
    pub generation: i64,
    /// None where the kind has no such number, or its metadata alone is watched.
    pub replicas: Option<i32>,
    /// Which rollout it is, in whatever way the kind counts them.
    pub revision: Option<String>,
    /// Of its first container.
    pub image: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConfigMapRecord {
    pub key: Key,
    pub uid: String,
    pub resource_version: String,
}

impl Row for PodRecord {
    fn key(&self) -> Key {
        Key::new(&self.facts.namespace, &self.facts.name)
    }
}

impl Row for NodeRecord {
    fn key(&self) -> Key {
        Key::new("", &self.facts.name)
    }
}

impl Row for NamespaceRecord {
    fn key(&self) -> Key {
        Key::new("", &self.facts.name)
    }
}

impl Row for WorkloadRecord {
    fn key(&self) -> Key {
        Key::new(&self.namespace, &self.facts.name)
    }
}

impl Row for ConfigMapRecord {
    fn key(&self) -> Key {
        self.key.clone()
    }
}

impl From<&Pod> for PodRecord {
    fn from(pod: &Pod) -> PodRecord {
        let status = pod.status.as_ref();
        let ready = status
            .and_then(|it| it.conditions.as_ref())
            .into_iter()
            .flatten()
            .any(|it| it.type_ == "Ready" && it.status == "True");
        let statuses = status.and_then(|it| it.container_statuses.as_ref());
        PodRecord {
            facts: PodFacts::from(pod),
            ready,
            deleting: pod.metadata.deletion_timestamp.is_some(),
            evicted: evicted(pod),
            containers: statuses.into_iter().flatten().map(container).collect(),
            config_maps: pod.spec.as_ref().map(config_maps).unwrap_or_default(),
        }
    }
}

fn container(status: &ContainerStatus) -> ContainerRecord {
    let now = status.state.as_ref().and_then(|it| it.terminated.as_ref());
    let last = status.last_state.as_ref();
    let ended = last.and_then(|it| it.terminated.as_ref()).or(now);
    ContainerRecord {
        name: status.name.clone(),
        restarts: status.restart_count,
        ended: ended.map(|it| Ended {
            reason: it.reason.clone().unwrap_or_default(),
            exit_code: it.exit_code,
            at: it.finished_at.as_ref().map(|at| at.0),
        }),
    }
}

/// <https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions>
fn evicted(pod: &Pod) -> Option<(String, Option<Timestamp>)> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let target = conditions.find(|it| it.type_ == "DisruptionTarget" && it.status == "True");
    if let Some(condition) = target {
        let at = condition.last_transition_time.as_ref().map(|at| at.0);
        return Some((condition.reason.clone().unwrap_or_default(), at));
    }
    (status.reason.as_deref() == Some("Evicted")).then(|| ("Evicted".to_owned(), None))
}

/// In every Kubernetes namespace, and never changed by anyone's hand.
const ROOT_CERTIFICATE: &str = "kube-root-ca.crt";

fn config_maps(spec: &PodSpec) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for volume in spec.volumes.iter().flatten() {
        names.extend(volume.config_map.as_ref().map(|it| it.name.clone()));
        let sources = volume.projected.iter().flat_map(|it| it.sources.iter());
        for source in sources.flatten() {
            names.extend(source.config_map.as_ref().map(|it| it.name.clone()));
        }
    }
    let init = spec.init_containers.iter().flatten();
    for container in spec.containers.iter().chain(init) {
        let Container { env_from, env, .. } = container;
        for source in env_from.iter().flatten() {
            names.extend(source.config_map_ref.as_ref().map(|it| it.name.clone()));
        }
        for variable in env.iter().flatten() {
            let from = variable.value_from.as_ref();
            let reference = from.and_then(|it| it.config_map_key_ref.as_ref());
            names.extend(reference.map(|it| it.name.clone()));
        }
    }
    names.retain(|name| !name.is_empty() && name != ROOT_CERTIFICATE);
    names.sort();
    names.dedup();
    names
}

impl From<&Node> for NodeRecord {
    fn from(node: &Node) -> NodeRecord {
        let conditions = node.status.as_ref().and_then(|it| it.conditions.as_ref());
        let conditions = conditions.into_iter().flatten().map(|it| NodeCondition {
            type_: it.type_.clone(),
            status: it.status.clone(),
            reason: it.reason.clone().unwrap_or_default(),
            since: it.last_transition_time.as_ref().map(|at| at.0),
        });
        let unschedulable = node.spec.as_ref().and_then(|it| it.unschedulable);
        NodeRecord {
            facts: NodeFacts::from(node),
            cordoned: unschedulable == Some(true),
            conditions: conditions.collect(),
        }
    }
}

impl NamespaceRecord {
    pub(crate) fn new(metadata: &ObjectMeta) -> NamespaceRecord {
        NamespaceRecord {
            facts: NamespaceFacts::from(metadata),
        }
    }
}

/// What the Deployment controller counts rollouts by.
const REVISION: &str = "deployment.kubernetes.io/revision";

impl WorkloadRecord {
    pub(crate) fn of_metadata(kind: WorkloadKind, metadata: &ObjectMeta) -> WorkloadRecord {
        WorkloadRecord {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            facts: WorkloadFacts::new(kind, metadata),
            generation: metadata.generation.unwrap_or_default(),
            replicas: None,
            revision: None,
            image: None,
        }
    }

    pub(crate) fn of_deployment(deployment: &Deployment) -> WorkloadRecord {
        let metadata = &deployment.metadata;
        let spec = &deployment.spec;
        let annotations = metadata.annotations.as_ref();
        WorkloadRecord {
            replicas: spec.replicas,
            revision: annotations.and_then(|it| it.get(REVISION).cloned()),
            image: spec.template.spec.as_ref().and_then(image),
            ..WorkloadRecord::of_metadata(WorkloadKind::Deployment, metadata)
        }
    }

    pub(crate) fn of_stateful_set(set: &StatefulSet) -> WorkloadRecord {
        let spec = &set.spec;
        let status = set.status.as_ref();
        WorkloadRecord {
            replicas: spec.replicas,
            revision: status.and_then(|it| it.update_revision.clone()),
            image: spec.template.spec.as_ref().and_then(image),
            ..WorkloadRecord::of_metadata(WorkloadKind::StatefulSet, &set.metadata)
        }
    }

    /// Its revisions are objects of their own; the image stands for them.
    pub(crate) fn of_daemon_set(set: &DaemonSet) -> WorkloadRecord {
        let image = set.spec.template.spec.as_ref().and_then(image);
        WorkloadRecord {
            revision: image.clone(),
            image,
            ..WorkloadRecord::of_metadata(WorkloadKind::DaemonSet, &set.metadata)
        }
    }
}

fn image(spec: &PodSpec) -> Option<String> {
    spec.containers.first()?.image.clone()
}

impl ConfigMapRecord {
    pub(crate) fn new(metadata: &ObjectMeta) -> ConfigMapRecord {
        ConfigMapRecord {
            key: Key::of(metadata),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

impl Row for crds::MonitoredApi {
    fn key(&self) -> Key {
        Key::of(&self.metadata)
    }
}

impl Row for crds::AlertPolicy {
    fn key(&self) -> Key {
        Key::of(&self.metadata)
    }
}

impl Row for crds::MaintenanceWindow {
    fn key(&self) -> Key {
        Key::of(&self.metadata)
    }
}
