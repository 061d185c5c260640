//! What is known of the objects around a pod, reduced to what the decisions need.
//!
//! Small own types rather than Kubernetes' own: the agent keeps thousands of them, and tests write
//! them down. [`kubernetes`] makes them from what a client receives.

pub mod kubernetes;

use std::collections::BTreeMap;

use crate::owner::{OwnerChain, WorkloadKind};
use crate::source::Of;
use crate::text::Metadata;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The one owner that controls it.
    pub controller: Option<OwnerFacts>,
    pub node: Option<String>,
    pub ip: Option<String>,
    /// RFC 3339.
    pub start_time: Option<String>,
    pub phase: Phase,
    /// Init containers and sidecars too.
    pub containers: Vec<ContainerFacts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Unknown,
    Pending,
    Running,
    Succeeded,
    Failed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFacts {
    pub name: String,
    /// As the pod asks for it: `registry/cart:1.4`.
    pub image: String,
    /// `containerd://…`, without the scheme; empty before it runs.
    pub id: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerFacts {
    /// `apps/v1`.
    pub api_version: String,
    /// `ReplicaSet`.
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// What the pod belongs to, when somebody has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadFacts {
    pub kind: WorkloadKind,
    pub name: String,
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub name: String,
    pub uid: String,
    /// `spec.providerID`.
    pub provider_id: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// What no object of the cluster says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// From a setting; a cluster does not know its own name.
    pub name: Option<String>,
    /// UID of the namespace `kube-system`.
    pub uid: Option<String>,
}

/// A pod with all that is known around it. What is not known (yet) is simply not considered.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub pod: &'a PodFacts,
    pub workload: Option<&'a WorkloadFacts>,
    pub namespace: Option<&'a NamespaceFacts>,
    pub node: Option<&'a NodeFacts>,
    pub cluster: &'a ClusterFacts,
}

impl<'a> Subject<'a> {
    /// What the pod belongs to, by the rules of names: see [`OwnerChain::of`].
    pub fn owner(&self) -> OwnerChain {
        OwnerChain::of(self.pod)
    }

    pub(crate) fn pod_metadata(&self) -> Metadata<'a> {
        Metadata {
            of: Of::Pod,
            labels: &self.pod.labels,
            annotations: &self.pod.annotations,
        }
    }

    pub(crate) fn workload_metadata(&self) -> Option<Metadata<'a>> {
        self.workload.map(|workload| Metadata {
            of: Of::Workload(workload.kind),
            labels: &workload.labels,
            annotations: &workload.annotations,
        })
    }

    pub(crate) fn namespace_metadata(&self) -> Option<Metadata<'a>> {
        self.namespace.map(|namespace| Metadata {
            of: Of::Namespace,
            labels: &namespace.labels,
            annotations: &namespace.annotations,
        })
    }

    pub(crate) fn node_metadata(&self) -> Option<Metadata<'a>> {
        self.node.map(|node| Metadata {
            of: Of::Node,
            labels: &node.labels,
            annotations: &node.annotations,
        })
    }

    /// Pod, workload, namespace: the first that says something wins.
    pub(crate) fn nearest_first(&self) -> impl Iterator<Item = Metadata<'a>> + use<'a> {
        [
            Some(self.pod_metadata()),
            self.workload_metadata(),
            self.namespace_metadata(),
        ]
        .into_iter()
        .flatten()
    }
}
